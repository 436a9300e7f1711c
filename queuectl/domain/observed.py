"""What one transaction's moves add to the statistics, gathered by minute, queue and host.

It travels as one line of text, is added up with others of its kind, and is spread over the rows of the
statistics where that is cheap, not where tasks move.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping

from queuectl.domain.ending import Ending
from queuectl.domain.histogram import Gathering
from queuectl.domain.lifecycle import Move
from queuectl.domain.outcome import Verdict

MINUTE_MS = 60_000

COUNTED = (
    "submitted",
    "imported",
    "attempts",
    "succeeded",
    "retried",
    "dead",
    "cancelled",
    "released",
    "requeued",
    "restored",
)
"""What is counted; the names are columns, and fields of ``domain.statistics.Counts``."""

_COUNT_OF_MOVE = {
    Move.SUCCEED: "succeeded",
    Move.RETRY: "retried",
    Move.BURY: "dead",
    Move.CANCEL: "cancelled",
}
_LINE_LIMIT = 500

Key = tuple[int, str, str]
"""A minute since the epoch, a queue and a host."""

FailureKey = tuple[int, str, str, str]
"""A minute since the epoch, a queue, a cause and the first line of an error."""


class Numbers(dict[str, int]):
    """How often what has happened; anything else 0 times. It is made once for a task, so it is no ``Counter``."""

    __slots__ = ()

    def __missing__(self, name: str) -> int:
        return 0

    def merge(self, other: dict[str, int]) -> None:
        """Add other numbers."""
        for name, number in other.items():
            self[name] = self.get(name, 0) + number


class Seen:
    """What happened in one minute to the tasks of one queue and host."""

    __slots__ = ("counts", "runs", "waits")

    def __init__(self) -> None:
        self.counts = Numbers()
        self.waits = Gathering()
        self.runs = Gathering()

    def take_ends(self, name: str, times: list[int]) -> None:
        """Count the ends of runs by one move; ``times`` has for each its wait and its run time in turn."""
        runs = len(times) // 2
        self.counts[name] += runs
        self.counts["attempts"] += runs
        self.waits.add_all(times[::2])
        self.runs.add_all(times[1::2])

    def merge(self, other: Seen) -> None:
        """Add what another one has seen."""
        self.counts.merge(other.counts)
        self.waits.merge(other.waits)
        self.runs.merge(other.runs)


class Observed:
    """What a transaction, or many together, have done to tasks.

    ``failures`` has for each kind how many runs are to be repeated and how many buried their task.
    """

    __slots__ = ("_ends", "failures", "seen")

    def __init__(self) -> None:
        self.seen: dict[Key, Seen] = {}
        self.failures: dict[FailureKey, list[int]] = {}
        # By minute, queue and move: for each host the waits and run times of its runs in turn. To sort them into
        # buckets would take longer than all else that is done for an end, and is done by whoever adds up.
        self._ends: dict[tuple[int, str, str], dict[str, list[int]]] = {}

    def __bool__(self) -> bool:
        return bool(self.seen or self._ends)

    def of(self, at: int, queue: str, host: str) -> Seen:
        """Return what was seen of a queue and host in the minute of a moment in UTC milliseconds."""
        key = (at // MINUTE_MS, queue, host)
        seen = self.seen.get(key)
        if seen is None:
            seen = self.seen[key] = Seen()
        return seen

    def count(self, name: str, at: int, queue: str, host: str, number: int = 1) -> None:
        """Count tasks to which something of ``COUNTED`` has happened at a moment."""
        self.of(at, queue, host).counts[name] += number

    def end(self, ending: Ending) -> None:
        """Take in the end of a run. One that was given back is counted as that, and measured by no clock."""
        work, move = ending.work, ending.move
        finished = ending.finished_at
        if move is Move.RELEASE:
            self.count("released", finished, work.queue, work.host)
            return
        key = (finished // MINUTE_MS, work.queue, _COUNT_OF_MOVE[move])
        hosts = self._ends.get(key)
        if hosts is None:
            hosts = self._ends[key] = {}
        times = hosts.get(work.host)
        if times is None:
            hosts[work.host] = [work.started_at - work.due_at, finished - work.started_at]
        else:
            times += (work.started_at - work.due_at, finished - work.started_at)
        if move is Move.RETRY or move is Move.BURY:
            cause = ending.cause or (
                "exhausted" if ending.verdict is Verdict.FAILED else ending.verdict.value
            )
            self.fail(ending.finished_at, work.queue, cause, ending.error, buried=move is Move.BURY)

    def fail(self, at: int, queue: str, cause: str, error: str | None, *, buried: bool) -> None:
        """Count a failed run, by what its task dies of if that is how it goes on: as dead letters are grouped."""
        key = (at // MINUTE_MS, queue, cause, _first_line(error))
        counts = self.failures.get(key)
        if counts is None:
            counts = self.failures[key] = [0, 0]
        counts[buried] += 1

    def text(self) -> str:
        """Return all of it as one line of JSON."""
        seen = [
            (*key, each.counts, *_measures(each.waits), *_measures(each.runs))
            for key, each in self.seen.items()
        ]
        failures = [(*key, *counts) for key, counts in self.failures.items()]
        ends = [(*key, hosts) for key, hosts in self._ends.items()]
        return json.dumps((seen, failures, ends), separators=(",", ":"), ensure_ascii=False)

    def add_to_queues(self, queues: Mapping[str, Seen]) -> None:
        """Add all of it to what is known of these queues, whatever the minutes and hosts."""
        for (_, queue, _), seen in self.seen.items():
            if queue in queues:
                queues[queue].merge(seen)
        for (_, queue, name), hosts in self._ends.items():
            if queue in queues:
                queues[queue].take_ends(name, [*itertools.chain.from_iterable(hosts.values())])

    def fold(self) -> None:
        """Count the ends of runs in ``seen``, where they are not yet."""
        for (minute, queue, name), hosts in self._ends.items():
            self._count_ends(minute, queue, name, hosts)
        self._ends = {}

    def _count_ends(self, minute: int, queue: str, name: str, hosts: dict[str, list[int]]) -> None:
        for host, times in hosts.items():
            key = (minute, queue, host)
            seen = self.seen.get(key)
            if seen is None:
                seen = self.seen[key] = Seen()
            seen.take_ends(name, times)

    def parts(self, size: int) -> Iterator[Observed]:
        """Yield the same in parts of at most about so many rows of the statistics, each added up in no time."""
        seen, failures = list(self.seen.items()), list(self.failures.items())
        for first in range(0, max(len(seen), len(failures), bool(self._ends)), size):
            part = Observed()
            part.seen = dict(seen[first : first + size])
            part.failures = dict(failures[first : first + size])
            if first == 0:
                part._ends = self._ends
            yield part

    @staticmethod
    def may_tell_of_runs(text: str) -> bool:
        """Tell whether a ``text`` may hold ends of runs; that of a batch of submissions is long, and holds none."""
        return not text.endswith(",[],[]]") or '"attempts"' in text

    def merge_text(self, text: str) -> None:
        """Add what another one has seen, from its ``text``."""
        all_seen, failures, ends = json.loads(text)
        for each in ends:
            self._count_ends(*each)
        for minute, queue, host, counts, waits, waited, longest_wait, runs, ran, longest_run in all_seen:
            seen = self.of(minute * MINUTE_MS, queue, host)
            seen.counts.merge(counts)
            seen.waits.merge_flat(waits, waited, longest_wait)
            seen.runs.merge_flat(runs, ran, longest_run)
        for minute, queue, cause, line, retried, dead in failures:
            both = self.failures.setdefault((minute, queue, cause, line), [0, 0])
            both[0] += retried
            both[1] += dead


def _measures(gathering: Gathering) -> tuple[list[int], int, int]:
    return gathering.flat(), gathering.total_ms, gathering.longest_ms


def _first_line(error: str | None) -> str:
    lines = (error or "").strip()[:_LINE_LIMIT].splitlines()
    return lines[0] if lines else ""
