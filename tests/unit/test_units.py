"""The units in ``systemd/``, for those who look before they install: equal to what would be written, and explained."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from queuectl.operations.systemd.rendering import UNITS, Installation, account_file, rendered

FOLDER = Path(__file__).parents[2] / "systemd"
STANDARD = Installation(Path("/opt/queuectl/bin/python"))


def test_the_units_that_can_be_read_here_are_those_that_are_installed() -> None:
    texts = rendered(STANDARD) | {"sysusers.d/queuectl.conf": account_file()}
    if "WRITE_UNITS" in os.environ:
        for name, text in texts.items():
            (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_text(text, encoding="utf-8")
    assert {name: (FOLDER / name).read_text(encoding="utf-8") for name in texts} == texts


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("is_system", [True, False])
def test_nothing_is_left_to_be_filled_in(name: str, is_system: bool) -> None:
    text = rendered(Installation(Path("/usr/bin/python3"), Path("/home/me"), is_system=is_system))[name]
    assert re.findall(r"@[A-Z_]+@", text) == []
    assert text.startswith("# Written by: queuectl systemd install --")


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith("service")])
def test_every_line_of_the_hardening_has_its_reason_before_it(name: str) -> None:
    hardening = rendered(STANDARD)[name].partition("# What follows takes away")[2].partition("[Install]")[0]
    lines = hardening.splitlines()
    settings = [number for number, line in enumerate(lines) if re.match(r"[A-Z]\w+=", line)]
    assert len(settings) > 25
    assert [lines[number] for number in settings if not lines[number - 1].startswith("# ")] == []
