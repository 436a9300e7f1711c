"""The plan of reports in the settings: what it may be, and how mistakes in it are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from queuectl.domain.report_delivery import ReportDelivery
from queuectl.errors import ConfigurationError
from queuectl.settings import load, shown

GOOD = 'kind = "weekly", folder = "/srv/reports"'


def loaded(home: Path, text: str, **variables: str):
    (home / "queuectl.toml").write_text(text, encoding="utf-8")
    return load(home=home, environ=variables)


def test_a_line_has_defaults_and_a_time_becomes_an_expression(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f"[[report_schedule]]\n{GOOD.replace(', ', chr(10))}\n").settings
    assert settings.report_schedule == (ReportDelivery("weekly", "0 8 * * 1", folder="/srv/reports"),)
    text = f'report_schedule = [{{{GOOD}, at = "*/5 * * * *", format = "pdf", lang = "zh"}}]'
    assert loaded(tmp_path, text).settings.report_schedule[0] == ReportDelivery(
        "weekly", "*/5 * * * *", "pdf", "zh", folder="/srv/reports"
    )


def test_the_environment_has_it_as_json(tmp_path: Path) -> None:
    plan = [{"kind": "daily", "at": "7:30", "webhook": "https://a.test/x?key=secret"}]
    found = loaded(
        tmp_path, "", QUEUECTL_REPORT_SCHEDULE=json.dumps(plan), QUEUECTL_WEBHOOK_SECRET="s" * 16
    ).settings
    assert found.report_schedule[0].cron == "30 7 * * *"
    text = json.dumps(shown(found), default=str)
    assert "https://a.test/…" in json.dumps(shown(found), default=str, ensure_ascii=False)
    assert "key=secret" not in text
    assert "s" * 16 not in text


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('{folder = "/x"}', "entry 1: it has no kind; use one of daily, weekly, monthly"),
        ('{kind = "wekly", folder = "/x"}', "there is no kind 'wekly' (did you mean weekly?)"),
        ('{kind = "daily"}', "it needs either a folder or a webhook"),
        (
            '{kind = "daily", folder = "/x", webhook = "https://a.test/"}',
            "it needs either a folder or a webhook",
        ),
        ('{kind = "daily", folder = "x"}', "the folder 'x' is not absolute"),
        (
            '{kind = "daily", folder = "~nobody-has-this-name/x"}',
            "the home of '~nobody-has-this-name/x' is not",
        ),
        ('{kind = "daily", webhook = "nonsense"}', "its webhook is no address that can be posted to"),
        ('{kind = "daily", folder = "/x", at = "25:00"}', "the cron expression '25:00'"),
        ('{kind = "daily", folder = "/x", at = 8}', "cron expression"),
        ('{kind = "daily", folder = "/x", format = "doc"}', "there is no format 'doc'"),
        ('{kind = "daily", folder = "/x", lang = "fr"}', "there is no lang 'fr'"),
        (
            '{kind = "daily", folder = "/x", foramt = "pdf"}',
            "'foramt' is no part of it (did you mean format?)",
        ),
        ('{kind = "daily", webhook = "ftp://a.test/"}', "entry 1: "),
        ('"daily"', "entry 1: it is no table"),
        ('{kind = "daily", folder = "/x"}, {kind = "daily", folder = "/x"}', "the same entry is there twice"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, f"report_schedule = [{entry}]")
    assert message in caught.value.message
    assert "queuectl.toml" in caught.value.message


def test_a_webhook_needs_a_secret(tmp_path: Path) -> None:
    text = 'report_schedule = [{kind = "daily", webhook = "https://a.test/"}]\n'
    with pytest.raises(ConfigurationError, match="webhook_secret, which signs"):
        loaded(tmp_path, text)
    with pytest.raises(ConfigurationError, match="webhook_secret") as caught:
        loaded(tmp_path, text + 'webhook_secret = "short"')
    assert "'short'" not in caught.value.message
    assert loaded(tmp_path, text + 'webhook_secret = "long enough a text"').settings.webhook_secret
