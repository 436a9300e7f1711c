"""More and fewer workers on a running daemon, which is not restarted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import psutil
import pytest

from queuectl.errors import DaemonNotRunningError, NodeNotFoundError, WrongStateError
from queuectl.operations.audit import AuditTrail
from queuectl.operations.scaling import scale
from queuectl_daemon.crew import READY
from tests.support.daemon import KINDS, POSTGRES, SQLITE, Installation, MakeInstallation
from tests.support.processes import settled_threads
from tests.support.sightings import END, START, Sighting
from tests.support.waiting import wait_until

every_kind = pytest.mark.parametrize("kind", KINDS)


def workers(site: Installation) -> list[int]:
    return [node.workers for node in site.monitor.get_realtime_status().nodes]


@pytest.mark.parametrize("handler", ["patient", "p_patient", "a_linger"])
@every_kind
def test_more_run_at_once_and_fewer_as_they_end(install: MakeInstallation, kind: str, handler: str) -> None:
    site = install(kind, workers=1)
    site.daemon.start()
    pid = site.daemon.pid
    tasks = site.submit_many(6, handler)
    site.witness.wait_for_starts(1)

    (up,) = scale(site.settings, 4)
    assert (up.before, up.workers, up.done) == (1, 4, True)
    site.witness.wait_for_starts(4, within=20)
    assert workers(site) == [4]

    (down,) = scale(site.settings, 2)
    assert (down.before, down.done) == (4, True)
    assert len(site.witness.running()) == 4, "nobody is interrupted"
    before = len(site.witness.sightings())
    for task in site.witness.order()[:2]:
        site.manager.cancel_task(task)
        site.wait_for(task)
    site.manager.cancel_task(site.witness.order()[2])
    site.witness.wait_for_starts(5)
    for task in tasks:
        with contextlib.suppress(WrongStateError):  # those that have been cancelled already
            site.manager.cancel_task(task)
    site.wait_until_done()
    assert site.daemon.pid == pid
    assert most_after_starts(site.witness.sightings(), before) == 2, "as many as may be"
    site.check()


def most_after_starts(sightings: Sequence[Sighting], before: int) -> int:
    """Return how many were at work at the most when one of them started, leaving out the first sightings."""
    at_work = [
        sum(1 if each.event == START else -1 if each.event == END else 0 for each in sightings[: place + 1])
        for place, each in enumerate(sightings)
        if place >= before and each.event == START
    ]
    return max(at_work, default=0)


def test_threads_and_children_follow(install: MakeInstallation) -> None:
    site = install(SQLITE, workers=READY + 8)
    site.daemon.start()
    process = psutil.Process(site.daemon.pid)
    idle, door = settled_threads(process), site.home / "door"
    site.submit_many(READY + 8, "p_until_file", until=str(door))
    site.witness.wait_for_starts(READY + 8)
    assert process.num_threads() >= idle + 6
    door.touch()
    site.wait_until_done()
    scale(site.settings, 1)
    wait_until(
        lambda: process.num_threads() <= idle and len(process.children(recursive=True)) <= 2,
        within=30,
        describing="the threads and children beyond one to end",
    )
    site.wait_for(*site.submit_many(3, "p_work"), *site.submit_many(3, "work"))
    site.check()


def test_many_quick_tasks_pass_while_the_number_changes(install: MakeInstallation) -> None:
    site = install(SQLITE, workers=2)
    site.daemon.start()
    site.submit_many(3000, "work")
    site.submit_many(1000, "a_nap")
    for number in (16, 1, 8, 3, 32, 2):
        (scaled,) = scale(site.settings, number)
        assert scaled.done
    site.wait_until_done()
    site.check()


def test_a_daemon_is_named_or_all_are(
    install: MakeInstallation, neighbour: Callable[..., Installation]
) -> None:
    here = install(POSTGRES, workers=2)
    there = neighbour(here, workers=3)
    with pytest.raises(DaemonNotRunningError, match="no daemon is running in this home"):
        scale(here.settings, 4)
    with pytest.raises(DaemonNotRunningError, match="no daemon is running anywhere"):
        scale(here.settings, 4, everywhere=True)
    here.daemon.start()
    there.daemon.start()
    scale(here.settings, 5)
    wait_until(lambda: sorted(workers(here)) == [3, 5], within=20, describing="both to be listed")
    (one,) = scale(here.settings, 6, node=there.daemon.node[:8])
    assert (one.node, one.before, one.done) == (there.daemon.node, 3, True)
    assert sorted(workers(here)) == [5, 6]
    assert {each.done for each in scale(here.settings, 7, everywhere=True)} == {True}
    assert workers(here) == [7, 7]
    with pytest.raises(NodeNotFoundError, match="no running daemon has the id 'nobody'"):
        scale(here.settings, 4, node="nobody")


def test_a_restart_reads_the_settings_again(install: MakeInstallation) -> None:
    site = install(SQLITE, workers=2)
    site.daemon.start()
    scale(site.settings, 9)
    with AuditTrail(site.settings) as trail:
        ((told, lines),) = [trail.operation(each.first.number) for each in trail.operations()]
        assert (told.first.verb, told.first.target) == ("daemon scale", site.daemon.node)
        assert (lines[0].before, lines[0].after) == (f'{{"{site.daemon.node}":2}}', '{"workers":9}')
    site.daemon.stop()
    site.daemon.start()
    wait_until(lambda: workers(site) == [2], within=20, describing="two workers")
