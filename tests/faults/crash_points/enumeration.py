"""Go through the points of a scenario: count them once, then die at each, recover, and let the judge look."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from queuectl.store.database import Database
from queuectl.store.migrate import migrate
from tests.faults.crash_points import commands, daemons
from tests.faults.crash_points.scenario import CommandScenario, DaemonScenario, Props, Scenario, Stage
from tests.support.forker import Forker
from tests.support.guard import guard
from tests.support.redis import RedisServer
from tests.support.strace import Point, Trace, followed
from tests.support.verdict import pronounce
from tests.support.waiting import wait_until

SCENARIOS: dict[str, Scenario] = {
    each.name: each
    for each in (
        commands.Submit(),
        commands.Batch(),
        daemons.Dispatch(),
        daemons.Claim(),
        daemons.Completions(),
        daemons.Retry(),
        daemons.Bury(),
        commands.Cancel(),
        commands.Import(),
        commands.Migrate(),
        commands.Backup(),
        daemons.Shutdown(),
    )
}


@dataclass
class Outcome:
    """What an enumeration has seen: how many points there are, at how many the process died, and what was broken."""

    points: int = 0
    deaths: int = 0
    survived: int = 0
    breaches: list[str] = field(default_factory=list)


@contextlib.contextmanager
def props() -> Iterator[Props]:
    """Give what all points share; a Redis is there from the first time that one is asked for."""
    folder = guard.new_folder()
    database = Database(f"sqlite:///{folder / 'queuectl.db'}")
    migrate(database)
    database.close()
    pristine = (folder / "queuectl.db").read_bytes()
    guard.remove_folder(folder)
    with contextlib.ExitStack() as stack:
        servers: list[RedisServer] = []

        def redis() -> RedisServer:
            if not servers:
                servers.append(stack.enter_context(RedisServer()))
            return servers[0]

        yield Props(stack.enter_context(Forker()), pristine, redis)


def points_of(scenario: Scenario, shared: Props) -> list[Point]:
    """Run a scenario undisturbed and return its points."""
    trace, home, _ = _play(scenario, shared, None)
    return trace.points(home)


def trace_of(scenario: Scenario, shared: Props) -> Trace:
    """Run a scenario undisturbed and return what was seen of it."""
    trace, _, _ = _play(scenario, shared, None)
    return trace


def die_at(scenario: Scenario, shared: Props, point: Point) -> bool:
    """Kill the process at a point, recover and judge; return whether it came that far.

    Raises:
        AssertionError: A promise was broken.
    """
    _, _, died = _play(scenario, shared, point)
    return died


def _play(scenario: Scenario, shared: Props, point: Point | None) -> tuple[Trace, Path, bool]:
    stage = scenario.build(shared)
    try:
        scenario.prepare(stage)
        play = _play_command if isinstance(scenario, CommandScenario) else _play_daemon
        trace, died = play(scenario, stage, point)  # type: ignore[arg-type]
        if not stage.site.daemon.running:
            stage.site.daemon.start()
        stage.site.wait_until_done(within=30)
        assert stage.site.daemon.stop() == 0
        told = f"make crash-points SCENARIO={scenario.name} POINT={point}"
        pronounce(stage.site, stage.client, facts={"imports": scenario.name == "import"}, told=told)
        return trace, stage.site.home, died
    finally:
        stage.close()


def _play_command(scenario: CommandScenario, stage: Stage, point: Point | None) -> tuple[Trace, bool]:
    process, out = scenario.command(stage, scenario.words(stage), held=True)
    with followed(process.pid, stage.site.home, point) as trace:
        process.release()
        status = process.wait(60)
    killed = status == -signal.SIGKILL
    assert killed or status == 0, f"{scenario.name} ended with {status}: {out.read_text()}"
    scenario.judge_command(stage, out.read_text(), killed=killed)
    return trace, killed


def _play_daemon(scenario: DaemonScenario, stage: Stage, point: Point | None) -> tuple[Trace, bool]:
    daemon = stage.site.daemon
    daemon.start()
    scenario.prepare_running(stage)
    with followed(daemon.pid, stage.site.home, point) as trace:
        scenario.act(stage)
        wait_until(
            lambda: not daemon.running or scenario.has_ended(stage),
            within=60,
            describing=f"the end of {scenario.name}; its log so far:\n{daemon.log()}\n",
        )
        status = None if daemon.running else daemon.wait()
    assert status in (None, 0, -signal.SIGKILL), f"the daemon ended with {status}:\n{daemon.log()}"
    return trace, status == -signal.SIGKILL
