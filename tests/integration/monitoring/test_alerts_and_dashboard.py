"""The alerts fire when they should, and they and the dashboard name only metrics and labels that a daemon has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import SQLITE, MakeInstallation
from tests.support.prometheus import find_program
from tests.support.promql import named
from tests.support.scraping import Scrape, scrape, web_settings

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "config" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "config" / "grafana" / "queuectl.json"
CASES = Path(__file__).with_name("alert_cases.yml")

ADDED_BY_PROMETHEUS = {"up": {"job", "instance"}}
ADDED_LABELS = {"job", "instance"}


@pytest.fixture
def seen(install: MakeInstallation) -> Scrape:
    """Give what a daemon says."""
    site = install(SQLITE, **web_settings())
    site.daemon.start()
    return scrape(site)


def _promtool(*words: str | Path, folder: Path) -> str:
    done = subprocess.run(
        [find_program("promtool"), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_in_order_and_their_cases_hold(tmp_path: Path) -> None:
    for file in (ALERTS, CASES):
        shutil.copy(file, tmp_path)
    assert "SUCCESS" in _promtool("check", "rules", "alerts.yml", folder=tmp_path)
    assert "SUCCESS" in _promtool("test", "rules", CASES.name, folder=tmp_path)


def test_a_case_that_does_not_hold_would_be_found(tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path)
    (tmp_path / CASES.name).write_text(CASES.read_text().replace("900x5", "9x5"))
    with pytest.raises(AssertionError, match="QueuectlBacklogOld"):
        _promtool("test", "rules", CASES.name, folder=tmp_path)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    cases = CASES.read_text()
    assert len(alerts) == len(set(alerts)) > 8
    for alert in alerts:
        assert re.search(rf"alertname: {alert}, exp_alerts: \[\]", cases), alert
        assert re.search(rf"alertname: {alert}\n +exp_alerts:\n +- exp_labels", cases), alert


def test_alerts_name_what_a_daemon_has(seen: Scrape) -> None:
    recorded = set(re.findall(r"- record: (\S+)", ALERTS.read_text()))
    expressions = [_unfolded(text) for text in _expressions(ALERTS.read_text())]
    assert len(expressions) > 8
    for expression in expressions:
        _check(expression, seen, known=recorded)


def test_the_dashboard_names_what_a_daemon_has(seen: Scrape) -> None:
    expressions = [target["expr"] for panel in _panels() for target in panel.get("targets", [])]
    assert len(expressions) > 20
    for expression in expressions:
        _check(expression, seen)
    for variable in _dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
            assert metric in seen.names
            assert label in seen.labels_of(metric) | ADDED_LABELS


def test_panels_have_ids_of_their_own_and_ask_the_chosen_source() -> None:
    panels = list(_panels())
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    for panel in panels:
        if panel["type"] == "row":
            continue
        assert panel["title"]
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert [each["name"] for each in _dashboard()["templating"]["list"]] == [
        "datasource",
        "queue",
        "instance",
    ]


def test_panels_do_not_lie_upon_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in _panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies upon {taken[x, y]}"
                taken[x, y] = panel["title"]


def test_every_metric_is_described(seen: Scrape) -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    families = {
        re.sub(r"_(bucket|count|sum)$", "", name) for name in seen.names if not name.startswith("process_")
    }
    assert not [name for name in sorted(families) if f"`{name}`" not in text]


def _check(expression: str, seen: Scrape, known: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    found = named(expression)
    assert found.metrics, expression
    labels = set(ADDED_LABELS)
    for metric in found.metrics:
        assert metric in seen.names | known | ADDED_BY_PROMETHEUS.keys(), f"{metric} in {expression}"
        labels |= seen.labels_of(metric)
    assert found.labels <= labels, expression


def _expressions(text: str) -> Iterator[str]:
    """Yield what stands behind ``expr:``, also over several lines."""
    for match in re.finditer(r"^( +)expr: (?:>-\n((?:\1 +.*\n)+)|(.*)\n)", text, re.MULTILINE):
        yield match[2] or match[3]


def _unfolded(text: str) -> str:
    return " ".join(text.split())


def _dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def _panels() -> Iterator[dict[str, Any]]:
    yield from _dashboard()["panels"]
