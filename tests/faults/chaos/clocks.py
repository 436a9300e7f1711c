"""Clocks that step: the daemon's wall clock is moved while it runs, by libfaketime where that is installed."""

from __future__ import annotations

import functools
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.support.chance import let_pass

if TYPE_CHECKING:
    from tests.faults.chaos.stage import Stage


@functools.cache
def library() -> Path | None:
    """Return the library that is loaded before all others, or None where there is none."""
    places = ("/usr/lib", "/usr/local/lib")
    found = [each for place in places for each in Path(place).glob("**/faketime/libfaketimeMT.so.1")]
    return found[0] if found else None


def can_step() -> bool:
    """Tell whether clocks can be moved here."""
    return library() is not None


def variables(home: Path) -> dict[str, str]:
    """Return the environment of a daemon whose clock is what the file ``clock`` in its home says."""
    set_clock(home, 0)
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(home / "clock"),
        "FAKETIME_CACHE_DURATION": "0",
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def set_clock(home: Path, seconds: float) -> None:
    """Let a daemon's clock differ by so much; the file changes in one step."""
    draft = home / "clock.new"
    draft.write_text(f"{seconds:+.3f}\n")
    draft.replace(home / "clock")


def step(stage: Stage, chance: Random) -> None:
    """Move one daemon's clock forth and back, by seconds, so that what waits for its time stays within the run."""
    node = chance.choice(stage.nodes)
    try:
        for _ in range(chance.randint(1, 5)):
            set_clock(node.site.home, chance.uniform(-4, 4))
            let_pass(chance.uniform(0.05, 0.4))
    finally:
        set_clock(node.site.home, 0)
