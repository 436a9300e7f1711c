"""How far the delivery of reports is: for each line of the plan the last tick, who is at it, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from queuectl.store.database import Transaction
from queuectl.store.rows import placeholders

_COLUMNS = "entry, last_at, claimed_until, node, tries, next_try_at, problem, delivered_at"


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """How far one line of the plan is; times are UTC milliseconds.

    ``last_at`` is the tick that was delivered last, or when the line was first seen. ``tries`` have failed since,
    the last of them with ``problem``. ``delivered_at`` is when a report arrived last.
    """

    entry: str
    last_at: int
    claimed_until: int
    node: str | None
    tries: int
    next_try_at: int
    problem: str | None
    delivered_at: int | None


def known(transaction: Transaction, entries: Iterable[str]) -> dict[str, DeliveryState]:
    """Return how far these lines are; one that has never been seen is missing."""
    keys = list(entries)
    rows = transaction.rows(
        f"SELECT {_COLUMNS} FROM report_deliveries WHERE entry IN ({placeholders(keys)})", keys
    )
    return {row[0]: DeliveryState(*row) for row in rows}


def begin(transaction: Transaction, entry: str, now: int) -> None:
    """Note that a line is in the plan from now on: what lies before is not made up for."""
    transaction.execute(
        f"INSERT INTO report_deliveries ({_COLUMNS}) VALUES (%s, %s, 0, NULL, 0, 0, NULL, NULL)"
        " ON CONFLICT (entry) DO NOTHING",
        (entry, now),
    )


def claim(transaction: Transaction, state: DeliveryState, node: str, *, now: int, until: int) -> bool:
    """Take a line for this node until a moment; False if another node was faster or has it."""
    taken = transaction.rows(
        "UPDATE report_deliveries SET claimed_until = %s, node = %s WHERE entry = %s AND last_at = %s"
        " AND claimed_until <= %s AND next_try_at <= %s RETURNING entry",
        (until, node, state.entry, state.last_at, now, now),
    )
    return bool(taken)


def delivered(transaction: Transaction, entry: str, node: str, *, tick: int, now: int) -> bool:
    """Note that a tick's report has arrived; False if the line is not this node's any more."""
    return bool(
        transaction.rows(
            "UPDATE report_deliveries SET last_at = %s, claimed_until = 0, tries = 0, next_try_at = 0, problem = NULL,"
            " delivered_at = %s WHERE entry = %s AND node = %s AND last_at < %s RETURNING entry",
            (tick, now, entry, node, tick),
        )
    )


def failed(transaction: Transaction, entry: str, node: str, problem: str, *, next_try_at: int) -> None:
    """Note why a try failed and when the next one may come."""
    transaction.execute(
        "UPDATE report_deliveries SET claimed_until = 0, tries = tries + 1, next_try_at = %s, problem = %s"
        " WHERE entry = %s AND node = %s",
        (next_try_at, problem, entry, node),
    )
