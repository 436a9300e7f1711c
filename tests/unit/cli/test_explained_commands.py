"""Every command that an explanation proposes can be typed: it exists, with its options and keys."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from queuectl.cli.app import app
from queuectl.cli.help import built
from queuectl.domain.admission import HostUse, QueueRules, QueueUse
from queuectl.domain.lifecycle import State
from queuectl.domain.queue_limits import read_limits
from queuectl.domain.rate import RateLimit
from queuectl.domain.wait_reasons import Line, reasons_to_wait
from tests.support.factories import NOW
from tests.unit.domain.test_explanation import IDLE, a_task, facts

LIMITED = QueueRules(
    "low_priority", paused=True, rate_limit=RateLimit(1, 1000), concurrency=1, host_gap=5, host_concurrency=1
)
SITUATIONS = [
    facts(daemons=()),
    facts(
        rule=LIMITED,
        use=QueueUse(at_work=1, started=1, next_start_at=NOW + 9),
        host_use=HostUse(running=1, last_start_at=NOW),
        line=Line(9, 9, False, 0, 0, False),
        daemons=(replace(IDLE, handlers=frozenset()),),
    ),
    facts(task=a_task(State.RETRYING, due_at=NOW + 5_000, error="no"), failures=1, line=None),
]
COMMANDS = sorted({each.command for known in SITUATIONS for each in reasons_to_wait(known) if each.command})


def test_there_are_such_commands() -> None:
    assert len(COMMANDS) >= 8, COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_it_can_be_typed(command: str) -> None:
    program, *words = shlex.split(command)
    assert program == "queuectl"
    group = built(app)
    with group.make_context("queuectl", [], resilient_parsing=True) as context:
        found = group.get_command(context, words[0])
        assert found is not None
        if hasattr(found, "commands"):
            found = found.commands[words[1]]
    options = {name for parameter in found.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    if words[:2] == ["queue", "set"]:
        key, _, value = words[3].partition("=")
        assert read_limits({key: value}) == {key: None}
