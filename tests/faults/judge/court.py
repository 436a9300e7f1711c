"""The judgement: what every invariant says of the histories that are there, and its smallest counter-example."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.faults.judge.catalogue import INVARIANTS
from tests.faults.judge.histories import Breach, Histories

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Judgement:
    """The breaches that were found, which invariants were looked at, and which lacked their histories."""

    breaches: tuple[Breach, ...]
    judged: tuple[str, ...]
    unjudged: tuple[str, ...]


def judge(histories: Histories) -> Judgement:
    """Look at every invariant whose histories are there; those of the tasks with the fewest breaches come first."""
    judged: list[str] = []
    unjudged: list[str] = []
    breaches: list[Breach] = []
    for each in INVARIANTS:
        if all(histories.has(need) for need in each.needs):
            judged.append(each.id)
            breaches += each.look(histories)
        else:
            unjudged.append(each.id)
    return Judgement(tuple(breaches), tuple(judged), tuple(unjudged))


def sentence(judgement: Judgement, histories: Histories) -> str:
    """Return in words what was found: one counter-example of each invariant, with all that is known of its task."""
    if not judgement.breaches:
        looked = f"kept: {', '.join(judgement.judged)}"
        return f"{looked}; not looked at: {', '.join(judgement.unjudged) or 'none'}"
    lines = [f"{len(judgement.breaches)} breaches; seed {histories.facts.get('seed', 'unknown')}"]
    smallest: dict[str, Breach] = {}
    for breach in judgement.breaches:
        known = smallest.setdefault(breach.invariant, breach)
        if len(breach.lines) < len(known.lines):
            smallest[breach.invariant] = breach
    for breach in [*smallest.values()][:_SHOWN]:
        lines.append(str(breach))
    tasks = list(dict.fromkeys(breach.task for breach in smallest.values() if breach.task is not None))
    for number in tasks[:2]:
        lines.append(f"all that is known of task_{number}:")
        lines += [f"    {name:12} {json.dumps(row, default=str)}" for name, row in _known(histories, number)]
    return "\n".join(lines)


def _known(histories: Histories, number: int) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [
        ("client", row) for row in histories.client if number in (row.get("ids") or ())
    ]
    found += [("tasks", histories.tasks[number])] if number in histories.tasks else []
    found += [("witness", row) for row in histories.witness if row["task"] == number]
    for name in ("events", "attempts", "letters", "changes"):
        found += [(name, row) for row in getattr(histories, name).get(number, ())]
    return found
