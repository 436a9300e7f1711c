"""The reader of input files: what a line may be, and which files cannot be used at all."""

from __future__ import annotations

import io
import os
import sys
import threading
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from queuectl.cli.batch_file import open_input
from queuectl.domain.batch import Entry
from queuectl.domain.task import ArticleTask
from queuectl.errors import BadInputFileError, InvalidInputError
from queuectl.operations.sources.lines import LINE_LIMIT

AT = datetime(2027, 1, 1, tzinfo=UTC)


def read_time(text: str) -> datetime:
    if text != "then":
        raise InvalidInputError(f"{text!r} is not a time")
    return AT


def entries(path: Path) -> list[Entry]:
    with open_input(str(path)) as source:
        return list(source.entries(read_time))


def refusal(path: str) -> BadInputFileError:
    with pytest.raises(BadInputFileError) as caught, open_input(path):
        pass
    return caught.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the path of a file that is not there yet."""
    return tmp_path / "urls.txt"


def test_plain_lines_comments_and_empty_lines(file: Path) -> None:
    file.write_bytes(
        b"\xef\xbb\xbfhttps://a.test/1\r\n\n# all\n  https://a.test/2#part  # why\nhttps://a.test/3"
    )
    assert [(each.line, each.task) for each in entries(file)] == [
        (1, ArticleTask("https://a.test/1")),
        (4, ArticleTask("https://a.test/2#part")),
        (5, ArticleTask("https://a.test/3")),
    ]
    with open_input(str(file)) as source:
        assert source.lines == 5


def test_a_json_line_carries_options(file: Path) -> None:
    file.write_text(
        '{"url": "https://a.test/", "priority": "high", "score": 9, "metadata": {"author": "作者"},'
        ' "handler": "h", "schedule": "then", "timeout": 1.5, "memory_limit": 64, "max_retries": 0}\n'
        '{"url": "https://b.test/", "priority": null}\n',
        encoding="utf-8",
    )
    first, second = entries(file)
    assert first.task == ArticleTask(
        "https://a.test/", "high", 9, {"author": "作者"}, "h", AT, timeout=1.5, memory_limit=64, max_retries=0
    )
    assert second.task == ArticleTask("https://b.test/")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"url": "https://a.test/", "prio": 1}', "unknown field 'prio'"),
        ('{"priority": "high"}', "'url' is missing"),
        ('{"url": null}', "'url' is not a text"),
        ('{"url": "u", "score": true}', "'score' is not a whole number"),
        ('{"url": "u", "score": 1.5}', "'score' is not a whole number"),
        ('{"url": "u", "score": NaN}', "NaN, which is not a number"),
        ('{"url": "u", "timeout": "1"}', "'timeout' is not a number"),
        ('{"url": "u", "metadata": []}', "'metadata' is not an object"),
        ('{"url": "u", "schedule": "soon"}', "'soon' is not a time"),
        ('{"url": "u", "url": "v"}', "gives the field 'url' twice"),
        ('{"url": ', "it is not JSON"),
        ('{"url": "u"} x', "it is not JSON"),
        ('{"url": "u", "score": ' + "9" * 5000 + "}", "too many digits"),
        ('{"url": "u", "metadata": ' + '{"a":' * 5000 + "1" + "}" * 5001, "nested deeper than 256 levels"),
    ],
)
def test_a_bad_json_line_is_reported_with_its_reason(file: Path, line: str, problem: str) -> None:
    file.write_text(f"https://a.test/\n{line}\n")
    good, bad = entries(file)
    assert good.task is not None
    assert (bad.line, bad.task) == (2, None)
    assert problem in (bad.problem or "")
    assert len(bad.text) <= 200


def test_a_line_of_a_megabyte_is_passed_over_with_its_number(file: Path) -> None:
    file.write_bytes(b"x" * LINE_LIMIT + b"\n" + b"y" * 1_000_000 + b"\nhttps://a.test/\n" + b"z" * 70_000)
    found = entries(file)
    assert [each.line for each in found] == [1, 2, 3, 4]
    assert found[0].task is not None
    assert found[1].problem == found[3].problem == "the line is longer than 64 KiB"
    assert found[1].text == ""


def test_a_long_input_is_read_in_flat_memory(file: Path) -> None:
    with file.open("w") as out:
        out.writelines(f"https://example.com/articles/{number}\n" for number in range(50_000))
    with open_input(str(file)) as source:
        tracemalloc.start()
        assert sum(1 for _ in source.entries(read_time)) == 50_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


UNUSABLE = {
    "empty": (b"", "is empty", "one URL on each line"),
    "binary": (b"\x7fELF\x00\x01", "not a text file", "one URL a line"),
    "chinese": ("https://a.test/\n# 文章".encode("gb18030"), "line 2 has the byte 0xce", "iconv -f GB18030"),
    "western": (b"https://a.test/\n\n# caf\xe9\n", "line 3 has the byte 0xe9", "iconv -f ISO-8859-1"),
    "windows": ("https://a.test/\n".encode("utf-16"), "UTF-16", "iconv -f UTF-16"),
    "cut off": ("# 文".encode()[:-1], "line 1 has the byte 0xe6", "iconv"),
}


@pytest.mark.parametrize(("content", "message", "hint"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cannot_be_used_says_why_and_what_helps(
    file: Path, content: bytes, message: str, hint: str
) -> None:
    file.write_bytes(content)
    error = refusal(str(file))
    assert message in error.message
    assert str(file) in error.message
    assert hint in (error.hint or "")


def test_a_bad_byte_is_found_beyond_the_first_piece(file: Path) -> None:
    file.write_bytes(b"https://a.test/\n" * 100_000 + b"\xff\n")
    assert "line 100001 has the byte 0xff" in refusal(str(file)).message


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    assert "there is no file" in refusal(str(tmp_path / "none")).message
    assert "is a folder" in refusal(str(tmp_path)).message
    assert "cannot be read" in refusal("a\0b").message


def test_a_hint_quotes_a_nasty_file_name(tmp_path: Path) -> None:
    file = tmp_path / "a b;c"
    file.write_bytes(b"\xff")
    assert f"'{file}'" in (refusal(str(file)).hint or "")


def test_standard_input_and_a_named_pipe_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"https://a.test/\n")))
    with open_input("-") as source:
        assert [each.line for each in source.entries(read_time)] == [1]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"https://b.test/\n",))
    writer.start()
    assert [each.task for each in entries(pipe)] == [ArticleTask("https://b.test/")]
    writer.join()
