"""The table of subcommands and what their help says."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest

from queuectl.cli.app import SECTIONS
from queuectl.cli.help import Entry
from queuectl.cli.reference import every_command

ENTRIES = [entry for _, entries in SECTIONS for entry in entries]


def target(entry: Entry) -> Any:
    module, _, attribute = entry.place.partition(":")
    return getattr(import_module(module), attribute)


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])
def test_the_main_help_says_what_the_subcommand_says(entry: Entry) -> None:
    thing = target(entry)
    text = thing.info.help if hasattr(thing, "info") else inspect.getdoc(thing)
    first = str(text).split("\n")[0]
    start = entry.sentence.rstrip(".")
    assert first.startswith(start)


@pytest.mark.parametrize(
    ("name", "command"), [(name, made) for name, made, _ in every_command()], ids=lambda each: str(each)[:40]
)
def test_every_command_has_examples_and_help_for_each_option(name: str, command: Any) -> None:
    assert f"queuectl {name}" in command.help
    assert "Examples:" in command.help
    for option in command.params:
        assert option.help, f"{name} {option.name}"
