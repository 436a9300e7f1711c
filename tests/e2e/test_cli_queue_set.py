"""Limits of queues from the command line: what was changed, how to set it back, and what is refused."""

from __future__ import annotations

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import CommandLine

URL = "https://example.com/article"


def test_what_was_changed_is_shown_with_the_command_that_sets_it_back(cli: CommandLine) -> None:
    result = cli("queue", "set", "high", "max_size=200", "rate_limit=150/hour").ok()
    assert result.out.splitlines() == [
        "LIMIT       BEFORE  AFTER",
        "max_size    none    200",
        "rate_limit  none    150/h",
    ]
    assert result.err == "2 limits of high_priority changed; undo it with: queuectl undo 1\n"
    again = cli("queue", "set", "high", "max_size=200").ok()
    assert (again.out, again.err) == ("", "high_priority has these limits already\n")
    document = cli("queue", "set", "high", "max_size=none", "--json").ok().document
    assert document == {
        "version": 1,
        "queue": "high_priority",
        "changed": {"max_size": {"before": "200", "after": "none"}},
        "undo": "queuectl queue set high max_size=200",
    }


def test_limits_are_shown_wherever_queues_are(cli: CommandLine) -> None:
    cli("queue", "set", "low", "max_size=9", "rate_limit=5/s", "host_gap=0.5", "memory_limit=64").ok()
    assert "max_size=9, rate_limit=5/s, host_gap=0.5, memory_limit=64" in cli("queue", "list").ok().out
    facts = cli("queue", "show", "low").ok().out
    assert "memory_limit  64 MB" in facts
    assert "host_gap      0.5 s" in facts
    shown = cli("queue", "show", "low", "--json").ok().document
    assert (shown["max_size"], shown["rate_limit"], shown["host_gap"]) == (9, "5/s", 0.5)
    queues = {queue["name"]: queue for queue in cli("status", "--json").ok().document["queues"]}
    assert queues["low_priority"]["rate_limit"] == "5/s"
    assert queues["high_priority"]["rate_limit"] is None
    assert queues["low_priority"]["block"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["rate_limit=150/fortnight"],
            "rate_limit is '150/fortnight', accepted is 5/s, 10/m, 150/h or 1000/d",
        ),
        (["max_size=-5", "burst=1"], "max_size is '-5', accepted is a whole number from 1 to"),
        (["rate=5/s"], "'rate' is no limit, did you mean rate_limit?"),
        (["max_size"], "'max_size' has no value"),
        (["max_size=1", "max_size=2"], "max_size is given twice"),
        ([], "no limit is given"),
        (["\x1b[2J=4"], r"'\x1b[2J' is no limit"),
    ],
)
def test_a_mistake_is_refused_and_changes_nothing(cli: CommandLine, words: list[str], said: str) -> None:
    given = ["concurrency=3", *words] if words else []
    assert said in cli("queue", "set", "high", *given).error(ExitCode.USAGE)
    assert cli("queue", "show", "high", "--json").ok().document["concurrency"] is None


def test_a_full_queue_refuses_with_five(cli: CommandLine) -> None:
    cli("queue", "set", "high", "max_size=2").ok()
    cli("submit", URL, "--priority", "high").ok()
    text = cli("batch", "-", "--priority", "high", given=f"{URL}/1\n{URL}/2\n").error(ExitCode.REFUSED)
    assert "high_priority has room for 1 more: 1 of at most 2 tasks wait there; nothing was submitted" in text
    assert cli.states() == ["queued"]
    cli("submit", URL, "--priority", "high").ok()
    assert "high_priority is full: 2 of at most 2" in cli("submit", URL, "--priority", "high").error(
        ExitCode.REFUSED
    )


def test_the_status_says_what_holds_a_queue_back_and_until_when(cli: CommandLine) -> None:
    cli("queue", "set", "medium", "rate_limit=1/d").ok()
    cli.configure('[handlers.echo]\ncallable = "tests.support.sample_handlers:echo"\nisolation = "thread"\n')
    cli.start_daemon()
    cli("submit", URL, "--handler", "echo", "--wait").ok()
    cli("submit", URL, "--handler", "echo").ok()
    (row,) = [line for line in cli("status").ok().out.splitlines() if line.startswith("medium")]
    assert "rate limit until " in row
    queues = {queue["name"]: queue for queue in cli("status", "--json").ok().document["queues"]}
    assert queues["medium_priority"]["block"]["reason"] == "rate_limit"
    assert queues["medium_priority"]["block"]["until"].endswith("Z")
