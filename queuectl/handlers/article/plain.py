"""The adapter for plain text: blank lines separate paragraphs, and the first short line is the title."""

from __future__ import annotations

import re
from html import escape

from queuectl.handlers.article.adapter import Found
from queuectl.handlers.article.text import single_line, without_controls
from queuectl.handlers.article.tree import parse

_BLANK_LINE = re.compile(r"\n[ \t]*\n\s*")
_TITLE_LENGTH = 120


def find(text: str) -> Found:
    """Return a text file as an article."""
    paragraphs = [part.strip() for part in _BLANK_LINE.split(without_controls(text)) if part.strip()]
    title = ""
    if paragraphs and "\n" not in paragraphs[0] and len(paragraphs[0]) <= _TITLE_LENGTH:
        title = single_line(paragraphs.pop(0).lstrip("# "))
    root = parse("<html><body>" + "".join(f"<p>{escape(part)}</p>" for part in paragraphs) + "</body></html>")
    return Found(body=root.find("body"), title=title)
