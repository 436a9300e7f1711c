"""A forecast made before a backlog runs is compared with what then happens on a real daemon."""

from __future__ import annotations

import random
from statistics import median

from tests.support.daemon import SQLITE, Installation, MakeInstallation
from tests.support.waiting import wait_until

MOST_OFF = 0.25
"""A forecast may be wrong by a quarter of the time that it speaks of."""


def submit_mixed(site: Installation, count: int, dice: random.Random) -> list[int]:
    """Submit tasks of 100 to 600 ms to two queues: beside them what a busy machine adds is little."""
    return [
        site.submit(
            options={"priority": dice.choice(["high", "low"])}, seconds=dice.choice([0.1, 0.2, 0.4, 0.6])
        )
        for _ in range(count)
    ]


def test_the_end_of_a_backlog_is_foretold_to_a_quarter(install: MakeInstallation) -> None:
    dice = random.Random(4)
    site = install(SQLITE, workers=4)
    site.daemon.start()
    submit_mixed(site, 40, dice)
    site.wait_until_done()
    for name in ("high", "low"):
        site.manager.pause_queue(name)
    tasks = submit_mixed(site, 60, dice)
    assert site.monitor.simulate().present.ends_at is None
    for name in ("high", "low"):
        site.manager.resume_queue(name)
    wait_until(lambda: site.monitor.running(), describing="the first start")

    found = site.monitor.simulate()

    site.wait_until_done()
    really = {number: site.task(number) for number in tasks}
    assert found.daemon_runs
    assert found.workers == 4
    assert found.recorded >= 40
    for queue in found.present.queues:
        ended = [task.finished_at or 0 for task in really.values() if task.queue == queue.name]
        if ended:
            assert queue.ends_at is not None
            took = max(ended) - found.at
            assert abs(queue.ends_at - max(ended)) <= MOST_OFF * took
    assert found.present.ends_at is not None
    whole = found.present.ends_at - found.at
    off = [abs(start - (really[number].started_at or 0)) for number, start in found.present.starts.items()]
    assert median(off) <= MOST_OFF * whole
