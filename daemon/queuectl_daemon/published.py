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
from queuectl.operations.published_files import Rewritten, write_again
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
        """Write again what a node had published shortly before its sudden end, and what is not on the disk.

        Raises:
            QueuectlError: the database does not answer, or this machine has run out of something; another time
                the rest can be written.
        """
        done = Rewritten()
        try:
            write_again(self._root, self._newest(node), done)
        finally:
            if done.files:
                logger.warning(
                    "wrote %d files of articles again that a sudden end had taken",
                    done.files,
                    extra={"action": "files_mended", "node": node},
                )
        if done.shortage is not None:
            raise StorageError(f"the files of articles cannot be written again now: {done.shortage}")
        _tell(done)

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


def _tell(done: Rewritten) -> None:
    """Say which articles' files could not be written."""
    for failure in done.failed:
        logger.warning(
            "the files of %s cannot be written again: %s",
            task_name(failure.task_id),
            failure.problem,
            extra={"action": "files_not_mended", "task_id": failure.task_id},
        )
    if done.failures > len(done.failed):
        logger.warning(
            "nor can those of %d more articles; see: queuectl articles rebuild",
            done.failures - len(done.failed),
            extra={"action": "files_not_mended"},
        )
