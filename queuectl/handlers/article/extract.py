"""Make an article out of a page: choose the adapter that knows its kind, and render what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from queuectl.errors import PermanentError
from queuectl.handlers.article import generic, plain, wechat
from queuectl.handlers.article.adapter import Found
from queuectl.handlers.article.charset import decode
from queuectl.handlers.article.fetch import Page
from queuectl.handlers.article.language import language_of
from queuectl.handlers.article.rendering import clean_html, images_in, to_markdown
from queuectl.handlers.article.text import count_characters, count_words, single_line, weight
from queuectl.handlers.article.tree import Element, join_lines, parse, resolve_links, simplify

LEAST_WEIGHT = 80
"""The least text that counts as an article, in letters; a Chinese character counts as three."""

_TITLE_FROM_TEXT = 60


class Adapter(NamedTuple):
    """One kind of page: how it is recognised and how its article is found."""

    recognises: Callable[[Element, str], bool]
    find: Callable[[Element, str], Found]


ADAPTERS = (
    Adapter(wechat.recognises, wechat.find),
    Adapter(lambda _root, _url: True, generic.find),
)
"""Asked in this order; the first that recognises a page has it."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """An article ready to be published; ``published_at`` is UTC milliseconds, ``html`` is a clean fragment."""

    title: str
    author: str | None
    account: str | None
    published_at: int | None
    language: str | None
    markdown: str
    html: str
    images: tuple[str, ...]
    words: int
    characters: int


def extract(page: Page) -> Extracted:
    """Return the article in a page.

    Raises:
        PermanentError: the page is no article, or the article is gone.
        RetryableError: the site does not show the article now.
    """
    text = decode(page.body, page.charset)
    found = plain.find(text) if page.media_type == "text/plain" else _find(text, page.final_url)
    simplify(found.body)
    html = clean_html(found.body)
    body_text = " ".join(found.body.itertext()).strip()
    images = images_in(found.body)
    if weight(body_text) < LEAST_WEIGHT and not images:
        raise PermanentError("not an article: the page has hardly any text")
    return Extracted(
        title=found.title or single_line(body_text, _TITLE_FROM_TEXT) or page.final_url,
        author=found.author,
        account=found.account,
        published_at=found.published_at,
        language=language_of(body_text, found.declared_language),
        markdown=to_markdown(html),
        html=html,
        images=images,
        words=count_words(body_text),
        characters=count_characters(body_text),
    )


def _find(text: str, url: str) -> Found:
    root = parse(text)
    resolve_links(root, url)
    join_lines(root)
    for adapter in ADAPTERS:
        if adapter.recognises(root, url):
            return adapter.find(root, url)
    raise PermanentError("not an article: no adapter knows this kind of page")
