"""Text that came from a handler, made fit to be logged and stored."""

from __future__ import annotations

import re

# Controls, invisible characters and those that turn the direction of reading: nothing of it may reach a terminal.
_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def visible(text: str, longest: int) -> str:
    """Return ``text`` as one line in which every control character can be seen, cut to ``longest``."""
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_escape, text)


def storable(text: str, longest: int) -> str:
    """Return ``text`` without what a database refuses, its middle left out where it is too long."""
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"
    return _UNSTORABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
