"""I9, I11 and I12: rate and concurrency in every window, starts neither early nor late, and the back-off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.judge.histories import MS, Breach, Histories, Row

_EARLY_MS = 10
_SPARED = 0.75
"""Chance may shorten a wait by a quarter."""


def limits(histories: Histories) -> Iterator[Breach]:
    """I9: of no window of the limit's length does a queue start more than it may, nor more at a time.

    ``facts.limits`` are rows of queue, ``starts`` and ``period_ms``, ``concurrency``, ``from`` and ``until``.
    """
    by_queue: dict[str, list[Row]] = defaultdict(list)
    # A person may have put the task into another queue since, so the claim of the run says in which it was.
    claimed_in: dict[tuple[int, int], str] = {
        (row["task"], row["fence"]): row["queue"]
        for row in histories.rows("events")
        if row["new"] == "running"
    }
    for number, starts in histories.starts.items():
        row = histories.tasks.get(number)
        if row is None:
            continue
        for start in starts:
            by_queue[claimed_in.get((number, start["fence"])) or row["queue"]].append(start)
    for limit in histories.facts["limits"]:
        since, until = limit.get("from", 0), limit.get("until") or float("inf")
        found = [row for row in by_queue[limit["queue"]] if since <= row["at"] <= until]
        found.sort(key=lambda row: row["at"])
        if limit.get("starts"):
            yield from _rate(limit, found)
        if limit.get("concurrency"):
            yield from _at_once(histories, limit, found)


def _rate(limit: Row, starts: list[Row]) -> Iterator[Breach]:
    count, period = limit["starts"], limit["period_ms"] * MS
    for first, last in zip(starts, starts[count:], strict=False):
        if last["at"] - first["at"] < period:
            says = (
                f"was start {count + 1} of {limit['queue']} within {(last['at'] - first['at']) / MS:.0f} ms,"
                f" where {count} in {limit['period_ms']} ms are allowed"
            )
            yield Breach("I9", last["task"], says, (("witness", first), ("witness", last)))


def _at_once(histories: Histories, limit: Row, starts: list[Row]) -> Iterator[Breach]:
    """A run whose end nobody saw counts for nothing, and one on a node that was taken for dead is another's affair."""
    away = histories.facts.get("away", ())
    steps: list[tuple[int, int, Row]] = []
    for row in starts:
        end = histories.ends.get((row["task"], row["fence"]))
        if end is None or any(
            each["node"] == row.get("node") and each["from"] < end["at"] and row["at"] < each["until"]
            for each in away
        ):
            continue
        steps += [(row["at"], 1, row), (end["at"], -1, row)]
    steps.sort(key=lambda step: step[:2])
    running = 0
    for _, change, row in steps:
        running += change
        if running > limit["concurrency"]:
            says = f"was run {running} of {limit['queue']} at once, where {limit['concurrency']} are allowed"
            yield Breach("I9", row["task"], says, (("witness", row),))


def in_season(histories: Histories) -> Iterator[Breach]:
    """I11: nothing starts before its time; where ``facts.lateness_ms`` is given, 99 in 100 start within it."""
    late: list[tuple[int, Row, Row]] = []
    asked_for = {number for call in histories.calls("requeue", event="invoke") for number in call["ids"]}
    for call in histories.calls("submit", event="ok"):
        due: int | None = call.get("due")
        if due is None:
            continue
        for number in call["ids"]:
            first = next(iter(histories.starts.get(number, ())), None)
            changes = histories.changes.get(number, ())
            if first is None or number in asked_for or any(each["move"] != "cancel" for each in changes):
                continue  # it never ran, or a person wanted it at another time, such as at once
            lines = (("client", call), ("witness", first))
            if first["at"] < due - _EARLY_MS * MS:
                yield Breach("I11", number, f"was started {(due - first['at']) / MS:.0f} ms too early", lines)
            late.append((first["at"] - due, call, first))
    bound = histories.facts.get("lateness_ms")
    if bound is not None and late:
        late.sort(key=lambda each: each[0])
        most, call, first = late[min(len(late) - 1, len(late) * 99 // 100)]
        if most > bound * MS:
            says = f"and one in a hundred were started {most / MS:.0f} ms late or more"
            yield Breach("I11", first["task"], says, (("client", call), ("witness", first)))


def backoff(histories: Histories) -> Iterator[Breach]:
    """I12: between a failed run and the next one passes what the policy asks for, unless a person sends it back.

    ``facts.backoff`` has ``seconds``, ``longest`` and, if it is to be looked at, ``lag_ms``; ``facts.clock_steps``
    tells that wall clocks were moved, by which waits get shorter and longer. Its ``uncharged`` are errors for which
    no attempt is charged, because a host is not ready.
    """
    policy = histories.facts["backoff"]
    for number, attempts in histories.attempts.items():
        starts = {row["fence"]: row for row in histories.starts.get(number, ())}
        if any(each["move"] != "cancel" for each in histories.changes.get(number, ())):
            continue
        uncharged = 0
        for place, attempt in enumerate(attempts[:-1]):
            uncharged += attempt["move"] == "release" and attempt["outcome"] == "interrupted"
            uncharged += attempt["error"] in policy.get("uncharged", ())
            end = histories.ends.get((number, attempt["fence"]))
            start = starts.get(attempts[place + 1]["fence"])
            if attempt["move"] != "retry" or end is None or start is None:
                continue
            failures = attempt["attempt"] - uncharged
            wanted = min(policy["longest"], policy["seconds"] * 2 ** max(0, failures - 1)) * 1000
            waited = (start["at"] - end["at"]) / MS
            lines = (("attempts", attempt), ("witness", end), ("witness", start))
            if waited < wanted * _SPARED - _EARLY_MS:
                says = f"ran again after {waited:.0f} ms, where {wanted * _SPARED:.0f} ms are the least"
                yield Breach("I12", number, says, lines)
            elif policy.get("lag_ms") is not None and waited > wanted + policy["lag_ms"]:
                says = f"ran again after {waited:.0f} ms, where {wanted:.0f} ms are the most"
                yield Breach("I12", number, says, lines)
