"""Whole screens of 80 and of 120 columns, as a person sees them; only what the clock writes is masked."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3

import pytest

from tests.support.cli import CommandLine
from tests.support.terminal import terminal

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC|\d\d:\d\d:\d\d\.\d\d\d")
_HALF_AN_HOUR = 30 * 60_000 + 30_000  # so that an age reads the same for half a minute either way

SCREENS = {
    ("list", 80): """\
ID      STATE        QUEUE   WHEN          URL
task_4  ▫ queued     urgent  since 30 min  https://example.com/文章/雨水花园雨 …
task_3  ⊘ cancelled  medium  30 min ago    https://example.com/[red]/b
task_2  ◷ scheduled  low     in 1 h        https://example.com/long/long/long/l…
task_1  ▫ queued     high    since 30 min  https://example.com/a""",
    ("list", 120): """\
ID      STATE        QUEUE   SCORE  RUNS  WHEN          URL
task_4  ▫ queued     urgent     10     0  since 30 min  https://example.com/文章/雨水花园雨水花园雨水花园雨水花园
task_3  ⊘ cancelled  medium      5     0  30 min ago    https://example.com/[red]/b
task_2  ◷ scheduled  low         3     0  in 1 h        https://example.com/long/long/long/long/long/long/long/long/lon…
task_1  ▫ queued     high        8     0  since 30 min  https://example.com/a""",
    ("list --fields id,url,metadata 3 4", 80): """\
ID      URL                                  METADATA
task_4  https://example.com/文章/雨水花园 …
task_3  https://example.com/[red]/b          {"title": "[/red]\\u001b[31m标题\\u2…""",
    ("events", 80): """\
@  submit        task_1        high
@  submit        task_2        low
@  submit        task_3        medium
@  submit        task_4        urgent
@  cancel        task_3        medium""",
    ("events", 120): """\
@  submit        task_1        high
@  submit        task_2        low
@  submit        task_3        medium
@  submit        task_4        urgent
@  cancel        task_3        medium""",
    ("count --by queue", 80): """\
QUEUE   TASKS
high        1
low         1
medium      1
urgent      1""",
    ("cancel --all --dry-run", 80): """\
ID      STATE        QUEUE   SCORE  URL
task_1  ▫ queued     high        8  https://example.com/a
task_2  ◷ scheduled  low         3  https://example.com/long/long/long/long/lon…
task_4  ▫ queued     urgent     10  https://example.com/文章/雨水花园雨水花园雨…
3 of them wait and end at once
nothing was changed""",
}


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """Give a home with tasks of every length and script."""
    lines = [
        {"url": "https://example.com/a", "priority": "high"},
        {"url": "https://example.com/" + "long/" * 60, "priority": "low", "schedule": "in 119 minutes"},
        {
            "url": "https://example.com/[red]/b",
            "metadata": {"title": "[/red]\x1b[31m标题\u202e" + "标" * 10_000},
        },
        {"url": "https://example.com/文章/" + "雨水花园" * 4, "priority": "urgent"},
    ]
    cli("batch", "-", given="\n".join(json.dumps(line) for line in lines)).ok()
    cli("cancel", "3").ok()
    with contextlib.closing(sqlite3.connect(cli.home / "queuectl.db")) as database, database:
        database.execute(
            "UPDATE tasks SET created_at = created_at - ?1, finished_at = finished_at - ?1,"
            " due_at = CASE WHEN run_at IS NULL THEN due_at - ?1 ELSE due_at END",
            (_HALF_AN_HOUR,),
        )
    return cli


def test_the_screens_are_as_they_were_drawn(filled: CommandLine) -> None:
    seen = {}
    for command, columns in SCREENS:
        with terminal(filled, *command.split(), columns=columns) as screen:
            assert screen.end() == 0
            seen[command, columns] = _MOMENT.sub("@", screen.text)
    assert seen == SCREENS
