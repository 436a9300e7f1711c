"""Two nodes under load for as long as is wanted, with a fault a minute and their memory watched.

The first node is spared by what would end it, so that its memory can be followed from the first minute to the last.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import threading
from random import Random
from time import monotonic
from typing import Any

import psutil

from tests.conftest import pytest_configure
from tests.faults.chaos.catalogue import FAULTS, Fault
from tests.faults.chaos.draw import Draw
from tests.faults.chaos.load import Load
from tests.faults.chaos.run import COLLISIONS
from tests.faults.chaos.stage import Arena, Stage
from tests.support.chance import let_pass
from tests.support.daemon import POSTGRES_REDIS
from tests.support.verdict import pronounce

_MIB = 1024 * 1024
_WARM = 1 / 6
"""The share of the time in which memory may grow: caches fill and threads come."""
_GROWTH = 1.10
_SPARED = 8 * _MIB
_BOUNDED_KEYS = 64


class Watch:
    """Takes samples of the spared daemon's memory and of Redis's keys."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.pid = stage.nodes[0].daemon.pid
        self.memory: list[int] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        process = psutil.Process(self.pid)
        while not self._ended.wait(1.0):
            try:
                self.memory.append(process.memory_info().rss)
            except psutil.NoSuchProcess:
                return  # told by ``end``

    def end(self) -> list[dict[str, Any]]:
        """Stop looking and return the samples that the judge reads."""
        self._ended.set()
        self._thread.join()
        assert self.pid == self._stage.nodes[0].daemon.pid, "the spared daemon has ended"
        samples = [{"kind": "memory", "who": "the spared daemon", "bytes": max(self.memory)}]
        later = self.memory[int(len(self.memory) * _WARM) :]
        third = max(1, len(later) // 3)
        first, last = statistics.median(later[:third]), statistics.median(later[-third:])
        limit = int(first * _GROWTH + _SPARED)
        samples.append({"kind": "store", "name": "the daemon's memory", "value": int(last), "limit": limit})
        return samples

    def told(self) -> str:
        """Return the memory at the beginning, in the middle and at the end."""
        places = (0, len(self.memory) // 2, -1)
        return ", ".join(f"{self.memory[place] / _MIB:.0f}" for place in places) + " MiB"


def soak(arena: Arena, *, seconds: float, rate: int, seed: int, every: float = 60.0) -> str:
    """Put load on two nodes for so long, and return what was seen in a sentence.

    Raises:
        AssertionError: A promise was broken, or memory has grown.
    """
    tasks = int(seconds * rate)
    draw = Draw(seed, tasks, POSTGRES_REDIS, 2, is_limited=False, blows=())
    stage = Stage(arena, draw)
    struck: list[str] = []
    try:
        watch = Watch(stage)
        load = Load(stage, tasks, within=seconds)
        _strike_until(stage, monotonic() + seconds, every, struck)
        load.finish(within=120 + seconds)
        stage.heal()
        stage.site.wait_until_done(within=180)
        samples = watch.end()
        for node in stage.nodes:
            assert node.stop() == 0
        stage.resolve_batches()
        for check in stage.at_the_end:
            check()
        keys = int(arena.redis.command("DBSIZE")[0].removeprefix(":"))
        samples.append({"kind": "store", "name": "keys of Redis", "value": keys, "limit": _BOUNDED_KEYS})
        facts = {"imports": True, "may_overlap": True, "audit_key": None}
        told = f"make soak SEED={seed}"
        found = pronounce(stage.site, stage.client, facts=facts, samples=samples, told=told)
        runs = len(found.rows("attempts"))
        return (
            f"{len(found.tasks)} tasks, {runs} runs, {len(struck)} faults ({', '.join(struck)}),"
            f" memory {watch.told()}, {keys} keys in Redis"
        )
    finally:
        stage.close()


def _strike_until(stage: Stage, end: float, every: float, struck: list[str]) -> None:
    chance = Random(stage.draw.seed)
    usable = [each for each in FAULTS if each.fits(POSTGRES_REDIS, 2) and not each.trait]
    others = copy.copy(stage)
    others.nodes = stage.nodes[1:]
    while monotonic() < end:
        fault: Fault = chance.choice(usable)
        struck.append(f"{fault.row} {fault.name}")
        try:
            fault.strike(others, chance)
        except COLLISIONS:
            struck[-1] += " (cut short)"
        stage.heal()
        let_pass(min(every, max(0.0, end - monotonic())))


def main() -> int:
    """Soak; the status is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=int, default=50, help="tasks a second")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pytest_configure()
    arena = Arena()
    try:
        told = soak(arena, seconds=options.minutes * 60, rate=options.rate, seed=options.seed)
    except AssertionError as error:
        sys.stdout.write(f"BROKEN {error}\n")
        return 1
    finally:
        arena.close()
    sys.stdout.write(f"{options.minutes:g} minutes: {told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
