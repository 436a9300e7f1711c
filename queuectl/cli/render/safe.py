"""Make text from outside safe to show: it can neither steer the terminal nor break a line."""

from __future__ import annotations

import unicodedata

from queuectl.domain.visible import visible

_ELLIPSIS = "..."


def safe(text: object, limit: int | None = None) -> str:
    """Return ``text`` on one line with all that is invisible made visible, cut to ``limit`` characters."""
    shown = visible(str(text))
    if limit is not None and len(shown) > limit:
        return shown[: limit - len(_ELLIPSIS)] + _ELLIPSIS
    return shown


def safe_lines(text: str) -> list[str]:
    """Return the lines of a longer text, such as a traceback, each of them safe."""
    return [safe(line) for line in text.replace("\t", "    ").split("\n")]


def width(text: str) -> int:
    """Return how many columns a safe text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(each) for each in text)


def cut(text: str, columns: int) -> str:
    """Return a safe text shortened to fit into so many columns."""
    if width(text) <= columns:
        return text
    kept, room = [], columns - len(_ELLIPSIS)
    for each in text:
        room -= _columns(each)
        if room < 0:
            break
        kept.append(each)
    return "".join(kept) + _ELLIPSIS


def folded(text: str, columns: int) -> list[str]:
    """Return a safe text as lines of so many columns that end between words; what is longer stays whole."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width(longer) <= columns or not lines[-1].strip():
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _columns(mark: str) -> int:
    if unicodedata.category(mark) in {"Mn", "Me"}:  # accents and the like sit on the mark before them
        return 0
    return 2 if unicodedata.east_asian_width(mark) in {"W", "F"} else 1
