"""The verbs on what happens later: publish one article at a time, or the URLs of a source again and again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from queuectl.clock import now_ms
from queuectl.domain.catch_up import following
from queuectl.domain.cron import parse
from queuectl.domain.schedule import CatchUp, NewSchedule, Overlap, Schedule, Tick
from queuectl.domain.ticks import PlannedTick
from queuectl.domain.visible import visible
from queuectl.errors import InvalidInputError, ScheduleExistsError, ScheduleNotFoundError
from queuectl.operations.firing import Firing
from queuectl.operations.intake import take_in
from queuectl.operations.manager import QueueManager
from queuectl.operations.schedule_changes import public_words, remove, set_paused
from queuectl.operations.schedule_plan import LONGEST_NAME, named_zone, plan_schedule, preview
from queuectl.operations.sources.reading import Form, SourceReader
from queuectl.operations.window_control import WindowControl
from queuectl.settings import Settings
from queuectl.store import schedules, ticks
from queuectl.store.database import Database


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What a source holds at this moment; ``only_new`` says whether what it has had is left out."""

    form: Form
    entries: int
    invalid: int
    only_new: bool
    complaint: str | None


class Scheduler(WindowControl):
    """Plan tasks for later. One instance may be shared by threads; it needs no running daemon.

    Raises:
        ConfigurationError: the settings have mistakes.
        UnreachableError: the database does not answer or does not fit.
    """

    def __init__(self, settings: Settings | None = None, database: Database | None = None) -> None:
        super().__init__(settings, database)
        self._manager = QueueManager(self.settings, self._database)
        self._reader = SourceReader(self.settings)
        self._firing = Firing(self._database, self.settings, self._reader)

    def close(self) -> None:
        """Close this thread's connections; the scheduler can still be used and opens them again."""
        self._reader.close()
        self._manager.close()
        super().close()

    def schedule_article(
        self, url: str, publish_at: datetime, priority: str | None = None, **options: Any
    ) -> str:
        """Submit one task for later and return its id; ``options`` are those of ``submit_task``.

        A ``publish_at`` without a zone is read in the configured one. One that the clocks skip means the first
        moment after the gap, and one that they show twice the first of both.

        Raises:
            InvalidURLError: the URL cannot be fetched.
            InvalidInputError: another argument is not acceptable.
            DuplicateTaskError: it is to be unique, and an open task for the same URL exists.
            UnreachableError: the database does not answer.
        """
        return self._manager.submit_task(url=url, publish_at=publish_at, priority=priority, **options)

    def schedule_recurring(
        self,
        url_source: str,
        cron_expression: str,
        priority: str | None = None,
        *,
        name: str | None = None,
        zone: str | None = None,
        catch_up: CatchUp = "latest",
        only_new: bool | None = None,
        overlap: Overlap = "skip",
        handler: str = "article",
        priority_score: int | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        """Submit the URLs of a source whenever a cron expression says, and return the schedule's name.

        The source is ``file://…`` or ``http(s)://…`` and is read at each tick. The expression counts in ``zone``,
        by default the configured one. ``catch_up`` makes up for ticks that no daemon fired: "latest" for all of
        them once, "all" for each, "none" for none. ``overlap`` is "skip" to leave a tick out while tasks of the
        last one are open, or "allow". ``only_new`` submits only what the source has not had before; None does so
        for feeds. Without a ``name`` one is made from the source.

        Raises:
            InvalidInputError: an argument is not acceptable; the message says which.
            BadInputFileError: the file lies outside of the folders that may be read.
            ScheduleExistsError: there is a schedule with that name.
            UnreachableError: the database does not answer.
        """
        wanted = plan_schedule(
            self.settings,
            url_source,
            cron_expression,
            priority,
            name=name,
            zone=zone,
            catch_up=catch_up,
            only_new=only_new,
            overlap=overlap,
            handler=handler,
            priority_score=priority_score,
            metadata=metadata,
        )
        return self.add(wanted, may_rename=name is None)

    def add(self, schedule: NewSchedule, *, may_rename: bool = False) -> str:
        """Store a schedule and return its name, with a number behind it if that may be and is needed.

        Raises:
            ScheduleExistsError: there is a schedule with that name.
        """
        now = now_ms()
        first = following(parse(schedule.cron), named_zone(schedule.zone), last=now, now=now)
        if first is None:
            raise InvalidInputError(f"the cron expression {schedule.cron!r} never comes", hint="correct it")
        number, name = 1, schedule.name
        while True:
            wanted = NewSchedule(
                **{each: getattr(schedule, each) for each in NewSchedule.__slots__} | {"name": name}
            )
            operation = self._operation("schedule add", name)
            try:
                with operation.writing() as transaction:
                    added = schedules.insert(transaction, wanted, now=now, next_tick_at=first)
                    operation.note(transaction, after=public_words(wanted), kept={"added": added})
            except ScheduleExistsError:
                if not may_rename:
                    raise
                number += 1
                name = f"{schedule.name}-{number}"
                continue
            self._wake()
            return name

    def inspect_source(self, schedule: NewSchedule) -> SourceReport:
        """Read a schedule's source once and say what it holds; nothing is submitted or kept.

        Raises:
            SourceUnavailableError: it cannot be read now.
            BadInputFileError: it was found and could not be submitted.
        """
        with take_in(self._reader, self.settings, schedule) as intake:
            prepared = intake.prepared
            return SourceReport(
                intake.reading.form, prepared.acceptable, prepared.invalid, intake.only_new, intake.complaint
            )

    def list_schedules(self) -> list[Schedule]:
        """Return all schedules by their names."""
        with self._database.reading() as transaction:
            return schedules.every(transaction)

    def get_schedule(self, name: str) -> Schedule:
        """Return a schedule.

        Raises:
            ScheduleNotFoundError: there is none of that name.
        """
        with self._database.reading() as transaction:
            found = schedules.named(transaction, str(name))
        if found is None:
            raise ScheduleNotFoundError(
                f"there is no schedule {visible(str(name), LONGEST_NAME)!r}",
                hint="see: queuectl schedule list",
            )
        return found

    def get_ticks(self, name: str, limit: int = 10) -> list[Tick]:
        """Return the last ticks of a schedule, the newest first.

        Raises:
            ScheduleNotFoundError: there is none of that name.
        """
        schedule = self.get_schedule(name)
        with self._database.reading() as transaction:
            return ticks.latest(transaction, schedule.id, limit)

    def last_ticks(self) -> dict[int, Tick]:
        """Return the newest tick of each schedule that has had one, by the schedule's number."""
        with self._database.reading() as transaction:
            return ticks.last_of_each(transaction)

    def pause(self, name: str) -> bool:
        """Fire a schedule no more until it is resumed; return False if it was paused already.

        Raises:
            ScheduleNotFoundError: there is none of that name.
        """
        return self._set_paused(name, paused=True)

    def resume(self, name: str) -> bool:
        """Go on with a schedule at its next tick; return False if it was not paused.

        What it missed while it was paused is not made up for: that was wanted.

        Raises:
            ScheduleNotFoundError: there is none of that name.
        """
        changed = self._set_paused(name, paused=False)
        self._wake()
        return changed

    def remove(self, name: str) -> None:
        """Forget a schedule and its ticks; the tasks that it has submitted stay.

        Raises:
            ScheduleNotFoundError: there is none of that name.
        """
        schedule = self.get_schedule(name)
        operation = self._operation("schedule remove", schedule.name)
        with operation.writing() as transaction:
            remove(transaction, operation, schedule)

    def run_now(self, name: str, *, accept_shrunk: bool = False) -> Tick:
        """Submit what a schedule's source holds, now and besides its plan, and return the tick.

        Raises:
            ScheduleNotFoundError: there is none of that name.
            SourceUnavailableError: its source cannot be read now.
            BadInputFileError: its source was read and must not be submitted.
        """
        fired = self._firing.fire_by_hand(self.get_schedule(name), accept_shrunk=accept_shrunk)
        self._wake()
        return fired.tick

    def preview(self, name: str, n: int = 20) -> list[PlannedTick]:
        """Return the next ticks of a schedule.

        Raises:
            ScheduleNotFoundError: there is none of that name.
            InvalidInputError: that many are not shown.
        """
        schedule = self.get_schedule(name)
        return preview(schedule.cron, schedule.zone, n)

    def _set_paused(self, name: str, *, paused: bool) -> bool:
        schedule = self.get_schedule(name)
        operation = self._operation("schedule pause" if paused else "schedule resume", schedule.name)
        with operation.writing() as transaction:
            changed = set_paused(transaction, schedule, paused=paused)
            if changed:
                operation.note(
                    transaction,
                    before={"paused": not paused},
                    after={"paused": paused},
                    kept={"schedule": schedule.id},
                )
        return changed


def get_scheduler(settings: Settings | None = None) -> Scheduler:
    """Return a scheduler of the configured installation."""
    return Scheduler(settings)
