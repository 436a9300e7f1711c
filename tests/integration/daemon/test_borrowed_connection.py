"""A daemon takes a task of a caller's transaction once that has committed, and never before."""

from __future__ import annotations

import contextlib

import psycopg2
import pytest

from tests.support.daemon import POSTGRES, POSTGRES_REDIS, MakeInstallation


@pytest.mark.parametrize("kind", [POSTGRES, POSTGRES_REDIS])
def test_a_task_starts_with_the_commit_though_others_passed_it_meanwhile(
    install: MakeInstallation, kind: str
) -> None:
    site = install(kind)
    site.daemon.start()
    with contextlib.closing(psycopg2.connect(site.manager.settings.database_url)) as connection:
        options = {"connection": connection, "priority": "urgent"}
        inside = [site.submit(options=options), site.submit(options=options)]
        site.wait_for(*(site.submit() for _ in range(20)))
        assert not set(inside) & set(site.states())
        connection.commit()
        site.wait_for(*inside)
    site.check()
