"""Keep the published files in step with the database, whatever becomes of the machine.

Files are written without being forced to the disk, which would cost a task more than all its SQL.
The articles are in the database, durably; so after a sudden end the newest files are compared with
it, and before an orderly end they are forced to the disk once, together.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from queuectl.domain.task import task_name
from queuectl.errors import StorageError
from queuectl.store import articles
from queuectl.store.articles import StoredArticle
from queuectl.store.database import Database

logger = logging.getLogger("queuectl.daemon")

UNSETTLED_MS = 600_000
"""Kernels write what they hold after half a minute; files older than this are on the disk for certain."""

_GROUP = 200
_END = (2**62, 0)


class PublishedFiles:
    """The files below a home's articles folder."""

    def __init__(self, database: Database, home: Path) -> None:
        self._database = database
        self._root = home / "articles"

    def mend(self, node: str) -> None:
        """Write again what a node had published shortly before its sudden end, and what is not on the disk."""
        from queuectl.handlers.article.publish import publish_again

        written = 0
        for each in self._newest(node):
            try:
                written += publish_again(self._root, each.article, task_id=task_name(each.task_id))
            except (OSError, StorageError) as error:
                logger.warning(
                    "the files of task_%d cannot be written again: %s",
                    each.task_id,
                    " ".join(str(error).split())[:300],
                    extra={"action": "files_not_mended", "task_id": each.task_id},
                )
        if written:
            logger.warning(
                "wrote %d files of articles again that a sudden end had taken",
                written,
                extra={"action": "files_mended", "node": node},
            )

    def settle(self, node: str) -> None:
        """Force the files to the disk that a node has published lately."""
        from queuectl.handlers.article.publish import settle_files

        for each in self._newest(node):
            try:
                settle_files(self._root, each.article)
            except (OSError, StorageError):
                continue  # somebody has put something else in its place, which is theirs to keep

    def _newest(self, node: str) -> Iterator[StoredArticle]:
        before, since = _END, 0
        while True:
            with self._database.reading() as transaction:
                group = articles.of_node(transaction, node, before=before, since=since, limit=_GROUP)
            if not group:
                return
            since = since or group[0].stored_at - UNSETTLED_MS
            yield from (each for each in group if each.stored_at >= since)
            before = (group[-1].stored_at, group[-1].task_id)
