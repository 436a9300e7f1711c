"""The global options work before and after the subcommand."""

from __future__ import annotations

from pathlib import Path

import pytest

from queuectl.cli.options import GlobalOptions, take_global_options
from queuectl.errors import InvalidInputError


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "--home", "h", "show", "1"],
        ["show", "--json", "--home", "h", "1"],
        ["show", "1", "--home=h", "--json"],
    ],
)
def test_they_are_found_wherever_they_stand(arguments: list[str]) -> None:
    assert take_global_options(arguments) == (GlobalOptions(home=Path("h"), json=True), ["show", "1"])


def test_what_follows_two_dashes_is_left_alone() -> None:
    options, rest = take_global_options(["submit", "-q", "--", "--json", "--home"])
    assert options == GlobalOptions(quiet=True)
    assert rest == ["submit", "--", "--json", "--home"]


@pytest.mark.parametrize("arguments", [["--home"], ["list", "--home="], ["--config", ""], ["--home", "a\0b"]])
def test_an_option_without_its_value_is_refused(arguments: list[str]) -> None:
    with pytest.raises(InvalidInputError, match="needs a value"):
        take_global_options(arguments)
