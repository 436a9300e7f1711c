"""The table of the invariants: each with its name, what looks at it, and which histories that takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.faults.judge import chain, existence, limits, lives, order, runs, samples, schedules
from tests.faults.judge.histories import Breach, Histories


@dataclass(frozen=True, slots=True)
class Invariant:
    """One promise. ``needs`` names histories, tables (by their names) and facts (``facts.NAME``)."""

    id: str
    name: str
    look: Callable[[Histories], Iterator[Breach]]
    needs: tuple[str, ...]


INVARIANTS = (
    Invariant("I1", "no loss", existence.no_loss, ("client", "tasks")),
    Invariant("I2", "no invention", existence.no_invention, ("client", "tasks")),
    Invariant("I3", "one end", lives.one_end, ("tasks", "attempts")),
    Invariant("I4", "bounded tries", lives.bounded_tries, ("tasks", "attempts", "facts.max_retries")),
    Invariant("I5", "no double run", runs.no_double_run, ("witness",)),
    Invariant("I6", "fence", lives.fence, ("tasks", "attempts")),
    Invariant("I7", "priority bound", order.priority_bound, ("tasks", "events", "facts.order")),
    Invariant("I8", "first come, first served", order.fifo_among_equals, ("tasks", "events", "facts.order")),
    Invariant("I9", "limits in every window", limits.limits, ("witness", "tasks", "facts.limits")),
    Invariant("I10", "once a tick", schedules.once_a_tick, ("schedules", "ticks", "facts.ticks_until")),
    Invariant("I11", "neither early nor late", limits.in_season, ("client", "witness")),
    Invariant("I12", "back-off", limits.backoff, ("witness", "attempts", "changes", "facts.backoff")),
    Invariant("I13", "time limit", runs.in_time, ("witness", "tasks")),
    Invariant("I14", "memory limit", samples.memory, ("samples",)),
    Invariant("I15", "cancelled is final", runs.cancel_is_final, ("client", "witness")),
    Invariant("I16", "bounded stores", samples.bounded_stores, ("samples",)),
    Invariant("I17", "idempotent submission", existence.idempotent_submit, ("client", "tasks")),
    Invariant("I18", "books balance", existence.books_balance, ("tasks",)),
    Invariant("I19", "round trip", samples.round_trips, ("samples",)),
    Invariant("I20", "order of promises", runs.promises_in_order, ("witness",)),
    Invariant("I21", "dead letters complete", lives.dead_letters_complete, ("dead_letters", "attempts")),
    Invariant("I22", "audit verifies", chain.audit_verifies, ("audit",)),
)
