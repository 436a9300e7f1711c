"""The daemon's log: as the journal wants it, and in files that do not grow for ever."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_daemon.log_file import KEPT, LogFile

_PROGRAM = """
import logging, sys
from pathlib import Path
from queuectl.settings import Settings
from queuectl_daemon import log
log.set_up(Settings(home=Path("unused"), database_url="sqlite:///unused", log_format=sys.argv[1], log_level="debug"))
logger = logging.getLogger("queuectl.daemon")
for level in (10, 20, 30, 40, 50):
    logger.log(level, "line\\n<0>of %s", level)
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("failed")
"""


def written_to_journal(form: str, folder: Path) -> list[str]:
    """Return what is written to a stream that the environment says is the journal's."""
    file = folder / "stream"
    with file.open("wb") as stream:
        there = os.fstat(stream.fileno())
        subprocess.run(
            [sys.executable, "-c", _PROGRAM, form],
            stderr=stream,
            check=True,
            timeout=60,
            env=os.environ | {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"},
        )
    return file.read_text().splitlines()


def test_the_journal_gets_each_line_with_its_priority_and_without_a_time(tmp_path: Path) -> None:
    lines = written_to_journal("plain", tmp_path)
    assert lines[:5] == [
        f"<{priority}>line\\n<0>of {level}"
        for priority, level in ((7, 10), (6, 20), (4, 30), (3, 40), (2, 50))
    ]
    assert lines[5] == "<3>failed"
    assert len(lines) > 7
    assert all(line.startswith("<3>    ") for line in lines[6:])


def test_the_journal_gets_json_as_it_is(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in written_to_journal("json", tmp_path)]
    assert [line["level"] for line in lines] == ["debug", "info", "warning", "error", "critical", "error"]


@pytest.fixture
def turned(tmp_path: Path) -> Iterator[tuple[logging.Logger, Path]]:
    """Give a log that is written to a small file, over descriptors of its own."""
    file = tmp_path / "the.log"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    handler = LogFile(file, limit=1_000, descriptors=(descriptor,))
    handler.setStream(open(descriptor, "w", closefd=False))  # noqa: SIM115  closed below
    logger = logging.getLogger(f"test.{tmp_path.name}")
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, file
    os.close(descriptor)


def test_a_log_file_is_turned_over_and_a_few_former_ones_are_kept(
    turned: tuple[logging.Logger, Path],
) -> None:
    logger, file = turned
    for number in range(100):
        logger.warning("%04d %s", number, "x" * 94)  # 100 characters with the end of the line
    files = [file, *(file.with_name(f"the.log.{number}") for number in range(1, KEPT + 1))]
    assert {*file.parent.iterdir()} == {*files}
    numbers = [int(line.split()[0]) for each in reversed(files) for line in each.read_text().splitlines()]
    assert numbers == list(range(numbers[0], 100))
    assert all(each.stat().st_size == 1_000 for each in files[1:])
    assert {each.stat().st_mode & 0o777 for each in files} == {0o600}


def test_a_log_file_that_somebody_moved_away_is_begun_anew(turned: tuple[logging.Logger, Path]) -> None:
    logger, file = turned
    logger.warning("before")
    file.replace(file.with_name("moved"))
    logger.warning("after")
    assert file.with_name("moved").read_text() == "before\n"
    assert file.read_text() == "after\n"


def test_a_full_file_that_was_taken_away_is_begun_anew(turned: tuple[logging.Logger, Path]) -> None:
    logger, file = turned
    for number in range(10):
        logger.warning("%04d %s", number, "x" * 94)
    file.unlink()  # right after the line that filled it
    logger.warning("still here")
    assert file.read_text() == "still here\n"
    assert [each.name for each in file.parent.iterdir()] == ["the.log"]
