"""Redis and PostgreSQL by TLS: only with a certificate that fits, and a warning where there is none at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from queuectl.errors import DatabaseUnreachableError
from queuectl.settings import Settings, in_clear
from queuectl.store.database import Database
from queuectl_daemon.transport import RedisTransport
from tests.support.daemon import SQLITE_REDIS, MakeInstallation
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.tls import Authority, make_authority, tls_before


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(params=["a stranger's", "another name", "expired"])
def unfit(request: pytest.FixtureRequest, authority: Authority, stranger: Authority) -> tuple[Path, Path]:
    """Give a certificate that must not be accepted by who trusts ``authority`` and wants localhost."""
    if request.param == "a stranger's":
        return stranger.sign("localhost")
    return (
        authority.sign("other.example")
        if request.param == "another name"
        else authority.sign("localhost", days=0)
    )


def answers(url: str) -> bool:
    transport = RedisTransport(
        url, "tls", on_messages=lambda pairs: None, on_lost=lambda: None, on_switch=lambda up: None
    )
    try:
        return transport.connect()
    finally:
        transport.stop()


def test_a_daemon_reaches_redis_by_tls_with_an_authority_of_its_own(
    install: MakeInstallation, own_redis: Callable[..., RedisServer], authority: Authority
) -> None:
    server = own_redis()
    with tls_before(server.port, authority.sign("localhost")) as port:
        url = f"rediss://localhost:{port}/1?ssl_ca_certs={authority.file}"
        site = install(SQLITE_REDIS, redis_url=url)
        site.daemon.start()
        site.wait_for(*site.submit_many(20))
        assert site.monitor.get_realtime_status().nodes[0].transport_up
        site.check()
        assert not answers(f"rediss://localhost:{port}/1"), "the system's authorities do not know it"
        assert not answers(f"redis://localhost:{port}/1"), "there is no way around TLS"
        site.daemon.stop()


def test_redis_with_a_certificate_that_does_not_fit_is_not_used(
    own_redis: Callable[..., RedisServer], authority: Authority, unfit: tuple[Path, Path]
) -> None:
    with tls_before(own_redis().port, unfit) as port:
        assert not answers(f"rediss://localhost:{port}/1?ssl_ca_certs={authority.file}")


def test_postgres_is_reached_by_tls_with_an_authority_of_its_own(
    postgres: PostgresServer, authority: Authority
) -> None:
    with tls_before(postgres.port, authority.sign("localhost"), postgres=True) as port:
        database = Database(
            f"postgresql://postgres@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={authority.file}"
        )
        with database.reading() as transaction:
            assert transaction.rows("SELECT 1") == [(1,)]
        database.close()


def test_postgres_with_a_certificate_that_does_not_fit_is_not_used(
    postgres: PostgresServer, authority: Authority, unfit: tuple[Path, Path]
) -> None:
    with tls_before(postgres.port, unfit, postgres=True) as port:
        database = Database(
            f"postgresql://postgres@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={authority.file}"
        )
        with pytest.raises(DatabaseUnreachableError), database.reading():
            pass
        database.close()


@pytest.mark.parametrize(
    ("database", "redis", "warnings"),
    [
        ("sqlite:////x.db", None, 0),
        ("postgresql://u:secret@db.example/q", "redis://:secret@r.example/0", 2),
        ("postgresql://u:secret@db.example/q?sslmode=prefer", "redis://10.0.0.7/0", 2),
        ("postgresql://u@db.example/q?sslmode=verify-full", "rediss://r.example/0", 0),
        ("postgresql://u@db.example/q?sslmode=require", "unix:///run/redis.sock", 0),
        ("postgresql://u@localhost/q", "redis://127.0.0.1/0", 0),
        ("postgresql://u@[::1]/q", "redis://localhost/0", 0),
        ("postgresql:///q?host=/run/postgresql", None, 0),
    ],
)
def test_a_server_elsewhere_without_tls_is_worth_a_warning(
    database: str, redis: str | None, warnings: int
) -> None:
    found = in_clear(Settings(home=Path("unused"), database_url=database, redis_url=redis))
    assert len(found) == warnings
    assert "secret" not in "".join(found)


def test_a_redis_account_needs_no_more_than_the_guide_says(
    install: MakeInstallation, own_redis: Callable[..., RedisServer]
) -> None:
    server = own_redis()
    guide = (Path(__file__).parents[3] / "docs/security.md").read_text(encoding="utf-8")
    (rule,) = [line for line in guide.splitlines() if line.startswith("ACL SETUSER queuectl ")]
    server.command(rule.replace("PASSWORD", "word"), "CONFIG SET requirepass other")
    site = install(SQLITE_REDIS, redis_url=f"redis://queuectl:word@127.0.0.1:{server.port}/0", workers=2)
    site.daemon.start()
    site.wait_for(*site.submit_many(200), within=60)
    assert site.monitor.get_realtime_status().nodes[0].transport_up
    assert "does not answer" not in site.daemon.log()
    site.check()
