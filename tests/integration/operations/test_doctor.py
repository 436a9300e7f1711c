"""Each look of ``doctor`` finds the thing that it looks for, broken for real, and names what mends it."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg2
import pytest
from redis import Redis

from queuectl import __version__
from queuectl.clock import now_ms
from queuectl.domain.report_delivery import ReportDelivery
from queuectl.errors import ExitCode, QueuectlError
from queuectl.operations.administration import Check, exit_code_of
from queuectl.operations.diagnosis import diagnose
from queuectl.operations.doctor import database as looking_at_database
from queuectl.operations.doctor import home as looking_at_home
from queuectl.operations.doctor import redis as looking_at_redis
from queuectl.operations.doctor import reports as looking_at_reports
from queuectl.operations.home_lock import HomeLock
from queuectl.operations.local_daemon import local_daemon
from queuectl.operations.manager import QueueManager
from queuectl.operations.scheduler import Scheduler
from queuectl.settings import HandlerSettings, Settings
from queuectl.store import nodes, report_deliveries
from queuectl.store.database import Database
from tests.support.cli import UNREACHABLE_PORT, CommandLine, obey_permissions
from tests.support.factories import succeed_with_article
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer
from tests.support.processes import guarded
from tests.support.redis import RedisServer
from tests.support.waiting import wait_until

OTHER_PAGE = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

with HTTPServer(("127.0.0.1", 0), Page) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
"""


@pytest.fixture
def plain(home: Path, migrated_file: bytes) -> Settings:
    """Give settings for a migrated file."""
    (home / "queuectl.db").write_bytes(migrated_file)
    (home / "queuectl.db").chmod(0o600)
    return Settings(home=home, database_url=f"sqlite:///{home}/queuectl.db")


@pytest.fixture
def on_postgres(home: Path, emptied_postgres: str) -> Settings:
    """Give settings for an empty database on PostgreSQL."""
    return Settings(home=home, database_url=emptied_postgres)


def found(settings: Settings, name: str) -> Check:
    """Return the first check of a name."""
    return next(check for check in diagnose(settings) if check.name == name)


def is_warning(check: Check) -> bool:
    return check.ok and check.warning and check.hint is not None


def is_failure(check: Check) -> bool:
    return not check.ok and check.hint is not None


