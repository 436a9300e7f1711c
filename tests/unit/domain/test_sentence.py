"""Sentences: what they say in English, and that each pattern is said somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import queuectl
from queuectl.domain.sentence import PATTERNS, Duration, Word, filled, say

_SOURCE = Path(queuectl.__file__).parent
_SPEAKERS = ("domain/health.py", "domain/wait_reasons.py", "operations/explain.py")


def test_one_thing_and_several_have_forms_of_their_own():
    assert str(say("health.daemons", n=1)) == "1 daemon running"
    assert str(say("health.daemons", n=1_200)) == "1,200 daemons running"
    assert str(say("wait.workers", n=1)) == "the one worker is busy"


def test_a_part_that_need_not_be_said_is_left_out():
    queue = Word("queue", "low")
    assert (
        str(say("wait.rate_used", queue=queue, limit="10/h", before=""))
        == "the queue low has used up its 10/h"
    )
    before = say("wait.before", n=2)
    assert str(say("wait.rate_used", queue=queue, limit="10/h", before=before)).endswith(
        ", and 2 tasks of it before this one"
    )


@pytest.mark.parametrize(
    ("ms", "text"),
    [(-5, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (7_200_000, "2 h"), (86_400_000, "1 d")],
)
def test_a_duration_is_said_in_its_leading_unit(ms, text):
    assert str(say("health.late", name="feed", time=Duration(ms))) == f"feed is late by {text}"


def test_what_is_put_in_is_no_pattern_itself():
    assert filled("{a}", {"a": "{b} | {c}"}) == "{b} | {c}"
    assert str(say("wait.because", error="{error} | {0}")) == " because: {error} | {0}"


def test_every_pattern_is_said_and_nothing_else_is():
    text = "".join((_SOURCE / file).read_text(encoding="utf-8") for file in _SPEAKERS)
    assert set(re.findall(r'"((?:health|wait)\.\w+)"', text)) == set(PATTERNS)
