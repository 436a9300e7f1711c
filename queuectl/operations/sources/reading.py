"""Read a source once: where it is, what it holds, and its entries, whatever its form."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from queuectl.domain.batch import Entry
from queuectl.domain.task import ArticleTask
from queuectl.errors import BadInputFileError, InvalidInputError
from queuectl.operations.sources.files import read_file
from queuectl.operations.sources.json_array import members
from queuectl.operations.sources.lines import line_entries, looked_through, source_task
from queuectl.operations.sources.location import WebSource, locate
from queuectl.settings import Settings

if TYPE_CHECKING:
    from queuectl.handlers.article.fetch import Fetcher

Form = Literal["list", "array", "feed"]

_SHOWN = 200
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source held at one moment.

    ``etag`` and ``last_modified`` are what its server said of this version; ``unchanged`` means that it is the
    version that was known, so that it was not sent again.
    """

    name: str
    form: Form
    data: bytes = b""
    base: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    unchanged: bool = False

    @property
    def unit(self) -> str:
        """What the number of an entry counts."""
        return "line" if self.form == "list" else "item"

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each line or item; it may be called again.

        Raises:
            BadInputFileError: the source cannot be used as a whole.
        """
        match self.form:
            case "list":
                yield from self._lines()
            case "array":
                yield from _array(self.name, self.data)
            case "feed":
                # Imported here because its parser takes memory that a daemon without feeds never needs.
                from queuectl.operations.sources.feed import feed_entries

                yield from feed_entries(self.name, self.data, self.base)

    def _lines(self) -> Iterator[Entry]:
        stream = io.BytesIO(self.data)
        try:
            looked_through(self.name, stream)
        except BadInputFileError as error:
            if self.base is None:
                raise
            raise BadInputFileError(error.message, hint="its server has to send UTF-8 text") from error
        yield from line_entries(stream, source_task)


class SourceReader:
    """Reads sources; threads may share one. Its fetcher is made when the first address is read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fetcher: Fetcher | None = None
        self._lock = threading.Lock()

    def read(self, source: str, *, etag: str | None = None, last_modified: str | None = None) -> Reading:
        """Read a source; what is given of the version that is known is asked about.

        Raises:
            InvalidInputError: the text names no source.
            SourceUnavailableError: it cannot be read now.
            BadInputFileError: it was found and cannot be used.
        """
        place = locate(source, self._settings)
        if not isinstance(place, WebSource):
            data = read_file(place, self._settings.source_max_bytes)
            return Reading(str(place.path), _form(data), data)
        from queuectl.handlers.article.fetch import Validators
        from queuectl.operations.sources.web import fetch

        page = fetch(self._shared_fetcher(), place.url, Validators(etag, last_modified))
        version = page.validators
        return Reading(
            place.url,
            _form(page.body),
            page.body,
            page.final_url,
            version.etag,
            version.last_modified,
            page.unchanged,
        )

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._lock:
            fetcher, self._fetcher = self._fetcher, None
        if fetcher is not None:
            fetcher.close()

    def _shared_fetcher(self) -> Fetcher:
        with self._lock:
            if self._fetcher is None:
                from queuectl.operations.sources.web import fetcher_for

                self._fetcher = fetcher_for(self._settings)
            return self._fetcher


def _form(data: bytes) -> Form:
    """Tell the form of a source by how it begins; what servers call it is often wrong."""
    head = data[:1024].removeprefix(_BYTE_ORDER_MARK).lstrip()
    if head.startswith(b"<") or data.startswith((b"\xff\xfe<", b"\xfe\xff\0<")):
        return "feed"
    return "array" if head.startswith(b"[") else "list"


def _array(name: str, data: bytes) -> Iterator[Entry]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputFileError(
            f"{name} is not UTF-8 text, as JSON has to be", hint="let it be written in UTF-8"
        ) from error
    for number, member in enumerate(members(name, text), start=1):
        yield _entry(number, member)


def _entry(number: int, member: Any) -> Entry:
    if isinstance(member, str):
        return Entry(number, member[:_SHOWN], ArticleTask(member))
    if not isinstance(member, dict):
        return Entry(number, "", problem="neither a text nor an object")
    shown = str(member["url"])[:_SHOWN] if isinstance(member.get("url"), str) else ""
    try:
        return Entry(number, shown, source_task(member))
    except InvalidInputError as error:
        return Entry(number, shown, problem=error.message)
