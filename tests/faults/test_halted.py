"""A node that is halted in the middle of a transaction, whose locks would hold up everybody for ever."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.support.daemon import POSTGRES, Installation, MakeInstallation
from tests.support.load import Load
from tests.support.takeover import LONGEST_MS, heard_of, taken_over_after
from tests.support.waiting import wait_until

_IN_A_WRITE = (
    "SELECT 1 FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE datname = current_database()"
    " AND state = 'idle in transaction' AND mode = 'RowExclusiveLock' LIMIT 1"
)


def halted_in_a_write(site: Installation) -> bool:
    """Halt the daemon; let it go on if that was not in the middle of a write."""
    site.daemon.send(signal.SIGSTOP)
    if site.rows(_IN_A_WRITE):
        return True
    site.daemon.send(signal.SIGCONT)
    return False


@pytest.mark.timeout(240)
def test_a_node_that_is_halted_in_the_middle_of_a_write_holds_nobody_up(
    install: MakeInstallation, neighbour: Callable[..., Installation]
) -> None:
    site = install(POSTGRES, workers=4)
    other = neighbour(site)
    site.daemon.start()
    lost, door = site.daemon.node, site.home / "door"
    long = site.submit("p_until_file", until=str(door))
    with Load(site, pause=0.001):
        site.witness.wait_for_starts(100)
        wait_until(lambda: halted_in_a_write(site), within=60, describing="a halt in the middle of a write")
    heard = heard_of(other, lost)
    other.daemon.start()
    site.witness.wait_for(lambda: len(site.witness.starts(long)) == 2, "a second start", within=60)
    door.touch()
    other.wait_until_done(within=60)
    assert taken_over_after(other, lost, heard) <= LONGEST_MS
    before = other.rows("SELECT id, fence, state, attempt FROM tasks ORDER BY id")
    thawed = {site.daemon.pid: time.monotonic_ns()}
    site.daemon.send(signal.SIGCONT)
    more = other.submit_many(20)
    other.wait_for(*more)
    now = other.rows("SELECT id, fence, state, attempt FROM tasks WHERE id < %s ORDER BY id", min(more))
    assert now == before
    assert site.daemon.stop(within=60) == 0
    site.check(may_overlap=True, thawed=thawed)
