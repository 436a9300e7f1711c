"""``/metrics``: what it says is what SQL, the status and the statistics say, and Prometheus takes it."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from queuectl.domain.lifecycle import State
from queuectl.domain.observed import COUNTED
from queuectl.domain.priority import QUEUES
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl_daemon.capacity import Capacity
from queuectl_daemon.flights import Flights
from queuectl_daemon.kinds import Kinds
from queuectl_daemon.measures import Measures
from queuectl_daemon.metrics import Metrics
from queuectl_daemon.readings import Readings
from tests.support.daemon import KINDS, POSTGRES, SQLITE, Installation, MakeInstallation
from tests.support.engines import MigratedPostgres
from tests.support.ports import free_port
from tests.support.processes import guarded
from tests.support.prometheus import find_program
from tests.support.scraping import PASSWORD, USER, Scrape, read, scrape, web_settings
from tests.support.waiting import wait_until

OUTCOMES = ("succeeded", "retried", "dead", "cancelled", "released")


def _work(site: Installation) -> None:
    """Let tasks succeed, be repeated, die, and be cancelled while they wait."""
    site.submit_many(60)
    site.submit_many(20, options={"priority": "urgent"})
    site.submit_many(6, failing=[1])
    site.submit_many(4, "refuse", options={"priority": "low"})
    late = [site.submit(options={"priority": "background", "publish_at": _far()}) for _ in range(3)]
    site.manager.cancel_task(late[0])
    site.wait_for(*(set(site.accepted) - set(late)))


def _far() -> Any:
    from datetime import UTC, datetime

    return datetime(2090, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_status_statistics_and_sql_say_the_same(install: MakeInstallation, kind: str) -> None:
    site = install(kind, **web_settings())
    site.daemon.start()
    _work(site)
    seen = scrape(site)
    status = site.monitor.get_realtime_status()
    statistics = site.monitor.get_statistics(0, 4_000_000_000_000, by="queue").by_name()
    for queue in QUEUES:
        (of_status,) = (each for each in status.queues if each.name == queue)
        for state in State:
            (stored,) = site.rows(
                "SELECT COUNT(*) FROM tasks WHERE queue = %s AND state = %s", queue, state.value
            )[0]
            told = getattr(of_status, state.value)
            assert seen.value("queue_size", queue=queue, state=state.value) == told == stored
        moves = dict(
            site.rows(
                "SELECT move, COUNT(*) FROM attempts JOIN tasks ON tasks.id = task_id WHERE queue = %s GROUP BY move",
                queue,
            )
        )
        counts = statistics.get(queue)
        for outcome, move in zip(OUTCOMES, ("succeed", "retry", "bury", "cancel", "release"), strict=True):
            told = seen.value("tasks_processed_total", queue=queue, outcome=outcome)
            assert told == moves.get(move, 0)
            if outcome != "cancelled":
                assert told == (0 if counts is None else getattr(counts, outcome))
        runs = sum(number for move, number in moves.items() if move != "release")
        assert seen.value("queuectl_attempts_total", queue=queue) == runs
        assert seen.value("task_duration_seconds_count", queue=queue) == runs
        assert seen.value("queuectl_task_wait_seconds_count", queue=queue) == runs
        assert of_status.recent.attempts == runs
        assert seen.value("task_failure_rate", queue=queue) == pytest.approx(
            of_status.recent.failure_rate or 0
        )
        if counts is not None:
            assert counts.runs.total_ms == pytest.approx(
                1000 * seen.value("task_duration_seconds_sum", queue=queue), abs=1e-6
            )
    assert statistics["background_priority"].cancelled == 1
    assert sum(counts.submitted for counts in statistics.values()) == len(site.accepted)
    assert seen.value("queue_health_score") == site.monitor.get_health().score
    assert seen.value("queuectl_dead_letters_waiting") == status.dead_letters == 4


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_histograms_count_what_the_statistics_count(install: MakeInstallation, kind: str) -> None:
    site = install(kind, **web_settings())
    site.daemon.start()
    site.submit_many(30)
    site.submit_many(5, seconds=0.03)
    site.wait_until_done()
    seen = scrape(site)
    times = [ms for (ms,) in site.rows("SELECT finished_at - started_at FROM attempts")]
    for (name, labels), value in seen.samples.items():
        if name == "task_duration_seconds_bucket" and ("queue", "medium_priority") in labels:
            bound = float(dict(labels)["le"])
            assert value == sum(ms / 1000 <= bound * (1 + 1e-9) for ms in times)
    assert seen.total("queuectl_recorded_batch_size_sum") == 35
    assert seen.total("queuectl_claimed_batch_size_sum") == 35
    assert seen.value("queuectl_pump_tick_seconds_count") > 0


def test_two_daemons_add_up_and_what_is_stored_is_told_by_each(
    install: MakeInstallation, neighbour: Any
) -> None:
    site = install(POSTGRES, **web_settings(workers=2))
    other = neighbour(site, **web_settings(workers=2))
    site.daemon.start()
    other.daemon.start()
    door = site.home / "door"
    site.submit_many(4, "until_file", until=str(door))
    site.witness.wait_for_starts(4)
    site.submit_many(196, seconds=0.01)
    door.touch()
    site.wait_until_done()
    first, second = scrape(site), scrape(other)
    both = [each.total("tasks_processed_total", outcome="succeeded") for each in (first, second)]
    assert sum(both) == 200
    assert min(both) >= 2
    for each in (first, second):
        assert each.total("queue_size", state="succeeded") == 200
        assert each.value("queuectl_nodes") == 2


def test_a_daemon_that_starts_anew_counts_from_nothing(install: MakeInstallation) -> None:
    site = install(SQLITE, **web_settings())
    site.daemon.start()
    site.submit_many(10)
    site.wait_until_done()
    assert scrape(site).total("tasks_processed_total") == 10
    site.daemon.stop()
    site.daemon.start()
    again = scrape(site)
    assert again.total("tasks_processed_total") == 0
    assert again.total("queue_size", state="succeeded") == 10
    assert site.monitor.get_statistics(0, 4_000_000_000_000).total.succeeded == 10


def test_hosts_never_become_labels_and_nothing_says_when_it_was_created(install: MakeInstallation) -> None:
    site = install(SQLITE, **web_settings())
    site.daemon.start()
    before = scrape(site)
    for number in range(30):
        site.manager.submit_task(f"http://host{number}.test/", handler="refuse")
    wait_until(
        lambda: scrape(site).total("queuectl_dead_letters_total") == 30, within=30, describing="the ends"
    )
    after = scrape(site)
    assert after.samples.keys() == before.samples.keys()
    assert len(after.samples) < 1_000
    assert not [name for name in after.names if name.endswith("_created")]
    labels = {label for _, pairs in after.samples for label, _ in pairs}
    assert labels == {"queue", "state", "outcome", "le", "version", "python", "engine", "transport"}


def test_prometheus_finds_nothing_wrong_with_the_names(install: MakeInstallation) -> None:
    site = install(SQLITE, **web_settings())
    site.daemon.start()
    checked = subprocess.run(
        [find_program("promtool"), "check", "metrics"],
        input=scrape(site).text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_database_that_does_not_answer_is_told_within_the_time_that_is_said(
    postgres_url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from queuectl.operations.opening import open_database

    before = _readers()
    settings = Settings(home=home, database_url=postgres_url)
    database = open_database(settings)
    flights = Flights()
    measures = Measures(flights, Capacity(flights, 8, Kinds({}, lambda _: "thread", dict)))
    metrics = Metrics(settings, database, measures)
    assert read(metrics.exposition().decode()).value("queuectl_database_up") == 1
    monkeypatch.setattr("queuectl_daemon.readings.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("queuectl_daemon.readings.TIME_OUT_SECONDS", 0.2)
    blocker = Database(postgres_url)
    with blocker.writing() as transaction:
        transaction.execute("LOCK TABLE counters IN ACCESS EXCLUSIVE MODE")
        seen: list[Scrape] = []
        threads = [
            threading.Thread(target=lambda: seen.append(read(metrics.exposition().decode())))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert [each.value("queuectl_database_up") for each in seen] == [0] * 5
        assert [each.value("queue_health_score") for each in seen] == [0] * 5
        assert all("queue_size" not in each.names for each in seen)
        assert len(_readers() - before) == 1, "all wait for one reading"
    blocker.close()
    wait_until(
        lambda: read(metrics.exposition().decode()).value("queuectl_database_up") == 1,
        within=20,
        describing="the database to be told to be back",
    )
    database.close()


def test_scrapes_at_the_same_time_read_once(install: MakeInstallation) -> None:
    site = install(SQLITE)
    database = Database(site.settings.database_url)
    site.manager.submit_task("http://example.test/")
    readings = Readings(site.settings, database)
    first = readings.latest()
    assert first is not None
    assert readings.latest() is first
    database.close()


def test_a_reading_for_which_there_is_no_thread_is_tried_again(
    install: MakeInstallation, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install(SQLITE)
    site.manager.submit_task("http://example.test/")
    database = Database(site.settings.database_url)
    readings = Readings(site.settings, database)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _no_thread)
        assert readings.latest() is None
    assert readings.latest(20) is not None
    database.close()


def _readers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "metrics"}


def test_scrapes_one_after_another_share_a_connection_which_is_opened_again_when_it_is_lost(
    emptied_postgres: str, migrated_postgres: MigratedPostgres, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queuectl_daemon.readings.FRESH_SECONDS", 0.0)
    database, others = Database(emptied_postgres), _readers()
    readings = Readings(Settings(home=home, database_url=emptied_postgres), database)

    def connections() -> set[int]:
        with migrated_postgres.connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'queuectl'"
            )
            return {pid for (pid,) in cursor.fetchall()}

    assert readings.latest(20) is not None
    first = connections()
    assert len(first) == 1
    assert readings.latest(20) is not None
    assert connections() == first
    migrated_postgres.cut()
    assert readings.latest(20) is not None
    assert len(connections() - first) == 1
    readings.close()
    wait_until(lambda: not connections() and _readers() <= others, describing="the end of the reader")
    assert readings.latest(20) is not None, "who asks later is answered as well"
    readings.close()


def test_a_reader_that_nobody_asks_any_more_ends(
    emptied_postgres: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queuectl_daemon.readings.KEPT_SECONDS", 0.05)
    monkeypatch.setattr("queuectl_daemon.readings.FRESH_SECONDS", 0.0)
    others = _readers()
    readings = Readings(Settings(home=home, database_url=emptied_postgres), Database(emptied_postgres))
    for _ in range(20):
        assert readings.latest(20) is not None
        wait_until(lambda: _readers() <= others, describing="the end of the reader")


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_the_statistics_count_what_the_metrics_count() -> None:
    assert set(OUTCOMES) <= set(COUNTED)


@contextmanager
def _prometheus(folder: Path, port: int, target: int) -> Iterator[str]:
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: queuectl\n"
        f"  basic_auth: {{username: {USER}, password: '{PASSWORD}'}}\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
    )
    command: list[str | Path] = [
        find_program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with guarded(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        yield f"http://127.0.0.1:{port}/api/v1"


def _asked(api: str, query: str) -> list[tuple[dict[str, str], float]]:
    try:
        with urllib.request.urlopen(f"{api}/query?query={urllib.parse.quote(query)}", timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
    except OSError:
        return []
    return [(each["metric"], float(each["value"][1])) for each in found]


def test_a_real_prometheus_scrapes_a_daemon(install: MakeInstallation, tmp_path: Path) -> None:
    site = install(SQLITE, **web_settings())
    site.daemon.start()
    site.submit_many(25)
    site.wait_until_done()
    with _prometheus(tmp_path, free_port(), site.settings.web_port) as api:
        wait_until(
            lambda: _asked(api, 'sum(tasks_processed_total{outcome="succeeded"})') == [({}, 25.0)],
            within=40,
            describing="Prometheus to have scraped the daemon",
        )
        assert [value for _, value in _asked(api, 'up{job="queuectl"}')] == [1.0]
        assert _asked(api, 'sum(queue_size{state="succeeded"})') == [({}, 25.0)]


def test_a_scrape_needs_a_password(install: MakeInstallation) -> None:
    site = install(SQLITE, **web_settings())
    site.daemon.start()
    request = urllib.request.Request(f"http://127.0.0.1:{site.settings.web_port}/metrics")
    request.add_header("Authorization", "Basic " + base64.b64encode(b"ann:wrong").decode())
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=20)
