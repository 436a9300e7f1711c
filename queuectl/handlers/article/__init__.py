"""The built-in handler: fetch an article, extract its text, publish it as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queuectl.handlers.article.handler import ArticleHandler
    from queuectl.settings import Settings


def make(settings: Settings) -> ArticleHandler:
    """Return the handler; imports the HTTP client, the parsers and the rest only now."""
    from queuectl.handlers.article.handler import ArticleHandler

    return ArticleHandler(settings)
