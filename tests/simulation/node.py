"""One daemon, put together of the real parts as the service does, at the places of its threads in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from queuectl.errors import QueuectlError
from queuectl.operations.firing import Firing
from queuectl.store import nodes, queues, schedules, tasks
from queuectl.store.nodes import NodeReport
from queuectl_daemon import endings
from queuectl_daemon.actors import Attempts
from queuectl_daemon.budgets import Budgets
from queuectl_daemon.capacity import Capacity
from queuectl_daemon.chores import Chores
from queuectl_daemon.flights import Flights
from queuectl_daemon.kinds import Kinds
from queuectl_daemon.middleware import DeadLetters
from queuectl_daemon.pump import Pump
from queuectl_daemon.recovery import Recovery
from queuectl_daemon.transport import RedisTransport
from queuectl_daemon.window import Pace
from tests.simulation.bells import Bell, Ticker
from tests.simulation.lists import Client
from tests.simulation.runner import SimulatedCrew, SimulatedRunner
from tests.simulation.site import Site
from tests.simulation.store import SimulatedDatabase
from tests.simulation.world import Actor, Killed

_SWEEP_SECONDS = 5.0
_GRACE_SECONDS = 3.0


class Node:
    """A daemon process from its boot to its end, in the home of a number."""

    def __init__(self, site: Site, home: int) -> None:
        self._site, self._world = site, site.world
        self.id = f"n{home}.{site.next_boot()}"
        self.home = home
        self.alive = True
        self.ready = False
        self._chance = site.weather.stream(f"node {self.id}")
        self.database = SimulatedDatabase(
            site.shared, site.world, site.weather, share=0.4, die=self.kill, down=lambda: site.down
        )
        self._world.skews[self.id] = site.skew_of(home)
        self._begin()

    def _begin(self) -> None:
        settings, site = self._site.settings, self._site
        self._flights = Flights()
        self._budgets = Budgets(settings)
        self.runner = SimulatedRunner(site.world, site.weather, self.id, site.saw)
        kinds = Kinds(settings.caps_of_kinds, lambda work: "process", self.runner.kinds)
        in_turns = bool(settings.priority_aging)
        self._capacity = Capacity(self._flights, settings.workers, kinds, in_turns=in_turns)
        dead_letters = DeadLetters(self._budgets.rule_for, lambda ending: self.pump.finish(ending))
        self._crew = SimulatedCrew(self._world, self.id, settings.workers, dead_letters.judge)
        self.pump = Pump(
            self.database,
            self._flights,
            node=self.id,
            capacity=self._capacity,
            aging=in_turns,
            hand_over=lambda works: self._crew.hand_over(self._attempts.hand_over(works)),
            cancel=self._cancel,
            scale=lambda workers: None,
            on_rules=self._budgets.learn,
            describe=self._describe,
            on_tick=lambda seconds, recorded, claimed: None,
        )
        self._attempts = Attempts(
            self._flights,
            self.runner,
            self._budgets,
            finish=self.pump.finish,
            judge=dead_letters.judge,
            crew=self._crew,
        )
        self._crew.attempts = self._attempts
        self._pump_bell = Bell(self._world, Actor(self.id, "pump"), self._pump_step)
        parts: Any = self.pump
        parts._bell = parts._full = parts._pause = self._pump_bell
        self._world.after(0.05, Actor(self.id, "boot"), self._boot)

    # The boot, in the order of the service.

    def _boot(self) -> None:
        try:
            with self.database.reading() as transaction:
                self._budgets.learn(queues.rules(transaction))
            self._start_recovery()
        except QueuectlError:
            self._world.tell("could not start")
            self.kill()
            return
        self._start_transport()
        self._start_chores()
        self._site.locks.announce(self.home, self.id)
        self.ready = True
        self._world.tell("is ready")
        self._pump_bell.ring()

    def _start_recovery(self) -> None:
        locks = self._site.locks
        recovery: Any = Recovery(
            self.database,
            self.id,
            self._budgets.rule_for,
            predecessor=locks.predecessor(self.home),
            on_released=self.pump.wake,
        )
        if self._site.shares_database:
            recovery._lock = locks.of(self.id, self.database.reach)
        self._recovery = recovery
        recovery._hold()
        recovery._sweep()
        self._world.after(_SWEEP_SECONDS, Actor(self.id, "watch"), self._watch)

    def _watch(self) -> None:
        self._recovery._sweep_quietly()
        self._world.after(_SWEEP_SECONDS, Actor(self.id, "watch"), self._watch)

    def _start_transport(self) -> None:
        if self._site.lists is None:
            return
        transport: Any = RedisTransport(
            "redis://simulated",
            "queuectl",
            on_messages=self.pump.receive,
            on_lost=self.pump.transport_lost,
            on_switch=self.pump.transport_switched,
        )
        transport._client = Client(self._site.lists, self._world, self._site.weather)
        self._transport_bell = Bell(self._world, Actor(self.id, "transport"), self._exchange)
        transport._bell = self._transport_bell
        self.pump.transport = transport
        transport.connect()
        self._transport_bell.ring()

    def _exchange(self) -> None:
        transport: Any = self.pump.transport
        if transport._is_due():
            transport._attempt()
        self._transport_bell.again(0.4 if transport.up else 0.8)

    def _start_chores(self) -> None:
        ticker: Any = Ticker(self._world, self.id, self._chance)
        reader: Any = self._site.reader
        self.chores: Any = Chores(
            self.database,
            self._site.settings,
            self.id,
            wake=self.pump.wake,
            on_late=lambda late: None,
            ticker=ticker,
        )
        self.chores._schedules._firing = Firing(self.database, self._site.settings, reader, node=self.id)
        if self.pump.transport is not None:
            self.chores.resend()
        self.chores.start()

    # At work.

    def hear(self) -> None:
        """Hear a bell from outside, a moment later."""
        self._world.after(0.0005, Actor(self.id, "listener"), self.pump.wake)

    def _pump_step(self) -> None:
        pump: Any = self.pump
        pump._step()
        if not self.alive:
            raise Killed
        self._pump_bell.again(self._pump_bell.asked or self._pause_of(pump))

    def _pause_of(self, pump: Any) -> float:
        """Return after how many seconds the pump ticks if nobody rings; while the database is down, it waits first."""
        longest = 3.0 if self._site.weather.calm else 1.6  # it looks every quarter of a second in real life
        pause = self._chance.uniform(0.26, longest)
        moment = pump._view.next_moment(now := self._site.clock_of(self.id))
        return pause if moment is None else min(pause, max(0.002, (moment - now) / 1000))

    def _cancel(self, task: int, fence: int) -> None:
        flight = self._flights.get(task, fence)
        if flight is not None and not flight.cancelled:
            flight.cancelled = True
            self.runner.cancel(task, fence)

    def _describe(self, pace: Pace) -> NodeReport:
        transport = self.pump.transport
        return NodeReport(
            id=self.id, host="simulated", pid=self.home, version="0", started_at=self._site.clock_of(self.id),
            workers=self._capacity.workers, running=self._flights.running_count(),
            transport="redis" if transport else "in-process", transport_up=int(transport is None or transport.up),
            per_minute=0.0, progress="{}", handlers="[]", kinds="{}", held_back="[]", role="all", caps="{}",
        )  # fmt: skip

    # The end.

    def kill(self) -> None:
        """End the process at once; nothing of it goes on."""
        if not self.alive:
            return
        self._world.tell(f"{self.id} is killed")
        self.alive = self.ready = False
        self._site.died(self)
        self._world.kill(self.id)
        self._world.kill(f"{self.id} children")

    def stop(self) -> None:
        """End in an orderly way, as the service does."""
        if self.ready:
            self.ready = False
            self._world.after(0, Actor(self.id, "service"), self._drain)

    def _drain(self) -> None:
        self._world.tell("stops")
        self.chores.stop_schedules()
        self.pump.drain()
        self._until(self._is_idle, self._chance.choice([0.0, 0.3, _GRACE_SECONDS]))
        if self._flights.running_count():
            self.runner.interrupt()
            self._until(self._is_idle, _GRACE_SECONDS)
        for flight in self._flights.running():
            self.pump.finish(endings.interrupted(flight.work))
        self._until(lambda: self._flights.unrecorded == 0, 10.0)
        self.chores.stop()
        pump: Any = self.pump
        pump._stopping = True
        pump._step()
        pump._step()
        if pump.transport is not None:
            pump.transport._stopping = True
        self._leave()
        self.kill()

    def _leave(self) -> None:
        try:
            with self.database.writing() as transaction:
                tasks.release_dispatched(transaction, node=self.id)
                schedules.release(transaction, self.id)
                nodes.remove(transaction, self.id)
        except QueuectlError:
            return
        self._site.locks.leave(self.home)

    def _is_idle(self) -> bool:
        return self._flights.running_count() == 0 and self._flights.unrecorded == 0

    def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = self._world.monotonic() + seconds
        while not condition() and self._world.monotonic() < deadline:
            self._world.sleep(0.02)
