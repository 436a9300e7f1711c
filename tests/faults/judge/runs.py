"""I5, I13, I15 and I20: no run twice or beside another, in time, never after a cancellation or before its promise."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.judge.histories import MS, Breach, Histories, Row

_LATE_END_MS = 2_000
_MOMENT_MS = 500


def no_double_run(histories: Histories) -> Iterator[Breach]:
    """I5: a run starts once and is recorded; runs of a task follow each other, unless a lease had run out."""
    for number, starts in histories.starts.items():
        yield from _started_once(number, starts)
        yield from _recorded(histories, number, starts)
        for earlier, later in itertools.pairwise(starts):
            lines = (("witness", earlier), ("witness", later))
            is_older = later["fence"] <= earlier["fence"] or later["attempt"] <= earlier["attempt"]
            if is_older and not _had_looked(histories, later):
                yield Breach("I5", number, "was started under an older fence or attempt", lines)
            end = histories.ends.get((number, earlier["fence"]))
            until = end["at"] if end else _death(histories, earlier)
            if until is not None and until > later["at"] and not _excused(histories, earlier, later, until):
                found = (*lines, ("witness", end)) if end else lines
                yield Breach("I5", number, "was started while an earlier run went on", found)


def _started_once(number: int, starts: list[Row]) -> Iterator[Breach]:
    for name in ("fence", "attempt"):
        for value, count in Counter(row[name] for row in starts).items():
            if count > 1:
                lines = tuple(("witness", row) for row in starts if row[name] == value)
                yield Breach("I5", number, f"was started {count} times under {name} {value}", lines)


def _recorded(histories: Histories, number: int, starts: list[Row]) -> Iterator[Breach]:
    if not histories.has("attempts") or number not in histories.tasks:
        return
    attempts = histories.attempts.get(number, ())
    recorded = {(row["fence"], row["attempt"]) for row in attempts}
    open_run = histories.tasks[number]["state"] == "running"
    for row in starts:
        if (row["fence"], row["attempt"]) not in recorded and not open_run:
            yield Breach("I5", number, "ran and the run is not recorded", (("witness", row),))
    for attempt in attempts:
        seen = (number, attempt["fence"]) in histories.ends
        if starts and attempt["outcome"] == "succeeded" and not seen:
            yield Breach("I5", number, "succeeded and no handler came to its end", (("attempts", attempt),))


def _had_looked(histories: Histories, start: Row) -> bool:
    """Tell whether a run is the first thing that a process did when it was let go on after a halt.

    A halt may fall between the last look at the clock and the first line of a handler, so that neither can
    know of the other.
    """
    return any(
        each["pid"] == start.get("pid") and 0 <= start["at"] - each["at"] <= _MOMENT_MS * MS
        for each in histories.facts.get("thawed", ())
    )


def _death(histories: Histories, start: Row) -> int | None:
    """Return when the node of a run that was not seen to end was killed."""
    deaths = [
        each["at"]
        for each in histories.facts.get("deaths", ())
        if each["node"] == start.get("node") and each["at"] >= start["at"]
    ]
    return min(deaths, default=None)


def _excused(histories: Histories, earlier: Row, later: Row, until: int) -> bool:
    """Tell whether the node of the earlier run had been out of reach for long enough to be taken for dead.

    It may have the later one itself: where all machines were suspended, it is as quick as any other to take it again.
    """
    facts = histories.facts
    if facts.get("may_overlap"):
        return True
    if earlier.get("node") is None:
        return False
    grace, usual = facts.get("kill_grace_ms", 0) * MS, facts.get("takeover_ms", 0)
    return any(
        each["node"] == earlier["node"]
        and each["from"] + each.get("takeover_ms", usual) * MS <= later["at"]
        and until <= max(each["until"], later["at"]) + grace
        for each in facts.get("away", ())
    )


def in_time(histories: Histories) -> Iterator[Breach]:
    """I13: no run goes on for longer than its limit and two seconds, and leaves nobody behind."""
    for (number, cut), end in histories.ends.items():
        row = histories.tasks.get(number)
        limit = None if row is None else row.get("timeout")
        if row is None or limit is None:
            limit = histories.facts.get("task_timeout")
        start = next((each for each in histories.starts.get(number, ()) if each["fence"] == cut), None)
        if limit is None or start is None or _was_away(histories, start, end):
            continue
        if end["at"] - start["at"] > (limit * 1000 + _LATE_END_MS) * MS:
            lines = (("witness", start), ("witness", end))
            yield Breach("I13", number, f"ran for longer than its limit of {limit:g} s", lines)
    for sample in histories.samples:
        if sample["kind"] == "survivor":
            says = f"left process {sample['pid']} behind"
            yield Breach("I13", sample.get("task"), says, (("samples", sample),))


def _was_away(histories: Histories, start: Row, end: Row) -> bool:
    return any(
        each["node"] == start.get("node") and each["from"] < end["at"] and start["at"] < each["until"]
        for each in histories.facts.get("away", ())
    )


def cancel_is_final(histories: Histories) -> Iterator[Breach]:
    """I15: after a cancellation was answered with ok no run starts, unless a person asked for one."""
    back = defaultdict(list)
    for call in histories.calls("requeue", "undo", "restore", event="invoke"):
        for number in call["ids"]:
            back[number].append(call["at"])
    asked = {str(call["key"]): call["at"] for call in histories.calls("cancel", event="invoke")}
    for call in histories.calls("cancel", event="ok"):
        since = asked.get(str(call["key"]), call["at"])
        for number in call["ids"]:
            until = min((at for at in back[number] if at >= since), default=None)
            for start in histories.starts.get(number, ()):
                if start["at"] > call["at"] and (until is None or start["at"] < until):
                    lines = (("client", call), ("witness", start))
                    yield Breach(
                        "I15", number, "was started after its cancellation had been confirmed", lines
                    )
                    break


def promises_in_order(histories: Histories) -> Iterator[Breach]:
    """I20: a run starts under a fence that was committed before, and nothing is told before it is durable."""
    for number, starts in histories.starts.items() if histories.has("events") else ():
        claims = {
            event["fence"]: event for event in histories.events.get(number, ()) if event["new"] == "running"
        }
        for start in starts:
            claim = claims.get(start["fence"])
            if claim is None:
                yield Breach("I20", number, "ran and its claim was never committed", (("witness", start),))
            elif claim.get("mono") is not None and claim["mono"] > start["at"]:
                lines = (("events", claim), ("witness", start))
                yield Breach("I20", number, "ran before its claim was committed", lines)
    for sample in histories.samples:
        if sample["kind"] == "promise" and sample["durable_at"] > sample["told_at"]:
            says = f"{sample['what']} was told before it was durable"
            yield Breach("I20", sample.get("task"), says, (("samples", sample),))
