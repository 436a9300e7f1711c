"""An extracted article, as the article handler produces it and the store keeps it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Article:
    """One article; ``published_at`` is UTC milliseconds, the paths are relative to the articles folder."""

    url: str
    final_url: str
    title: str
    author: str | None
    account: str | None
    published_at: int | None
    language: str | None
    markdown: str
    html: str
    images: tuple[str, ...]
    markdown_path: str
    html_path: str
