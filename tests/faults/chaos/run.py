"""One run: the load begins, the faults strike, everything is healed and drained, and the judge looks."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psutil
import psycopg2
import redis

from queuectl.errors import QueuectlError
from tests.faults.chaos.draw import Blow, Draw
from tests.faults.chaos.load import Load
from tests.faults.chaos.stage import Arena, Stage
from tests.support.ledger import Accounts, check_statistics
from tests.support.verdict import pronounce
from tests.support.waiting import wait_until

_DRAIN = 90.0  # seconds
COLLISIONS = (psycopg2.Error, redis.RedisError, psutil.Error, OSError, RuntimeError, QueuectlError)
"""What a fault meets where another one has been faster: a server that is away, a process that is gone."""


@dataclass(frozen=True, slots=True)
class Result:
    """A run that kept every promise."""

    tasks: int
    attempts: int
    unanswered: int
    seconds: float


def make(draw: Draw, arena: Arena) -> Result:
    """Make a run.

    Raises:
        AssertionError: A promise was broken.
    """
    begun = monotonic()
    stage = Stage(arena, draw)
    try:
        load = Load(stage, draw.tasks)
        _strike(stage)
        load.finish()
        stage.heal()
        stage.site.wait_until_done(within=_DRAIN)
        return _judged(stage, begun)
    except AssertionError as error:
        logs = "\n".join(node.daemon.log()[-3000:] for node in stage.nodes)
        raise AssertionError(f"{draw}\n{error}\nagain: {draw.command}\n{logs}") from error
    finally:
        stage.close()


def _strike(stage: Stage) -> None:
    failures: list[BaseException] = []
    threads = [
        threading.Thread(target=_blow, args=(stage, place, blow, failures), name="fault", daemon=True)
        for place, blow in enumerate(stage.draw.blows)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
        assert not each.is_alive(), "a fault hangs"
    for failure in failures:
        raise AssertionError(f"a fault has failed: {failure!r}") from failure


def _blow(stage: Stage, place: int, blow: Blow, failures: list[BaseException]) -> None:
    stage.let_pass(blow.after)
    try:
        blow.fault.strike(stage, stage.draw.chance(f"fault {place}"))
    except COLLISIONS:
        return
    except BaseException as error:  # noqa: BLE001  shown by the run's own thread
        failures.append(error)


def _judged(stage: Stage, begun: float) -> Result:
    samples: list[dict[str, Any]] = [
        {"kind": "memory", "who": "the daemon", "bytes": psutil.Process(node.daemon.pid).memory_info().rss}
        for node in stage.nodes
    ]
    for node in stage.nodes:
        status = node.stop()
        # The library that moves clocks makes an occasional sleep fail, which no clock does.
        wanted = (0, 1) if "clocks" in stage.draw.traits else (0,)
        assert status in wanted, f"a daemon that was told to stop ended with {status}"
    stage.resolve_batches()
    stage.check_that_harm_fails()
    for check in stage.at_the_end:
        check()
    wait_until(lambda: not list(stage.survivors()), within=5, describing="the end of what handlers started")
    draw = stage.draw
    facts: dict[str, Any] = {
        "imports": draw.has("an import that is killed"),
        "clock_steps": draw.has("clock steps"),
        "may_overlap": draw.nodes > 1 and draw.has("halt", "a link freezes"),
    }
    if draw.nodes > 1:
        facts["audit_key"] = None  # each home seals with a key of its own; the chain of hashes is one
    if not facts["clock_steps"]:
        facts["backoff"] = {"seconds": 0.05, "longest": 0.2}
    if draw.is_limited:
        facts["limits"] = [{"queue": "low_priority", "starts": 25, "period_ms": 1000, "concurrency": 2}]
    histories = pronounce(stage.site, stage.client, facts=facts, samples=samples, told=draw.command)
    if not facts["imports"]:  # what is imported was submitted elsewhere
        check_statistics(stage.site.settings, Accounts(histories))
    unanswered = sum(row["event"] == "unknown" for row in stage.client.rows)
    attempts = len(histories.rows("attempts"))
    return Result(len(histories.tasks), attempts, unanswered, monotonic() - begun)
