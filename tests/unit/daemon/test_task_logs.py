"""What is kept of a task's log: all of a short one, beginning and end of a long one, each line once."""

from __future__ import annotations

import logging
import random

from queuectl_daemon.task_logs import TaskLogs

RUN = (12, 3)


class Shelf:
    """Stands where the database's table stands, with the same rule for a part that comes again."""

    def __init__(self) -> None:
        self.parts: dict[tuple[int, int, int], list[tuple[int, str]]] = {}

    def write(
        self, logs: TaskLogs, *ended: tuple[int, int], live: bool = False, commits: bool = True
    ) -> None:
        said = logs.unsaved(ended, live=live)
        if said is None or not commits:
            return
        for part in said.parts:
            self.parts[part.task, part.fence, part.first] = [(line.number, line.text) for line in part.lines]
        for key in said.outdated:
            del self.parts[key]
        logs.saved(said)

    def lines(self, run: tuple[int, int] = RUN) -> list[tuple[int, str]]:
        return [line for key in sorted(self.parts) if key[:2] == run for line in self.parts[key]]


def say(logs: TaskLogs, text: str, run: tuple[int, int] = RUN) -> None:
    record = logging.LogRecord("queuectl.task", logging.INFO, "", 0, "%s", (text,), None)
    record.run, record.attempt = run, 2
    logs.handle(record)


def test_silent_tasks_have_nothing_to_write() -> None:
    assert TaskLogs().unsaved([RUN], live=True) is None


def test_lines_are_written_live_and_the_rest_with_the_end() -> None:
    logs, shelf = TaskLogs(), Shelf()
    say(logs, "one")
    shelf.write(logs, live=True)
    say(logs, "two")
    say(logs, "other", (13, 1))
    shelf.write(logs, RUN)
    assert shelf.lines() == [(0, "one"), (1, "two")]
    assert shelf.lines((13, 1)) == []
    say(logs, "too late")
    shelf.write(logs, live=True)
    assert shelf.lines() == [(0, "one"), (1, "two")]
    assert shelf.lines((13, 1)) == [(0, "other")]


def test_a_transaction_that_fails_loses_no_line() -> None:
    logs, shelf = TaskLogs(), Shelf()
    say(logs, "one")
    shelf.write(logs, live=True, commits=False)
    say(logs, "two")
    shelf.write(logs, RUN)
    assert [text for _, text in shelf.lines()] == ["one", "two"]


def test_of_a_long_log_both_ends_are_kept_however_it_is_written() -> None:
    dice = random.Random(5)
    for _ in range(20):
        logs, shelf = TaskLogs(), Shelf()
        said = []
        for number in range(dice.randint(1, 600)):
            text = f"{number} " + "x" * dice.randint(0, 900)
            said.append((number, text))
            say(logs, text)
            if dice.random() < 0.05:
                shelf.write(logs, live=True, commits=dice.random() < 0.8)
        shelf.write(logs, RUN)
        kept = shelf.lines()
        assert len({number for number, _ in kept}) == len(kept), "no line twice"
        assert set(kept) <= set(said)
        assert kept[0] == said[0]
        assert kept[-1] == said[-1]
        size = sum(len(text) + 32 for _, text in kept)
        assert size <= 2 * (32 * 1024 + 2_000) + 32 * 1024
        if sum(len(text) + 32 for _, text in said) < 64 * 1024:
            assert kept == said
