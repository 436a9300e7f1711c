"""The list of all measures, in the order in which they are run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from tests.bench.figures import Figure
from tests.bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure by name, with what it finds out; its module, named otherwise if need be, is imported when it is run."""

    name: str
    about: str
    module: str | None = None

    def run(self, stage: Stage) -> Sequence[Figure]:
        """Measure."""
        module = import_module(f"tests.bench.measures.{self.module or self.name}")
        return cast(Callable[[Stage], Sequence[Figure]], module.run)(stage)


MEASURES = (
    Measure("drain", "20,000 tasks that do nothing, as fast as 8 workers can, beside bare Dramatiq"),
    Measure("limits", "the same drain where every queue has generous limits, beside one without any"),
    Measure("bulk", "100,000 URLs in one batch, beside the bare statements of each engine"),
    Measure("latency", "from submission to start on an idle daemon, beside bare Dramatiq"),
    Measure("urgent", "an urgent task against 2,000 waiting ones of 5 ms, beside bare Dramatiq"),
    Measure("sleepers", "2,000 tasks that sleep for 20 ms, with 16 workers"),
    Measure("async", "2,000 async functions that wait for 20 ms, 100 at a time", "asynchronous"),
    Measure("cores", "a handler that computes, in one process and in two"),
    Measure(
        "startup", "help, completion, and status, list and show with a million tasks, as whole processes"
    ),
    Measure(
        "reports", "a report on a month with a million tasks, as a whole process, as a page and as a PDF"
    ),
    Measure("take", "taking 100 tasks where a million wait and where 10,000 wait"),
    Measure("backlog", "what a task costs where 10,000 wait and where a hundred times as many do"),
    Measure("snapshot", "what a task costs while somebody keeps an old snapshot of PostgreSQL open"),
    Measure("seeing", "status, a scrape and a month of statistics with a million tasks"),
    Measure(
        "logins", "tasks that start while somebody guesses passwords, and whether the time of a guess tells"
    ),
    Measure("memory", "what an idle daemon keeps resident"),
    Measure("articles", "500 local articles through the whole handler, beside a bare loop"),
)
