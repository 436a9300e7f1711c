"""What a run may cost: time and memory end it wherever it hangs, with everything it started, and nobody else."""

from __future__ import annotations

import re
import sys

import psutil
import pytest

from tests.integration.runner.conftest import marked_processes
from tests.support.daemon import POSTGRES, POSTGRES_REDIS, SQLITE, Installation, MakeInstallation
from tests.support.waiting import wait_until

LIMIT = 0.5
"""Seconds that the tasks here may run."""

GRACE = 10.0
"""Seconds after its limit by which a run has ended on the busiest machine, with whatever it has started."""

_STRAY = (
    "import os, signal; os.fork() and signal.pause(); os.setsid(); os.fork() and os._exit(0); signal.pause()"
)
"""Leaves a process behind that has forked twice and has a session of its own, and hangs."""


def samples(*names: str) -> dict[str, dict[str, object]]:
    return {
        name: {"callable": f"tests.support.sample_handlers:{name}", "isolation": "process"} for name in names
    }


def duration(site: Installation, task: int) -> float:
    """Return how long the only attempt took, in seconds."""
    (attempt,) = site.task(task).attempts
    assert attempt.finished_at is not None
    return (attempt.finished_at - attempt.started_at) / 1000


def children_at_rest(site: Installation) -> list[psutil.Process]:
    """Return the processes below the daemon that are neither its fork server nor a child without work."""
    (server, *_) = psutil.Process(site.daemon.pid).children()
    known = {server.pid, *(child.pid for child in server.children())}
    return [process for process in marked_processes(site.home) if process.pid not in known]


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_whatever_hangs_ends_at_its_limit_and_leaves_no_process(install: MakeInstallation, kind: str) -> None:
    hanging = ("spin", "power", "block", "sleep_in_c", "hop")
    handlers = samples(*hanging, "fork_and_stay", "succeed")
    handlers["stray"] = {"command": [sys.executable, "-c", _STRAY]}
    handlers["sleeper"] = {"command": ["sh", "-c", "setsid sleep 3600 & (sleep 3600 &) ; sleep 3600"]}
    site = install(kind, workers=3, max_retries=0, handlers=handlers)
    site.daemon.start()
    site.wait_for(site.submit("succeed"))
    tasks = [site.submit(name, options={"timeout": LIMIT}) for name in (*hanging, "sleeper", "stray")]
    tasks.append(
        site.submit("fork_and_stay", options={"timeout": LIMIT}, pids=str(site.home / "pids"), children=6)
    )
    others = site.submit_many(10, "p_work", seconds=0.02)
    site.wait_for(*tasks, *others, within=60)

    for task in tasks:
        assert site.outcomes(task) == ["timed_out"], site.task(task).handler
        assert site.task(task).error == f"ran longer than its time limit of {LIMIT:g} s"
        assert LIMIT <= duration(site, task) <= LIMIT + GRACE, site.task(task).handler
    assert {site.task(task).state for task in others} == {"succeeded"}
    assert {letter.cause for letter in site.monitor.get_dead_letter_queue()} == {"timed_out"}
    wait_until(lambda: children_at_rest(site) == [], within=GRACE, describing="strays to end")


@pytest.mark.parametrize("whose", ["task", "queue", "handler"])
def test_the_limits_of_task_queue_and_handler_end_a_run(install: MakeInstallation, whose: str) -> None:
    handlers = samples("hog") | {"spin": samples("spin")["spin"]}
    queues: dict[str, dict[str, object]] = {}
    options: dict[str, object] = {}
    if whose == "task":
        options = {"timeout": LIMIT}
    elif whose == "queue":
        queues = {"medium": {"task_timeout": LIMIT}}
    else:
        handlers["spin"]["timeout"] = LIMIT
    memory = {"task": {"memory_limit": 100}}.get(whose, {})
    if whose == "queue":
        queues["low"] = {"memory_limit": 100}
    elif whose == "handler":
        handlers["hog"]["memory_limit"] = 100
    site = install(SQLITE, max_retries=0, handlers=handlers, queues=queues)
    site.daemon.start()
    slow = site.submit("spin", options=options)
    large = site.submit("hog", options={"priority": "low"} | memory)
    site.wait_for(slow, large)
    assert site.outcomes(slow) == ["timed_out"]
    assert site.outcomes(large) == ["over_memory"]


@pytest.mark.parametrize("handler", ["hog", "hog_in_child", "hog_at_once"])
def test_memory_ends_a_run_near_its_limit_and_nothing_else(install: MakeInstallation, handler: str) -> None:
    limit = 150
    site = install(POSTGRES, max_retries=0, handlers=samples(handler))
    site.daemon.start()
    others = site.submit_many(4, "p_work", seconds=0.4)
    task = site.submit(handler, options={"memory_limit": limit, "timeout": 30})
    site.wait_for(task, *others)
    assert site.outcomes(task) == ["over_memory"]
    peaks = [int(number) for number in re.findall(r"(\d+) MB", site.task(task).error or "")]
    assert peaks, site.task(task).error
    assert max(peaks) <= limit * 1.1
    (letter,) = site.monitor.get_dead_letter_queue()
    assert (letter.task_id, letter.cause) == (task, "over_memory")
    assert {site.task(each).state for each in others} == {"succeeded"}
    site.wait_for(site.submit())
    wait_until(lambda: children_at_rest(site) == [], within=GRACE, describing="strays to end")
