"""Faults of the network between a daemon and its servers: frozen, slow, dripping, deaf, half closed, reset."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from tests.support.chance import let_pass
from tests.support.link import BOTH, Link

if TYPE_CHECKING:
    from tests.faults.chaos.stage import Stage


def freeze(stage: Stage, chance: Random) -> None:
    """Let nothing pass, in one direction or in both, for less than the time after which a node is taken for dead."""
    link = _one(stage, chance)
    try:
        link.freeze(*chance.choice((BOTH, BOTH[:1], BOTH[1:])))
        let_pass(chance.uniform(0.1, 2.5))
    finally:
        link.thaw()


def slow(stage: Stage, chance: Random) -> None:
    """Let every message take longer."""
    _for_a_while(stage, chance, lambda link: link.slow_down(chance.uniform(0.005, 0.2)))


def drip(stage: Stage, chance: Random) -> None:
    """Let messages through in small pieces."""
    _for_a_while(stage, chance, lambda link: link.drip(chance.choice((1, 7, 100))))


def lose_answers(stage: Stage, chance: Random) -> None:
    """Let servers act and lose what they answer."""
    for _ in range(chance.randint(1, 8)):
        link = _one(stage, chance)
        try:
            link.swallow_answers()
            let_pass(chance.uniform(0, 0.1))
        finally:
            link.clear()
        let_pass(chance.uniform(0, 0.1))


def half_close(stage: Stage, chance: Random) -> None:
    """Close one direction of all connections."""
    for _ in range(chance.randint(1, 4)):
        _one(stage, chance).half_close()
        let_pass(chance.uniform(0, 0.2))


def reset(stage: Stage, chance: Random) -> None:
    """Reset all connections, and refuse new ones for a while."""
    for _ in range(chance.randint(1, 4)):
        link = _one(stage, chance)
        try:
            link.cut()
            let_pass(chance.choice((0.0, 0.3, 1.0)) * chance.random())
        finally:
            link.mend()
        let_pass(chance.uniform(0, 0.2))


def _for_a_while(stage: Stage, chance: Random, change: Callable[[Link], None]) -> None:
    link = _one(stage, chance)
    try:
        change(link)
        let_pass(chance.uniform(0.2, 1.0))
    finally:
        link.clear()


def _one(stage: Stage, chance: Random) -> Link:
    return chance.choice(stage.links)
