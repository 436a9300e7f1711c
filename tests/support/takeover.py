"""How soon the tasks of a node that is gone were at work elsewhere, judged by the rows that were written of it."""

from __future__ import annotations

from tests.support.daemon import Installation

LONGEST_MS = 35_000
"""From the last word of a node to the start of its tasks elsewhere: its lease, and time to take them and to start."""


def heard_of(site: Installation, node: str) -> int:
    """Return when a node that says nothing any more was last heard of, by the database's clock."""
    ((at,),) = site.rows("SELECT heartbeat_at FROM nodes WHERE id = %s", node)
    return int(at)


def taken_over_after(site: Installation, node: str, heard: int) -> int:
    """Return how many milliseconds after its last word the last task of a node began elsewhere; all have to have ended.

    Nodes and database have to go by one clock, as they do on one machine.
    """
    starts = site.rows(
        "SELECT later.started_at FROM attempts AS lost JOIN attempts AS later"
        " ON later.task_id = lost.task_id AND later.attempt = lost.attempt + 1"
        " WHERE lost.node = %s AND lost.outcome = 'crashed'",
        node,
    )
    assert starts, f"node {node} left no task behind"
    return max(int(at) for (at,) in starts) - heard
