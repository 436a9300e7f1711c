"""Which colour and sign stand for what; only the basic colours, so that light and dark screens both work."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from queuectl.domain.lifecycle import State


class Look(NamedTuple):
    """A sign of one column in every terminal, and a Rich style."""

    sign: str
    style: str


# None of the signs is one of those that Chinese and Japanese terminals may draw two columns wide.
STATES: Mapping[str, Look] = MappingProxyType(
    {
        State.SCHEDULED: Look("◷", "blue"),
        State.QUEUED: Look("▫", ""),
        State.DISPATCHED: Look("▹", ""),
        State.RUNNING: Look("▸", "cyan"),
        State.RETRYING: Look("↻", "yellow"),
        State.SUCCEEDED: Look("✓", "green"),
        State.DEAD: Look("✗", "red"),
        State.CANCELLED: Look("⊘", "dim"),
    }
)

GOOD = "green"
BAD = "red"
CAREFUL = "yellow"
FAINT = "dim"
STRONG = "bold"
HEADING = "bold"
ACCENT = "cyan"


def state_style(state: str) -> str:
    """Return the Rich style of a state or an attempt's outcome."""
    look = STATES.get(state)
    if look is not None:
        return look.style
    return BAD if state in {"failed", "refused", "crashed", "timed_out", "over_memory"} else FAINT
