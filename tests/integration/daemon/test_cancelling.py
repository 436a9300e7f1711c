"""Cancelling what runs: by its own will, then by force, wherever the handler is; and never after the answer."""

from __future__ import annotations

import contextlib
import random
import time

import pytest

from queuectl.errors import WrongStateError
from tests.support.daemon import KINDS, SQLITE, MakeInstallation

every_kind = pytest.mark.parametrize("kind", KINDS)

_NEAREST = "SELECT id FROM tasks WHERE finished_at IS NULL ORDER BY id LIMIT 30"


@pytest.mark.parametrize("handler", ["patient", "p_patient", "a_linger"])
def test_a_handler_that_listens_ends_at_once(install: MakeInstallation, handler: str) -> None:
    site = install(SQLITE)
    site.daemon.start()
    task = site.submit(handler)
    site.witness.wait_for_starts(1)
    site.manager.cancel_task(task)
    site.wait_for(task)
    assert (site.outcomes(task), site.task(task).state) == (["cancelled"], "cancelled")
    assert len(site.witness.ends(task)) == 1, "by itself, and not by force"
    site.check()


@pytest.mark.parametrize("handler", ["p_stubborn", "deaf", "a_swallow"])
def test_a_handler_that_does_not_listen_is_ended_by_force(install: MakeInstallation, handler: str) -> None:
    # The command ignores every signal that can be ignored.
    program = 'trap "" TERM INT HUP; echo "{id} 0 1 $$ start 0" >> {home}/witness.log; sleep 3600; sleep 3600'
    site = install(SQLITE, handlers={"deaf": {"command": ["sh", "-c", program]}})
    site.daemon.start()
    task = site.submit(handler, until=str(site.home / "door"))
    if handler == "deaf":
        site.wait_for_state(task, "running")
    else:
        site.witness.wait_for_starts(1)
    site.manager.cancel_task(task)
    site.wait_for(task)
    assert site.witness.ends(task) == []
    assert (site.outcomes(task), site.task(task).state) == (["cancelled"], "cancelled")
    (site.home / "door").touch()


@every_kind
def test_no_run_begins_after_the_answer_however_close_the_race(install: MakeInstallation, kind: str) -> None:
    # Quick runs make the daemon claim ahead of its workers, so that many are claimed and have not begun.
    site = install(kind, workers=2)
    for _ in range(10):
        site.submit_many(200, seconds=0.002)
        site.submit_many(100, "a_nap", seconds=0.002)
    site.daemon.start()
    site.witness.wait_for_starts(5)
    answered: dict[int, int] = {}
    while len(answered) < 120 and (nearest := site.rows(_NEAREST)):
        task = random.choice(nearest)[0]
        with contextlib.suppress(WrongStateError):
            site.manager.cancel_task(task)
            answered[task] = time.monotonic_ns()
    site.wait_until_done()
    assert len(answered) > 20
    late = [each for each in site.witness.starts() if each.at > answered.get(each.task, each.at)]
    assert late == []
    site.check()
