"""Render an article's elements as clean HTML and as Markdown.

The HTML is what ``nh3`` lets through and nothing else; the Markdown is made from that HTML, with
every character escaped that Markdown or the HTML inside of it would read as markup.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any
from urllib.parse import quote

import nh3
from lxml.etree import iterwalk, tostring
from markdownify import ATX, BACKSLASH, MarkdownConverter

from queuectl.errors import PermanentError
from queuectl.handlers.article.text import single_line, without_controls
from queuectl.handlers.article.tree import Element

IMAGE_LIMIT = 500
"""The most images that are listed for one article."""

_CLEANER = nh3.Cleaner(
    tags={
        *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code"),
        *(
            "ul",
            "ol",
            "li",
            "dl",
            "dt",
            "dd",
            "table",
            "caption",
            "thead",
            "tbody",
            "tfoot",
            "tr",
            "th",
            "td",
        ),
        *(
            "strong",
            "b",
            "em",
            "i",
            "u",
            "s",
            "del",
            "sub",
            "sup",
            "q",
            "mark",
            "kbd",
            "a",
            "img",
            "figcaption",
        ),
    },
    clean_content_tags={"script", "style", "template", "noscript", "iframe", "object", "svg", "math", "form"},
    attributes={
        "a": {"href"},
        "img": {"src", "alt"},
        "td": {"colspan", "rowspan"},
        "th": {"colspan", "rowspan"},
        "ol": {"start"},
        "code": {"data-language"},
    },
    url_schemes={"http", "https"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)
# What CommonMark reads as markup within a line, and what it does so only at the beginning of one.
_SPECIAL = re.compile(r"([\\*`\[\]<|]|(?<!\w)_|_(?!\w)|~(?=~)|&(?=[#\w]))")
_AT_LINE_START = re.compile(r"^([ \t]*)(#{1,6}(?=\s|$)|[-+](?=\s|$)|=+(?=\s*$)|-{2,}|>)", re.MULTILINE)
_NUMBER_AT_LINE_START = re.compile(r"^([ \t]*\d{1,9})(?=[.)](?:\s|$))", re.MULTILINE)
_UNSAFE_IN_ADDRESS = re.compile(r"[\s()<>\"'\\`]")
_PUNCTUATION = "：，。；！？、（）《》「」『』【】“”‘’…—:,.;!?\"'"
_BACKTICKS = re.compile(r"`+")
_DEEPEST = 200
"""The converter to Markdown needs four Python frames for each level, of which there are a thousand."""

_BLANK_LINES = re.compile(r"\n{3,}")
_LANGUAGE = re.compile(r"[A-Za-z0-9+#-]{1,20}")


def clean_html(body: Element) -> str:
    """Return the elements inside ``body`` as HTML in which nothing can run or hide.

    Raises:
        PermanentError: its elements are nested deeper than any article's.
    """
    if _depth(body) > _DEEPEST:
        raise PermanentError("not an article: its markup is nested too deeply")
    pieces = [escape(body.text or "")]
    pieces.extend(tostring(child, encoding="unicode", method="html") for child in body)
    return without_controls(_CLEANER.clean("".join(pieces))).strip()


def to_markdown(html: str) -> str:
    """Return clean HTML as Markdown in the CommonMark dialect with tables."""
    return _BLANK_LINES.sub("\n\n", _CONVERTER.convert(html)).strip()


def _depth(body: Element) -> int:
    """Return how many elements the most deeply nested one inside ``body`` is in."""
    depth = deepest = 0
    for event, _ in iterwalk(body, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    return deepest


def escape_markdown(text: str) -> str:
    """Return plain text so that Markdown shows exactly this text."""
    text = _SPECIAL.sub(r"\\\1", text)
    text = _AT_LINE_START.sub(r"\1\\\2", text)
    return _NUMBER_AT_LINE_START.sub(r"\1\\", text)


def images_in(body: Element) -> tuple[str, ...]:
    """Return the addresses of the images, each once, in the order of the page."""
    sources = dict.fromkeys(source for image in body.iter("img") if (source := image.get("src")))
    return tuple(sources)[:IMAGE_LIMIT]


class _Converter(MarkdownConverter):
    """Markdownify with complete escaping, safe addresses, and fences that code cannot close."""

    def escape(self, text: str, parent_tags: set[str]) -> str:
        return escape_markdown(text)

    def convert_a(self, el: Any, text: str, parent_tags: set[str]) -> str:
        address = el.get("href")
        if not address or not text.strip() or "_noformat" in parent_tags:
            return text
        return f"[{text.strip()}]({_address(address)})"

    def convert_img(self, el: Any, text: str, parent_tags: set[str]) -> str:
        source = el.get("src")
        alternative = escape_markdown(single_line(el.get("alt")))
        return f"![{alternative}]({_address(source)})" if source else alternative

    def convert_strong(self, el: Any, text: str, parent_tags: set[str]) -> str:
        return _emphasised(el, text, "**", parent_tags)

    def convert_em(self, el: Any, text: str, parent_tags: set[str]) -> str:
        return _emphasised(el, text, "*", parent_tags)

    convert_b = convert_strong
    convert_i = convert_em

    def convert_code(self, el: Any, text: str, parent_tags: set[str]) -> str:
        code: str = super().convert_code(el, text, parent_tags)  # type: ignore[misc]  # missing in its stubs
        return code.replace("|", r"\|") if parent_tags & {"td", "th"} else code

    def convert_pre(self, el: Any, text: str, parent_tags: set[str]) -> str:
        if "_inline" in parent_tags:
            return f" {text.strip()} "
        fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(text)), default=0))
        code = el.find("code")
        language = _LANGUAGE.fullmatch((code and code.get("data-language")) or "")
        inner = text.strip("\n")
        return f"\n\n{fence}{language[0] if language else ''}\n{inner}\n{fence}\n\n" if inner.strip() else ""


# Made once: it keeps nothing between documents but which method renders which tag.
_CONVERTER = _Converter(heading_style=ATX, bullets="-", newline_style=BACKSLASH, bs4_options="lxml")


def _emphasised(element: Any, text: str, mark: str, parent_tags: set[str]) -> str:
    """Put marks around a text in such a way that they are read as marks.

    CommonMark takes a closing mark between punctuation and a letter for an opening one, which hits
    Chinese all the time, as in 注意：后面; there the punctuation moves out of the emphasis.
    """
    inner = text.strip()
    if not inner or "_noformat" in parent_tags:
        return text
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    if not after and _edge(element.next_sibling, 0).isalnum():
        kept = inner.rstrip(_PUNCTUATION)
        inner, after = kept, inner[len(kept) :]
    if not before and _edge(element.previous_sibling, -1).isalnum():
        kept = inner.lstrip(_PUNCTUATION)
        inner, before = kept, inner[: len(inner) - len(kept)]
    return f"{before}{mark}{inner}{mark}{after}" if inner else text


def _edge(neighbour: Any, index: int) -> str:
    """Return the first or last character of the text beside an element; empty where there is none."""
    text = neighbour.get_text() if neighbour is not None else ""
    return text[index] if text else ""


def _address(url: str) -> str:
    return _UNSAFE_IN_ADDRESS.sub(lambda match: quote(match[0], safe=""), url)
