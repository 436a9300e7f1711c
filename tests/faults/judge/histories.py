"""The histories that are judged: their form, where they are kept, and how they are found by task.

``client``: one row for each step of a submitter: ``event`` is invoke, ok, fail or unknown; ``verb`` is submit (the
default), cancel, requeue, import or another one; ``key`` is the submitter's own name for the call; ``ids`` are the
tasks that it was told or named; ``urls`` the addresses that it submitted; ``at`` is in nanoseconds of the machine's
monotonic clock. A submission may say by ``idempotency`` which others it repeats, and by ``due`` when it may start.

``witness``: one row for each ``event`` (start or end) of a handler: task, fence, attempt, node or pid, ``at``.

``tables``: rows of tasks, attempts, changes, dead_letters, counters, batch_counters, batches, schedules, ticks, audit
and facts with the columns' names, and of ``events``, which a trigger writes with each change of a state: seq, task,
``old`` and ``new`` state, ``old_fence``, ``fence``, attempt, node, queue, ``score``, ``due_at``, ``at``.

``samples``: what was measured beside: rows with a ``kind``, read by ``samples.py``.

``facts``: what the run was: seed, limits, lease, halts, and what else ``catalogue.py`` names.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]

FINAL = frozenset({"succeeded", "dead", "cancelled"})
MS = 1_000_000
"""Nanoseconds in a millisecond."""

_LINES = ("client", "witness", "samples")


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that was not kept: by which task, and the lines that contradict each other, with their history."""

    invariant: str
    task: int | None
    says: str
    lines: tuple[tuple[str, Row], ...] = ()

    def __str__(self) -> str:
        subject = "" if self.task is None else f"task_{self.task} "
        told = [f"    {history:8} {json.dumps(row, default=str)}" for history, row in self.lines]
        return "\n".join([f"{self.invariant}: {subject}{self.says}", *told])


@dataclass
class Histories:
    """What each side says of one run; missing ones are empty, and what needs them is not judged."""

    client: Sequence[Row] = ()
    witness: Sequence[Row] = ()
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    samples: Sequence[Row] = ()

    def has(self, name: str) -> bool:
        """Tell whether a history is there: ``client``, ``witness``, ``samples``, a table, or ``facts.NAME``."""
        if name in _LINES:
            return bool(getattr(self, name))
        if name.startswith("facts."):
            return name.removeprefix("facts.") in self.facts
        return name in self.tables

    def rows(self, table: str) -> Sequence[Row]:
        """Return the rows of a table."""
        return self.tables.get(table, ())

    @cached_property
    def tasks(self) -> dict[int, Row]:
        """The tasks by their numbers."""
        return {row["id"]: row for row in self.rows("tasks")}

    @cached_property
    def attempts(self) -> dict[int, list[Row]]:
        """The recorded runs of each task in the order of their fences."""
        return _by_task(sorted(self.rows("attempts"), key=lambda row: row["fence"]), "task_id")

    @cached_property
    def letters(self) -> dict[int, list[Row]]:
        """The dead letters of each task."""
        return _by_task(self.rows("dead_letters"), "task_id")

    @cached_property
    def events(self) -> dict[int, list[Row]]:
        """The changes of each task's state, in their order."""
        return _by_task(sorted(self.rows("events"), key=lambda row: row["seq"]), "task")

    @cached_property
    def starts(self) -> dict[int, list[Row]]:
        """The starts that were seen of each task, in their order."""
        return _by_task(self._seen("start"), "task")

    @cached_property
    def ends(self) -> dict[tuple[int, int], Row]:
        """The end that was seen of each run, by task and fence."""
        return {(row["task"], row["fence"]): row for row in self._seen("end")}

    def _seen(self, event: str) -> list[Row]:
        return sorted((row for row in self.witness if row["event"] == event), key=lambda row: row["at"])

    @cached_property
    def changes(self) -> dict[int, list[Row]]:
        """What people did to each task, in its order."""
        found: dict[int, list[Row]] = defaultdict(list)
        for row in self.rows("changes"):
            numbers = json.loads(row["tasks"]) if isinstance(row["tasks"], str) else row["tasks"]
            for number in numbers:
                found[number].append(row)
        return found

    def calls(self, *verbs: str, event: str) -> Iterator[Row]:
        """Yield the steps of submitters of one kind."""
        for row in self.client:
            if row["event"] == event and row.get("verb", "submit") in verbs:
                yield row

    def told(self, *verbs: str) -> dict[str, Row]:
        """Return the last step of each call, by the submitter's key."""
        return {str(row["key"]): row for row in self.client if row.get("verb", "submit") in verbs}


def _by_task(rows: Iterable[Row], name: str) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return found


def read_folder(folder: Path) -> Histories:
    """Return the histories of a folder, whose files are ``NAME.jsonl`` and ``tables.json`` and ``facts.json``."""
    client, witness, samples = (_read_lines(folder / f"{name}.jsonl") for name in _LINES)
    tables, facts = (_read_document(folder / f"{name}.json") for name in ("tables", "facts"))
    return Histories(client, witness, tables, facts, samples)


def write_folder(histories: Histories, folder: Path) -> None:
    """Keep histories in a folder, so that they can be judged again."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _LINES:
        text = "".join(json.dumps(row, default=str) + "\n" for row in getattr(histories, name))
        (folder / f"{name}.jsonl").write_text(text)
    for name in ("tables", "facts"):
        (folder / f"{name}.json").write_text(json.dumps(getattr(histories, name), default=str))


def _read_lines(file: Path) -> list[Row]:
    """A submitter that was killed may have left a half line; it stands for nothing."""
    if not file.exists():
        return []
    text = file.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines() if line.strip()]


def _read_document(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return document
