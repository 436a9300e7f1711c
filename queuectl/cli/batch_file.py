"""Read the URLs of an input file line by line: plain addresses with ``#`` comments, or JSON objects.

The file is looked through once before its first line is handed out, so that a file that cannot be
used at all changes nothing. Memory stays flat however long the file or a line of it is.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from queuectl.domain.batch import Entry
from queuectl.errors import BadInputFileError
from queuectl.operations.sources.lines import PIECE, line_entries, looked_through, task_maker

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class InputFile:
    """An input file that was found usable; ``lines`` is how many it has."""

    name: str
    lines: int
    stream: IO[bytes]

    def entries(self, read_time: Callable[[str], datetime]) -> Iterator[Entry]:
        """Yield an entry for each line that is neither empty nor a comment."""
        return line_entries(self.stream, task_maker(read_time))


@contextmanager
def open_input(name: str) -> Iterator[InputFile]:
    """Open a file, or standard input for ``-``, and make sure that it is text with at least one line.

    Raises:
        BadInputFileError: it cannot be used; the message says why.
    """
    with _spooled(sys.stdin.buffer) if name == STANDARD_INPUT else _opened(Path(name)) as stream:
        shown = "standard input" if name == STANDARD_INPUT else name
        yield InputFile(shown, looked_through(shown, stream), stream)


def _opened(path: Path) -> IO[bytes]:
    try:
        if path.is_dir():
            raise BadInputFileError(f"{path} is a folder", hint="name a file with one URL a line")
        if path.exists() and not path.is_file():
            with path.open("rb") as source:  # a pipe can be read only once
                return _spooled(source)
        return path.open("rb")
    except FileNotFoundError as error:
        raise BadInputFileError(
            f"there is no file {path}", hint="check the path, or use - to read a pipe"
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadInputFileError(f"{path} cannot be read: {reason}", hint="check its permissions") from error


def _spooled(source: IO[bytes]) -> IO[bytes]:
    spool = tempfile.TemporaryFile()  # noqa: SIM115  whoever asked for it closes it
    try:
        shutil.copyfileobj(source, spool, PIECE)
    except OSError as error:
        raise BadInputFileError(
            f"the input cannot be read or kept: {error.strerror}", hint="free some space"
        ) from error
    return spool
