"""Text from outside made fit to be shown and stored: it can neither steer a terminal nor forge a line."""

from __future__ import annotations

import re

# Controls (C0, DEL, C1), line and paragraph separators, invisible and direction-changing marks, tags,
# interlinear marks, and halves of surrogate pairs. The joiner that emoji and Indic text need is among
# them: between such characters it would be harmless, but nobody can see where it is not.
UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NAMES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str, longest: int | None = None) -> str:
    """Return ``text`` as one line in which all that is invisible can be seen, cut to ``longest`` characters."""
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    return UNSAFE.sub(_escape, text)


def visible_json(document: str) -> str:
    """Return a JSON text whose strings are escaped where a terminal would obey or hide a character.

    JSON itself asks only for the first 32 to be escaped. Line feeds between values stay.
    """
    return UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else _json_escape(match[0]), document)


def is_storable(text: str) -> bool:
    """Tell whether PostgreSQL keeps a text as it is."""
    return "\0" not in text and (text.isascii() or _UNSTORABLE.search(text) is None)


def storable(text: str, longest: int | None = None) -> str:
    """Return ``text`` without what PostgreSQL refuses, its middle left out where it is too long."""
    if longest is not None and len(text) > longest:
        half = longest // 2
        text = f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"
    return _UNSTORABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    mark = match[0]
    if mark in _NAMES:
        return _NAMES[mark]
    number = ord(mark)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _json_escape(mark: str) -> str:
    number = ord(mark)
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
