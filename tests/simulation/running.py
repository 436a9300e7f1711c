"""One run from its seed to the judgement: chaos, then quiet until all tasks have ended, then the three histories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.judge import Breach, Histories, judge, sentence
from tests.faults.recording import read_tables
from tests.simulation.clients import Operator, Submitter
from tests.simulation.nemesis import Nemesis
from tests.simulation.seams import seams
from tests.simulation.site import Site
from tests.simulation.weather import Plan
from tests.simulation.world import EPOCH_MS, World

_CHAOS_SECONDS = (8.0, 16.0, 45.0)
"""The longest is beyond the end of a lease."""

_DRAIN_SECONDS_A_TASK = 4.0
"""One worker may have to run a second and more for each of nine attempts of every fifth task."""

_KILL_GRACE_MS = 12_000
_TICK_BOUND_MS = 100_000
"""A claim whose commit nobody heard of ends after 90 s; only then does another node fire the tick."""

_LAG_MS = 5_000
"""A queue is looked at from its beginning this often, whatever goes wrong with a look or two."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to: its histories, the breaches in them, and which faults happened how often."""

    plan: Plan
    histories: Histories
    breaches: tuple[Breach, ...]
    faults: Counter[str]
    seconds: float

    def told(self) -> str:
        """Return in words what was found, with the command that replays it."""
        said = sentence(judge(self.histories), self.histories)
        return f"{said}\nreplay: {self.plan.command()}"


def run(plan: Plan, *, trace: Callable[[str], None] | None = None) -> Result:
    """Run a plan and judge it; the same plan always gives the same histories."""
    world = World(trace=trace)
    with seams(world, plan.seed):
        site = Site(plan, world)
        chance = site.weather.stream("run")
        seconds = _CHAOS_SECONDS[-1] if site.duel else chance.choice(_CHAOS_SECONDS)
        shares = [plan.tasks // 2, plan.tasks - plan.tasks // 2]
        submitters = [Submitter(site, f"c{n}", share, seconds * 0.7) for n, share in enumerate(shares)]
        Operator(site, submitters, seconds)
        nemesis = Nemesis(site)
        world.run_until(world.now + round(seconds * 1e9))
        world.tell("all is well from now on")
        nemesis.leave_off()
        site.shared.execute_sql("UPDATE queues SET paused = 0")
        drained = _drain(site)
        histories = _histories(site, drained)
        site.shared.close()
    judgement = judge(histories)
    return Result(plan, histories, judgement.breaches, site.weather.happened, world.monotonic())


def _drain(site: Site) -> bool:
    """Let the nodes work until no task is open; tell whether that came within its bound.

    Where everybody has slept beside schedules, they get the time to fire what came due meanwhile.
    """
    world = site.world
    settled = site.slept_until + _TICK_BOUND_MS * 1_000_000 if _rows(site, "schedules") else 0
    until = max(world.now, settled) + round(site.plan.tasks * _DRAIN_SECONDS_A_TASK * 1e9)
    while world.now < until:
        world.run_until(world.now + 1_000_000_000)
        if world.now > settled and not _rows(site, "tasks WHERE finished_at IS NULL"):
            return True
    return False


def _rows(site: Site, what: str) -> int:
    ((count,),) = site.shared.execute_sql(f"SELECT COUNT(*) FROM {what}").fetchall()
    return int(count)


def _histories(site: Site, drained: bool) -> Histories:
    tables = read_tables(site.database())
    for event in tables["events"]:
        event["mono"] = (event["at"] - EPOCH_MS) * 1_000_000
    facts: dict[str, Any] = {
        "seed": site.plan.seed,
        "drained": True,
        "in_time": drained,
        "max_retries": site.max_retries,
        "crash_limit": 3,
        "limits": site.limits,
        "deaths": site.deaths,
        "away": site.away,
        "kill_grace_ms": _KILL_GRACE_MS,
        "ticks_until": _ticks_until(site),
        "task_timeout": site.settings.task_timeout,
        "backoff": {
            "seconds": site.settings.retry_backoff,
            "longest": site.settings.retry_backoff_max,
            "uncharged": ["not now"],
        },
    }
    if site.clocks_move:
        del facts["backoff"]
        facts["clock_steps"] = True
    if site.orderly:
        facts["order"] = {"buffer": 0, "lag_ms": _LAG_MS}
    return Histories(site.client, site.witness, tables, facts)


def _ticks_until(site: Site) -> int:
    """Return up to when every tick must have been fired: nobody fires one who is away, or has only just come back."""
    bound = _TICK_BOUND_MS * 1_000_000
    now = site.world.now
    gone = [each["from"] for each in site.away if each["until"] > now - bound]
    return int(EPOCH_MS + (min([now, *gone]) - bound) // 1_000_000)
