"""Completion: in the shells that are there as somebody types, and as the shells ask, whatever the database does."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from queuectl.errors import ExitCode
from tests.support.cli import PROGRAMS, UNREACHABLE_PORT, CommandLine, Result
from tests.support.guard import guard

URL = "https://example.com/article"
SHELLS = {
    "bash": ["--noprofile", "-i"],
    "zsh": ["-i"],
    "fish": ["-i"],
}


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """Make a home with a schedule, a batch, a task and a handler."""
    folder = guard.new_folder()
    cli = CommandLine(folder)
    (folder / "urls.txt").write_text(f"{URL}\n")
    cli.configure('[handlers.thumbnail]\ncommand = ["true"]\n')
    cli("batch", "urls.txt").ok()
    cli("schedule", "add", "file://urls.txt", "--cron", "@daily", "--name", "daily_urls").ok()
    yield folder
    guard.remove_folder(folder)


@pytest.fixture
def prepared(cli: CommandLine, template: Path) -> CommandLine:
    """Give the command line in a copy of that home."""
    shutil.copytree(template, cli.home, dirs_exist_ok=True)
    return cli


def ask(cli: CommandLine, line: str, shell: str = "bash") -> Result:
    """Ask what the last word of a line could become, as a shell's script asks."""
    before = dict(cli.variables)
    cli.variables |= {"_QUEUECTL_COMPLETE": shell, "_QUEUECTL_WORDS": line.replace(" ", "\n")}
    try:
        return cli()
    finally:
        cli.variables = before


@pytest.mark.parametrize(
    ("line", "proposals"),
    [
        ("queuectl sta", "status"),
        ("queuectl queue p", "pause"),
        ("queuectl list --sta", "--state"),
        ("queuectl list --state d", "dispatched dead"),
        ("queuectl list --js", "--json"),
        ("queuectl --json list --queue ba", "background"),
        ("queuectl queue pause u", "urgent"),
        ("queuectl queue set low max_s", "max_size="),
        ("queuectl submit -p h", "high"),
        ("queuectl submit --handler t", "thumbnail"),
        ("queuectl schedule add --handler ", "article thumbnail"),
        ("queuectl schedule pause d", "daily_urls"),
        ("queuectl list --batch b", "batch_1"),
        ("queuectl batch-status ", "batch_1"),
        ("queuectl show t", "task_1"),
        ("queuectl cancel ", "task_1"),
        ("queuectl dead show ", ""),
        ("queuectl --home ", ""),
    ],
)
def test_names_are_proposed(prepared: CommandLine, line: str, proposals: str) -> None:
    result = ask(prepared, line).ok()
    assert (result.ids, result.err) == (proposals.split(), "")


def test_the_home_on_the_line_counts(prepared: CommandLine, tmp_path: Path) -> None:
    here = prepared.home
    prepared.home = tmp_path
    assert ask(prepared, "queuectl schedule show ").ok().ids == []
    assert ask(prepared, f"queuectl --home {here} schedule show ").ok().ids == ["daily_urls"]


def test_nothing_is_made_by_asking(cli: CommandLine) -> None:
    for line in ("queuectl show t", "queuectl schedule pause ", "queuectl batch-status "):
        assert ask(cli, line).ok().out == ""
    assert list(cli.home.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "trouble", ["postgresql://nobody@127.0.0.1:{port}/x", "postgresql://u@192.0.2.1/x", "mistake", "rubbish"]
)
def test_no_error_ever_gets_into_the_shell(cli: CommandLine, shell: str, trouble: str) -> None:
    if trouble == "mistake":
        cli.configure("workers = [")
    elif trouble == "rubbish":
        (cli.home / "queuectl.db").write_bytes(b"this is no database" * 100)
    else:
        cli.variables["DATABASE_URL"] = trouble.format(port=UNREACHABLE_PORT)
    began = time.monotonic()
    result = ask(cli, "queuectl show t", shell)
    assert (result.code, result.out, result.err) == (0, "", "")
    assert time.monotonic() - began < 30
    assert "status" in ask(cli, "queuectl statu", shell).out


def test_a_name_that_a_shell_would_read_otherwise_is_not_proposed(cli: CommandLine) -> None:
    cli.configure('[handlers."$(touch x)"]\ncommand = ["true"]\n[handlers.plain]\ncommand = ["true"]\n')
    for shell in SHELLS:
        assert "touch" not in ask(cli, "queuectl submit --handler ", shell).out


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shutil.which(shell)])
def test_it_works_in_a_shell_that_installed_it(prepared: CommandLine, shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    assert program is not None
    variables = prepared.environment() | {"HOME": str(tmp_path), "TERM": "dumb", "SHELL": program}
    variables["PATH"] = f"{PROGRAMS}:{variables['PATH']}"
    variables.pop("XDG_CONFIG_HOME")

    def start() -> pexpect.spawn[str]:
        return pexpect.spawn(
            program, SHELLS[shell], env=variables, encoding="utf-8", timeout=30, dimensions=(24, 200)
        )

    with start() as first:
        first.send("queuectl --install-completion\r")
        first.expect("the completion for .* is in")
        first.send("exit\r")
        first.expect(pexpect.EOF)
    with start() as second:
        second.send("queuectl --json schedule show dai\t")
        second.expect("daily_urls")
        second.send("\r")
        second.expect('"version": 1')
        second.send("exit\r")
        second.expect(pexpect.EOF)


@pytest.mark.parametrize(("shell", "start_up"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_a_start_up_file_of_another_encoding_is_only_added_to(
    cli: CommandLine, shell: str, start_up: str, tmp_path: Path
) -> None:
    cli.variables["HOME"] = str(tmp_path)
    before = "# für später".encode("latin-1")
    (tmp_path / start_up).write_bytes(before)
    for _ in range(2):
        script = cli("--install-completion", shell).ok().out.split()[-1]
        assert Path(script).is_file()
        after = (tmp_path / start_up).read_bytes()
        assert after.startswith(before + b"\n")
        assert after.count(b"\n") == 2


def test_a_shell_is_told_of_no_script_that_could_not_be_written(cli: CommandLine, tmp_path: Path) -> None:
    cli.variables["HOME"] = str(tmp_path)
    (tmp_path / ".bash_completions").touch()
    assert "cannot be written" in cli("--install-completion", "bash").error(ExitCode.UNREACHABLE)
    assert not (tmp_path / ".bashrc").exists()
