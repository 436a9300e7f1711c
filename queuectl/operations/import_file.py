"""Read an export line by line, and make sure that it is whole and in order before anything is done with it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import IO, Any, NoReturn

import msgspec

from queuectl.domain.visible import visible
from queuectl.errors import BadInputFileError
from queuectl.operations import transfer_format as form
from queuectl.operations.guarded_json import UnfitJSONError, parse

_HERE = re.compile(r" - at `\$(?:\.(?P<field>[^`]*)|[^`]*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]*)`(?:, got `[^`]*`)?(?P<bound> [<>]=? -?[0-9.]+)?")
_TIME = "a time with a zone, such as 2027-01-31T10:00:00Z"
_STATE = "one of scheduled, queued, retrying, succeeded, dead, cancelled; what runs cannot be imported"
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "datetime": _TIME,
}
_ZONELESS = re.compile(r"Expected `datetime` with a timezone component|Invalid RFC3339 encoded datetime")
_FOREIGN = {
    b"\x1f\x8b": "is compressed by gzip; unpack it first: gunzip",
    b"PK\x03\x04": "is a zip archive; unpack it first: unzip",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; unpack it first: unzstd",
    b"BZh": "is compressed by bzip2; unpack it first: bunzip2",
    b"\xfd7zXZ": "is compressed by xz; unpack it first: unxz",
    b"SQLite format 3": "is a database and not an export; an export is made by: queuectl export",
}
_FORM = "make the export again, or correct the line as docs/formats.md says"
_MADE_BY = "an export is made by: queuectl export"


class ImportFile:
    """The records of an export, in order; all of it is checked by the time that the last one has been read.

    ``name`` is how messages call the file, ``read`` how many bytes of it have been read.
    """

    def __init__(self, stream: IO[bytes], name: str, *, largest: int) -> None:
        self._stream = stream
        self._largest = largest
        self._sum = hashlib.sha256()
        self._counts = dict.fromkeys(form.COUNTED.values(), 0)
        self.name = name
        self.line = 0
        self.read = 0

    def records(self, on_progress: Callable[[int], None] | None = None) -> Iterator[form.Record]:
        """Yield every record but the header and the end.

        Raises:
            BadInputFileError: the file cannot be used; the message names the line.
        """
        self._check_header()
        while True:
            line = self._next_line()
            if not line:
                self.line += 1
                self.refuse("the file ends here without its last line, so a part of it is missing")
            kind, record = self._record(line)
            if isinstance(record, form.End):
                self._check_end(record)
                return
            self._counts[form.COUNTED[kind]] += 1
            self._sum.update(line)
            if on_progress and not self.line % 1000:
                on_progress(self.read)
            yield record

    def refuse(self, problem: str, field: str | None = None, hint: str | None = None) -> NoReturn:
        """Refuse the file because of the present line.

        Raises:
            BadInputFileError: always.
        """
        place = f"line {self.line}" if field is None else f"line {self.line}, field {visible(field, 60)}"
        raise BadInputFileError(f"{self.name} cannot be imported: {place}: {problem}", hint=hint or _FORM)

    def _check_header(self) -> None:
        line = self._next_line()
        if not line:
            raise BadInputFileError(f"{self.name} is empty", hint=_MADE_BY)
        self._refuse_foreign(line)
        self._sum.update(line)
        content = self._parsed(line) if line.startswith(b"{") and len(line) <= form.LINE_LIMIT else None
        if not isinstance(content, dict) or content.get("format") != form.FORMAT:
            raise BadInputFileError(
                f"{self.name} is not an export of queuectl: its first line is another", hint=_MADE_BY
            )
        version = content.get("version")
        if isinstance(version, int) and not isinstance(version, bool) and version > form.VERSION:
            raise BadInputFileError(
                f"{self.name} has the format {str(version)[:20]}, and this queuectl knows formats up to {form.VERSION}",
                hint="import it with the queuectl that made it, or a newer one",
            )
        header: form.Header = self._typed(content, form.Header)
        if header.version != form.VERSION:
            self.refuse(f"there is no format {str(header.version)[:20]}", "version")

    def _refuse_foreign(self, line: bytes) -> None:
        for start, what in _FOREIGN.items():
            if line.startswith(start):
                raise BadInputFileError(f"{self.name} {what.partition(';')[0]}", hint=what.partition("; ")[2])
        if b"\0" in line:
            raise BadInputFileError(f"{self.name} is not a text file", hint=_MADE_BY)

    def _next_line(self) -> bytes:
        """Return the next line, empty at the end of the file."""
        try:
            line = self._stream.readline(form.LINE_LIMIT + 1)
        except OSError as error:
            raise BadInputFileError(
                f"{self.name} cannot be read: {error.strerror}", hint="check its disk"
            ) from error
        if not line:
            return line
        self.line += 1
        self.read += len(line)
        if self.read > self._largest:
            raise BadInputFileError(
                f"{self.name} is larger than {self._largest:,} bytes",
                hint="raise the setting import_max_bytes, or export in parts, such as one queue at a time",
            )
        if len(line) > form.LINE_LIMIT and self.line > 1:
            self.refuse(f"it is longer than {form.LINE_LIMIT:,} bytes")
        return line

    def _record(self, line: bytes) -> tuple[str, form.Record]:
        content = self._parsed(line)
        if not isinstance(content, dict) or len(content) != 1:
            self.refuse(f"a line is an object with one field, one of: {', '.join(form.KINDS)}")
        kind, value = next(iter(content.items()))
        if kind not in form.KINDS:
            self.refuse(f"unknown kind of record; known are {', '.join(form.KINDS)}", kind)
        return kind, self._typed(value, form.KINDS[kind], kind)

    def _parsed(self, line: bytes) -> Any:
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            self.refuse(f"the byte 0x{line[error.start]:02x} at column {error.start + 1} is not UTF-8")
        if not text.strip():
            self.refuse("it is empty")
        try:
            return parse(text, form.DEPTH_LIMIT)
        except UnfitJSONError as error:
            self.refuse(f"it {error}")

    def _typed(self, value: object, kind: type[Any], name: str | None = None) -> Any:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            field, problem = _explained(str(error))
            self.refuse(problem, ".".join(each for each in (name, field) if each) or None)
        except UnicodeEncodeError:
            self.refuse("it has a text with half of a surrogate pair where none can be", name)

    def _check_end(self, end: form.End) -> None:
        if self._next_line():
            self.refuse("there is something after the end")
        if end.sha256 != self._sum.hexdigest():
            self.refuse(
                "the checksum does not fit what comes before it: the file is damaged or was changed",
                "end.sha256",
                "make the export again; docs/formats.md says how to sum up a file made by hand",
            )
        unknown = sorted(end.counts.keys() - self._counts.keys())
        if unknown:
            self.refuse(f"unknown; known are {', '.join(self._counts)}", f"end.counts.{unknown[0]}")
        for kind, count in self._counts.items():
            if end.counts.get(kind, 0) != count:
                self.refuse(f"there are {count}, not {end.counts.get(kind, 0)}", f"end.counts.{kind}")


def _explained(message: str) -> tuple[str, str]:
    """Return the field and the problem that the decoder's message is about."""
    place = _HERE.search(message)
    field = place["field"] or "" if place else ""
    rest = message[: place.start()] if place else message
    if unknown := _UNKNOWN.fullmatch(rest):
        return ".".join(each for each in (field, unknown[1]) if each), "there is no such field"
    if missing := _MISSING.fullmatch(rest):
        return ".".join(each for each in (field, missing[1]) if each), "it is missing"
    if expected := _EXPECTED.match(rest):
        wanted = " or ".join(
            _KINDS.get(each, each) for each in expected["wanted"].split(" | ") if each != "null"
        )
        return field, f"it is not {wanted}{expected['bound'] or ''}"
    if _ZONELESS.match(rest):
        return field, f"it is not {_TIME}"
    return field, f"it is not {_STATE}" if field == "state" else rest[:200]
