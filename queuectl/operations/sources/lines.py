"""Read URLs from text line by line: plain addresses with ``#`` comments, or JSON objects with options.

Memory stays flat however long the text or a line of it is.
"""

from __future__ import annotations

import codecs
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import IO, Any, NoReturn

from queuectl.domain.batch import Entry
from queuectl.domain.task import ArticleTask
from queuectl.errors import BadInputFileError, InvalidInputError
from queuectl.operations.guarded_json import UnfitJSONError, parse

LINE_LIMIT = 64 * 1024
"""The most bytes a line may have."""

DEEPEST = 256
"""So many levels the JSON of a line may be nested."""

PIECE = 1024 * 1024
"""How many bytes are read at a time."""

_SHOWN_TEXT = 200
_COMMENT = re.compile(r"\s+#.*")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

TaskMaker = Callable[[dict[str, Any]], ArticleTask]
"""Makes a task of a JSON object, or raises InvalidInputError."""


def line_entries(stream: IO[bytes], make_task: TaskMaker) -> Iterator[Entry]:
    """Yield an entry for each line that is neither empty nor a comment."""
    stream.seek(0)
    for number, line in enumerate(_bounded_lines(stream), start=1):
        if line is None:
            yield Entry(number, "", problem=f"the line is longer than {LINE_LIMIT // 1024} KiB")
            continue
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        if text and not text.startswith("#"):
            yield _entry(number, text, make_task)


def source_task(fields: dict[str, Any]) -> ArticleTask:
    """Return a task of an object in a source, which may choose no more than URL, priority and metadata.

    What else it has is nobody's business: sources are often the answers of programs that know more of a page.
    """
    return _task({name: fields[name] for name in _OF_SOURCES if name in fields}, _no_time)


def task_maker(read_time: Callable[[str], datetime]) -> TaskMaker:
    """Return what makes a task of an object with any of the options of a submission."""
    return lambda fields: _task(fields, read_time)


def looked_through(name: str, stream: IO[bytes]) -> int:
    """Return the number of lines of a stream after making sure that all of it is UTF-8 text.

    Raises:
        BadInputFileError: it is not, or it is empty; ``name`` is what it is called there.
    """
    stream.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines, last, first = 0, b"", True
    while piece := stream.read(PIECE):
        if first and piece.startswith(_UTF16):
            _refuse_encoding(name, "UTF-16")
        if first and b"\0" in piece:
            raise BadInputFileError(f"{name} is not a text file", hint="name a file with one URL a line")
        first = False
        try:
            decoder.decode(piece)
        except UnicodeDecodeError as error:
            _refuse_line(name, lines + 1 + error.object[: error.start].count(b"\n"), error)
        lines += piece.count(b"\n")
        last = piece[-1:]
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        _refuse_line(name, lines + 1, error)
    if not last:
        raise BadInputFileError(f"{name} is empty", hint="put one URL on each line")
    return lines + (last != b"\n")


def _refuse_line(name: str, line: int, error: UnicodeDecodeError) -> NoReturn:
    byte = error.object[error.start]
    tail = error.object[error.start : error.start + 2]
    try:
        tail.decode("gb18030")
        guess = "GB18030"
    except UnicodeDecodeError:
        guess = "ISO-8859-1"
    problem = f"{name} is not UTF-8 text: line {line} has the byte 0x{byte:02x}"
    raise BadInputFileError(problem, hint=_conversion(name, guess)) from error


def _refuse_encoding(name: str, encoding: str) -> NoReturn:
    raise BadInputFileError(f"{name} is {encoding} and not UTF-8 text", hint=_conversion(name, encoding))


def _conversion(name: str, encoding: str) -> str:
    return f"convert it: iconv -f {encoding} -t UTF-8 {shlex.quote(name)} > utf8.txt"


def _bounded_lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    """Yield each line, or None for one that is too long; that one is passed over without being kept."""
    while line := stream.readline(LINE_LIMIT + 2):
        if len(line.rstrip(b"\r\n")) <= LINE_LIMIT:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(PIECE)
        yield None


def _entry(number: int, text: str, make_task: TaskMaker) -> Entry:
    shown = text[:_SHOWN_TEXT]
    if not text.startswith("{"):
        return Entry(number, shown, ArticleTask(_COMMENT.sub("", text)))
    try:
        return Entry(number, shown, make_task(_parsed(text)))
    except InvalidInputError as error:
        return Entry(number, shown, problem=error.message)


def _parsed(text: str) -> dict[str, Any]:
    """Return the fields of a line, which begins with a brace and so is an object if it is JSON."""
    try:
        fields: dict[str, Any] = parse(text, DEEPEST)
    except UnfitJSONError as error:
        raise InvalidInputError(f"it {error}") from error
    return fields


_WHOLE, _NUMBER, _TEXT = (int,), (int, float), (str,)
_FIELDS: dict[str, tuple[type, ...]] = {
    "url": _TEXT,
    "priority": _TEXT,
    "score": _WHOLE,
    "metadata": (dict,),
    "handler": _TEXT,
    "schedule": _TEXT,
    "timeout": _NUMBER,
    "memory_limit": _WHOLE,
    "max_retries": _WHOLE,
}
_OF_SOURCES = ("url", "priority", "score", "metadata")
_NAMES = {"score": "priority_score", "schedule": "publish_at"}
_KINDS: dict[tuple[type, ...], str] = {
    _WHOLE: "a whole number",
    _NUMBER: "a number",
    _TEXT: "a text",
    (dict,): "an object",
}


def _task(fields: dict[str, Any], read_time: Callable[[str], datetime]) -> ArticleTask:
    if "url" not in fields:
        raise InvalidInputError("the field 'url' is missing")
    values: dict[str, Any] = {}
    for name, value in fields.items():
        kinds = _FIELDS.get(name)
        if kinds is None:
            raise InvalidInputError(f"unknown field {name!r}; known are {', '.join(_FIELDS)}")
        if value is None and name != "url":
            continue
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise InvalidInputError(f"the field {name!r} is not {_KINDS[kinds]}")
        values[_NAMES.get(name, name)] = read_time(str(value)) if name == "schedule" else value
    return ArticleTask(**values)


def _no_time(text: str) -> NoReturn:
    raise InvalidInputError(f"{text!r} is a time, which an entry of a source cannot have")
