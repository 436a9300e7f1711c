"""The adapter for pages of no particular site: trafilatura finds the text, the page declares the rest."""

from __future__ import annotations

import re
from typing import Any

import trafilatura
from lxml.etree import SubElement, tostring

from queuectl.errors import PermanentError
from queuectl.handlers.article.adapter import Found
from queuectl.handlers.article.metadata import read_metadata, time_in
from queuectl.handlers.article.text import single_line
from queuectl.handlers.article.tree import Element, dissolve_layout_tables, parse

_EMPHASIS = {"#b": "strong", "#i": "em", "#u": "u", "#t": "code", "#sub": "sub", "#sup": "sup"}
_PLAIN_NAMES = {"item": "li", "quote": "blockquote", "lb": "br", "row": "tr"}
# A parent is visited, and has its HTML name, before its children.
_INLINE_PARENTS = ("p", "li", "h1", "h2", "h3", "h4", "h5", "h6", "td", "th", "em", "strong", "u", "a", "del")
_BYLINE_LENGTH = 80
_TINY = re.compile(r"[0-3](?:px)?")  # pixels that count visitors


def find(root: Element, url: str) -> Found:
    """Return the article in a page.

    Raises:
        PermanentError: there is none.
    """
    metadata = read_metadata(root)
    dissolve_layout_tables(root)
    sources = _hide_sources(root)
    # Its own search for title and date reads the whole page once more, so it is asked only at need.
    incomplete = not metadata.title or metadata.published_at is None
    document = trafilatura.bare_extraction(
        root,
        url=url,
        include_comments=False,
        include_formatting=True,
        include_images=True,
        include_links=True,
        with_metadata=incomplete,
        # A date guessed from anywhere in the text is worse than none.
        date_extraction_params={"original_date": True, "extensive_search": False},
    )
    if document is None or isinstance(document, dict) or document.body is None:
        raise PermanentError("not an article: no text was found in the page")
    body = _as_html(document.body)
    _restore_sources(body, sources)
    title = metadata.title or single_line(document.title)
    _drop_repeated_facts(body, title, metadata.author)
    return Found(
        body=body,
        title=title,
        author=metadata.author or single_line(document.author, 100) or None,
        account=metadata.site,
        published_at=metadata.published_at or time_in(document.date or ""),
        declared_language=metadata.language,
    )


def _hide_sources(root: Element) -> dict[str, str]:
    """Give every image an address that reads as one: trafilatura drops those without a file extension."""
    sources: dict[str, str] = {}
    for image in root.iter("img"):
        source = image.get("src")
        if source and not _TINY.fullmatch(image.get("width") or ""):
            stand_in = f"https://image.invalid/{len(sources)}.png"
            sources[stand_in] = source
            image.set("src", stand_in)
        else:
            image.attrib.pop("src", None)
    return sources


def _restore_sources(body: Element, sources: dict[str, str]) -> None:
    for image in list(body.iter("img")):
        source = sources.get(image.get("src") or "")
        if source is None:
            image.drop_tree()
        else:
            image.set("src", source)


def _as_html(body: Any) -> Element:
    """Return trafilatura's own elements, which follow the Text Encoding Initiative, as HTML."""
    for element in list(body.iter()):
        kind = element.get("rend") or ""
        match element.tag:
            case "head":
                element.tag = kind if kind in ("h1", "h2", "h3", "h4", "h5", "h6") else "h3"
            case "list":
                element.tag = "ol" if kind == "ol" else "ul"
            case "hi":
                element.tag = _EMPHASIS.get(kind, "em")
            case "cell":
                element.tag = "th" if element.get("role") == "head" else "td"
            case "ref":
                element.tag = "a"
                element.set("href", element.get("target") or "")
            case "graphic":
                element.tag = "img"
            case "code" if _is_block_of_code(element):
                _make_block_of_code(element)
            case name if name in _PLAIN_NAMES:
                element.tag = _PLAIN_NAMES[name]
            case _:
                pass
    # The clean copy is made of HTML elements, which the tree they come from is not.
    root = parse(tostring(body, encoding="unicode", method="html"))
    found = root.find("body")
    return found if found is not None else root


def _is_block_of_code(element: Any) -> bool:
    parent = element.getparent()
    inline = parent is not None and parent.tag in _INLINE_PARENTS
    return not inline or "\n" in "".join(element.itertext())


def _make_block_of_code(element: Any) -> None:
    """Flatten what is inside, where each line may be an element of its own, into one text."""
    for line_break in element.iter("lb"):
        line_break.tail = f"\n{line_break.tail or ''}"
    text, tail = "".join(element.itertext()), element.tail
    element.clear()
    element.tag, element.tail = "pre", tail
    SubElement(element, "code").text = text


def _drop_repeated_facts(body: Element, title: str, author: str | None) -> None:
    """Remove the title and the line with the author from the start of the text; both are kept as facts."""
    for first in list(body)[:2]:
        text = single_line(first.text_content())
        heading = first.tag in ("h1", "h2") and text == title
        byline = author is not None and len(text) <= _BYLINE_LENGTH and author in text and first.tag == "p"
        if heading or byline:
            first.drop_tree()
