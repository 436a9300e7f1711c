"""The reference of all commands is made from what the commands say, and is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from queuectl.cli.app import SECTIONS, app, main
from queuectl.cli.help import built
from queuectl.cli.reference import Command, every_command, reference
from queuectl.errors import ExitCode

FILE = Path(__file__).parents[3] / "docs" / "cli.md"
GROUPS = sorted(
    {command.name.split()[0] for command in every_command()} - {command.name for command in every_command()}
)


def test_the_file_says_what_the_commands_say() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run: make docs"


def test_every_entry_of_the_main_help_is_described() -> None:
    described = {command.name.split()[0] for command in every_command()}
    assert described == {entry.name for _, entries in SECTIONS for entry in entries}


@pytest.mark.parametrize("command", list(every_command()), ids=lambda command: command.name)
def test_every_command_is_there_with_its_examples_and_options(command: Command) -> None:
    name, made, context = command
    text = FILE.read_text(encoding="utf-8")
    part = text.split(f"### queuectl {name}\n")[1].split("\n##")[0]
    assert f"$ queuectl {name}" in part
    for each in made.get_params(context):
        if each.name != "help":
            assert each.opts[-1] in part if each.param_type_name == "option" else each.metavar in part


@pytest.mark.parametrize("group", GROUPS)
def test_the_help_of_a_group_has_examples(group: str) -> None:
    main = built(app)
    top = main.context_class(main, info_name="queuectl")
    made = main.get_command(top, group)
    text = made.get_help(made.context_class(made, info_name=group, parent=top))
    assert f"queuectl {group} " in text.split("Examples:\n")[1]


@pytest.mark.parametrize("name", [*(command.name for command in every_command()), *GROUPS])
def test_a_mistyped_option_is_refused_by_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([*name.split(), "--no-such-option"])
    said = capsys.readouterr()
    assert (code, said.out) == (ExitCode.USAGE, "")
    assert "--no-such-option" in said.err.splitlines()[0]
    assert said.err.splitlines()[1].startswith("hint: ")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("statsu", "did you mean status?"),
        ("queue lst", "did you mean list?"),
        ("schedule preveiw", "did you mean preview?"),
        ("submit http://a.test --prioritty high", "did you mean --priority?"),
        ("list --stat dead", "did you mean --state?"),
        ("daemon start --worker 3", "did you mean --workers?"),
    ],
)
def test_what_was_meant_is_proposed(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == ExitCode.USAGE
    assert meant in capsys.readouterr().err
