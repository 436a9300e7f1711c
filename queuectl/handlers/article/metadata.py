"""Read from a page who wrote it and when, from what sites declare for machines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from queuectl.handlers.article.text import single_line
from queuectl.handlers.article.tree import Element

_TITLE_NAMES = ("og:title", "twitter:title", "dc.title")
_AUTHOR_NAMES = ("author", "article:author", "dc.creator", "byl", "parsely-author")
_SITE_NAMES = ("og:site_name", "application-name")
_TIME_NAMES = (
    *(
        "article:published_time",
        "og:published_time",
        "datepublished",
        "publishdate",
        "pubdate",
        "publish_date",
    ),
    *("date", "dc.date", "dc.date.issued", "dcterms.created", "weibo:article:create_at", "parsely-pub-date"),
)
_JSON_LIMIT = 200_000
_JSON_DEPTH = 6
_DATE = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[T\s]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?"
)
_FIRST_YEAR, _LAST_YEAR = 1990, 2100


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a page declares of itself; ``published_at`` is UTC milliseconds."""

    title: str
    author: str | None
    site: str | None
    published_at: int | None
    language: str | None


def read_metadata(root: Element) -> Metadata:
    """Return what the page declares in its meta elements, in JSON-LD, and in its heading."""
    declared = _meta_elements(root)
    linked = _linked_data(root)
    return Metadata(
        title=single_line(_first(declared, _TITLE_NAMES) or _text(linked.get("headline")) or _heading(root)),
        author=single_line(_first(declared, _AUTHOR_NAMES) or _names(linked.get("author")), 100) or None,
        site=single_line(_first(declared, _SITE_NAMES) or _names(linked.get("publisher")), 100) or None,
        published_at=_published(root, declared, linked),
        language=root.get("lang") or declared.get("og:locale") or declared.get("content-language"),
    )


def time_in(text: str, *, zone_offset_hours: int = 0) -> int | None:
    """Return a date or time as UTC milliseconds; one without a zone is read at the given offset."""
    match = _DATE.search(text[:200])
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    offset_minutes = zone_offset_hours * 60
    zone = match[7]
    if zone == "Z":
        offset_minutes = 0
    elif zone:
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        offset_minutes = (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp() * 1000) - offset_minutes * 60_000


def _meta_elements(root: Element) -> dict[str, str]:
    """Return the content of each meta element by its name in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    for element in root.iter("meta"):
        name = (
            element.get("property")
            or element.get("name")
            or element.get("itemprop")
            or element.get("http-equiv")
        )
        content = (element.get("content") or "").strip()
        if name and content:
            found.setdefault(name.strip().lower(), content)
    return found


def _linked_data(root: Element) -> dict[str, Any]:
    """Return the first JSON-LD object that describes an article."""
    for script in root.iterfind('.//script[@type="application/ld+json"]'):
        try:
            data = json.loads((script.text or "")[:_JSON_LIMIT], strict=False)
        except (ValueError, RecursionError):
            continue
        for each in _objects(data, _JSON_DEPTH):
            if "headline" in each or "datePublished" in each:
                return each
    return {}


def _objects(data: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth == 0:
        return
    if isinstance(data, dict):
        yield data
        yield from _objects(data.get("@graph"), depth - 1)
        yield from _objects(data.get("mainEntity"), depth - 1)
    elif isinstance(data, list):
        for each in data:
            yield from _objects(each, depth - 1)


def _first(declared: dict[str, str], names: tuple[str, ...]) -> str:
    for name in names:
        content = declared.get(name, "")
        # Some sites declare the address of the author's page where the name belongs.
        if content and not content.startswith(("http://", "https://")):
            return content
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _names(value: Any) -> str:
    """Return the name or names in a JSON-LD person, organisation, list of them, or plain text."""
    each = value if isinstance(value, list) else [value]
    names = [_text(one.get("name")) if isinstance(one, dict) else _text(one) for one in each]
    return ", ".join(filter(None, names))


def _heading(root: Element) -> str:
    headings = root.xpath("//h1[normalize-space()]")
    if len(headings) == 1:
        return str(headings[0].text_content())
    title = root.find(".//title")
    return str(title.text_content()) if title is not None else ""


def _published(root: Element, declared: dict[str, str], linked: dict[str, Any]) -> int | None:
    texts = [declared.get(name, "") for name in _TIME_NAMES]
    texts.insert(1, _text(linked.get("datePublished")))
    texts.extend(element.get("datetime") for element in root.iterfind(".//time[@datetime]"))
    return next((time for text in texts if text and (time := time_in(text)) is not None), None)
