"""Tasks that kill: their own process or the whole daemon. They are given up, and all others go on."""

from __future__ import annotations

import pytest

from queuectl.domain.retry import CRASH_LIMIT
from tests.support.daemon import POSTGRES_REDIS, SQLITE, MakeInstallation
from tests.support.waiting import wait_until

KINDS = [SQLITE, POSTGRES_REDIS]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_kills_its_process_is_given_up_at_its_limit(install: MakeInstallation, kind: str) -> None:
    site = install(kind, max_retries=10)
    site.daemon.start()
    poison = site.submit("p_kill_itself")
    others = site.submit_many(40, "p_work", seconds=0.01)
    site.wait_for(poison, *others)

    assert site.outcomes(poison) == ["crashed"] * CRASH_LIMIT
    assert site.task(poison).state == "dead"
    assert {site.task(number).state for number in others} == {"succeeded"}
    (letter,) = site.monitor.get_dead_letter_queue()
    assert (letter.task_id, letter.cause, letter.attempts) == (poison, "crashed", CRASH_LIMIT)
    assert len(site.witness.starts(poison)) == CRASH_LIMIT
    site.check()


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_kills_the_daemon_is_given_up_and_takes_no_other_with_it(
    install: MakeInstallation, kind: str
) -> None:
    site = install(kind, max_retries=10, workers=4)
    poison = site.submit("exit_process", options={"priority": "urgent"})
    others = site.submit_many(20, seconds=0.05)
    deaths = 0
    while deaths < 5:
        site.daemon.start(ready=False)
        wait_until(
            lambda: not site.daemon.running or site.open_tasks() == [], within=30, describing="death or rest"
        )
        if site.daemon.running:
            break
        assert site.daemon.wait() == 3
        deaths += 1

    assert site.task(poison).state == "dead"
    assert {site.task(number).state for number in others} == {"succeeded"}
    assert deaths == 1, "after the first death the suspects run in processes of their own"
    assert len(site.outcomes(poison)) == CRASH_LIMIT
    site.check()
