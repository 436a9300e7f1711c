"""The bench of peers at work, on a pretended peer and on queuectl itself: no tool is installed for this."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.bench.peers.arithmetic import Losses
from tests.bench.peers.columns import MEASURES
from tests.bench.peers.contenders import QUEUECTL, Contender
from tests.bench.peers.disasters import KILL, strike
from tests.bench.peers.environments import Environment, environment
from tests.bench.peers.rounds import EVERYTHING, Run
from tests.bench.peers.servers import Servers
from tests.bench.peers.sizes import QUICK
from tests.bench.peers.stand import ContenderError, Stand
from tests.bench.peers.turn import Turn

TIMED = [each for each in MEASURES if each not in {"kill", "flush"}]
TINY = replace(
    QUICK,
    submit=5,
    bulk=20,
    drain=20,
    naps=8,
    latency=5,
    low=60,
    victims=120,
    step_seconds=60,
    back_seconds=1,
)
PRETENDED = Environment([sys.executable, "-m", "tests.support.pretend_peer"], "pretend 1")
FAST = Contender("pretend", "pretend", "fast")
DURABLE = Contender("pretend", "pretend", "durable")
OURS = Contender("queuectl on SQLite", QUEUECTL, "durable")


@pytest.fixture
def servers() -> Iterator[Servers]:
    with Servers() as started:
        yield started


def test_a_turn_fills_every_column_that_the_tool_has_means_for(servers: Servers) -> None:
    turn = Turn(DURABLE, PRETENDED, servers, TINY, TIMED).run()
    assert turn.failures == {}
    assert set(turn.samples) == {"submit", "bulk", "drain", "latency", "latency_p99", "naps", "memory"}
    assert all(value > 0 for value in turn.samples.values())
    assert turn.cannot == {"urgent": "one after the other", "startup": "has no command"}
    # One worker, so 20 ms each leave room for at most fifty a second.
    assert turn.samples["naps"] <= 50


def test_queuectl_fills_every_column(servers: Servers) -> None:
    turn = Turn(OURS, environment(QUEUECTL), servers, replace(TINY, low=400), TIMED).run()
    assert (turn.failures, turn.cannot) == ({}, {})
    assert {"urgent", "overtaken", "startup", "drain"} < set(turn.samples)


def test_what_fails_costs_its_own_figures_only(servers: Servers) -> None:
    broken = replace(DURABLE, variant="broken")
    turn = Turn(broken, PRETENDED, servers, TINY, ["submit", "drain", "startup"]).run()
    assert turn.samples == {}
    assert set(turn.failures) == {"submit", "drain"}
    assert turn.failures["submit"] == "ContenderError: each: RuntimeError: it is broken"
    assert turn.cannot == {"startup": "has no command"}


def test_a_worker_that_ends_is_told_with_its_last_words(servers: Servers) -> None:
    ending = replace(DURABLE, variant="ending")
    turn = Turn(ending, PRETENDED, servers, TINY, ["submit", "drain"]).run()
    assert set(turn.samples) == {"submit"}
    assert turn.failures == {"drain": "ContenderError: a worker ended with 1: no work today"}


def test_an_order_that_is_not_known_is_an_error_and_not_the_end(servers: Servers) -> None:
    with servers.seat(FAST) as seat, Stand(PRETENDED, seat, 30) as stand:
        with pytest.raises(ContenderError, match="no such order: dance"):
            stand._ask({"do": "dance"}, 30)
        assert stand.each("noop", "still", 1) > 0


def test_a_tool_that_forgets_what_it_has_read_loses_it_with_its_worker(servers: Servers) -> None:
    found = strike(KILL, FAST, PRETENDED, servers, replace(TINY, back_seconds=3))
    assert found.lost > 0
    assert (found.again, found.twice, found.stuck) == (0, 0, False)


def test_a_tool_that_acknowledges_late_loses_nothing(servers: Servers) -> None:
    found = strike(KILL, DURABLE, PRETENDED, servers, replace(TINY, back_seconds=60))
    assert found.lost == 0
    # What was cut short is begun again; had it just ended and not been acknowledged, it is done twice.
    assert found.again + found.twice <= 1


def test_workers_that_do_nothing_any_more_are_stuck(servers: Servers) -> None:
    found = strike(KILL, replace(FAST, variant="once"), PRETENDED, servers, replace(TINY, back_seconds=3))
    assert found.lost > 0
    assert found.stuck


def test_queuectl_loses_nothing(servers: Servers) -> None:
    found = strike(KILL, OURS, environment(QUEUECTL), servers, replace(TINY, back_seconds=60))
    assert found.lost == 0


def test_a_run_notes_who_could_not_be_set_up_beside_the_others(servers: Servers) -> None:
    absent = Contender("BullMQ", "bullmq", "fast", redis=True)
    run = Run([DURABLE, absent], {"pretend": PRETENDED}, {"bullmq": "needs node"}, TINY, ["submit", "kill"])
    results = run.measure(
        rounds=2,
        minutes=60,
        appendfsync="always",
        patience=0,
        say=lambda _: None,
        called="a test",
    )
    ours, theirs = results.records
    assert len([each for each in ours.samples["submit"] if each]) == 2
    assert isinstance(ours.disasters[KILL], Losses)
    assert theirs.failures == {EVERYTHING: "needs node"}
    assert results.machine["rounds"] == 2
    assert set(results.machine["others"]) == {"round 1", "round 2"}


def test_no_round_begins_that_would_not_end_in_time() -> None:
    run = Run([DURABLE], {"pretend": PRETENDED}, {}, TINY, ["submit"])
    results = run.measure(
        rounds=1_000,
        minutes=0.02,
        appendfsync="always",
        patience=0,
        say=lambda _: None,
        called="a test",
    )
    assert 1 <= results.machine["rounds"] < 1_000
    assert len(results.records[0].samples["submit"]) == results.machine["rounds"]
