"""What becomes of accepted tasks when the workers are killed, and when Redis loses everything."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace

from tests.bench.peers.arithmetic import Losses, losses
from tests.bench.peers.contenders import Contender
from tests.bench.peers.environments import Environment
from tests.bench.peers.servers import Seat, Servers
from tests.bench.peers.sizes import Sizes
from tests.bench.peers.stand import ContenderError, Stand

KILL, FLUSH = "kill", "flush"
_PREFIX = "nap"
_LATER = "later"
_PAUSE_SECONDS = 1.0


def can_flush(contender: Contender) -> bool:
    """Tell whether a contender has anything in Redis."""
    return contender.redis


def strike(
    which: str, contender: Contender, environment: Environment, servers: Servers, sizes: Sizes
) -> Losses:
    """Let tasks of 20 ms run, strike when a quarter has ended, and judge when all have ended or time is up."""
    with (
        servers.seat(contender, own_redis=which == FLUSH) as seat,
        Stand(environment, seat, sizes.step_seconds) as stand,
    ):
        witness = stand.witness
        stand.many("nap", _PREFIX, sizes.victims)
        stand.start_workers()
        stand.await_all("tasks", sizes.victims // 4, lambda: len(witness.ended(_PREFIX)))
        _STRIKES[which](stand, seat)
        later = _wait_for_the_rest(
            stand, sizes, sizes.flush_seconds if which == FLUSH else sizes.back_seconds
        )
        # What is done a second time comes late: look once more after everything has been done once.
        stand.wait(lambda: False, sizes.idle_seconds)
        names = [f"{_PREFIX}-{number}" for number in range(sizes.victims)]
        found = losses(names, witness.begun(_PREFIX), witness.ended(_PREFIX))
        return replace(found, stuck=later > 0 and not witness.begun(_LATER))


def _kill(stand: Stand, seat: Seat) -> None:
    stand.kill_workers()
    stand.start_workers()


def _flush(stand: Stand, seat: Seat) -> None:
    assert seat.redis is not None
    seat.redis.flush()


_STRIKES: dict[str, Callable[[Stand, Seat], None]] = {KILL: _kill, FLUSH: _flush}


def _wait_for_the_rest(stand: Stand, sizes: Sizes, seconds: float) -> int:
    """Wait while every second another task comes, without which some tools never look after what is missing.

    Return how many came.
    """
    deadline = time.monotonic() + seconds
    restarts = 1
    for number in itertools.count():
        try:
            if stand.wait(lambda: len(stand.witness.ended(_PREFIX)) >= sizes.victims, _PAUSE_SECONDS):
                return number
        except ContenderError:
            # Workers that did not outlive it are started again, once, as a supervisor would.
            if not restarts:
                raise
            restarts -= 1
            stand.kill_workers()
            stand.start_workers()
        if time.monotonic() > deadline:
            return number
        stand.each("stamp", f"{_LATER}-{number}", 1)
    raise AssertionError("counting has no end")
