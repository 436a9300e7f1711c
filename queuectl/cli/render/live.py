"""A screen that is drawn anew once a second until a key leaves it; the terminal is always given back as it was."""

from __future__ import annotations

import contextlib
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from queuectl.cli.render.output import Output

if TYPE_CHECKING:
    from rich.console import RenderableType

_LEAVING = frozenset("qQ\x03\x04\x1b")


def watch(output: Output, draw: Callable[[], RenderableType], *, every: float = 1.0) -> None:
    """Show what ``draw`` returns on a screen of its own, every so many seconds, until q or Ctrl-C."""
    from rich.live import Live

    with (
        _single_keys(),
        Live(
            draw(), console=output.console, screen=True, auto_refresh=False, vertical_overflow="crop"
        ) as live,
        contextlib.suppress(KeyboardInterrupt),
    ):
        while not _leaving_key(every):
            live.update(draw(), refresh=True)


@contextlib.contextmanager
def _single_keys() -> Iterator[None]:
    """Let keys arrive one by one and unseen, where there is a keyboard."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _leaving_key(seconds: float) -> bool:
    """Wait for a key and tell whether it is one that leaves the screen."""
    watched = [sys.stdin] if sys.stdin.isatty() else []
    ready, _, _ = select.select(watched, [], [], seconds)
    return bool(ready) and sys.stdin.read(1) in _LEAVING
