"""The daemon is killed with SIGKILL at any moment: nothing is lost, and no attempt runs twice."""

from __future__ import annotations

import random

import pytest

from tests.support.chance import chooser, let_pass, rounds
from tests.support.daemon import POSTGRES_REDIS, SQLITE, Installation, MakeInstallation

ROUNDS = rounds(15)


@pytest.mark.timeout(60 + 8 * ROUNDS)
@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_a_daemon_may_be_killed_at_any_moment(install: MakeInstallation, kind: str) -> None:
    chance = chooser()
    site = install(kind, workers=4, max_retries=5)
    for number in range(ROUNDS):
        _submit_a_mixture(site, chance)
        if chance.random() < 0.3:
            # Somewhere between the first import and the first task.
            site.daemon.start(ready=False)
            let_pass(chance.uniform(0.1, 0.9))
        else:
            site.daemon.start()
            let_pass(chance.choice([0.0, 0.02, 0.1, 0.3]) * chance.random() * 2)
        site.daemon.kill()
        assert site.rows("SELECT COUNT(*) FROM tasks") == [(len(site.accepted),)], f"in round {number}"

    site.daemon.start()
    site.wait_until_done(within=40 + ROUNDS)
    accounts = site.check()

    assert {row["state"] for row in accounts.tasks.values()} <= {"succeeded", "dead"}
    assert not [row for row in accounts.letters if row["cause"] != "crashed"]
    succeeded = {
        number
        for number, row in accounts.tasks.items()
        if (row["handler"], row["state"]) == ("p_keep_article", "succeeded")
    }
    assert {number for (number,) in site.rows("SELECT task_id FROM articles")} == succeeded
    assert site.daemon.stop() == 0


def _submit_a_mixture(site: Installation, chance: random.Random) -> None:
    site.submit_many(60)
    site.submit_many(20, seconds=0.02)
    site.submit_many(4, "p_work", seconds=0.01)
    site.submit_many(4, "p_keep_article")
    site.submit_many(4, failing=[1])
    for _ in range(3):
        site.submit(seconds=chance.random() / 5, options={"priority_score": chance.randrange(12)})
