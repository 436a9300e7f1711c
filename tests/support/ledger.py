"""The books after a disaster: every accepted task ended exactly once, and no attempt ran twice.

Three accounts are compared that came about independently: what the submitter was told, what the handlers'
outside witness saw, and what the database says. ``judge`` is pure, so that tests can show it every kind of
cheating; ``check_books`` reads the accounts and prints the smallest counter-example.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from queuectl.domain.lifecycle import FINAL, State
from queuectl.domain.retry import CRASH_LIMIT
from queuectl.operations.administration import database_check
from queuectl.operations.monitor import Monitor
from queuectl.settings import Settings
from queuectl.store.database import Database
from tests.support.sightings import END, START, Sighting, Witness

Row = Mapping[str, Any]

_SHOWN = 3  # tasks in a counter-example
_FAR = 10_000_000_000_000  # UTC milliseconds, in the year 2286


@dataclass(frozen=True, slots=True)
class Finding:
    """A breach of a promise, by one task."""

    task: int
    breach: str


@dataclass(slots=True)
class Accounts:
    """What each side says. ``unknown`` counts submissions whose answer was lost: they may exist or not."""

    accepted: Sequence[int]
    tasks: Mapping[int, Row]
    attempts: Sequence[Row]
    letters: Sequence[Row]
    sightings: Sequence[Sighting]
    unknown: int = 0
    may_overlap: bool = False
    _by_task: dict[int, list[Row]] = field(default_factory=lambda: defaultdict(list))
    _seen: dict[int, list[Sighting]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for row in sorted(self.attempts, key=lambda row: row["fence"]):
            self._by_task[row["task_id"]].append(row)
        for sighting in self.sightings:
            self._seen[sighting.task].append(sighting)

    def attempts_of(self, task: int) -> list[Row]:
        """Return what the database says of a task's runs, in the order of their fences."""
        return self._by_task.get(task, [])

    def seen_of(self, task: int) -> list[Sighting]:
        """Return what was seen of a task's runs."""
        return self._seen.get(task, [])


def judge(accounts: Accounts) -> list[Finding]:
    """Return every breach that the accounts show; none for an honest history that has come to rest."""
    findings = list(_existence(accounts))
    letters = Counter(row["task_id"] for row in accounts.letters)
    for number, row in accounts.tasks.items():
        attempts, seen = accounts.attempts_of(number), accounts.seen_of(number)
        breaches = [
            *_one_end(row, attempts, letters[number]),
            *_no_run_twice(seen),
            *_runs_are_recorded(row, attempts, seen),
            *_bounded(row, attempts),
        ]
        if not accounts.may_overlap:
            breaches += _no_overlap(seen)
        findings += [Finding(number, breach) for breach in breaches]
    return findings


def _existence(accounts: Accounts) -> Iterator[Finding]:
    for number in accounts.accepted:
        if number not in accounts.tasks:
            yield Finding(number, "was accepted and is not in the database")
    invented = sorted(set(accounts.tasks) - set(accounts.accepted))
    if len(invented) > accounts.unknown:
        yield Finding(invented[0], f"was never submitted, like {len(invented) - 1} others")
    for number in sorted({each.task for each in accounts.sightings} - set(accounts.tasks)):
        yield Finding(number, "ran and is not in the database")


def _one_end(row: Row, attempts: Sequence[Row], letters: int) -> Iterator[str]:
    state = State(row["state"])
    if state not in FINAL:
        yield f"has not ended: it is {state}"
        return
    good = [each for each in attempts if each["outcome"] == "succeeded"]
    if row["finished_at"] is None or row["node"] is not None or row["cancel_requested"]:
        yield "has ended and still looks as if it were under way"
    if len(good) != (state is State.SUCCEEDED):
        yield f"is {state} and has {len(good)} successful attempts"
    if letters != (state is State.DEAD):
        yield f"is {state} and has {letters} dead letters"
    if state is State.SUCCEEDED and good and attempts[-1] is not good[0]:
        yield "ran again after its success was recorded"
    if state is State.DEAD and not attempts:
        yield "is dead without an attempt"


def _no_run_twice(seen: Sequence[Sighting]) -> Iterator[str]:
    for event in (START, END):
        for name in ("fence", "attempt"):
            times = Counter(getattr(each, name) for each in seen if each.event == event)
            for value, count in times.items():
                if count > 1:
                    yield f"{count} {event}s were seen under {name} {value}"


