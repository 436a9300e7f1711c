"""How much of everything is measured: all of it, enough for a table in a quarter of an hour, or just to see it work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of tasks, and seconds; what a tool has not done within its limit is measured by what it has done."""

    submit: int
    bulk: int
    drain: int  # where there is no call for many, so many wait
    drain_seconds: float
    naps: int
    latency: int
    pause_seconds: float
    low: int
    urgent: int
    step_seconds: float
    idle_seconds: float
    startups: int
    victims: int
    back_seconds: float
    flush_seconds: float  # less: what Redis has forgotten comes back at once or never


FULL = Sizes(
    submit=2_000,
    bulk=20_000,
    drain=10_000,
    drain_seconds=15,
    naps=800,
    latency=200,
    pause_seconds=0.020,
    low=2_000,
    urgent=3,
    step_seconds=60,
    idle_seconds=3,
    startups=5,
    victims=400,
    back_seconds=110,
    flush_seconds=30,
)
SHORT = Sizes(
    submit=400,
    bulk=5_000,
    drain=2_500,
    drain_seconds=2.5,
    naps=160,
    latency=50,
    pause_seconds=0.012,
    low=2_000,
    urgent=2,
    step_seconds=20,
    idle_seconds=0.5,
    startups=1,
    victims=200,
    back_seconds=110,
    flush_seconds=20,
)
QUICK = Sizes(
    submit=50,
    bulk=500,
    drain=500,
    drain_seconds=1,
    naps=40,
    latency=10,
    pause_seconds=0.010,
    low=600,
    urgent=1,
    step_seconds=15,
    idle_seconds=0.3,
    startups=1,
    victims=200,
    back_seconds=30,
    flush_seconds=15,
)
