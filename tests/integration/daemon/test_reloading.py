"""A daemon that reads its settings again: what it takes up, what it leaves for the next start, and mistakes."""

from __future__ import annotations

import base64
import json
import re
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from queuectl.domain.audit import AuditLine
from queuectl.errors import DaemonNotRunningError
from queuectl.operations.audit import AuditTrail
from queuectl.operations.reloading import TAKEN_UP, Reloaded, reload
from tests.support.daemon import POSTGRES_REDIS, SQLITE, Installation, MakeInstallation
from tests.support.scraping import PASSWORD, USER, web_settings
from tests.support.waiting import wait_until


def rewrite(site: Installation, **settings: object) -> None:
    """Give settings other values in the file, or values where they had none."""
    file = site.home / "queuectl.toml"
    text = file.read_text()
    for name, value in settings.items():
        text = re.sub(rf"^{name} = .*\n", "", text, flags=re.MULTILINE)
        text = f"{name} = {json.dumps(value)}\n{text}"
    file.write_text(text)


def recorded(site: Installation) -> list[AuditLine]:
    with AuditTrail(site.settings) as trail:
        return [each.first for each in trail.operations() if each.first.verb == "daemon reload"]


def logged(site: Installation, sentence: str) -> None:
    wait_until(lambda: sentence in site.daemon.log(), within=20, describing=f"{sentence!r} in the log")


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_what_can_be_taken_up_holds_at_once_and_the_rest_is_named(
    install: MakeInstallation, kind: str
) -> None:
    site = install(kind, workers=2, max_retries=0)
    site.daemon.start()
    node = site.daemon.node
    rewrite(site, workers=5, log_level="debug", max_retries=2, redis_namespace="other", grace_period=7)

    reloaded = reload(site.settings)

    assert reloaded == Reloaded(
        node,
        changed={
            "workers": [2, 5],
            "log_level": ["info", "debug"],
            "max_retries": [0, 2],
            "grace_period": [10.0, 7.0],
        },
        restart=["redis_namespace"],
    )
    logged(site, "workers is 5 now, 2 until now")
    logged(site, "a restart is needed for: redis_namespace")
    logged(site, "5 workers from now on, 2 until now")
    refused = site.submit("a_fail")
    site.wait_for(refused)
    assert site.outcomes(refused) == ["failed"] * 3
    assert site.daemon.stop() == 0
    assert "running tasks have 7 s" in site.daemon.log()


def test_it_is_recorded_once_with_who_asked_and_never_for_nothing(install: MakeInstallation) -> None:
    site = install(SQLITE)
    site.daemon.start()
    node = site.daemon.node
    assert reload(site.settings) == Reloaded(node)
    rewrite(site, retention_days=5, redis_namespace="other")
    reload(site.settings)
    (line,) = recorded(site)
    assert (line.target, line.things) == (node, 1)
    assert json.loads(line.before or "") == {"retention_days": 90.0}
    assert json.loads(line.after or "") == {"retention_days": 5.0, "needs_restart": ["redis_namespace"]}


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("\nworkers = 'many'\n", "queuectl.toml line 2); accepted is a whole number from 1 to 512"),
        ("workers = \n", "at line 1, column"),
        ("\n\n[queues.low]\nmax_retries = -1\n", "queuectl.toml line 4); accepted is"),
        ("\nwokers = 3\n", "queuectl.toml line 2) is not a setting; did you mean workers?"),
    ],
)
def test_a_file_with_a_mistake_leaves_everything_as_it_is_and_the_log_says_which_line(
    install: MakeInstallation, mistake: str, said: str
) -> None:
    site = install(SQLITE, workers=3)
    site.daemon.start()
    (site.home / "queuectl.toml").write_text(mistake)
    site.daemon.send(signal.SIGHUP)
    logged(site, "the settings stay as they are: ")
    assert said in site.daemon.log()
    site.wait_for(site.submit(), site.submit("p_work"))
    assert site.monitor.get_realtime_status().nodes[0].workers == 3
    assert recorded(site) == []


def test_a_new_handler_runs_in_a_child_and_a_running_task_goes_on_by_its_own(
    install: MakeInstallation,
) -> None:
    site = install(SQLITE, workers=2)
    site.daemon.start()
    site.wait_for(site.submit("p_work"))  # a child is there now, with the former settings
    running = site.submit("p_until_file", until=str(site.home / "door"))
    site.witness.wait_for_starts(2)
    file = site.home / "queuectl.toml"
    file.write_text(
        file.read_text()
        + '[handlers.fresh]\ncallable = "tests.support.fault_handlers:work"\n'
        + '[handlers.fresh_thread]\ncallable = "tests.support.fault_handlers:work"\nisolation = "thread"\n'
    )
    changed = reload(site.settings).changed
    site.read_settings_again()
    assert changed == {"handlers.fresh": [None, "defined"], "handlers.fresh_thread": [None, "defined"]}
    fresh = [site.submit("fresh"), site.submit("fresh_thread"), site.submit("fresh")]
    assert [task.state for task in site.wait_for(*fresh)] == ["succeeded"] * 3
    (site.home / "door").touch()
    assert site.wait_for(running)[0].state == "succeeded"
    after = site.submit("fresh"), site.submit("fresh")
    assert [task.state for task in site.wait_for(*after)] == ["succeeded"] * 2
    site.check()


def test_a_file_that_is_nested_too_deeply_ends_no_daemon(install: MakeInstallation) -> None:
    site = install(SQLITE)
    site.daemon.start()
    file = site.home / "queuectl.toml"
    good = file.read_text()
    file.write_text("a = " + "[" * 100_000)
    site.daemon.send(signal.SIGHUP)
    logged(site, "queuectl.toml is nested too deeply")
    file.write_text(good)
    site.wait_for(site.submit())


def test_the_web_interface_knows_a_new_handler(install: MakeInstallation) -> None:
    site = install(SQLITE, **web_settings())
    site.daemon.start()
    file = site.home / "queuectl.toml"
    file.write_text(file.read_text() + '[handlers.fresh]\ncallable = "tests.support.fault_handlers:work"\n')
    reload(site.settings)
    body = {"url": "https://example.com/new", "handler": "fresh"}
    wait_until(lambda: _posted(site, "tasks", body) == 201, within=20, describing="the handler to be known")


def _posted(site: Installation, address: str, body: object) -> int:
    """Return the status that the HTTP interface answers a program with."""
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    where = f"http://127.0.0.1:{site.settings.web_port}/api/v1/{address}"
    request = urllib.request.Request(where, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_guide_names_what_is_taken_up() -> None:
    text = (Path(__file__).parents[3] / "docs/operations.md").read_text(encoding="utf-8")
    told = text.partition("At once, for what begins from then on: ")[2].partition(". ")[0]
    assert {*re.findall(r"`(\w+)`", told)} == TAKEN_UP


def test_without_a_daemon_nothing_is_reloaded(install: MakeInstallation) -> None:
    site = install(SQLITE)
    with pytest.raises(DaemonNotRunningError):
        reload(site.settings)
