"""The verbs that move tasks between installations: export to a file, import from one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from queuectl.domain import priority
from queuectl.domain.selection import Selection
from queuectl.domain.transfer import (
    PARTS,
    USUAL_PARTS,
    ExportReceipt,
    ImportReceipt,
    OnConflict,
    Part,
    Progress,
)
from queuectl.errors import BadInputFileError, InvalidInputError, RefusedError
from queuectl.operations.verbs import Verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from queuectl.operations.importing import Confirm

ON_CONFLICT: tuple[OnConflict, ...] = ("skip", "new", "error")


class TransferVerbs(Verbs):
    """Export and import."""

    def export_queue(
        self,
        queue: str | None,
        path: str | Path | IO[bytes],
        *,
        selection: Selection | None = None,
        include: Collection[str] | None = None,
        overwrite: bool = False,
        on_progress: Callable[[int], None] | None = None,
    ) -> ExportReceipt:
        """Write the tasks of a queue, or with None of all queues, to a file or a binary stream.

        A ``selection`` narrows it further. ``include`` names what goes along: "batches", "dead_letters"
        and "attempts", which is what it is without a word, "queues" for their settings, "schedules", or
        "all". Tasks at work are written as queued. The file appears whole or not at all.

        Raises:
            QueueNotFoundError: there is no such queue.
            InvalidInputError: ``include`` names something else, the selection has a limit, or no file can be
                made there.
            RefusedError: the file is there already, and ``overwrite`` is false.
            StorageError: the disk refuses.
            UnreachableError: the database does not answer.
        """
        from queuectl.operations.backup import refuse_the_database_itself
        from queuectl.operations.exporting import export
        from queuectl.operations.whole_file import in_place_of

        wanted = selection or Selection()
        if wanted.limit is not None:
            raise InvalidInputError("an export takes every task that matches", hint="leave out the limit")
        if queue is not None:
            wanted = _within(wanted, priority.queue_named(queue))
        parts = parts_named(include)
        if not isinstance(path, str | Path):
            return export(self._database, path, wanted, parts, on_progress=on_progress)
        place = Path(path)
        refuse_the_database_itself(self.settings, place)
        if place.is_file() and not overwrite:
            raise RefusedError(
                f"{place} exists already", hint="choose another name, or add --yes to replace it"
            )
        with in_place_of(place) as part, part.open("wb") as stream:
            receipt = export(self._database, stream, wanted, parts, on_progress=on_progress)
        return replace(receipt, path=str(path))

    def import_queue(
        self,
        path: str | Path | IO[bytes],
        *,
        on_conflict: OnConflict = "skip",
        dry_run: bool = False,
        confirm: Confirm | None = None,
        on_progress: Progress | None = None,
    ) -> ImportReceipt:
        """Bring in what ``export_queue`` has written, all of it or nothing, and say what that was.

        A task conflicts with one that is here already if both have the same URL and handler and were
        created at the same millisecond, or both are open and in the same queue. ``on_conflict`` leaves it
        out ("skip"), imports it all the same ("new") or refuses the file ("error"), and the same with a
        schedule whose name is taken; "new" gives it another. ``confirm`` is told which settings of queues
        will change, and may raise to stop it.

        Raises:
            BadInputFileError: the file cannot be used; the message names line and field.
            DuplicateTaskError: a task is here already and ``on_conflict`` is "error".
            ScheduleExistsError: so is the name of a schedule.
            QueueFullError: the tasks do not fit into their queues.
            UnreachableError: the database does not answer.
        """
        from queuectl.operations.importing import import_tasks

        if on_conflict not in ON_CONFLICT:
            raise InvalidInputError(
                f"{on_conflict!r:.60} is no answer to conflicts",
                hint=f"choose one of {', '.join(ON_CONFLICT)}",
            )
        with _opened(path) as (stream, name):
            receipt = import_tasks(
                self._database,
                self.settings,
                stream,
                name,
                on_conflict=on_conflict,
                dry_run=dry_run,
                confirm=confirm,
                on_progress=on_progress,
            )
        if not dry_run and (receipt.tasks or receipt.queue_changes or receipt.schedules):
            self._wake()
        return receipt


def parts_named(names: Collection[str] | None) -> tuple[Part, ...]:
    """Return the parts with these names; without any, what belongs to the tasks themselves.

    Raises:
        InvalidInputError: there is no part of that name.
    """
    if names is None:
        return USUAL_PARTS
    if "all" in names:
        return PARTS
    unknown = [name for name in names if name not in set(PARTS)]
    if unknown:
        raise InvalidInputError(
            f"{unknown[0]!r:.60} cannot go along with tasks", hint=f"choose among {', '.join(PARTS)}, all"
        )
    return tuple(part for part in PARTS if part in names)


def _within(selection: Selection, queue: str) -> Selection:
    if selection.queues and queue not in selection.queues:
        raise InvalidInputError(
            f"the selection is about other queues than {queue}", hint="leave one of the two out"
        )
    return replace(selection, queues=(queue,))


@contextmanager
def _opened(path: str | Path | IO[bytes]) -> Iterator[tuple[IO[bytes], str]]:
    """Give a stream and the name by which messages call it.

    Raises:
        BadInputFileError: the file cannot be opened.
    """
    if not isinstance(path, str | Path):
        name = getattr(path, "name", None)
        yield path, "standard input" if name == "<stdin>" else name if isinstance(name, str) else "the stream"
        return
    place = Path(path)
    try:
        stream = place.open("rb")
    except FileNotFoundError as error:
        raise BadInputFileError(
            f"there is no file {place}", hint="check the path, or use - to read a pipe"
        ) from error
    except IsADirectoryError as error:
        raise BadInputFileError(f"{place} is a folder", hint="name a file in it") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadInputFileError(f"{place} cannot be read: {reason}", hint="check its permissions") from error
    with stream:
        yield stream, str(place)