class TestHome:
    """The folder of everything."""

    def test_all_is_well(self, plain: Settings) -> None:
        names = {check.name for check in diagnose(plain) if check.ok and not check.warning}
        assert names >= {"home", "privacy", "disk", "schema", "space", "redis", "handler article"}

    def test_a_home_that_is_no_folder(self, plain: Settings) -> None:
        file = plain.home / "file"
        file.touch()
        assert "cannot be written" in found(replace(plain, home=file), "home").detail

    def test_a_home_that_everybody_may_write_to(self, plain: Settings) -> None:
        plain.home.chmod(0o777)
        check = found(plain, "home")
        assert is_failure(check)
        assert check.hint == f"run: chmod 700 {plain.home}"

    def test_a_home_that_others_may_look_into(self, plain: Settings) -> None:
        plain.home.chmod(0o755)
        (plain.home / "queuectl.db").chmod(0o644)
        hints = [check.hint for check in diagnose(plain) if check.name == "privacy" and is_warning(check)]
        assert hints == [f"run: chmod 700 {plain.home}", f"run: chmod 600 {plain.home}/queuectl.db"]
        plain.home.chmod(0o700)
        assert not found(plain, "privacy").warning

    def test_a_database_that_queuectl_makes_is_private(self, home: Path) -> None:
        home.chmod(0o755)
        settings = Settings(home=home, database_url=f"sqlite:///{home}/queuectl.db")
        QueueManager(settings).submit_task("https://example.com/")
        hints = [check.hint for check in diagnose(settings) if check.name == "privacy"]
        assert hints == [f"run: chmod 700 {home}"]

    def test_a_disk_with_little_space(self, plain: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(looking_at_home, "LEAST_FREE_BYTES", 2**62)
        assert is_failure(found(plain, "disk"))

    @pytest.mark.skipif(sys.platform != "linux", reason="only there can root give up its rights")
    def test_a_log_that_cannot_be_written(self, plain: Settings) -> None:
        (plain.home / "logs").mkdir(mode=0o500)
        checks = CommandLine(plain.home)("doctor", "--json", before=obey_permissions).document["checks"]
        (check,) = (each for each in checks if each["name"] == "logs")
        assert not check["ok"]

    def test_a_pid_file_of_a_daemon_that_was_killed(self, plain: Settings) -> None:
        lock = HomeLock(plain.home, plain.database_url)
        lock.take()
        lock.announce("a")
        assert [check for check in diagnose(plain) if check.name == "pid file"] == []
        lock.free()
        assert is_warning(found(plain, "pid file"))


class TestDatabase:
    """The one truth."""

    def test_a_file_that_is_no_database(self, plain: Settings) -> None:
        (plain.home / "queuectl.db").write_text("no database " * 1000)
        checks = diagnose(plain)
        assert is_failure(next(check for check in checks if check.name == "database"))
        assert exit_code_of(checks) == ExitCode.UNREACHABLE

    def test_an_older_schema(self, plain: Settings) -> None:
        database = Database(plain.database_url)
        with database.writing() as transaction:
            transaction.execute("DELETE FROM migrations WHERE number > 1")
        database.close()
        assert "db migrate" in (found(plain, "database").hint or "")

    def test_a_file_with_much_unused_space(self, plain: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        with QueueManager(plain) as manager:
            manager.submit_batch([f"https://example.com/{number}" for number in range(2_000)])
            manager.clear_queue("medium")
            assert not found(plain, "space").warning
            manager.cleanup(0)
        monkeypatch.setattr(looking_at_database, "MUCH_SPARE_BYTES", 50_000)
        check = found(plain, "space")
        assert is_warning(check)
        assert "queuectl db vacuum" in (check.hint or "")

    def test_a_server_that_does_not_answer(self, plain: Settings) -> None:
        settings = replace(plain, database_url=f"postgresql://x:canary@127.0.0.1:{UNREACHABLE_PORT}/x")
        checks = diagnose(settings)
        assert is_failure(next(check for check in checks if check.name == "database"))
        assert exit_code_of(checks) == ExitCode.UNREACHABLE
        assert "canary" not in str(checks)

    def test_a_server_that_does_not_force_to_the_disk(self, on_postgres: Settings) -> None:
        check = found(on_postgres, "durability")  # the tests' own server is such a one
        assert is_warning(check)
        assert "ALTER SYSTEM SET fsync = on" in (check.hint or "")

    @pytest.mark.parametrize(
        ("name", "value"),
        [("statement_timeout", "'5s'"), ("default_transaction_isolation", "'serializable'")],
    )
    def test_settings_of_a_server_that_get_in_the_way(
        self, postgres: PostgresServer, home: Path, name: str, value: str
    ) -> None:
        database = postgres.create_database()
        settings = Settings(home=home, database_url=postgres.url(database))
        assert [check for check in diagnose(settings) if check.name == name] == []
        with contextlib.closing(psycopg2.connect(settings.database_url)) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"ALTER DATABASE {database} SET {name} = {value}")
        assert is_warning(found(settings, name))

    def test_a_database_that_cannot_hold_every_text(self, postgres: PostgresServer, home: Path) -> None:
        url = postgres.url(postgres.create_database())
        with contextlib.closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            connection.cursor().execute(
                "CREATE DATABASE narrow ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            )
        settings = Settings(home=home, database_url=postgres.url("narrow"))
        assert is_failure(found(settings, "server_encoding"))
        postgres.drop_database("narrow")

    def test_rows_that_are_not_cleared_away(
        self, on_postgres: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(looking_at_database, "MANY_DEAD_ROWS", 50)
        with contextlib.closing(psycopg2.connect(on_postgres.database_url)) as connection:
            connection.autocommit = True
            # The server would clear them away by itself, perhaps before anybody looks.
            connection.cursor().execute("ALTER TABLE tasks SET (autovacuum_enabled = false)")
            with QueueManager(on_postgres) as manager:
                manager.submit_batch([f"https://example.com/{number}" for number in range(1_000)])
                manager.clear_queue("medium")
                manager.cleanup(0)
            wait_until(
                lambda: is_warning(found(on_postgres, "space")),
                within=20,
                describing="the server's statistics",
            )
            connection.cursor().execute("ALTER TABLE tasks RESET (autovacuum_enabled)")

    def test_a_transaction_that_is_open_for_long(
        self, on_postgres: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(looking_at_database, "LONG_OPEN_SECONDS", -1)
        with contextlib.closing(psycopg2.connect(on_postgres.database_url)) as connection:
            connection.cursor().execute("SELECT 1")
            pid = connection.get_backend_pid()
            assert found(on_postgres, "transactions").hint == f"end it: SELECT pg_terminate_backend({pid})"

    @pytest.mark.parametrize(("seconds", "word"), [(5, "ahead of"), (-5, "behind"), (60, "ahead of")])
    def test_a_clock_that_differs(
        self, on_postgres: Settings, monkeypatch: pytest.MonkeyPatch, seconds: int, word: str
    ) -> None:
        assert found(on_postgres, "clock").detail == "agrees with the database's"
        monkeypatch.setattr(looking_at_database, "now_ms", lambda: now_ms() + seconds * 1000)
        check = found(on_postgres, "clock")
        assert word in check.detail
        assert is_failure(check) if seconds == 60 else is_warning(check)


class TestRedis:
    """The carrier of messages."""

    @pytest.fixture
    def server(self, redis_server: RedisServer, plain: Settings) -> Iterator[tuple[Redis, Settings]]:
        url = redis_server.fresh_url()
        client = Redis.from_url(url)
        yield client, replace(plain, redis_url=url)
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
        client.close()

    def test_one_that_does_not_answer(self, plain: Settings) -> None:
        settings = replace(plain, redis_url=f"redis://127.0.0.1:{UNREACHABLE_PORT}/0")
        checks = diagnose(settings)
        assert is_failure(next(check for check in checks if check.name == "redis"))
        assert exit_code_of(checks) == ExitCode.UNREACHABLE

    def test_one_that_drops_messages_when_it_is_full(self, server: tuple[Redis, Settings]) -> None:
        client, settings = server
        assert not found(settings, "redis").warning
        client.config_set("maxmemory-policy", "allkeys-lru")
        check = found(settings, "redis")
        assert is_warning(check)
        assert "noeviction" in (check.hint or "")

    def test_one_that_is_nearly_full(self, server: tuple[Redis, Settings]) -> None:
        client, settings = server
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", used * 100)
        assert not found(settings, "redis memory").warning
        client.config_set("maxmemory", round(used * 1.02))
        assert is_warning(found(settings, "redis memory"))

    def test_one_that_is_slow(self, server: tuple[Redis, Settings], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(looking_at_redis, "SLOW_MS", 0.0)
        assert is_failure(found(server[1], "redis"))

    def test_one_that_is_too_old(self, plain: Settings) -> None:
        with _server_saying("redis_version:5.0.14\r\nmaxmemory_policy:noeviction\r\n") as port:
            check = found(replace(plain, redis_url=f"redis://127.0.0.1:{port}/0"), "redis")
        assert is_failure(check)
        assert "upgrade" in (check.hint or "")


@contextlib.contextmanager
def _server_saying(info: str) -> Iterator[int]:
    """Answer one client as Redis does: a ping, then what it is."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(b"+PONG\r\n")
                client.recv(1000)
                client.sendall(f"${len(info)}\r\n{info}\r\n".encode())

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(30)


class TestDaemon:
    """Who does the work."""

    @pytest.fixture
    def announced(self, plain: Settings) -> Iterator[Callable[..., None]]:
        """Give a function that lets this process pass for a daemon, as its row in the database says."""
        lock = HomeLock(plain.home, plain.database_url)
        lock.take()
        database = Database(plain.database_url)

        def announce(version: str) -> None:
            lock.announce("me")
            me = local_daemon(plain.home)
            assert me is not None
            report = nodes.NodeReport(
                "me", "here", me.pid, version, 0, 1, 0, "redis", 1, 0.0, "{}", "[]", "{}", "[]", "all", "{}"
            )
            with database.writing() as transaction:
                nodes.save(transaction, report, 30_000)

        yield announce
        database.close()
        lock.free()

    def test_none(self, plain: Settings) -> None:
        check = found(plain, "daemon")
        assert is_failure(check)
        assert check.hint == "run: queuectl daemon start"

    def test_one_that_is_not_ready_yet(self, plain: Settings, announced: Callable[..., None]) -> None:
        assert found(plain, "daemon").detail == "is just starting or stopping"

    def test_one_of_another_version(self, plain: Settings, announced: Callable[..., None]) -> None:
        announced("0.0.1")
        check = found(plain, "daemon")
        assert is_warning(check)
        assert "0.0.1" in check.detail

    def test_one_that_is_silent(
        self, plain: Settings, announced: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        announced(__version__)
        assert found(plain, "daemon").ok
        database = Database(plain.database_url)
        with database.writing() as transaction:
            transaction.execute("UPDATE nodes SET heartbeat_at = heartbeat_at - 60000")
        database.close()
        check = found(plain, "daemon")
        assert is_failure(check)
        assert "silent" in check.detail

    def test_one_on_another_machine(self, on_postgres: Settings) -> None:
        database = Database(on_postgres.database_url)
        with database.writing() as transaction:
            report = nodes.NodeReport(
                "n", "elsewhere", 7, "1", 0, 1, 0, "redis", 1, 0.0, "{}", "[]", "{}", "[]", "all", "{}"
            )
            nodes.save(transaction, report, 30_000)
        database.close()
        assert found(on_postgres, "daemon").detail == "runs on elsewhere"


class TestHandlers:
    """What tasks do."""

    @pytest.mark.parametrize(
        "handler",
        [
            HandlerSettings(callable="no.such.module:run"),
            HandlerSettings(command=("no-such-program", "{url}")),
        ],
    )
    def test_one_that_is_not_there(self, plain: Settings, handler: HandlerSettings) -> None:
        assert is_failure(found(replace(plain, handlers={"lost": handler}), "handler lost"))

    @pytest.mark.parametrize(
        ("words", "told"),
        [(("{url}", "{titel}"), "{titel} stays as it is"), (("--out", "{home}"), "no argument holds {url}")],
    )
    def test_a_command_with_strange_words(self, plain: Settings, words: tuple[str, ...], told: str) -> None:
        handler = HandlerSettings(command=("sh", *words))
        check = found(replace(plain, handlers={"odd": handler}), "handler odd")
        assert is_warning(check)
        assert told in check.detail

    def test_a_command_in_order(self, plain: Settings) -> None:
        handler = HandlerSettings(command=("sh", "--out={home}", "--", "{url}", "{id}", "{attempt}"))
        check = found(replace(plain, handlers={"good": handler}), "handler good")
        assert check.ok
        assert not check.warning


class TestSchedules:
    """What submits by itself."""

    @pytest.fixture
    def daily(self, plain: Settings) -> Scheduler:
        scheduler = Scheduler(plain)
        scheduler.schedule_recurring(
            url_source="file://urls.txt", cron_expression="@daily", name="daily list"
        )
        return scheduler

    def test_none_and_one_without_a_problem(self, plain: Settings, daily: Scheduler) -> None:
        assert found(plain, "schedules").detail == "1 known, none with a problem"
        daily.remove("daily list")
        assert found(plain, "schedules").detail == "none"

    def test_one_whose_source_is_gone(self, plain: Settings, daily: Scheduler) -> None:
        with pytest.raises(QueuectlError):
            daily.run_now("daily list")
        check = found(plain, "schedule daily list")
        assert is_failure(check)
        assert "urls.txt" in check.detail
        assert check.hint == "see: queuectl schedule show 'daily list'"


def test_too_few_files_that_may_be_open(plain: Settings) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (180, hard))
    try:
        check = found(plain, "open files")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert is_failure(check)
    assert "ulimit -n 192" in (check.hint or "")


def test_a_warning_is_no_failure() -> None:
    fine, careful = Check("a", ok=True, detail=""), Check("b", ok=True, detail="", warning=True)
    failed = Check("c", ok=False, detail="")
    gone = Check("d", ok=False, detail="", exit_code=ExitCode.UNREACHABLE)
    assert exit_code_of([fine, careful]) == ExitCode.DONE
    assert exit_code_of([fine, failed]) == ExitCode.FAILED
    assert exit_code_of([failed, gone]) == ExitCode.UNREACHABLE


def test_reports_that_need_what_is_not_installed(plain: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(plain, "reports").detail == "as HTML, PDF and others"
    monkeypatch.setattr(looking_at_reports, "_PDF_PACKAGES", ("typst", "a_package_that_nobody_has"))
    missing = found(plain, "reports")
    assert (missing.ok, missing.hint) == (True, "run: pip install 'queuectl[pdf]'")
    planned = replace(plain, report_schedule=(ReportDelivery("daily", "@daily", "pdf", folder="/x"),))
    assert not found(planned, "reports").ok


def test_a_planned_report_that_could_not_be_delivered(plain: Settings) -> None:
    delivery = ReportDelivery("daily", "0 0 * * *", folder="/x")
    planned = replace(plain, report_schedule=(delivery,))
    assert found(planned, "planned reports").detail == "1 planned, none with a problem"
    database = Database(plain.database_url)
    with database.writing() as transaction:
        report_deliveries.begin(transaction, delivery.key, 1)
        (state,) = report_deliveries.known(transaction, [delivery.key]).values()
        assert report_deliveries.claim(transaction, state, "node", now=2, until=3)
        report_deliveries.failed(transaction, delivery.key, "node", "no space", next_try_at=4)
    database.close()
    failed = found(planned, "daily report to /x")
    assert (failed.ok, failed.detail, failed.hint) == (False, "no space", "see: queuectl report deliveries")


def test_articles_that_their_webhook_does_not_get(plain: Settings) -> None:
    assert not [each for each in diagnose(plain) if each.name == "webhook"]
    posting = replace(plain, publish_webhook="https://a.test/secret", webhook_secret="x" * 16)
    assert found(posting, "webhook").detail == "https://a.test/…: none has failed, articles that wait: 0"
    database = Database(plain.database_url)
    with database.writing() as transaction:
        succeed_with_article(transaction)
    assert found(plain, "webhook").detail.endswith("articles that wait for one: 1")
    with database.writing() as transaction:
        transaction.execute("UPDATE article_deliveries SET problem = 'answered 503'")
        succeed_with_article(transaction, 2)  # which nobody has tried to deliver yet
    database.close()
    failed = found(posting, "webhook")
    assert is_failure(failed)
    assert failed.detail.startswith("https://a.test/…: articles that are tried again 1, given up 0")
    assert failed.detail.endswith("; answered 503")
    assert failed.hint == "see: queuectl articles deliveries"


class TestWebPage:
    """Its port, before and while a daemon runs."""

    def test_without_a_daemon_the_port_must_be_free(self, plain: Settings) -> None:
        there = replace(plain, web_port=free_port())
        assert found(there, "web page").detail == f"127.0.0.1:{there.web_port} is free for it"
        with socket.create_server(("127.0.0.1", there.web_port)):
            taken = found(there, "web page")
        assert is_failure(taken)
        assert "something else listens" in taken.detail
        assert found(replace(plain, web_port=0), "web page").detail == "off, because web_port is 0"

    @pytest.mark.parametrize(
        ("path", "status", "ok", "says"),
        [
            ("/healthz", 200, True, "answers at"),
            ("/healthz", 403, True, "answers at"),  # web_allow leaves this machine out
            ("/else", 200, False, "something else answers"),
        ],
    )
    def test_with_a_daemon_the_page_must_answer(
        self, plain: Settings, path: str, status: int, ok: bool, says: str
    ) -> None:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == path else 404)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        lock = HomeLock(plain.home, plain.database_url)
        lock.take()
        lock.announce("me")
        with HTTPServer(("127.0.0.1", 0), Page) as server:
            serving = threading.Thread(target=server.serve_forever, daemon=True)
            serving.start()
            check = found(replace(plain, web_port=server.server_port), "web page")
            server.shutdown()
            serving.join(10)
        silent = found(replace(plain, web_port=free_port()), "web page")
        lock.free()
        assert (check.ok, check.detail.startswith(says)) == (ok, True)
        assert is_warning(silent)
        assert "no page answers" in silent.detail

    def test_the_page_of_another_home_is_not_taken_for_that_of_this_one(self, plain: Settings) -> None:
        lock = HomeLock(plain.home, plain.database_url)
        lock.take()
        lock.announce("me")
        with guarded([sys.executable, "-c", OTHER_PAGE], stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            there = replace(plain, web_port=int(other.stdout.readline()))
            check = found(there, "web page")
        lock.free()
        assert is_failure(check)
        assert check.detail.startswith(f"the page of another home answers at 127.0.0.1:{there.web_port}")
