"""Take in what a schedule's source holds, and judge whether it may be submitted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from shlex import quote

from queuectl.domain.batch import Entry
from queuectl.domain.schedule import NewSchedule, Schedule
from queuectl.domain.visible import visible
from queuectl.errors import BadInputFileError
from queuectl.operations.prepared import Prepared
from queuectl.operations.sources.reading import Reading, SourceReader
from queuectl.settings import Settings

SHRINK_FROM = 10
"""A source with fewer entries than this may lose any number of them."""

_SHRINK_FACTOR = 10
_SHOWN_REJECTIONS = 3
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Intake:
    """What a source held, made into rows that wait to be written; ``only_new`` says which of them count."""

    reading: Reading
    prepared: Prepared
    only_new: bool

    @property
    def complaint(self) -> str | None:
        """What is wrong with single entries, in words; None if all of them are acceptable."""
        prepared = self.prepared
        if not prepared.invalid:
            return None
        shown = prepared.rejected[:_SHOWN_REJECTIONS]
        parts = [f"{self.reading.unit} {each.line}: {visible(each.reason, _SHOWN)}" for each in shown]
        more = prepared.invalid - len(shown)
        return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")


@contextmanager
def take_in(
    reader: SourceReader,
    settings: Settings,
    schedule: NewSchedule,
    *,
    changes_only: bool = False,
    accept_shrunk: bool = False,
) -> Iterator[Intake]:
    """Read and check a schedule's source, which takes its time and touches nothing.

    With ``changes_only`` a server is asked only for a version that is not known. A list that has shrunk to a
    tenth of its last good length is taken for a mistake of its owner unless ``accept_shrunk``.

    Raises:
        InvalidInputError: the source's address names none.
        SourceUnavailableError: it cannot be read now.
        BadInputFileError: it was read and must not be submitted.
    """
    known = {}
    if changes_only and isinstance(schedule, Schedule):
        known = {"etag": schedule.etag, "last_modified": schedule.last_modified}
    reading = reader.read(schedule.source, **known)
    only_new = reading.unchanged or _is_only_new(schedule, reading)
    with ExitStack() as kept:
        prepared = kept.enter_context(Prepared(settings))
        if not reading.unchanged:
            prepared.take(_for_schedule(schedule, reading.entries()))
            intake = Intake(reading, prepared, only_new)
            _refuse_useless(intake)
            if isinstance(schedule, Schedule) and not accept_shrunk:
                _refuse_shrunk(intake, schedule)
        yield Intake(reading, prepared, only_new)


def _is_only_new(schedule: NewSchedule, reading: Reading) -> bool:
    return reading.form == "feed" if schedule.only_new is None else schedule.only_new


def _for_schedule(schedule: NewSchedule, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Give the tasks of a source what the schedule says and they do not."""
    for entry in entries:
        task = entry.task
        if task is not None:
            task.handler = schedule.handler
            task.metadata = schedule.metadata | task.metadata
            if task.priority is None and task.priority_score is None:
                task.priority_score = schedule.priority_score
        yield entry


def _refuse_useless(intake: Intake) -> None:
    if not intake.prepared.acceptable and intake.prepared.invalid:
        raise BadInputFileError(
            f"no {intake.reading.unit} of {intake.reading.name[:_SHOWN]} is acceptable: {intake.complaint}",
            hint="write one URL on each line, a JSON array, or name a feed",
        )


def _refuse_shrunk(intake: Intake, schedule: Schedule) -> None:
    before, now = schedule.good_entries or 0, intake.prepared.acceptable
    if before >= SHRINK_FROM and now * _SHRINK_FACTOR <= before:
        raise BadInputFileError(
            f"{intake.reading.name[:_SHOWN]} has shrunk from {before:,} entries to {now:,}",
            hint=f"if that is right: queuectl schedule run-now {quote(schedule.name)} --accept-shrunk",
        )
