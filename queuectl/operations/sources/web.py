"""Fetch a source from the web through the same address guard as articles, asking only for what has changed."""

from __future__ import annotations

from queuectl.errors import BadInputFileError, PermanentError, RetryableError, SourceUnavailableError
from queuectl.handlers.article.body import PageTooLargeError
from queuectl.handlers.article.fetch import Fetcher, Page, StatusError, Validators
from queuectl.settings import Settings


def fetcher_for(settings: Settings) -> Fetcher:
    """Return a fetcher with the limits of sources; it may be used from many threads."""
    return Fetcher(
        allow_networks=settings.fetch_allow_networks,
        timeout=settings.fetch_timeout,
        max_bytes=settings.source_max_bytes,
    )


def fetch(fetcher: Fetcher, url: str, known: Validators) -> Page:
    """Return what the address answers; ``unchanged`` if it is the version that is known.

    Raises:
        SourceUnavailableError: it does not answer, or answers with an error.
        BadInputFileError: it must not be fetched, or has too many bytes.
    """
    try:
        return fetcher.get(url, types=None, known=known)
    except (RetryableError, StatusError) as error:
        raise SourceUnavailableError(error.message, hint="it is fetched again at the next tick") from error
    except PageTooLargeError as error:
        raise BadInputFileError(
            f"the source {url[:200]} is too large: {error.message}",
            hint="split it, or raise source_max_bytes",
        ) from error
    except PermanentError as error:
        hint = error.hint or "correct the address of the source"
        raise BadInputFileError(
            f"the source {url[:200]} cannot be used: {error.message}", hint=hint
        ) from error
