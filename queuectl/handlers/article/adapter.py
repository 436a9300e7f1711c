"""What an adapter for one kind of page has to find; one adapter a module, listed in ``extract``."""

from __future__ import annotations

from dataclasses import dataclass

from queuectl.handlers.article.tree import Element


@dataclass(frozen=True, slots=True)
class Found:
    """An article as it stands in a page: its facts, and the element whose content is its text.

    ``published_at`` is UTC milliseconds, ``account`` the publication or channel it appeared in,
    ``declared_language`` what the page says of itself. ``body`` may be changed by whoever gets it.
    """

    body: Element
    title: str
    author: str | None = None
    account: str | None = None
    published_at: int | None = None
    declared_language: str | None = None
