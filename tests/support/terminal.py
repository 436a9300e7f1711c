"""The command on a terminal that is emulated, so that a test sees what a person sees."""

from __future__ import annotations

import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pexpect
import psutil
import pyte

from tests.support.cli import PROGRAMS, CommandLine
from tests.support.waiting import wait_until


class Terminal:
    """A command on a terminal of a given size, and what is on its screen."""

    def __init__(
        self, cli: CommandLine, arguments: list[str], columns: int, lines: int, program: str | None = None
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._child = pexpect.spawn(
            program or str(PROGRAMS / "queuectl"),
            arguments,
            env={"TERM": "xterm-256color"} | cli.environment(),
            dimensions=(lines, columns),
            timeout=30,
        )

    @property
    def text(self) -> str:
        """What is on the screen now."""
        if not self._child.closed:
            self._read()
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def shows(self, text: str) -> None:
        """Wait until a text is on the screen."""
        wait_until(lambda: text in self.text, within=30, describing=f"{text!r} on the screen")

    def draws(self, *, beyond: int) -> None:
        """Wait until a whole screen has been drawn anew after so many bytes."""

        def is_drawn() -> bool:
            _ = self.text
            written = self.raw[beyond:]
            return b"\x1b[2J" in written and written.endswith(b"\x1b[?2026l")

        wait_until(is_drawn, within=30, describing="a new drawing")

    def type(self, keys: str) -> None:
        """Press keys."""
        self._child.send(keys)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        self.screen.resize(lines, columns)
        self._child.setwinsize(lines, columns)

    def send(self, number: signal.Signals) -> None:
        """Send the command a signal."""
        self._child.kill(number)

    def to_child(self, number: signal.Signals) -> None:
        """Send a signal to the command that a shell on the terminal runs."""
        (child,) = psutil.Process(self._child.pid).children()
        child.send_signal(number)

    @property
    def is_as_usual(self) -> bool:
        """Whether the terminal shows what is typed, line by line, with a cursor, as shells expect it."""
        _ = self.text  # so that what was written until now has had its effect
        modes = termios.tcgetattr(self._child.child_fd)[3]
        cooked = bool(modes & termios.ECHO) and bool(modes & termios.ICANON)
        return cooked and not self.screen.cursor.hidden and pyte.modes.DECAWM in self.screen.mode

    def end(self) -> int:
        """Read everything and return the exit code."""
        while self._read(wait=True):
            pass
        self._child.close()
        return int(
            self._child.exitstatus if self._child.exitstatus is not None else -self._child.signalstatus
        )

    def close(self) -> None:
        """End the command, whatever it does."""
        self._child.close(force=True)

    def _read(self, *, wait: bool = False) -> bool:
        try:
            data = self._child.read_nonblocking(65536, timeout=30 if wait else 0)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return False
        self.raw += data
        self._stream.feed(data)
        return True


@contextmanager
def terminal(
    cli: CommandLine, *arguments: str, columns: int = 80, lines: int = 24, program: str | None = None
) -> Iterator[Terminal]:
    """Run the command, or another program, on a terminal and end it at last."""
    made = Terminal(cli, list(arguments), columns, lines, program)
    try:
        yield made
    finally:
        made.close()
