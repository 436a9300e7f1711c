"""Plain text taken from pages: without control characters, on one line where a line is meant, and counted."""

from __future__ import annotations

import re

WIDE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
"""The letters of Chinese, Japanese and Korean, as the inside of a character class."""

# Everything that XML cannot carry or a terminal would obey; tabs and line feeds stay.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]")
# In one line of text, marks that turn the direction or hide characters only serve to deceive.
_DECEIVING = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f]")
_WIDE_LETTER = re.compile(f"[{WIDE}]")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(rf"[{WIDE}]|[^\W_](?:[^\W{WIDE}]|['’-](?=[^\W{WIDE}]))*")


def without_controls(text: str) -> str:
    """Return the text with only line feeds as line ends and without other control characters."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def single_line(text: str | None, limit: int = 300) -> str:
    """Return the text on one line, at most ``limit`` characters long; empty for nothing."""
    if not text:
        return ""
    line = _SPACE.sub(" ", _DECEIVING.sub("", without_controls(text))).strip()
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def count_words(text: str) -> int:
    """Count words, each Chinese, Japanese or Korean character as one."""
    return sum(1 for _ in _WORD.finditer(text))


def count_characters(text: str) -> int:
    """Count the characters that are not white space."""
    return len(_SPACE.sub("", text))


def weight(text: str) -> int:
    """Return how much is said, in letters and digits; a Chinese, Japanese or Korean one counts as three."""
    letters = sum(map(str.isalnum, text))
    return letters + 2 * len(_WIDE_LETTER.findall(text))
