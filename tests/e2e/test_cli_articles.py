"""Articles on their way to a webhook, as a person sees them: delivered, in vain, again, with no secret in sight."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from queuectl.samples.site import SampleSite
from tests.support.cli import CommandLine, words
from tests.support.receiver import Receiver, receiver
from tests.support.waiting import wait_until

__all__ = ["receiver"]

PATH, SECRET = "canary-p4th", "canary-s3cr3t-of-some-length"
MARKS = ("canary", "Y2FuYXJ5")


@pytest.fixture(scope="module")
def samples() -> Iterator[SampleSite]:
    """Give the bundled sample site."""
    with SampleSite() as site:
        yield site


@pytest.fixture
def posting(cli: CommandLine, receiver: Receiver) -> CommandLine:
    """Give the command line of a home whose articles are posted to the receiver."""
    (cli.home / ".env").write_text(
        f"QUEUECTL_PUBLISH_WEBHOOK={receiver.url(f'/{PATH}?key={PATH}')}\nQUEUECTL_WEBHOOK_SECRET={SECRET}\n"
    )
    (cli.home / ".env").chmod(0o600)
    cli.configure('fetch_allow_networks = ["127.0.0.0/8"]\n')
    return cli


def article(samples: SampleSite, name: str = "green-tea") -> str:
    return f"{samples.address}/articles/{name}.html"


def delivery(cli: CommandLine, task: str) -> dict[str, Any]:
    found = cli("show", task, "--json").ok().document["delivery"]
    assert isinstance(found, dict)
    return found


def wait_for(cli: CommandLine, task: str, state: str, *, failed: bool = False) -> None:
    def is_so() -> bool:
        found = delivery(cli, task)
        return found["state"] == state and bool(found["problem"]) == failed

    wait_until(is_so, within=40, describing=f"the delivery of {task} to be {state}")


def test_an_article_goes_to_the_webhook_and_show_says_so(
    posting: CommandLine, receiver: Receiver, samples: SampleSite
) -> None:
    cli = posting
    receiver.answers = [503]
    cli.start_daemon()
    cli("submit", article(samples), "--wait").ok()
    wait_for(cli, "task_1", "waiting", failed=True)
    told = cli("show", "task_1").ok()
    assert ["webhook", "http://127.0.0.1/…"] in words(told)
    assert "answered 503" in told.out
    assert "to deliver it now: queuectl articles deliver task_1" in told.err
    listed = cli("articles", "deliveries").ok()
    assert "task_1  waiting" in listed.out
    assert "queuectl articles deliver --failed" in listed.err
    document = cli("articles", "deliveries", "--json").ok().document
    assert (document["to"], document["counts"]["failing"]) == ("http://127.0.0.1/…", 1)
    assert document["deliveries"] == [delivery(cli, "task_1")]
    doctor = {each["name"]: each for each in cli("doctor", "--json").document["checks"]}
    assert doctor["webhook"]["ok"] is False

    assert cli("articles", "deliver", "--failed", "--json").ok().document["deliveries"] == ["task_1"]
    wait_for(cli, "task_1", "delivered")
    assert "delivered  20" in cli("show", "task_1").ok().out
    assert cli("articles", "deliver", "1", "-q").ok().ids == ["task_1"]
    wait_until(lambda: len(receiver.got) == 3, within=40, describing="it to be delivered again")
    assert {got.key for got in receiver.got} == {"task_1.1"}
    assert all(got.is_signed_with(SECRET) for got in receiver.got)
    content = json.loads(receiver.got[0].body)
    assert content["url"] == article(samples)
    assert (cli.home / "articles" / content["markdown_path"]).is_file()
    wait_for(cli, "task_1", "delivered")
    empty = cli("articles", "deliveries").ok()
    assert (empty.out, "every article has been delivered" in empty.err) == ("", True)
    checks = {each["name"]: each for each in cli("health", "--json").document["checks"]}
    assert checks["webhook"]["level"] == "ok"
    assert cli("audit", "list").ok().out.count("articles deliver") == 2


def test_what_cannot_be_delivered_is_refused_with_a_way_out(
    posting: CommandLine, cli: CommandLine, samples: SampleSite
) -> None:
    cli("submit", article(samples)).ok()
    assert "task_1 has no article; nothing is delivered" in posting("articles", "deliver", "task_1").error(4)
    assert "'nonsense' is not a task id" in posting("articles", "deliver", "nonsense").error(4)
    for some in ((), ("task_1", "--failed")):
        assert "either ids of tasks or --failed" in posting("articles", "deliver", *some).error(2)
    (cli.home / ".env").unlink()
    assert "no webhook is configured" in cli("articles", "deliver", "--failed").error(5)
    assert "set publish_webhook" in cli("articles", "deliveries").ok().err
    assert cli("articles", "deliveries", "--json").ok().document["to"] is None
    assert "delivery" not in cli("show", "task_1").ok().out


def test_neither_the_address_nor_the_secret_is_told_anywhere(
    posting: CommandLine, receiver: Receiver, samples: SampleSite
) -> None:
    cli = posting
    receiver.answers = [500]
    pid = cli.start_daemon()
    cli("submit", article(samples), article(samples, "night-train")).ok()
    cli("wait", "1", "2").ok()
    wait_until(lambda: len(receiver.got) >= 1, within=40, describing="a first try")
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    known = " ".join(word for process in family for word in (*process.cmdline(), *process.environ().values()))
    said = [
        cli(*line.split(), "--debug")
        for line in (
            "show 1",
            "show 2 --json",
            "articles deliveries",
            "articles deliver 1 2",
            "config show",
            "config show --json",
            "config check",
            "doctor",
            "health",
            "status --json",
            "events",
            "logs 1",
            "audit list",
            "export --output made.jsonl",
            "backup made.backup",
            "daemon reload",
            "daemon status",
        )
    ]
    wait_for(cli, "task_1", "delivered")
    wait_for(cli, "task_2", "delivered")
    cli.stop_daemon()
    told = known + "".join(result.out + result.err for result in said)
    files = [file for file in cli.home.rglob("*") if file.is_file() and file.name != ".env"]
    assert {"queuectl.db", "queuectld.log", "made.backup", "made.jsonl"} <= {file.name for file in files}
    assert "not delivered to http://127.0.0.1/…" in next(
        file.read_text() for file in files if file.name == "queuectld.log"
    )
    assert [mark for mark in MARKS if mark in told] == []
    assert [str(file) for file in files if any(mark.encode() in file.read_bytes() for mark in MARKS)] == []
