"""A terminal taken over for a while: keys one by one, whole screens drawn, and always given back as it was.

Nothing flickers: of each screen only the lines that differ are written, between the marks by which a
terminal shows them all at once. Lines never wrap, so a character that a terminal draws wider than expected
spoils no other line.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import termios
import tty
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from queuectl.cli.render.keys import KeyReader
from queuectl.cli.render.safe import width

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J"
"""The other screen, no cursor, no wrapping, and nothing on it."""

_LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_TOGETHER, _SHOWN = "\x1b[?2026h", "\x1b[?2026l"
_STYLING = re.compile(r"\x1b\[[0-9;]*m")
_ESCAPE_SECONDS = 0.05
"""So long a lone escape may still turn out to be the beginning of an arrow key."""

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_HANDLED = (signal.SIGINT, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT, *_ENDING)


class _EndedBySignalError(BaseException):
    """Somebody ends the process; the terminal is given back first."""


def rendered(console: Console, drawing: RenderableType, columns: int) -> list[str]:
    """Return a drawing as lines of text with their colours, none wider than ``columns``."""
    with console.capture() as captured:
        console.print(drawing, width=columns, no_wrap=True, overflow="ellipsis", crop=True)
    return captured.get().rstrip("\n").split("\n")


class FullScreen:
    """The terminal of standard output, and the keyboard of standard input if that is one.

    Used in the main thread. Suspending by Ctrl-Z, a new size, and every end but SIGKILL are taken care of.
    """

    def __init__(self) -> None:
        self._keys = KeyReader()
        self._keyboard: int | None = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._shown: list[str] = []
        self._size = os.terminal_size((0, 0))
        self._was: list[Any] | None = None
        self._handlers: dict[int, Any] = {}
        self._ended_by: int | None = None
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines as they are now."""
        try:
            found = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            found = os.terminal_size((0, 0))
        return os.terminal_size((found.columns or 80, found.lines or 24))

    def __enter__(self) -> Self:
        self._wakeup_before = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in _HANDLED:
            self._handlers[number] = signal.signal(number, _noted)
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._give_back()
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._woken)
        os.close(self._waker)
        if self._ended_by is not None:
            signal.signal(self._ended_by, signal.SIG_DFL)
            os.kill(os.getpid(), self._ended_by)
        return kind is _EndedBySignalError

    def wake(self) -> None:
        """Let ``wait`` return at once; for other threads."""
        with contextlib.suppress(OSError):
            os.write(self._waker, b"\0")

    def wait(self, seconds: float) -> list[str]:
        """Return the keys that are pressed, or none after so many seconds, a ``wake``, or a change of size."""
        watched = [self._woken] if self._keyboard is None else [self._woken, self._keyboard]
        ready, _, _ = select.select(watched, [], [], seconds)
        keys: list[str] = []
        if self._woken in ready:
            keys += self._signals()
        if self._keyboard is not None and self._keyboard in ready:
            keys += self._pressed(self._keyboard)
        return keys

    def show(self, lines: Sequence[str]) -> None:
        """Put lines on the screen from its top on; what does not fit is left out."""
        size = self.size
        if size != self._size:
            self._size, self._shown = size, []
            parts = ["\x1b[0m\x1b[2J"]
        else:
            parts = []
        wanted = list(lines[: size.lines])
        for row in range(max(len(wanted), len(self._shown))):
            line = wanted[row] if row < len(wanted) else ""
            if row >= len(self._shown) or self._shown[row] != line:
                # In the last column the cursor stands on what was written there, which is not to be erased.
                rest = "" if width(_STYLING.sub("", line)) >= size.columns else "\x1b[K"
                parts.append(f"\x1b[{row + 1};1H{line}\x1b[0m{rest}")
        self._shown = wanted
        if parts:
            _write(_TOGETHER + "".join(parts) + _SHOWN)

    def _take(self) -> None:
        if self._keyboard is not None:
            if self._was is None:  # else it is taken again, after a stop that nobody could announce
                self._was = termios.tcgetattr(self._keyboard)
            tty.setcbreak(self._keyboard)
        self._size, self._shown = os.terminal_size((0, 0)), []
        _write(_ENTER)

    def _give_back(self) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            _write(_LEAVE)
        if self._keyboard is not None and self._was is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._was)
            self._was = None

    def _signals(self) -> list[str]:
        """Deal with the signals that came, each a byte of its number; one of them is a key."""
        with contextlib.suppress(BlockingIOError):
            numbers = set(os.read(self._woken, 4096))
            for number in _ENDING:
                if number in numbers:
                    self._ended_by = number
                    raise _EndedBySignalError
            if signal.SIGTSTP in numbers:
                self._suspend()
            elif signal.SIGCONT in numbers:
                self._take()
            if signal.SIGINT in numbers:
                return ["ctrl-c"]
        return []

    def _suspend(self) -> None:
        """Stop as Ctrl-Z asks, with the terminal given back, and take it again afterwards."""
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, _noted)
        self._take()

    def _pressed(self, keyboard: int) -> list[str]:
        keys = self._keys.feed(_read(keyboard))
        while self._keys.unfinished:
            ready, _, _ = select.select([keyboard], [], [], _ESCAPE_SECONDS)
            keys += self._keys.feed(_read(keyboard)) if ready else self._keys.finish()
        return keys


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the number has been written to the pipe that ``wait`` watches."""


def _read(keyboard: int) -> bytes:
    try:
        return os.read(keyboard, 1024) or b"\x03"
    except OSError:
        return b"\x03"  # nobody is there any more


def _write(text: str) -> None:
    data = text.encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    sys.stdout.flush()
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]
