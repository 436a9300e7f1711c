"""A database that others hold, or that is away when the daemon is to stop."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

from tests.support.chance import let_pass
from tests.support.daemon import POSTGRES_REDIS, SQLITE, MakeInstallation
from tests.support.postgres import PostgresServer


def test_another_program_may_hold_the_file_for_seconds(install: MakeInstallation) -> None:
    site = install(SQLITE)
    site.daemon.start()
    tasks = site.submit_many(50, seconds=0.05)
    site.witness.wait_for_starts(10)
    with closing(sqlite3.connect(site.home / "queuectl.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        let_pass(3)
        other.execute("ROLLBACK")
    site.wait_for(*tasks)
    site.check()
    assert "cannot be used" not in site.daemon.log()


def test_a_daemon_stops_although_its_database_is_away(
    install: MakeInstallation, own_postgres: Callable[..., PostgresServer]
) -> None:
    server = own_postgres(durable=True)
    site = install(POSTGRES_REDIS, database_url=server.url(server.create_database()), grace_period=1)
    site.daemon.start()
    patient = site.submit("p_patient")
    site.submit_many(20, seconds=0.1)
    site.witness.wait_for(
        lambda: len(site.witness.order()) > 5 and patient in site.witness.order(), "work to begin"
    )
    server.kill()

    assert site.daemon.stop(within=60) == 0

    server.start()
    site.daemon.start()
    # It could not say goodbye, and its successor knows that nobody else has to be waited for.
    site.witness.wait_for(lambda: len(site.witness.starts(patient)) == 2, "the second attempt")
    site.manager.cancel_task(patient)
    site.wait_until_done()
    site.check()