def _runs_are_recorded(row: Row, attempts: Sequence[Row], seen: Sequence[Sighting]) -> Iterator[str]:
    recorded = {(each["fence"], each["attempt"]) for each in attempts}
    for sighting in seen:
        if (sighting.fence, sighting.attempt) not in recorded:
            yield f"the {sighting} is not among the recorded attempts"
    ended = {(each.fence, each.attempt) for each in seen if each.event == END}
    for each in attempts:
        if seen and each["outcome"] == "succeeded" and (each["fence"], each["attempt"]) not in ended:
            yield f"attempt {each['attempt']} is recorded as succeeded, and no handler came to its end"
    if State(row["state"]) in FINAL and row["attempt"] != len(attempts):
        yield f"was claimed {row['attempt']} times and has {len(attempts)} recorded attempts"
    if len({each["attempt"] for each in attempts}) != len(attempts):
        yield "has two recorded attempts of the same number"


def _bounded(row: Row, attempts: Sequence[Row]) -> Iterator[str]:
    crashes = sum(each["outcome"] == "crashed" for each in attempts)
    if crashes > CRASH_LIMIT:
        yield f"crashed {crashes} times, more often than {CRASH_LIMIT}"
    if row["released"] > row["attempt"]:
        yield f"was given back {row['released']} times and claimed {row['attempt']} times"


def _no_overlap(seen: Sequence[Sighting]) -> Iterator[str]:
    """A run that was seen to end must have ended before the next one began."""
    starts = sorted((each for each in seen if each.event == START), key=lambda each: each.at)
    ends = {each.fence: each.at for each in seen if each.event == END}
    for earlier, later in itertools.pairwise(starts):
        if ends.get(earlier.fence, 0) > later.at:
            yield f"the {later} fell into the run of attempt {earlier.attempt}"
        if later.fence <= earlier.fence or later.attempt <= earlier.attempt:
            yield f"the {later} came after the {earlier}"


def read_accounts(
    settings: Settings,
    witness: Witness,
    accepted: Iterable[int],
    *,
    unknown: int = 0,
    may_overlap: bool = False,
) -> Accounts:
    """Read what the database and the witness say."""
    database = Database(settings.database_url)
    try:
        with database.reading() as transaction:
            tables = {}
            for name in ("tasks", "attempts", "dead_letters"):
                cursor = transaction.execute(f"SELECT * FROM {name}")
                columns = [column[0] for column in cursor.description]
                tables[name] = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    finally:
        database.close()
    return Accounts(
        accepted=list(accepted),
        tasks={row["id"]: row for row in tables["tasks"]},
        attempts=tables["attempts"],
        letters=tables["dead_letters"],
        sightings=witness.sightings(),
        unknown=unknown,
        may_overlap=may_overlap,
    )


def check_books(
    settings: Settings,
    witness: Witness,
    accepted: Iterable[int],
    *,
    unknown: int = 0,
    may_overlap: bool = False,
) -> Accounts:
    """Check that the promises were kept and that the database is in order; return the accounts.

    ``may_overlap`` is for nodes that lost their lease while they were halted: an attempt still runs once,
    but the next one may begin before it has ended.

    Raises:
        AssertionError: They were not; the message shows the first tasks that tell.
    """
    __tracebackhide__ = True
    accounts = read_accounts(settings, witness, accepted, unknown=unknown, may_overlap=may_overlap)
    findings = judge(accounts)
    if findings:
        raise AssertionError(_told(findings, accounts))
    for check in database_check(settings):
        assert check.ok, f"{check.name}: {check.detail}"
    _check_statistics(settings, accounts)
    return accounts


def _check_statistics(settings: Settings, accounts: Accounts) -> None:
    """Compare the statistics with the rows: whoever was killed, each run and each task counts once."""
    monitor = Monitor(settings)
    total = monitor.get_statistics(0, _FAR).total
    monitor.close()
    moves = Counter(row["move"] for row in accounts.attempts)
    assert total.submitted == len(accounts.tasks)
    assert total.attempts == total.runs.count == moves.total() - moves["release"]
    counted = (total.succeeded, total.retried, total.dead, total.released)
    assert counted == tuple(moves[move] for move in ("succeed", "retry", "bury", "release"))


def _told(findings: Sequence[Finding], accounts: Accounts) -> str:
    tasks = list(dict.fromkeys(finding.task for finding in findings))
    lines = [f"{len(findings)} breaches by {len(tasks)} of {len(accounts.tasks)} tasks"]
    for number in tasks[:_SHOWN]:
        lines += [f"task_{number} {finding.breach}" for finding in findings if finding.task == number]
        row = accounts.tasks.get(number)
        if row is not None:
            facts = ("state", "handler", "fence", "attempt", "released", "crashes", "node", "error")
            lines.append("    row      " + ", ".join(f"{name}={row[name]!r}" for name in facts))
        lines += [
            f"    recorded attempt {each['attempt']} under fence {each['fence']}: {each['outcome']},"
            f" {each['started_at']} to {each['finished_at']} on {each['node']}"
            for each in accounts.attempts_of(number)
        ]
        lines += [f"    seen     {each}" for each in accounts.seen_of(number)]
    if len(tasks) > _SHOWN:
        lines.append(f"and {len(tasks) - _SHOWN} more tasks")
    return "\n".join(lines)
