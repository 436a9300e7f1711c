"""I3, I4, I6 and I21: one end, bounded tries, the fence, and complete dead letters; all by what tables say of tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.faults.judge.histories import FINAL, Breach, Histories, Row

ALLOWED = {
    None: {"queued", "scheduled"},
    "scheduled": {"queued", "cancelled", "retrying", "dead"},
    "queued": {"dispatched", "running", "scheduled", "cancelled", "retrying", "dead"},
    "dispatched": {"running", "queued", "cancelled"},
    "running": {"succeeded", "retrying", "dead", "queued", "cancelled"},
    "retrying": {"queued", "scheduled", "cancelled"},
    "succeeded": set(),
    "dead": {"queued"},
    "cancelled": {"queued", "scheduled", "retrying"},
}
"""Where each state may lead, whoever moves the task; a task begins as one that waits."""

_BY_PEOPLE = {
    ("dead", "queued"): {"requeue"},
    ("cancelled", "queued"): {"requeue", "restore"},
    ("cancelled", "scheduled"): {"restore"},
    ("cancelled", "retrying"): {"restore"},
    ("queued", "dead"): {"unqueue"},
    ("scheduled", "dead"): {"unqueue"},
}
"""What only a person does, and by which changes."""


def one_end(histories: Histories) -> Iterator[Breach]:
    """I3: every move is an allowed one, and there is one end, unless a person has sent the task back."""
    for number, row in histories.tasks.items():
        for says in _one_end(histories, number, row):
            attempts = [("attempts", each) for each in histories.attempts.get(number, ())]
            yield Breach("I3", number, says, (("tasks", row), *attempts))
        yield from _moves(histories, number)


def _one_end(histories: Histories, number: int, row: Row) -> Iterator[str]:
    state, attempts = row["state"], histories.attempts.get(number, [])
    good = [each for each in attempts if each["outcome"] == "succeeded"]
    if state in FINAL and (row["finished_at"] is None or row["node"] is not None or row["cancel_requested"]):
        yield "has ended and still looks as if it were under way"
    if state not in FINAL and row["finished_at"] is not None:
        yield f"has a time of its end and is {state}"
    if len(good) != (state == "succeeded"):
        yield f"is {state} and has {len(good)} successful attempts"
    if good and attempts[-1] is not good[0]:
        yield "ran again after its success was recorded"
    if histories.has("dead_letters") and len(histories.letters.get(number, ())) != (state == "dead"):
        yield f"is {state} and has {len(histories.letters.get(number, ()))} dead letters"


def _moves(histories: Histories, number: int) -> Iterator[Breach]:
    before: Row | None = None
    by_people = [each["move"] for each in histories.changes.get(number, ())]
    for event in histories.events.get(number, ()):
        old, new = event["old"], event["new"]
        lines = ((("events", before),) if before else ()) + (("events", event),)
        if (old is None) != (before is None) or (before is not None and before["new"] != old):
            yield Breach("I3", number, f"left {old} without having been so", lines)
        if new not in ALLOWED[old] and not (old is None and histories.facts.get("imports")):
            yield Breach("I3", number, f"went from {old} to {new}", lines)
        wanted = _BY_PEOPLE.get((old, new))
        if wanted and histories.has("changes"):
            found = next((move for move in by_people if move in wanted), None)
            if found is None:
                yield Breach("I3", number, f"went from {old} to {new}, and nobody did that", lines)
            else:
                by_people.remove(found)
        before = event
    row = histories.tasks[number]
    if before is not None and before["new"] != row["state"]:
        yield Breach("I3", number, f"is {row['state']} by no move", (("events", before), ("tasks", row)))


def bounded_tries(histories: Histories) -> Iterator[Breach]:
    """I4: charged claims stay within the retries, crashes within their limit, and every claim was recorded."""
    facts = histories.facts
    queues = {row["name"]: row["max_retries"] for row in histories.rows("queues")}
    for number, row in histories.tasks.items():
        attempts = histories.attempts.get(number, [])
        lines = (("tasks", row), *(("attempts", each) for each in attempts))
        if row["released"] > row["attempt"]:
            yield Breach("I4", number, f"was given back {row['released']} times of {row['attempt']}", lines)
        own = row.get("max_retries")
        limit = own if own is not None else max(queues.get(row["queue"]) or 0, facts["max_retries"])
        if row["attempt"] - row["released"] > limit + 1:
            charged = row["attempt"] - row["released"]
            yield Breach("I4", number, f"was charged {charged} attempts, {limit + 1} at most", lines)
        if len({each["attempt"] for each in attempts}) != len(attempts):
            yield Breach("I4", number, "has two recorded attempts of the same number", lines)
        if row["state"] in FINAL and row["attempt"] != len(attempts):
            says = f"was claimed {row['attempt']} times and has {len(attempts)} recorded attempts"
            yield Breach("I4", number, says, lines)
        budgets = 1 + sum(
            each["move"] in ("requeue", "unqueue") for each in histories.changes.get(number, ())
        )
        crashes = sum(each["outcome"] == "crashed" for each in attempts)
        if crashes > facts.get("crash_limit", 3) * budgets:
            yield Breach("I4", number, f"crashed {crashes} times", lines)
        if row["state"] == "dead" and not attempts:
            yield Breach("I4", number, "is dead without an attempt", lines)


def fence(histories: Histories) -> Iterator[Breach]:
    """I6: what is stored is of the last claimed attempt, and an end was written under the fence of its claim."""
    for number, row in histories.tasks.items():
        attempts = histories.attempts.get(number, [])
        lines = (("tasks", row), *(("attempts", each) for each in attempts[-2:]))
        if row["state"] in ("succeeded", "dead") and attempts:
            last = attempts[-1]
            if (row["fence"], row["attempt"]) != (last["fence"], last["attempt"]):
                yield Breach("I6", number, "has not the fence and attempt of its last run", lines)
        if any(each["fence"] > row["fence"] for each in attempts):
            yield Breach("I6", number, "has an attempt under a fence that it never had", lines)
        result = _result(row)
        if row["state"] == "succeeded" and "fence" in result and result["fence"] != row["fence"]:
            yield Breach("I6", number, f"has the result of fence {result['fence']}", lines)
        yield from _fences(histories, number)


def _result(row: Row) -> dict[str, object]:
    try:
        value = json.loads(row["result"]) if row.get("result") else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _fences(histories: Histories, number: int) -> Iterator[Breach]:
    claim: Row | None = None
    last = 0
    for event in histories.events.get(number, ()):
        lines = ((("events", claim),) if claim else ()) + (("events", event),)
        if event["fence"] < last:
            yield Breach("I6", number, f"went back from fence {last} to {event['fence']}", lines)
        if event["old"] == "running" and claim is not None and event["old_fence"] != claim["fence"]:
            yield Breach("I6", number, f"ended under fence {event['old_fence']}", lines)
        if event["old"] == "running" and claim is not None and event["attempt"] != claim["attempt"]:
            yield Breach("I6", number, f"ended with attempt {event['attempt']}", lines)
        if event["new"] == "running":
            if claim is not None and event["attempt"] <= claim["attempt"]:
                yield Breach("I6", number, f"was claimed twice as attempt {event['attempt']}", lines)
            if claim is not None and event["fence"] <= claim["fence"]:
                yield Breach("I6", number, f"was claimed twice under fence {event['fence']}", lines)
            claim = event
        last = event["fence"]


def dead_letters_complete(histories: Histories) -> Iterator[Breach]:
    """I21: a dead letter holds what it takes to make its task anew, the cause, and each attempt its error."""
    for number, letters in histories.letters.items():
        row = histories.tasks.get(number)
        for letter in letters:
            lines = (("dead_letters", letter), *((("tasks", row),) if row else ()))
            if not letter["cause"]:
                yield Breach("I21", number, "has a dead letter without a cause", lines)
            same = ("url", "handler", "metadata", "queue", "priority_score")
            apart = [] if row is None else [name for name in same if row[name] != letter[name]]
            if apart:
                yield Breach("I21", number, f"has a dead letter of another {' and '.join(apart)}", lines)
            heir = letter.get("resurrected_as")
            if heir is not None and histories.tasks and heir not in histories.tasks:
                yield Breach("I21", number, f"came back as task_{heir}, which does not exist", lines)
        for attempt in histories.attempts.get(number, ()):
            if attempt["outcome"] not in ("succeeded", "cancelled") and not attempt["error"]:
                yield Breach("I21", number, "has a failed attempt without an error", (("attempts", attempt),))
