"""The main screens at 80 and at 120 columns are those in the folder ``golden``; only what clocks write is steadied.

``RENEW_GOLDEN=1`` writes the files anew; look at the difference before it is committed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.support.cli import CommandLine
from tests.support.sample_home import sample_home, steady
from tests.support.terminal import terminal

GOLDEN = Path(__file__).parent / "golden"
SIZES = ((80, 24), (120, 40))
COMMANDS = {
    "help-top": "top --help",
    "status": "status",
    "list": "list",
    "show-waiting": "show 1",
    "show-dead": "show 5",
    "explain": "explain 7",
    "queue-list": "queue list",
    "queue-show": "queue show low",
    "dead-list": "dead list",
    "dead-groups": "dead list --group",
    "dead-show": "dead show 1",
    "batch-status": "batch-status 1",
    "daemon-status": "daemon status",
    "cancel": "cancel --queue medium --dry-run",
    "wrong-command": "sumbit",
}


def test_the_screens_are_those_that_were_agreed_on() -> None:
    with sample_home(title="Rain\x1b[31m [/red]\u202e") as cli:
        seen = dict(_screens(cli))
    if os.environ.get("RENEW_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        for old in GOLDEN.glob("*.txt"):
            old.unlink()
        for name, text in seen.items():
            (GOLDEN / name).write_text(text, encoding="utf-8")
    kept = {file.name: file.read_text(encoding="utf-8") for file in GOLDEN.glob("*.txt")}
    assert seen == kept, "the beginning of this file says how they are renewed"


def _screens(cli: CommandLine) -> Iterator[tuple[str, str]]:
    for columns, lines in SIZES:
        with ExitStack() as stack:
            # All at once, because each spends most of its time on starting.
            running = {
                name: stack.enter_context(terminal(cli, *words.split(), columns=columns, lines=100))
                for name, words in COMMANDS.items()
            }
            top = stack.enter_context(terminal(cli, "top", columns=columns, lines=lines))
            for name, screen in running.items():
                screen.end()
                yield f"{name}-{columns}.txt", _kept(screen.text)
            top.shows("q quit")
            yield f"top-{columns}.txt", _kept(top.text)


def _kept(text: str) -> str:
    return "\n".join(line.rstrip() for line in steady(text, "DATABASE").split("\n")) + "\n"
