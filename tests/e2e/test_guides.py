"""The guides: every command in them does what they say, and both languages have the same ones."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.errors import ExitCode
from queuectl.samples.site import SampleSite
from tests.support.guides import FOLDER, Chapter, Step, WrittenFile, agrees, chapters
from tests.support.reader import Reader

ENGLISH, CHINESE = "guide.md", "guide.zh-CN.md"
WRITE = "WRITE_GUIDES"
"""A variable that has the outputs in both guides replaced by the real ones, to be looked at and committed."""

DATABASE, REDIS = "postgresql://queuectl@db.example:5432/articles", "redis://redis.example:6379/0"
_CHAPTERS = chapters(ENGLISH)
_ALL = Chapter("all", "\n".join(each.text for each in _CHAPTERS))
_WITH_TABLES = [each for each in _CHAPTERS if each.in_tables]
_START = Step("queuectl daemon start --quiet", "", "…")
_STOP = Step("queuectl daemon stop --quiet", "", "…")
_IN_THE_FOREGROUND = "queuectl daemon run"


@pytest.fixture
def reader(home: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    """Give somebody who follows the chapter of the test's parameter, with the servers that it speaks of."""
    text = request.node.callspec.params["chapter"].text
    servers = [
        (told, request.getfixturevalue(fixture))
        for told, fixture in ((DATABASE, "postgres_url"), (REDIS, "redis_url"))
        if told in text
    ]
    with SampleSite() as site:
        person = Reader(home, site.address, servers)
        yield person
        person.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("chapter", _CHAPTERS, ids=[each.title for each in _CHAPTERS])
def test_every_command_of_the_guide_does_what_the_guide_says(chapter: Chapter, reader: Reader) -> None:
    if chapter is not _CHAPTERS[0]:
        assert reader.type(_START)[0] == 0
    for part in chapter.parts:
        if isinstance(part, WrittenFile):
            reader.write(part)
            continue
        code, shown = reader.type(part)
        if part.endless:
            assert code in {0, ExitCode.INTERRUPTED}, f"$ {part.command}\n{shown}"
            continue
        if WRITE in os.environ and not agrees(part.output, shown):
            _replace(chapter, part, shown)
        else:
            assert agrees(part.output, shown), (
                f"$ {part.command}\nreally prints:\n{shown}\n\nbut is said to print:\n{part.output}"
            )
        assert code == part.code, f"$ {part.command}\n{shown}"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("chapter", _WITH_TABLES, ids=[each.title for each in _WITH_TABLES])
def test_every_command_in_a_table_of_the_guide_works(chapter: Chapter, reader: Reader) -> None:
    reader.write(WrittenFile("urls.txt", "https://example.com/articles/rain-gauge.html\n"))
    assert reader.type(_START)[0] == 0
    reader.type(_typed("queuectl submit https://example.com/articles/moved-away.html --wait"))
    reader.type(_typed("queuectl submit https://example.com/articles/rain-gauge.html --in 1d"))
    for command in chapter.in_tables:
        step = _typed(command.replace("task_123456", "task_2"))
        if command == _IN_THE_FOREGROUND:  # which is refused beside another one
            assert reader.type(_STOP)[0] == 0
        code, shown = reader.type(step)
        if command == _IN_THE_FOREGROUND:
            assert reader.type(_START)[0] == 0
        assert code in ({0, ExitCode.INTERRUPTED} if step.endless else {0}), f"$ {command}\n{shown}"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("chapter", [_ALL], ids=["all"])
def test_every_command_in_a_sentence_of_the_guide_works(chapter: Chapter, reader: Reader) -> None:
    reader.write(WrittenFile("urls.txt", "https://example.com/articles/rain-gauge.html\n"))
    assert reader.type(_START)[0] == 0
    assert reader.type(_typed("queuectl batch urls.txt"))[0] == 0
    commands = dict.fromkeys(chapter.in_sentences)
    assert len(commands) > 5
    for command in commands:
        step = _typed(command)
        code, shown = reader.type(step)
        assert code in ({0, ExitCode.INTERRUPTED} if step.endless else {0}), f"$ {command}\n{shown}"


def test_the_comparison_of_outputs_sees_what_differs_and_passes_over_what_may() -> None:
    shown = "task_1 queued\n…\nsubmitted 2026-11-25 14:56:56 UTC, 3 s ago\nurl https://example.com/articles…"
    real = (
        shown.replace("14:56:56", "09:00:01")
        .replace("3 s", "12 min")
        .replace("…\nsub", "more\nand more\nsub")
    )
    assert agrees(shown, real)
    assert agrees(shown, real.replace("articles…", "article…"))
    assert not agrees(shown, real.replace("task_1", "task_2"))
    assert not agrees(shown, real.replace("queued", "running"))
    assert not agrees(shown, real + "\none line more")
    assert not agrees("", real)
    assert agrees("1 https://example.com/gone.html 2 s ago", "1 https://example.com/go… 14 s ago")
    assert not agrees("1 https://example.com/gone.html", "1 file://…")


@pytest.mark.parametrize("name", [ENGLISH, CHINESE])
def test_every_link_to_a_chapter_has_its_chapter(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    anchors = {re.sub(r"[^\w -]", "", each.title).lower().replace(" ", "-") for each in chapters(name)}
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert set(links) == anchors
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (FOLDER / target).exists(), target


def test_both_guides_have_the_same_commands_outputs_and_files() -> None:
    english, chinese = chapters(ENGLISH), chapters(CHINESE)
    assert len(english) == len(chinese)
    for one, other in zip(english, chinese, strict=True):
        assert [_bare(part) for part in one.parts] == [_bare(part) for part in other.parts]
        assert one.in_tables == other.in_tables
        assert one.in_sentences == other.in_sentences


def _typed(command: str) -> Step:
    return Step(
        command, "Ctrl-C" if command.endswith(("--watch", " -f", "daemon run", "queuectl top")) else "", ""
    )


def _bare(part: Step | WrittenFile) -> tuple[str, ...]:
    if isinstance(part, WrittenFile):
        return (part.name, part.text)
    return (part.command, str(part.code), str(part.endless), part.output)


def _replace(chapter: Chapter, step: Step, shown: str) -> None:
    """Put what was really shown into the English guide, in place of what it says."""
    file = FOLDER / ENGLISH
    text = file.read_text(encoding="utf-8")
    command = text.index(f"$ {step.command}", text.index(f"## {chapter.title}\n"))
    start = text.index("\n", command + len(step.command) + 2) + 1
    rest = text[start:].removeprefix(step.output).removeprefix("\n" if step.output else "")
    file.write_text(f"{text[:start]}{shown}\n{rest}" if shown else text[:start] + rest, encoding="utf-8")
