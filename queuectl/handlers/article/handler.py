"""Run one article task from its URL to the published files: fetch, extract, publish."""

from __future__ import annotations

from queuectl.domain.article import Article
from queuectl.domain.task import task_number
from queuectl.errors import RetryableError
from queuectl.handlers.article.extract import extract
from queuectl.handlers.article.fetch import Fetcher
from queuectl.handlers.article.publish import publish
from queuectl.handlers.contract import Context, HandlerTask
from queuectl.settings import Settings


class ArticleHandler:
    """The built-in handler; one object serves a process, so that connections and parsers are reused."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.home / "articles"
        self._fetcher = Fetcher(
            allow_networks=settings.fetch_allow_networks,
            timeout=settings.fetch_timeout,
            max_bytes=settings.fetch_max_bytes,
        )

    def __call__(self, task: HandlerTask, context: Context) -> dict[str, object]:
        """Return what was published, as the task's result.

        Raises:
            PermanentError: there is no article at this address.
            RetryableError: the article cannot be had now.
        """

        def check() -> None:
            if context.cancelled:
                raise RetryableError("stopped before the article was published")

        page = self._fetcher.get(task.url, check=check)
        context.progress(0.5, "fetched")
        check()
        found = extract(page)
        check()
        number = task_number(task.id)
        markdown_path, html_path = publish(
            self._root, found, source=page.final_url, task_id=task.id, number=number
        )
        context.keep(
            Article(
                url=task.url,
                final_url=page.final_url,
                title=found.title,
                author=found.author,
                account=found.account,
                published_at=found.published_at,
                language=found.language,
                markdown=found.markdown,
                html=found.html,
                images=found.images,
                markdown_path=markdown_path,
                html_path=html_path,
            )
        )
        return {
            "title": found.title,
            "words": found.words,
            "characters": found.characters,
            "language": found.language,
            "final_url": page.final_url,
            "markdown_path": markdown_path,
            "html_path": html_path,
        }

    def close(self) -> None:
        """Close the connections that are kept for the next task."""
        self._fetcher.close()
