"""What figures are made of: rates, waits, losses and proportions, from what was noted and when."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Moments = Mapping[str, Sequence[int]]
"""By the name of a task, the nanoseconds of the monotonic clock at which something was noted of it."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What a disaster did to tasks: never done, cut short and begun again, done more than once.

    ``stuck`` says that the workers did nothing of what was submitted later either.
    """

    lost: int
    again: int
    twice: int
    stuck: bool = False

    def __str__(self) -> str:
        return f"{self.lost} · {self.again} · {self.twice}" + (" stuck" if self.stuck else "")


def rate(moments: Moments) -> float:
    """Return how many tasks a second were noted, from the first to the last, each by its first note.

    Raises:
        ValueError: Fewer than two were noted.
    """
    firsts = sorted(each[0] for each in moments.values())
    if len(firsts) < 2 or firsts[0] == firsts[-1]:
        raise ValueError(f"{len(firsts)} tasks were seen, which make no rate")
    return (len(firsts) - 1) * 1e9 / (firsts[-1] - firsts[0])


def waits(sent: Mapping[str, int], begun: Moments) -> list[float]:
    """Return in milliseconds how long after its submission each task began."""
    return [(begun[name][0] - moment) / 1e6 for name, moment in sent.items()]


def overtaken(sent: int, started: int, others: Moments) -> int:
    """Return how many other tasks began between a submission and its start."""
    return sum(sent < each[0] < started for each in others.values())


def losses(names: Collection[str], begun: Moments, ended: Moments) -> Losses:
    """Judge what became of tasks that were accepted under these names."""
    return Losses(
        lost=sum(name not in ended for name in names),
        again=sum(len(begun.get(name, ())) > len(ended.get(name, ())) for name in names if name in ended),
        twice=sum(len(ended.get(name, ())) > 1 for name in names),
    )


def middle(samples: Sequence[float | None]) -> float | None:
    """Return the median of the rounds that brought a figure; nothing where none did."""
    present = [each for each in samples if each is not None]
    return median(present) if present else None


def proportion(tops: Sequence[float | None], bottoms: Sequence[float | None]) -> float | None:
    """Return the median over the rounds of how many times larger one is than the other in the same round."""
    pairs = zip(tops, bottoms, strict=False)
    return middle([top / bottom for top, bottom in pairs if top is not None and bottom])
