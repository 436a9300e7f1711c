"""The words of the pages: what the core says is said in the reader's language, down to its parts."""

from __future__ import annotations

import re

import pytest

from queuectl.domain.sentence import PATTERNS, Duration, Sentence, Word, say
from queuectl_daemon.web.pages.page import Reader, Show

ENGLISH, CHINESE = (Show(Reader(language, "auto", "UTC")) for language in ("en", "zh"))
_NAMES = {"Redis", "GiB", "pid", "max_size"}
"""What is called the same in Chinese."""


@pytest.mark.parametrize("key", sorted(PATTERNS))
def test_nothing_of_the_core_is_left_in_english_on_a_chinese_page(key: str) -> None:
    facts = tuple((name, 7) for name in set(re.findall(r"{(\w+)}", PATTERNS[key])))
    said = CHINESE.sentence(Sentence(key, facts))
    assert set(re.findall(r"[A-Za-z_]{2,}", said)) <= _NAMES, said
    assert re.search(r"[\u4e00-\u9fff（：]", said), said
    assert said.count("7") == len(facts)


def test_an_english_page_says_what_the_console_does() -> None:
    for sentence in (say("health.no_daemon_for", n=3), say("health.daemons", n=1), say("wait.on_its_way")):
        assert ENGLISH.sentence(sentence) == str(sentence)


def test_names_of_our_own_durations_and_parts_are_said_in_the_language_too() -> None:
    queue = Word("queue", "high")
    wait = say("health.longest_wait", queue=queue, time=Duration(120_000))
    assert CHINESE.sentence(wait) == "“高”队列有任务已等待 2 分"
    failed = say("wait.failed", failures=1_000, runs=2_000)
    back_off = say("wait.back_off", failed=failed, because=say("wait.because", error="no\u202eway"))
    assert CHINESE.sentence(back_off) == (
        "等待下一次运行：已失败 1,000 次，共可运行 2,000 次，原因：no\\u202eway"
    )
    dead = say("wait.dead", n=2, cause=say("wait.cause", cause=Word("cause", "timed_out")))
    assert CHINESE.sentence(dead) == "运行 2 次后已放弃（超时）"
    assert CHINESE.sentence(say("wait.cause", cause=Word("cause", "unknown"))) == "（unknown）"
