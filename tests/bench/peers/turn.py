"""One contender's turn in a round: everything about it that is timed."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from statistics import median
from typing import TypeVar

from tests.bench.figures import percentile
from tests.bench.peers.arithmetic import overtaken, rate, waits
from tests.bench.peers.columns import MEASURE_OF
from tests.bench.peers.contenders import Contender
from tests.bench.peers.environments import Environment
from tests.bench.peers.servers import Servers
from tests.bench.peers.serving import LOW, URGENT
from tests.bench.peers.sizes import Sizes
from tests.bench.peers.stand import ContenderError, Stand

T = TypeVar("T")

_WARMING = 10
_NOOPS = ("single", "bulk", "more")


class Turn:
    """Samples by measure, what the contender has no means for, and what went wrong, each as far as it came."""

    def __init__(
        self,
        contender: Contender,
        environment: Environment,
        servers: Servers,
        sizes: Sizes,
        wanted: Collection[str],
    ) -> None:
        self.samples: dict[str, float] = {}
        self.cannot: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        self._contender = contender
        self._environment = environment
        self._servers = servers
        self._sizes = sizes
        self._wanted = wanted
        self._cleanup = contextlib.ExitStack()

    def run(self) -> Turn:
        """Measure what is wanted, and return this turn."""
        with self._cleanup:
            stand = self._step(("submit", "bulk", "drain"), self._flow)
            self._step(("latency", "naps", "memory"), lambda: self._at_leisure(stand))
            self._step(("urgent",), self._hurry)
            self._step(("startup",), self._start_up)
        # Some come by the way.
        self.samples = {
            key: value for key, value in self.samples.items() if MEASURE_OF.get(key, key) in self._wanted
        }
        return self

    def _step(self, measures: Sequence[str], work: Callable[[], T]) -> T | None:
        """Do a step if any of its measures is wanted; what fails costs those that have not been made."""
        if not any(each in self._wanted for each in measures):
            return None
        try:
            return work()
        except Exception as error:  # noqa: BLE001  one contender's failure must not cost the others
            for each in measures:
                if each in self._wanted and each not in self.samples and each not in self.cannot:
                    self.failures[each] = f"{type(error).__name__}: {error}"
            return None

    def _fresh(self) -> Stand:
        """Clear away the last stand and set up an empty one."""
        self._cleanup.close()
        seat = self._cleanup.enter_context(self._servers.seat(self._contender))
        stand = self._cleanup.enter_context(Stand(self._environment, seat, self._sizes.step_seconds))
        self.cannot |= {name: why for name, why in stand.cannot.items() if name in self._wanted}
        return stand

    def _flow(self) -> Stand | None:
        """Submit while nobody works, then let it drain; return the stand if nothing is left waiting on it."""
        sizes, stand = self._sizes, self._fresh()
        waiting = sizes.submit
        self.samples["submit"] = sizes.submit / stand.each("noop", "single", sizes.submit)
        if "bulk" not in stand.cannot:
            waiting += sizes.bulk
            self.samples["bulk"] = sizes.bulk / stand.many("noop", "bulk", sizes.bulk)
        elif "drain" in self._wanted:
            waiting += sizes.drain
            stand.each("noop", "more", sizes.drain)
        if "drain" not in self._wanted:
            return None
        stand.start_workers()
        stand.await_all("tasks", 1, lambda: _noops(stand))
        empty = stand.wait(lambda: _noops(stand) >= waiting, sizes.drain_seconds)
        self.samples["drain"] = rate(
            {name: when for prefix in _NOOPS for name, when in stand.witness.ended(prefix).items()}
        )
        return stand if empty else None

    def _at_leisure(self, stand: Stand | None) -> None:
        """Measure on workers that have nothing else to do."""
        sizes = self._sizes
        if stand is None:
            stand = self._fresh()
            stand.start_workers()
        witness = stand.witness
        stand.each("stamp", "warming", _WARMING)
        stand.await_all("first tasks", _WARMING, lambda: len(witness.begun("warming")))
        if "latency" in self._wanted:
            sent = stand.apart("stamp", "idle", sizes.latency, sizes.pause_seconds)
            stand.await_all("tasks", sizes.latency, lambda: len(witness.begun("idle")))
            took = waits(sent, witness.begun("idle"))
            self.samples |= {"latency": percentile(took, 0.50), "latency_p99": percentile(took, 0.99)}
        if "naps" in self._wanted:
            stand.many("nap", "nap", sizes.naps)
            stand.await_all("naps", sizes.naps, lambda: len(witness.ended("nap")))
            self.samples["naps"] = rate(witness.ended("nap"))
        if "memory" in self._wanted:
            time.sleep(sizes.idle_seconds)
            self.samples["memory"] = stand.worker_megabytes()

    def _hurry(self) -> None:
        """Submit urgent tasks while low ones wait, the first when a seventh of them has begun."""
        sizes, stand = self._sizes, self._fresh()
        if "urgent" in stand.cannot:
            return
        witness = stand.witness
        stand.many("brief", "low", sizes.low, LOW)
        stand.start_workers()
        took, before = [], []
        for number in range(1, sizes.urgent + 1):
            begun = sizes.low * number // 7
            stand.await_all("low tasks", begun, lambda: len(witness.begun("low")))
            sent = stand.apart("stamp", f"urgent-{number}", 1, 0, URGENT)
            stand.await_all("urgent tasks", number, lambda: len(witness.begun("urgent")))
            if len(witness.begun("low")) == sizes.low:
                raise ContenderError("the low tasks were all done before the urgent one began")
            ((name, moment),) = sent.items()
            started = witness.begun("urgent")[name][0]
            took.append((started - moment) / 1e6)
            before.append(overtaken(moment, started, witness.begun("low")))
        self.samples |= {"urgent": median(took), "overtaken": median(before)}

    def _start_up(self) -> None:
        """Time the command's help as a whole process, after one that leaves the bytecode behind."""
        stand = self._fresh()
        if stand.command is None:
            self.cannot["startup"] = stand.cannot.get("startup", "has no command")
            return
        environment = dict(stand.seat.environment)
        took = [_seconds(stand.command, environment) for _ in range(self._sizes.startups + 1)]
        self.samples["startup"] = median(took[1:]) * 1000


def _noops(stand: Stand) -> int:
    return sum(len(stand.witness.ended(prefix)) for prefix in _NOOPS)


def _seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, cwd="/", capture_output=True, check=True, timeout=60)
    return time.perf_counter() - start
