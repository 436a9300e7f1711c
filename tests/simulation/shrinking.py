"""Make a failing run smaller: fewer kinds of faults, fewer of them, fewer tasks, while the same promise is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.running import Result, run
from tests.simulation.weather import Plan

_FEWEST_TASKS = 3


def shrink(failing: Result, *, attempts: int = 60, again: Callable[[Plan], Result] = run) -> Result:
    """Return a smaller run that breaks one of the same promises, after so many attempts at the most."""
    smallest, broken = failing, {breach.invariant for breach in failing.breaches}
    tried: set[Plan] = set()
    progress = True
    while progress and attempts > 0:
        progress = False
        for plan in _smaller(smallest):
            if attempts <= 0:
                break
            if plan in tried:
                continue
            tried.add(plan)
            attempts -= 1
            result = again(plan)
            if broken & {breach.invariant for breach in result.breaches}:
                smallest, progress = result, True
                break
    return smallest


def _smaller(result: Result) -> Iterator[Plan]:
    """Yield plans that are smaller than that of a run, the boldest first."""
    plan = result.plan
    happened = [kind for kind in result.faults if kind not in plan.without]
    if len(happened) > 1:
        for half in (happened[: len(happened) // 2], happened[len(happened) // 2 :]):
            yield replace(plan, without=plan.without | set(half))
    for share in (0.25, 0.5, 0.8):
        if (tasks := max(_FEWEST_TASKS, round(plan.tasks * share))) < plan.tasks:
            yield replace(plan, tasks=tasks)
    for kind in happened:
        yield replace(plan, without=plan.without | {kind})
    count = result.faults.total()
    for share in (0.25, 0.5, 0.75, 0.95):
        if (faults := int(count * share)) < count:
            yield replace(plan, faults=faults)
