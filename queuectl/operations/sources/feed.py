"""Read the links of an RSS or Atom feed, one item at a time; its entities are not resolved and nothing is loaded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import urljoin

from lxml import etree

from queuectl.domain.batch import Entry
from queuectl.domain.task import ArticleTask
from queuectl.domain.visible import visible
from queuectl.errors import BadInputFileError

_ROOTS = {"rss", "feed", "rdf"}
_ITEMS = {"item", "entry"}
_RDF_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
_SHOWN = 200
_MOST_ELEMENTS = 1_000_000
_MOST_OF_AN_ITEM = 10_000


def feed_entries(name: str, data: bytes, base: str | None) -> Iterator[Entry]:
    """Yield an entry for each item of a feed; ``base`` is the address that relative links start from.

    Raises:
        BadInputFileError: it is no feed, or breaks the limits of the parser; ``name`` is what it is called there.
    """
    if b"<!ENTITY" in data:
        _refuse(name, "declares entities, which no feed needs", "ask its owner for a plain feed")
    parser: Any = etree.iterparse(
        io.BytesIO(data),
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        recover=True,
        remove_comments=True,
        remove_pis=True,
    )
    number = 0
    try:
        for number, item in enumerate(_items(name, parser), start=1):
            yield _entry(number, item, base)
    except etree.LxmlError as error:
        _refuse_broken(name, str(error))
    # What breaks off after some items is worth having; what breaks before the first is no feed.
    if number == 0 and len(parser.error_log):
        _refuse_broken(name, parser.error_log[0].message)


def _items(name: str, parser: Any) -> Iterator[Any]:
    """Yield each item when it is complete, and free whatever has been read, so that only one is ever held."""
    elements = before = 0
    item: Any = None
    for event, element in parser:
        if event == "start":
            elements += 1
            if elements == 1:
                _check_root(name, _local(element))
            if item is None and _local(element) in _ITEMS:
                item, before = element, elements
            if elements > _MOST_ELEMENTS or (item is not None and elements - before > _MOST_OF_AN_ITEM):
                _refuse(name, "is a feed with too many elements", "ask its owner for a shorter feed")
        elif element is item:
            yield item
            item = None
            _forget(element)
        elif item is None:
            _forget(element)


def _check_root(name: str, root: str) -> None:
    if root == "html":
        _refuse(name, "is an HTML page and no feed", "name the address of its feed or of a list")
    if root not in _ROOTS:
        what = visible(root, 40)
        _refuse(name, f"is XML, but neither RSS nor Atom: it begins with <{what}>", "name a feed")


def _entry(number: int, item: Any, base: str | None) -> Entry:
    link = _link(item)
    if not link:
        return Entry(number, "", problem="the item has no link")
    try:
        url = urljoin(base, link) if base is not None else link
    except ValueError:
        url = link  # refused with its reason when the task is made
    return Entry(number, link[:_SHOWN], ArticleTask(url))


def _link(item: Any) -> str:
    """Return what leads to an item's page: its link, or an identifier that is one."""
    fallback = str(item.get(_RDF_ABOUT) or "")
    for child in item:
        kind = _local(child)
        text = "".join(child.itertext()).strip() if kind in {"link", "guid", "id"} else ""
        if kind == "link":
            if text:
                return text
            if child.get("rel", "alternate") == "alternate" and child.get("href"):
                return str(child.get("href")).strip()
        is_address = text.startswith(("http://", "https://"))
        if is_address and (kind == "id" or (kind == "guid" and child.get("isPermaLink") != "false")):
            fallback = text
    return fallback


def _forget(element: Any) -> None:
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _local(element: Any) -> str:
    tag = element.tag
    # Not by the parser's own class for names, which refuses what its recovery has let through.
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _refuse_broken(name: str, reason: str) -> NoReturn:
    said = visible(" ".join(reason.split()), _SHOWN)
    _refuse(name, f"is no feed that can be read: {said}", "name a list of URLs, a JSON array, or a feed")


def _refuse(name: str, what: str, hint: str) -> NoReturn:
    raise BadInputFileError(f"{name} {what}", hint=hint)
