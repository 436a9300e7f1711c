"""Sentences that are said in more than one language: what each says, apart from how a language words it.

The console speaks English, and so does ``str()`` of a sentence; the web page has patterns of its own for its other
languages, under the same keys and with the same blanks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Duration:
    """A time in milliseconds, said in its leading unit."""

    ms: int


@dataclass(frozen=True, slots=True)
class Word:
    """A name of our own that has words, such as that of a queue; ``kind`` says of what it is one."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said, or a part of it: the key of a pattern, and what goes into its blanks."""

    key: str
    facts: tuple[tuple[str, Fact], ...] = ()

    def __str__(self) -> str:
        """Return it in English."""
        return filled(PATTERNS[self.key], {name: _in_english(fact) for name, fact in self.facts})


Fact = int | str | Duration | Word | Sentence


def say(key: str, **facts: Fact) -> Sentence:
    """Return a sentence; a blank that may stay empty takes an empty text."""
    return Sentence(key, tuple(facts.items()))


def filled(pattern: str, values: Mapping[str, object]) -> str:
    """Return a pattern with its blanks filled in, numbers with their thousands apart.

    A pattern in two forms, with `` | `` between, has the first for one thing and the second for several; ``n`` is the
    number of things that it is about.
    """
    if " | " in pattern:
        one, _, several = pattern.partition(" | ")
        pattern = one if values.get("n") == 1 else several
    if not values:
        return pattern
    return pattern.format(
        **{name: f"{value:,}" if type(value) is int else value for name, value in values.items()}
    )


def _in_english(fact: Fact) -> int | str:
    match fact:
        case Duration(ms):
            for unit, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
                if ms >= unit:
                    return f"{ms // unit} {name}"
            return f"{max(0, ms) // 1000} s"
        case Word(_, name):
            return name
        case Sentence():
            return str(fact)
        case _:
            return fact


PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        # What a check of the health has found.
        "health.unreachable": "{trouble}",
        "health.answers": "answers",
        "health.answers_in": "answers in {time} ms",
        "health.redis_away": "Redis does not answer {n} daemon; they go on without it"
        " | Redis does not answer {n} daemons; they go on without it",
        "health.transport": "{transport} is in order",
        "health.transport_unused": "{transport}, used by nobody now",
        "health.no_daemon": "none is running",
        "health.no_daemon_for": "none is running and {n} task waits | none is running and {n} tasks wait",
        "health.silent": "the one on {host} (pid {pid}) is silent since {time}",
        "health.daemons": "{n} daemon running | {n} daemons running",
        "health.roles": "no role is missing",
        "health.no_scheduler": "only workers run: no schedule fires, nothing is summed up, removed or reported",
        "health.no_worker": "only schedulers run, so no task starts",
        "health.no_worker_for": "only schedulers run, so no task starts, and {n} task waits"
        " | only schedulers run, so no task starts, and {n} tasks wait",
        "health.no_wait": "no task waits",
        "health.longest_wait": "a task of {queue} waits since {time}",
        "health.no_runs": "no runs lately",
        "health.failures": "{failed} of {n} run of the last 15 minutes failed{judged}"
        " | {failed} of {n} runs of the last 15 minutes failed{judged}",
        "health.too_few": ", too few to judge",
        "health.no_letters": "none",
        "health.letters": "{n} waits for a decision | {n} wait for a decision",
        "health.many_letters": "more than {n} wait for a decision",
        "health.schedule_problem": "{name}: {problem}{more}",
        "health.more": " (and {n} more)",
        "health.in_time": "none is late",
        "health.late": "{name} is late by {time}",
        "health.no_size": "no queue has a max_size",
        "health.filled": "{queue} is filled to {share} of its {size}",
        "health.deliveries": "{n} article waits for its delivery{failed}"
        " | {n} articles wait for their delivery{failed}",
        "health.failed_deliveries": "; {failing} after a failure, {lost} given up",
        "health.disk": "{free} GiB free at {folder}",
        # Why a task waits.
        "wait.on_its_way": "it is on its way to a worker",
        "wait.not_due": "it waits for its time",
        "wait.back_off": "it waits before its next run{failed}{because}",
        "wait.failed": ": run {failures} of {runs} failed",
        "wait.because": " because: {error}",
        "wait.no_daemon": "no daemon is running",
        "wait.no_handler": "no running daemon has the handler {handler}: it will be given up when it starts",
        "wait.kind": "as many tasks of its kind are at work as {setting} allows",
        "wait.clock_ahead": "the clock of {host} is {seconds} s ahead: what it starts by time starts early",
        "wait.clock_behind": "the clock of {host} is {seconds} s behind: what it starts by time starts late",
        "wait.paused": "the queue {queue} is paused",
        "wait.concurrency": "{n} task of the queue {queue} at work, as many as it may have"
        " | {n} tasks of the queue {queue} at work, as many as it may have",
        "wait.rate_used": "the queue {queue} has used up its {limit}{before}",
        "wait.rate_left": "the queue {queue} may start only {room} more by its {limit}{before}",
        "wait.before": ", and {n} task of it before this one | , and {n} tasks of it before this one",
        "wait.host_held": "{host} wants to be left alone{because}",
        "wait.host_said": ": {text}",
        "wait.host_gap": "between two starts at {host} the queue {queue} keeps {gap} s{before}",
        "wait.before_there": ", and {n} task of it there before this one"
        " | , and {n} tasks of it there before this one",
        "wait.host_concurrency": "of the host {host} the queue {queue} lets {most} run at a time",
        "wait.workers": "the one worker is busy | all {n} workers are busy",
        "wait.ahead": "{n} queued task stands before it by score and time"
        " | {n} queued tasks stand before it by score and time",
        "wait.ahead_least": "more than {n} queued tasks stand before it by score and time",
        # Why another one does not.
        "wait.running": "it runs: attempt {attempt}",
        "wait.cancel_requested": "it was asked to stop",
        "wait.succeeded": "it has succeeded",
        "wait.cancelled": "it was cancelled",
        "wait.dead": "it was given up{cause} | it was given up after {n} runs{cause}",
        "wait.cause": " ({cause})",
    }
)
