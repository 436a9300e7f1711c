"""Where output goes: data to standard output and nothing else there, messages to standard error."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from queuectl.cli.deeds import refused_by_system
from queuectl.cli.render.facts import Facts
from queuectl.cli.render.grid import Cell, Grid, plain_row, rich_row
from queuectl.cli.render.safe import folded, safe
from queuectl.domain.visible import visible_json

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

DOCUMENT_VERSION = 1


class Output:
    """One command's output: Rich on a terminal, plain text in a pipe, one JSON document where asked for."""

    def __init__(self, *, json: bool = False, quiet: bool = False, color: bool = True) -> None:
        self.json = json
        self.quiet = quiet
        self.color = color and not os.environ.get("NO_COLOR")
        self._is_read = True
        self._lost: OSError | None = None

    @property
    def on_terminal(self) -> bool:
        """Whether a person reads standard output as it comes."""
        return sys.stdout.isatty()

    @property
    def messages_on_terminal(self) -> bool:
        """Whether a person reads standard error as it comes."""
        return sys.stderr.isatty()

    @cached_property
    def console(self) -> Console:
        """Rich's console for standard output."""
        return _console(sys.stdout, color=self.color)

    @cached_property
    def messages(self) -> Console:
        """Rich's console for standard error."""
        return _console(sys.stderr, color=self.color)

    def document(self, content: Mapping[str, Any]) -> None:
        """Write one JSON document, indented for a person and on one line for a program."""
        self._write(document(content, indent=self.on_terminal) + "\n")

    def row(self, cells: Sequence[Cell], widths: Sequence[int]) -> None:
        """Write one row of a stream, whose columns keep their place; on a terminal it is one line."""
        if self.on_terminal:
            self.console.print(rich_row(cells, widths), no_wrap=True, overflow="ellipsis")
        else:
            self.line(plain_row(cells, widths))

    def record(self, content: Mapping[str, Any]) -> None:
        """Write one of many JSON documents, each on a line of its own."""
        self._write(document(content, indent=False) + "\n")

    def flush(self) -> None:
        """Pass on what was written: whoever follows wants to see it now.

        Raises:
            QueuectlError: it cannot be written, or some of it before could not.
        """
        with self._writing():
            if self._lost is not None:
                raise self._lost
            sys.stdout.flush()

    def show(
        self,
        content: Callable[[], Mapping[str, Any]],
        grid: Callable[[], Grid | Facts],
        ids: Iterable[str] = (),
    ) -> None:
        """Write a table: as JSON where asked for, as bare ids when quiet, else as columns."""
        if self.json:
            self.document(content())
        elif self.quiet:
            for each in ids:
                self.line(each)
        else:
            self.grid(grid())

    def grid(self, grid: Grid | Facts) -> None:
        """Write columns or facts, by Rich on a terminal."""
        if self.on_terminal:
            self.draw(grid.rich(self.console.width))
        else:
            for line in grid.plain():
                self.line(line)

    def message_grid(self, grid: Grid) -> None:
        """Write columns to standard error, for a person to look at before answering."""
        if self.messages_on_terminal:
            self.flush()
            self.messages.print(grid.rich(self.messages.width))
        else:
            for line in grid.plain():
                self.say(line)

    def draw(self, drawing: RenderableType) -> None:
        """Write a Rich drawing to standard output."""
        self.console.print(drawing)

    def line(self, text: str) -> None:
        """Write one line of data; whatever in it came from outside is made visible."""
        self._write(safe(text) + "\n")

    def result(self, text: str) -> None:
        """Write a bare result for a program, which a sentence tells a person: not where a person reads both."""
        if self.quiet or not (self.on_terminal and self.messages_on_terminal):
            self.line(text)

    def ids(self, names: Iterable[str]) -> None:
        """Write the ids of what a command is busy with; that they are not read or written must not end its work.

        What could not be written is told at the end, by ``flush``.
        """
        if not self._is_read:
            return
        try:
            for name in names:
                sys.stdout.write(safe(name) + "\n")
            sys.stdout.flush()
        except OSError as error:
            to_nowhere(sys.stdout)
            self._is_read = False
            self._lost = None if isinstance(error, BrokenPipeError) else error

    def say(self, text: str) -> None:
        """Write one line of message for a person; nothing when quiet or when a program listens."""
        if not self.quiet and not self.json:
            self._before_message()
            for_person(safe(text))

    def warn(self, text: str) -> None:
        """Write one line that a person should see even in a script's log; ``doctor`` and ``config`` tell programs."""
        if not self.quiet and not self.json:
            self._before_message()
            for_person(f"warning: {safe(text)}")

    def _before_message(self) -> None:
        """Pass on what was written, so that both keep their order where they end in the same place."""
        with self._writing():
            sys.stdout.flush()

    def _write(self, text: str) -> None:
        with self._writing():
            sys.stdout.write(text)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            to_nowhere(sys.stdout)
            said = f"standard output cannot be written: {error.strerror}"
            raise refused_by_system(said, "see where it is sent") from error


def document(content: Mapping[str, Any], *, indent: bool) -> str:
    """Return the JSON text of a document with its version first."""
    text = json.dumps(
        {"version": DOCUMENT_VERSION, **content}, ensure_ascii=False, indent=2 if indent else None
    )
    return visible_json(text)


def for_person(line: str) -> None:
    """Write one safe line to standard error, on a terminal folded between words; that it is lost is no error."""
    lines = folded(line, shutil.get_terminal_size().columns) if sys.stderr.isatty() else [line]
    to_messages("\n".join(lines) + "\n")


def to_messages(text: str) -> None:
    """Write a text as it is to standard error; that nobody reads it, or a full disk, changes nothing of the work."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        to_nowhere(sys.stderr)


def to_nowhere(stream: TextIO) -> None:
    """Point a stream that nobody reads to nowhere, so that Python's last flush at exit finds nobody missing."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _console(stream: Any, *, color: bool) -> Console:
    from rich.console import Console

    return Console(
        file=stream,
        no_color=not color,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )
