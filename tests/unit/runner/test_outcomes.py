"""Outcomes judged from what a handler returned or raised."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.article import Article
from queuectl.domain.outcome import Outcome, Verdict
from queuectl.errors import PermanentError, RetryableError
from queuectl_daemon.runner import outcomes
from tests.support.sample_handlers import UNFIT

ARTICLE = Article(
    url="http://example.test/",
    final_url="http://example.test/",
    title="A title",
    author=None,
    account=None,
    published_at=None,
    language=None,
    markdown="text",
    html="<p>text</p>",
    images=("http://example.test/1.png",),
    markdown_path="a.md",
    html_path="a.html",
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_a_value_is_either_stored_unchanged_or_failed_by_rule(value):
    outcome = outcomes.of_value(value, None)

    if outcome.verdict is Verdict.SUCCEEDED:
        assert outcome.result is not None
        assert json.loads(outcome.result) == value
        assert "\0" not in outcome.result.encode().decode()
    else:
        assert outcome.verdict is Verdict.FAILED
        assert outcome.error is not None
        outcome.error.encode()


@pytest.mark.parametrize("kind", UNFIT)
def test_what_cannot_be_stored_is_refused_with_the_reason(kind):
    with pytest.raises(outcomes.UnfitResultError, match="the handler's result"):
        outcomes.encoded(UNFIT[kind]())


def test_text_that_only_looks_like_a_nul_is_stored():
    assert json.loads(outcomes.encoded("\\u0000")) == "\\u0000"


def test_the_largest_result_is_stored_and_the_next_larger_one_is_not():
    assert len(outcomes.encoded("x" * (outcomes.LARGEST_RESULT - 2))) == outcomes.LARGEST_RESULT
    with pytest.raises(outcomes.UnfitResultError):
        outcomes.encoded("x" * (outcomes.LARGEST_RESULT - 1))


def test_an_article_goes_with_the_success():
    assert outcomes.of_value(None, ARTICLE) == Outcome(Verdict.SUCCEEDED, "null", article=ARTICLE)


@pytest.mark.parametrize("text", ["nul \0", "surrogate \ud800"])
def test_an_article_that_cannot_be_stored_fails_the_task(text):
    assert outcomes.of_value(None, replace(ARTICLE, markdown=text)).verdict is Verdict.FAILED
    assert outcomes.of_value(None, replace(ARTICLE, images=(text,))).verdict is Verdict.FAILED


def test_something_else_than_an_article_fails_the_task():
    assert outcomes.of_value(None, "an article").verdict is Verdict.FAILED  # type: ignore[arg-type]


@pytest.mark.parametrize("retry_after", [math.nan, math.inf, -1, "soon"])
def test_a_senseless_wish_for_a_pause_is_dropped(retry_after):
    assert outcomes.of_error(RetryableError("later", retry_after=retry_after)).retry_after is None


def test_deliberate_errors_have_their_message_and_no_traceback():
    assert outcomes.of_error(PermanentError("gone: for good")) == Outcome(
        Verdict.REFUSED, error="gone: for good"
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (OSError(2, "No such file"), False),
        (ValueError(), False),
    ],
)
def test_memory_is_recognised_as_the_cause(error, expected):
    assert outcomes.caused_by_memory(error) is expected
    assert outcomes.caused_by_memory(_led_to(error)) is expected


def test_an_endless_chain_of_causes_is_not_followed_for_ever():
    first, second = ValueError(), ValueError()
    first.__context__, second.__context__ = second, first

    assert outcomes.caused_by_memory(first) is False


def _led_to(cause: BaseException) -> BaseException:
    error = RuntimeError("it broke")
    error.__cause__ = cause
    return error
