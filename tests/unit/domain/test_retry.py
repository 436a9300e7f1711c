"""What follows each kind of end: which move, which cause, and how long the next attempt waits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move
from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.retry import CRASH_LIMIT, RETRY_AFTER_LIMIT, RetryRule, backoff_seconds, decide
from tests.support.factories import an_article, claimed

RULE = RetryRule(max_retries=3, backoff=10.0, longest=3600.0)
NOW = 1_800_000_000_000
FAILURES = [Verdict.FAILED, Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.OVER_MEMORY]

CHANCES = st.floats(0, 1, exclude_max=True)


def ended(
    verdict: Verdict, *, rule: RetryRule = RULE, retry_after: float | None = None, **work: int
) -> Ending:
    """Return what is decided after a run of a task that is as ``work`` says."""
    return decide(claimed(**work), Outcome(verdict, error="why", retry_after=retry_after), rule, NOW)


def waited(ending: Ending) -> float:
    """Return how many seconds a retry waits."""
    assert ending.due_at is not None
    return (ending.due_at - NOW) / 1000


def test_the_wait_doubles_with_each_failure_up_to_the_longest() -> None:
    waits = [backoff_seconds(RULE, failures, 0) for failures in range(1, 12)]
    assert waits == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


@given(st.integers(1, 10**9), CHANCES)
def test_chance_takes_away_less_than_a_quarter(failures: int, chance: float) -> None:
    full = backoff_seconds(RULE, failures, 0)
    assert full * 0.75 <= backoff_seconds(RULE, failures, chance) <= full <= RULE.longest


@given(st.integers(-5, 10**9), CHANCES, st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_wait_is_never_negative_nor_longer_than_the_longest(
    failures: int, chance: float, first: float, longest: float
) -> None:
    assert 0 <= backoff_seconds(RetryRule(3, first, longest), failures, chance) <= longest


def test_tasks_that_failed_together_do_not_come_back_together() -> None:
    waits = {waited(ended(Verdict.FAILED, attempt=1)) for _ in range(50)}
    assert len(waits) > 10
    assert min(waits) >= 7.5
    assert max(waits) <= 10


@pytest.mark.parametrize("attempt", [1, 2, 3])
@pytest.mark.parametrize("verdict", FAILURES)
def test_a_failed_task_runs_again_after_a_wait_that_grows(verdict: Verdict, attempt: int) -> None:
    ending = ended(verdict, attempt=attempt)
    assert (ending.move, ending.verdict, ending.cause) == (Move.RETRY, verdict, None)
    full = 10 * 2 ** (attempt - 1)
    assert full * 0.75 <= waited(ending) <= full
    assert ending.error == "why"


@pytest.mark.parametrize(
    ("verdict", "cause"),
    [
        (Verdict.FAILED, "exhausted"),
        (Verdict.CRASHED, "crashed"),
        (Verdict.TIMED_OUT, "timed_out"),
        (Verdict.OVER_MEMORY, "over_memory"),
    ],
)
def test_a_task_is_buried_after_its_retries(verdict: Verdict, cause: str) -> None:
    ending = ended(verdict, attempt=RULE.max_retries + 1)
    assert (ending.move, ending.cause, ending.due_at) == (Move.BURY, cause, None)


@pytest.mark.parametrize("verdict", FAILURES)
def test_without_retries_the_first_failure_is_the_last(verdict: Verdict) -> None:
    assert ended(verdict, attempt=1, rule=replace(RULE, max_retries=0)).move is Move.BURY


@given(st.integers(1, 100), st.integers(0, 100), st.integers(0, 20))
def test_runs_that_were_released_do_not_count_as_failures(charged: int, released: int, retries: int) -> None:
    rule = replace(RULE, max_retries=retries)
    ending = ended(Verdict.FAILED, attempt=charged + released, released=released, rule=rule)
    assert ending.move is (Move.BURY if charged > retries else Move.RETRY)
    if ending.move is Move.RETRY:
        assert waited(ending) == pytest.approx(min(3600, 10 * 2 ** (charged - 1)), rel=0.25)


def test_a_task_whose_process_died_too_often_is_buried_whatever_its_retries() -> None:
    rule = replace(RULE, max_retries=1000)
    fates = [
        ended(Verdict.CRASHED, attempt=crashes + 1, crashes=crashes, rule=rule)
        for crashes in range(CRASH_LIMIT)
    ]
    assert [fate.move for fate in fates] == [Move.RETRY, Move.RETRY, Move.BURY]
    assert fates[-1].cause == "crashed"


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.TIMED_OUT, Verdict.OVER_MEMORY])
def test_earlier_crashes_do_not_bury_a_task_that_ends_otherwise(verdict: Verdict) -> None:
    assert ended(verdict, attempt=3, crashes=CRASH_LIMIT).move is Move.RETRY


@pytest.mark.parametrize(
    ("asked", "least"),
    [
        (0.0, 7.5),
        (-60.0, 7.5),
        (float("nan"), 7.5),
        (5.0, 7.5),
        (120.0, 120.0),
        (7200.0, 7200.0),  # also beyond the longest wait of the rule
        (RETRY_AFTER_LIMIT, RETRY_AFTER_LIMIT),
        (RETRY_AFTER_LIMIT + 1, RETRY_AFTER_LIMIT),
        (float("inf"), RETRY_AFTER_LIMIT),
    ],
)
def test_retry_after_lengthens_the_wait_up_to_a_day_and_never_shortens_it(asked: float, least: float) -> None:
    wait = waited(ended(Verdict.FAILED, attempt=1, retry_after=asked))
    assert wait == least if asked > 10 else 7.5 <= wait <= 10


def test_retry_after_gives_no_further_attempt() -> None:
    assert ended(Verdict.FAILED, attempt=4, retry_after=60.0).move is Move.BURY


def test_a_refused_task_is_buried_at_once() -> None:
    ending = ended(Verdict.REFUSED, attempt=1)
    assert (ending.move, ending.cause, ending.error) == (Move.BURY, "refused", "why")


def test_a_success_carries_result_and_article() -> None:
    article = an_article()
    outcome = Outcome(Verdict.SUCCEEDED, result='{"words": 3}', article=article)
    ending = decide(claimed(), outcome, RULE, NOW)
    assert (ending.move, ending.result, ending.article) == (Move.SUCCEED, '{"words": 3}', article)
    assert (ending.finished_at, ending.due_at, ending.error) == (NOW, None, None)


def test_a_cancelled_run_ends_its_task() -> None:
    ending = ended(Verdict.CANCELLED, attempt=1)
    assert (ending.move, ending.due_at, ending.cause) == (Move.CANCEL, None, None)


def test_a_run_that_a_shutdown_cut_off_goes_back_uncharged() -> None:
    ending = ended(Verdict.INTERRUPTED, attempt=100)
    assert (ending.move, ending.charged) == (Move.RELEASE, False)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_its_consequence(verdict: Verdict) -> None:
    ending = ended(verdict, attempt=1)
    assert ending.verdict is verdict
    assert (ending.due_at is not None) == (ending.move is Move.RETRY)
    assert (ending.cause is not None) == (ending.move is Move.BURY)
    assert ending.charged == (ending.move is not Move.RELEASE)


@given(st.text())
def test_what_a_handler_said_can_be_stored_by_both_engines(said: str) -> None:
    outcome = Outcome(Verdict.FAILED, error=said, traceback=said)
    ending = decide(claimed(attempt=1), outcome, RULE, NOW)
    for text in (ending.error, ending.traceback):
        assert text is not None
        assert "\x00" not in text
        text.encode()


def test_an_error_with_odd_characters_stays_readable() -> None:
    outcome = Outcome(Verdict.FAILED, error="中\x00文 \ud83d! 🙂")
    assert decide(claimed(), outcome, RULE, NOW).error == "中\\x00文 \\ud83d! 🙂"
