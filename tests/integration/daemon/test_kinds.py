"""Kinds of work on a running daemon: in processes, in threads and in the event loop, each with its cap."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterable

import psutil
import pytest

from queuectl.domain.explanation import Cause
from tests.support.daemon import KINDS, POSTGRES_REDIS, SQLITE, Installation, MakeInstallation
from tests.support.processes import settled_threads
from tests.support.sightings import START
from tests.support.waiting import wait_until

both_ends = pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
every_kind = pytest.mark.parametrize("kind", KINDS)


def most_at_once(site: Installation, tasks: Iterable[int]) -> int:
    """Return how many of these tasks were seen at work at one moment."""
    chosen, present, most = set(tasks), 0, 0
    for each in sorted(site.witness.sightings(), key=lambda each: each.at):
        if each.task in chosen:
            present += 1 if each.event == START else -1
            most = max(most, present)
    return most


@both_ends
def test_a_hundred_async_tasks_run_at_once_without_a_thread_or_child_each(
    install: MakeInstallation, kind: str
) -> None:
    site = install(kind, workers=100)
    site.daemon.start()
    process = psutil.Process(site.daemon.pid)
    idle_threads, idle_children = settled_threads(process), len(process.children(recursive=True))
    tasks = site.submit_many(110, "a_linger")
    site.witness.wait_for_starts(100)
    assert process.num_threads() <= idle_threads + 4  # the loop, its watch, and a thread or two to hand over
    assert len(process.children(recursive=True)) == idle_children
    for task in tasks:
        site.manager.cancel_task(task)
    site.wait_until_done()
    assert most_at_once(site, tasks) <= 100
    assert {site.task(task).state for task in tasks} == {"cancelled"}
    site.check()


@both_ends
def test_quick_async_tasks_never_run_more_at_once_than_there_are_workers(
    install: MakeInstallation, kind: str
) -> None:
    site = install(kind, workers=5)
    tasks = site.submit_many(400, "a_nap", seconds=0.01) + site.submit_many(200, "work", seconds=0.005)
    site.daemon.start()
    site.wait_until_done()
    assert 2 <= most_at_once(site, tasks) <= 5
    site.check()


@every_kind
def test_no_kind_passes_its_cap_and_the_others_go_on(install: MakeInstallation, kind: str) -> None:
    site = install(kind, workers=8, workers_process=1, workers_thread=2)
    first, second = site.home / "first", site.home / "second"
    in_processes = site.submit_many(4, "p_until_file", until=str(second))
    in_threads = site.submit_many(8, "until_file", until=str(first))
    in_loop = site.submit_many(40, "a_nap", until=str(first))
    site.daemon.start()
    site.witness.wait_for_starts(8)
    first.touch()
    site.wait_for(*in_threads, *in_loop)
    assert len(site.witness.starts()) == 8 + 40 + 1, "one process has kept its place all the time"
    second.touch()
    site.wait_until_done()
    assert most_at_once(site, in_processes) == 1
    assert most_at_once(site, in_threads) == 2
    assert 5 <= most_at_once(site, in_loop) <= 7
    by_task = Counter(each.task for each in site.witness.starts())
    assert set(by_task.values()) == {1}, "none was claimed and given back"
    site.check()


@both_ends
def test_a_kind_at_its_cap_holds_back_nobody_behind_it(install: MakeInstallation, kind: str) -> None:
    site = install(kind, workers=4, workers_thread=1)
    door = str(site.home / "door")
    site.submit_many(3000, "until_file", until=door, options={"priority": "urgent"})
    site.daemon.start()
    site.witness.wait_for_starts(1)
    tasks = site.submit_many(20, "a_nap") + site.submit_many(5, "a_nap", options={"priority": "urgent"})
    site.wait_for(*tasks)
    (at_work,) = site.rows("SELECT COUNT(*) FROM tasks WHERE state = 'running' AND handler = 'until_file'")
    assert at_work == (1,)
    wait_until(
        lambda: Cause.KIND in [each.cause for each in site.monitor.explain(2).reasons],
        within=20,
        describing="the reason to be told",
    )
    site.manager.clear_queue("urgent")
    (site.home / "door").touch()
    site.wait_until_done()
    site.check()


@both_ends
def test_an_async_task_ends_at_its_time_limit_and_is_judged_like_any_other(
    install: MakeInstallation, kind: str
) -> None:
    site = install(kind, max_retries=1)
    site.daemon.start()
    late = site.submit("a_linger", options={"timeout": 0.3})
    failing = site.submit("a_fail", kind="ValueError")
    refused = site.submit("a_fail", kind="PermanentError")
    site.wait_for(late, failing, refused)
    assert site.outcomes(late) == ["timed_out"] * 2
    assert site.outcomes(failing) == ["failed"] * 2
    assert site.outcomes(refused) == ["refused"]
    causes = {letter.task_id: letter.cause for letter in site.monitor.get_dead_letter_queue()}
    assert causes == {late: "timed_out", failing: "exhausted", refused: "refused"}
    site.check()


@both_ends
def test_async_tasks_have_the_grace_period_and_go_back_uncharged_after_it(
    install: MakeInstallation, kind: str
) -> None:
    site = install(kind, grace_period=3.0, max_retries=0)
    site.daemon.start()
    door = site.home / "door"
    short, long = site.submit("a_nap", until=str(door)), site.submit("a_linger")
    site.witness.wait_for_starts(2)
    site.daemon.send(signal.SIGTERM)
    wait_until(lambda: "stopping; running" in site.daemon.log(), describing="the grace period to begin")
    door.touch()
    assert site.daemon.wait() == 0
    assert site.task(short).state == "succeeded"
    released = site.task(long)
    assert (released.state, [each.outcome for each in released.attempts]) == ("queued", ["interrupted"])
    assert len(site.witness.ends(long)) == 1, "it could tidy up"
    site.daemon.start()
    site.witness.wait_for_starts(3)
    site.manager.cancel_task(long)
    site.wait_for(long)
    site.check()


def test_what_a_handler_left_in_a_thread_does_not_keep_the_daemon_from_ending(
    install: MakeInstallation,
) -> None:
    site = install(SQLITE, grace_period=0)
    site.daemon.start()
    site.submit("a_wait_in_thread")
    site.witness.wait_for_starts(1)
    assert site.daemon.stop(signal.SIGTERM, within=15) == 0


def test_a_blocked_event_loop_does_not_keep_the_daemon_from_ending(install: MakeInstallation) -> None:
    site = install(SQLITE, grace_period=0)
    site.daemon.start()
    task = site.submit("a_occupy_loop", seconds=60)
    site.witness.wait_for_starts(1)
    wait_until(lambda: "has kept the event loop" in site.daemon.log(), within=20)
    assert f"the handler a_occupy_loop of task_{task}" in site.daemon.log()
    other = site.submit()
    site.wait_for(other)  # threads go on
    assert site.daemon.stop(signal.SIGTERM, within=15) == 0
    assert site.task(task).state == "queued"


def test_the_daemon_says_where_its_handlers_run(install: MakeInstallation) -> None:
    table = {"callable": "tests.support.async_handlers:nap", "isolation": "thread"}
    site = install(SQLITE, handlers={"unmarked": table})
    site.daemon.start()
    site.wait_for(site.submit("unmarked"))

    def kinds() -> dict[str, str]:
        (node,) = site.monitor.get_realtime_status().nodes
        return {name: node.kinds[name] for name in ("article", "work", "p_work", "unmarked")}

    expected = {"article": "process", "work": "thread", "p_work": "process", "unmarked": "async"}
    wait_until(lambda: kinds() == expected, within=20, describing="the kinds to be told")
