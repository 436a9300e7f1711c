"""Turn a page into an element tree, and bring an article's part of it into a plain shape.

The parser works without network and entities and keeps its own limits on depth and size. Nothing
that comes from here is clean yet; that is the business of ``rendering``.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

import lxml.html
from lxml.etree import ParserError

from queuectl.errors import PermanentError
from queuectl.handlers.article.text import without_controls

Element: TypeAlias = Any
"""An element of lxml, which ships no types."""

ELEMENT_LIMIT = 100_000
"""A page with more elements is an attack or no article, and costs too much either way."""

_PARSER = lxml.html.HTMLParser(
    encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
)
_NUMERIC_REFERENCE = re.compile(r"&#(?:[xX]0*+([0-9a-fA-F]{0,6})(?![0-9a-fA-F])|0*+([0-9]{0,7})(?![0-9]));?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9:_-]*")
_LAZY_SOURCES = ("data-src", "data-original", "data-lazy-src")
_VERBATIM = ("pre", "code", "script", "style", "textarea")
_WIDE = "\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
_BREAK_BETWEEN_WIDE = re.compile(rf"(?<=[{_WIDE}])[ \t]*\n\s*(?=[{_WIDE}])")
_LINE_BREAK = re.compile(r"[ \t]*\n\s*")

_WRAPPERS = ("section", "div", "article", "main", "figure", "center", "header", "footer", "details", "p")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = frozenset(
    (*_WRAPPERS, *_HEADINGS, "ul", "ol", "dl", "pre", "table", "blockquote", "hr", "figcaption")
)
_ONE_PARAGRAPH = (*_HEADINGS, "figcaption", "caption", "dt", "summary")
_LAYOUT_SIGNS = ("h1", "h2", "h3", "article", "form")
_SPAN_LIMIT = 20


def parse(text: str) -> Element:
    """Return the root element of a page.

    Raises:
        PermanentError: there is nothing in it, or far too much.
    """
    text = _NUMERIC_REFERENCE.sub(_without_control, without_controls(text))
    try:
        root = lxml.html.document_fromstring(text.encode(), parser=_PARSER)
    except ParserError as error:
        raise PermanentError("not an article: the page is empty") from error
    if root.xpath("count(//*)") > ELEMENT_LIMIT:
        raise PermanentError(f"not an article: the page has more than {ELEMENT_LIMIT:,} elements")
    # The parser lets names pass, as in <li<li>, that the tree itself then refuses in every operation.
    for element in [each for each in root.iter() if not _NAME.fullmatch(each.tag)]:
        element.drop_tag()
    return root


def _without_control(reference: re.Match[str]) -> str:
    """Return a numeric character reference, or the replacement character where it stands for a control character.

    Taken out without a replacement, one reference could leave another behind: ``&#&#0;27;``.
    """
    number = int(reference[1] or "0", 16) if reference[1] is not None else int(reference[2] or "0")
    return reference[0] if number < 0x110000 and without_controls(chr(number)) else "\ufffd"


def resolve_links(root: Element, url: str) -> None:
    """Make links and images absolute, reveal lazily loaded images, and drop every other kind of address."""
    base = root.find(".//base[@href]")
    if base is not None:
        url = _absolute(url, base.get("href")) or url
    for link in root.iter("a"):
        _set_or_drop(link, "href", _absolute(url, link.get("href")))
    for image in root.iter("img"):
        lazy = next(filter(None, map(image.get, _LAZY_SOURCES)), None)
        _set_or_drop(image, "src", _absolute(url, lazy or image.get("src")))


def _absolute(base: str, address: str | None) -> str | None:
    """Return an absolute http or https address, or None when it is none."""
    if not address or address.startswith("#"):
        return None
    try:
        absolute = urljoin(base, address.strip())
        return absolute if urlsplit(absolute).scheme in ("http", "https") else None
    except ValueError:
        return None


def _set_or_drop(element: Element, name: str, value: str | None) -> None:
    if value is not None:
        element.set(name, value)
    else:
        element.attrib.pop(name, None)


def join_lines(root: Element) -> None:
    """Undo the line breaks of the source: a space in most scripts, nothing between two Chinese or Japanese letters."""
    verbatim = {inner for outer in root.iter(*_VERBATIM) for inner in outer.iter()}
    for element in root.iter():
        if element.text and "\n" in element.text and element not in verbatim:
            element.text = _joined(element.text)
        if element.tail and "\n" in element.tail and element.getparent() not in verbatim:
            element.tail = _joined(element.tail)


def _joined(text: str) -> str:
    return _LINE_BREAK.sub(" ", _BREAK_BETWEEN_WIDE.sub("", text))


def dissolve_layout_tables(root: Element) -> None:
    """Turn tables that lay out a page, and not data, into plain blocks."""
    for table in reversed(list(root.iter("table"))):
        if table.find(".//table") is not None or any(
            table.find(f".//{tag}") is not None for tag in _LAYOUT_SIGNS
        ):
            for part in [table, *table.iter("tbody", "thead", "tr", "td", "th")]:
                part.tag = "div"


def simplify(body: Element) -> None:
    """Dissolve nested wrappers into plain paragraphs, so that each block stands directly in the body.

    Editors of web pages wrap a paragraph in many sections; the innermost one with text is the
    paragraph. From the inside out, a wrapper with blocks in it has its loose text made paragraphs
    and disappears; one without becomes a paragraph.
    """
    for heading in list(body.iter(*_ONE_PARAGRAPH)):
        for wrapper in list(heading.iterdescendants(*_WRAPPERS)):
            wrapper.drop_tag()
    for wrapper in reversed(list(body.iterdescendants(*_WRAPPERS))):
        if any(child.tag in _BLOCKS for child in wrapper):
            _wrap_loose_content(wrapper)
            wrapper.drop_tag()
        elif _is_empty(wrapper):
            wrapper.drop_tree()
        else:
            wrapper.tag = "p"
            wrapper.attrib.clear()
    _wrap_loose_content(body)
    for paragraph in list(body.iter("p")):
        if paragraph.getparent().tag in ("li", "td", "th") and _is_alone(paragraph):
            paragraph.drop_tag()
    for table in body.iter("table"):
        _tidy_table(table)
    for block in body:
        block.tail = "\n"


def _is_empty(element: Element) -> bool:
    return not element.text_content().strip() and element.find(".//img") is None


def _is_alone(element: Element) -> bool:
    parent = element.getparent()
    return len(parent) == 1 and not (parent.text or "").strip() and not (element.tail or "").strip()


def _wrap_loose_content(container: Element) -> None:
    """Put each run of text and inline elements that stands between blocks into a paragraph of its own."""
    run = None
    if (container.text or "").strip():
        run = container.makeelement("p")
        run.text, container.text = container.text, None
        container.insert(0, run)
    for child in list(container):
        if child is run:
            continue
        if child.tag in _BLOCKS:
            run = None
            if not (child.tail or "").strip():
                continue
            run = container.makeelement("p")
            run.text, child.tail = child.tail, None
            child.addnext(run)
        elif run is not None:
            run.append(child)
        elif not _is_blank(child):
            run = container.makeelement("p")
            child.addprevious(run)
            run.append(child)


def _is_blank(element: Element) -> bool:
    return element.tag != "img" and _is_empty(element) and not (element.tail or "").strip()


def _tidy_table(table: Element) -> None:
    """Promote the first row to a header where there is none, and bound how far cells may span."""
    for cell in table.iter("td", "th"):
        for name in ("colspan", "rowspan"):
            span = cell.get(name)
            if span is not None and not (
                span.isascii() and span.isdigit() and 1 <= int(span[:6]) <= _SPAN_LIMIT
            ):
                del cell.attrib[name]
    first = next(table.iter("tr"), None)
    if first is None or next(table.iter("th"), None) is not None:
        return
    for cell in first.iterchildren("td"):
        cell.tag = "th"
        for emphasis in list(cell.iter("strong", "b")):
            emphasis.drop_tag()
    head = table.makeelement("thead")
    table.insert(len(table.findall("caption")), head)
    head.append(first)
