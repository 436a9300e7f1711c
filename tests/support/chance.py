"""Chance for fault tests: one seed for each test, shown when it fails, and more rounds on request.

``FAULT_ROUNDS=200`` multiplies nothing and hides nothing: it is the number of rounds of each test that takes
rounds. ``FAULT_SEED=7`` repeats the choices of a failed run; what threads and servers do is still their own.
"""

from __future__ import annotations

import os
import random
import sys
import threading

ROUNDS_VARIABLE = "FAULT_ROUNDS"
SEED_VARIABLE = "FAULT_SEED"


def rounds(default: int) -> int:
    """Return how many rounds a test takes."""
    return int(os.environ.get(ROUNDS_VARIABLE, default))


def chooser() -> random.Random:
    """Return a generator of choices, and write its seed to where pytest shows it if the test fails."""
    seed = int(os.environ.get(SEED_VARIABLE, random.SystemRandom().randrange(10**6)))
    sys.stdout.write(f"{SEED_VARIABLE}={seed}\n")
    return random.Random(seed)


def let_pass(seconds: float) -> None:
    """Let a moment go by that was chosen at random; never to wait for something that can be seen."""
    threading.Event().wait(seconds)
