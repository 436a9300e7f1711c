"""PostgreSQL restarts, dies or stays away: a submission succeeds or fails aloud, and nothing else happens."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.support.chance import chooser, let_pass
from tests.support.daemon import POSTGRES, POSTGRES_REDIS, MakeInstallation
from tests.support.load import Load
from tests.support.postgres import PostgresServer, StopMode
from tests.support.proxy import CommitProxy, Cut

OwnPostgres = Callable[..., PostgresServer]


@pytest.mark.parametrize("kind", [POSTGRES, POSTGRES_REDIS])
def test_nothing_is_lost_when_postgres_restarts_under_load(
    install: MakeInstallation, own_postgres: OwnPostgres, kind: str
) -> None:
    server = own_postgres(durable=True)
    site = install(kind, database_url=server.url(server.create_database()))
    site.daemon.start()
    with Load(site, handlers=("work", "work", "p_work"), seconds=0.005):
        ways: tuple[StopMode | None, ...] = ("fast", "immediate", None)
        for way in ways:
            site.witness.wait_for_starts(len(site.witness.starts()) + 60)
            if way is None:
                server.kill()
            else:
                server.stop(way)
            server.start()
        site.witness.wait_for_starts(len(site.witness.starts()) + 60)
    site.wait_until_done()
    site.check()
    assert site.daemon.running


def test_a_postgres_that_is_away_for_three_seconds_is_waited_for(
    install: MakeInstallation, own_postgres: OwnPostgres
) -> None:
    server = own_postgres(durable=True)
    site = install(POSTGRES_REDIS, database_url=server.url(server.create_database()))
    site.daemon.start()
    many = site.submit_many(200, seconds=0.02)
    slow = site.submit_many(2, seconds=1.5)
    fast = site.submit_many(2, "p_work", seconds=1.0)
    site.witness.wait_for_starts(40)
    server.kill()
    let_pass(3)
    server.start()
    site.wait_for(*many, *slow, *fast)
    site.check()
    assert site.daemon.log().count("nothing new starts until it is back") == 1
    assert site.daemon.log().count("the database is back") == 1


@pytest.mark.parametrize("kind", [POSTGRES, POSTGRES_REDIS])
def test_a_commit_whose_answer_is_lost_is_neither_repeated_nor_forgotten(
    install: MakeInstallation, own_postgres: OwnPostgres, kind: str
) -> None:
    chance = chooser()
    server = own_postgres(durable=True)
    address = server.url(server.create_database())
    armed = False

    def decide() -> Cut | None:
        if not armed or chance.random() > 0.12:
            return None
        return chance.choice(["before", "after", "after"])

    with CommitProxy(server.port, decide) as proxy:
        way = urlsplit(address)._replace(netloc=f"postgres@127.0.0.1:{proxy.port}").geturl()
        site = install(kind, database_url=way, direct_url=address)
        site.daemon.start()
        armed = True
        with Load(site, handlers=("work", "p_work"), pause=0.005, seconds=0.01):
            site.witness.wait_for(
                lambda: proxy.cuts["before"] >= 3 and proxy.cuts["after"] >= 9, "enough cuts", within=60
            )
        armed = False
        site.wait_until_done()
        site.check()
        assert site.daemon.stop() == 0
