"""The webhook that articles are posted to: what its address may be, and that nobody is told what is secret in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from queuectl.errors import ConfigurationError
from queuectl.settings import load, shown, shown_webhook

SECRET = "s" * 16


def test_of_the_address_only_scheme_and_host_are_shown(tmp_path: Path) -> None:
    settings = load(
        home=tmp_path,
        environ={
            "QUEUECTL_PUBLISH_WEBHOOK": "https://Hook.test:8443/canary?key=canary",
            "QUEUECTL_PUBLISH_WEBHOOK_TEXT": "true",
            "QUEUECTL_WEBHOOK_SECRET": SECRET,
        },
    ).settings
    assert settings.publish_webhook == "https://hook.test:8443/canary?key=canary"
    assert settings.publish_webhook_text is True
    assert shown_webhook(settings) == "https://hook.test/…"
    text = json.dumps(shown(settings), default=str, ensure_ascii=False) + repr(settings)
    assert "https://hook.test/…" in text
    assert "canary" not in text
    assert SECRET not in text


def test_unset_it_is_shown_as_nothing(tmp_path: Path) -> None:
    settings = load(home=tmp_path, environ={}).settings
    assert (settings.publish_webhook, shown(settings)["publish_webhook"]) == (None, None)


def test_it_may_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "address"
    file.write_text("https://a.test/x\n")
    file.chmod(0o600)
    variables = {"QUEUECTL_PUBLISH_WEBHOOK_FILE": str(file), "QUEUECTL_WEBHOOK_SECRET": SECRET}
    assert load(home=tmp_path, environ=variables).settings.publish_webhook == "https://a.test/x"


@pytest.mark.parametrize("address", ["ftp://a.test/canary", "canary", "https:///canary"])
def test_an_address_that_cannot_be_posted_to_is_refused_and_not_repeated(
    tmp_path: Path, address: str
) -> None:
    variables = {"QUEUECTL_PUBLISH_WEBHOOK": address, "QUEUECTL_WEBHOOK_SECRET": SECRET}
    with pytest.raises(ConfigurationError) as refusal:
        load(home=tmp_path, environ=variables)
    (problem,) = refusal.value.problems
    assert "publish_webhook" in problem
    assert "accepted is an address such as https://example.com/articles" in problem
    assert "canary" not in problem


def test_it_needs_a_secret_to_sign_with(tmp_path: Path) -> None:
    (tmp_path / "queuectl.toml").write_text('publish_webhook = "https://a.test/canary"\n')
    with pytest.raises(ConfigurationError) as refusal:
        load(home=tmp_path, environ={})
    (problem,) = refusal.value.problems
    assert problem.startswith("publish_webhook is set (")
    assert problem.endswith("and webhook_secret, which signs what is sent there, is not")
