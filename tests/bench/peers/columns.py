"""The measures by name, and the columns of figures that they fill."""

from __future__ import annotations

from dataclasses import dataclass

MEASURES = {
    "submit": "tasks submitted one at a time by one process",
    "bulk": "tasks submitted by the call for many",
    "drain": "tasks that do nothing, waiting before the workers start",
    "latency": "from submission to start while nothing else is going on",
    "naps": "tasks that wait for 20 ms, at most 8 at a time",
    "memory": "what the worker processes keep when they have become idle",
    "urgent": "an urgent task while 2,000 low ones of 5 ms wait",
    "startup": "the command's --help as a whole process",
    "kill": "tasks after kill -9 of all workers in the middle, and their restart",
    "flush": "tasks after FLUSHALL in the middle",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A kind of figure: its key, its heading, its unit, and which of two is the better one."""

    key: str
    heading: str
    unit: str
    more_is_better: bool = False
    in_proportion: bool = False

    def ahead(self, one: float, other: float) -> float:
        """Return how many times better one figure is than another."""
        top, bottom = (one, other) if self.more_is_better else (other, one)
        return top / bottom if bottom else float("inf")

    def shown(self, value: float) -> str:
        """Return a figure as it stands in its column."""
        digits = 0 if value >= 100 or self.unit in {"tasks", "MB"} else 1
        return f"{value:,.{digits}f}"


COLUMNS = (
    Column("submit", "submit\n1/s", "tasks/s", more_is_better=True, in_proportion=True),
    Column("bulk", "bulk\n1/s", "tasks/s", more_is_better=True),
    Column("drain", "no-ops\n1/s", "tasks/s", more_is_better=True, in_proportion=True),
    Column("naps", "20 ms\n1/s", "tasks/s", more_is_better=True),
    Column("latency", "idle\np50 ms", "ms", in_proportion=True),
    Column("latency_p99", "idle\np99 ms", "ms"),
    Column("urgent", "urgent\nms", "ms"),
    Column("overtaken", "low\nfirst", "tasks"),
    Column("memory", "idle\nMB", "MB"),
    Column("startup", "help\nms", "ms"),
)

MEASURE_OF = {"latency_p99": "latency", "overtaken": "urgent"}
"""Columns that another's measure fills."""
