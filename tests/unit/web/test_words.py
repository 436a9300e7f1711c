"""The words of the pages: what the core says is said in the reader's language, down to its parts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from queuectl.domain.sentence import PATTERNS, Duration, Sentence, Word, say
from queuectl.errors import QueuectlError
from queuectl_daemon.web import problems
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


def below(error: type[QueuectlError]) -> set[type[QueuectlError]]:
    """Return an error and all that are of its kind."""
    return {error}.union(*(below(each) for each in error.__subclasses__()))


def kinds() -> set[str]:
    """Return the words for all that may be in the way of a page or of its form."""
    errors = set[type[QueuectlError]]().union(*(below(kind) for kind, _ in problems._STATUS))
    source = "".join(
        file.read_text(encoding="utf-8") for file in Path(problems.__file__).parent.rglob("*.py")
    )
    own = {problems._kind(error()) for error in errors if error.__module__.startswith("queuectl")}
    return own | set(re.findall(r'Problem\(\s*\d{3},\s*"(\w+)"', source))


def test_whatever_is_in_the_way_has_words_in_every_language() -> None:
    found = kinds()
    assert len(found) > 35
    for kind in sorted(found):
        problem = problems.Problem(400, kind, "what it is")
        assert CHINESE.title(problem) != CHINESE.title(problems.Problem(400, "unknown", "")), kind
        assert not re.search(r"[A-Za-z]{2,}", re.sub("JSON|Redis", "", CHINESE.title(problem))), kind
        assert CHINESE.problem(problem) == f"{CHINESE.title(problem)}：what it is"


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
