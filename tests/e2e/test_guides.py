"""The guides: every command in them does what they say, and both languages have the same ones."""

from __future__ import annotations

import os
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
_WITH_TABLES = [each for each in _CHAPTERS if each.in_tables]
_START = Step("queuectl daemon start --quiet", "", "…")


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
        reader.type(_START)
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
    reader.type(_START)
    reader.type(_typed("queuectl submit https://example.com/articles/moved-away.html --wait"))
    reader.type(_typed("queuectl submit https://example.com/articles/rain-gauge.html --in 1d"))
    for command in chapter.in_tables:
        step = _typed(command.replace("task_123456", "task_2"))
        code, shown = reader.type(step)
        assert code in ({0, ExitCode.INTERRUPTED} if step.endless else {0}), f"$ {command}\n{shown}"


def test_both_guides_have_the_same_commands_outputs_and_files() -> None:
    english, chinese = chapters(ENGLISH), chapters(CHINESE)
    assert len(english) == len(chinese)
    for one, other in zip(english, chinese, strict=True):
        assert [_bare(part) for part in one.parts] == [_bare(part) for part in other.parts]
        assert one.in_tables == other.in_tables


def _typed(command: str) -> Step:
    return Step(command, "Ctrl-C" if command.endswith(("--watch", "daemon run", "queuectl top")) else "", "")


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
