"""Turn the schedules of an import file into rows, checked as if a person had asked for them."""

from __future__ import annotations

from typing import Any, NamedTuple

from queuectl.domain.catch_up import following
from queuectl.domain.cron import parse
from queuectl.domain.visible import UNSAFE
from queuectl.operations import fields
from queuectl.operations import transfer_format as form
from queuectl.operations.import_file import ImportFile
from queuectl.operations.incoming_fields import FieldChecker
from queuectl.operations.schedule_plan import named_zone, plan_schedule
from queuectl.settings import Settings
from queuectl.store.transfer_schedules import StoredSchedule


class IncomingSchedule(NamedTuple):
    """A schedule, and where it stands in the file."""

    line: int
    row: StoredSchedule


class SeenUrls(NamedTuple):
    """Keys of URLs that a source has had; ``schedule`` is a place among the file's schedules."""

    schedule: int
    keys: list[int]


class ScheduleChecker(FieldChecker):
    """Check schedules one after the other, in the order of the file.

    Raises:
        BadInputFileError: by any method, if the record is not acceptable.
    """

    def __init__(self, file: ImportFile, settings: Settings) -> None:
        super().__init__(file, settings)
        self._names: set[str] = set()
        self._last_key: int | None = None
        self.schedules: list[IncomingSchedule] = []

    def schedule(self, record: form.Schedule) -> None:
        """Keep a schedule."""
        if len(self.schedules) == form.SCHEDULE_LIMIT:
            self._file.refuse(f"a file may have {form.SCHEDULE_LIMIT:,} schedules")
        if record.name in self._names:
            self._file.refuse("there is a schedule of this name before it", "schedule.name")
        self._names.add(record.name)
        self._last_key = None
        self.schedules.append(IncomingSchedule(self._file.line, self._row(record)))

    def seen(self, record: form.Seen) -> SeenUrls:
        """Return what the source of the schedule before it has had."""
        if not self.schedules or self.schedules[-1].row.name != record.schedule:
            self._file.refuse("it does not follow its schedule", "seen.schedule")
        if len(record.keys) > form.SEEN_LIMIT:
            self._file.refuse(f"a line may have {form.SEEN_LIMIT:,} keys", "seen.keys")
        for key in record.keys:
            if self._last_key is not None and key <= self._last_key:
                self._file.refuse("the keys of a schedule have to rise", "seen.keys")
            self._last_key = key
        return SeenUrls(len(self.schedules) - 1, record.keys)

    def _row(self, record: form.Schedule) -> StoredSchedule:
        planned = self._checked("schedule", lambda _: self._planned(record), None)
        next_tick_at = self._moment("schedule.next_tick_at", record.next_tick_at)
        if next_tick_at is None:
            zone = named_zone(planned.zone)
            next_tick_at = following(parse(planned.cron), zone, last=self._now, now=self._now)
        created_at = self._moment("schedule.created_at", record.created_at)
        return StoredSchedule(
            name=planned.name,
            source=planned.source,
            cron=planned.cron,
            zone=planned.zone,
            priority_score=planned.priority_score,
            handler=planned.handler,
            metadata=fields.metadata(planned.metadata),
            only_new=None if planned.only_new is None else int(planned.only_new),
            catch_up=planned.catch_up,
            overlap=planned.overlap,
            paused=int(record.paused),
            created_at=self._now if created_at is None else created_at,
            next_tick_at=next_tick_at,
            etag=self._header("schedule.etag", record.etag),
            last_modified=self._header("schedule.last_modified", record.last_modified),
            good_entries=record.good_entries,
        )

    def _header(self, field: str, value: str | None) -> str | None:
        """Return what a server once said and is told again."""
        if value is not None and UNSAFE.search(value):
            self._file.refuse("it has invisible characters", field)
        return self._text(field, value)

    def _planned(self, record: form.Schedule) -> Any:
        return plan_schedule(
            self._settings,
            record.source,
            record.cron,
            name=record.name,
            zone=record.zone,
            catch_up=record.catch_up,  # type: ignore[arg-type]  # what it may be is checked there
            only_new=record.only_new,
            overlap=record.overlap,  # type: ignore[arg-type]
            handler=record.handler,
            priority_score=record.score,
            metadata=record.metadata,
        )
