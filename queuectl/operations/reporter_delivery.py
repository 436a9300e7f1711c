"""Deliver reports by the plan in the settings, to a folder or a webhook: once for all nodes, again after a failure."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from queuectl.domain.delivery import pause_ms
from queuectl.domain.report import Report
from queuectl.domain.report_delivery import ReportDelivery
from queuectl.domain.report_ticks import due_tick, following_tick, reported
from queuectl.errors import QueuectlError, RetryableError, StorageError
from queuectl.operations.opening import make_folder
from queuectl.operations.reporter import Reporter, file_name
from queuectl.operations.whole_file import settle
from queuectl.reports.forms import form_named
from queuectl.settings import Settings
from queuectl.store import report_deliveries
from queuectl.store.database import Database
from queuectl.store.report_deliveries import DeliveryState
from queuectl.times import zone_named

_CLAIM_MS = 600_000
_NAMES = 100
_WITHOUT_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
_LONGEST_PROBLEM = 500


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery that this node has taken: its line of the plan, its tick (UTC milliseconds), and failed tries."""

    delivery: ReportDelivery
    tick: int
    tries: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """How a delivery ended: where the report is now, or the problem and the pause until the next try (ms)."""

    due: DueDelivery
    place: str | None
    problem: str | None = None
    pause: int = 0


@dataclass(frozen=True, slots=True)
class PlannedDelivery:
    """A line of the plan, how far it is (None if no daemon has seen it), and its next tick (UTC milliseconds)."""

    delivery: ReportDelivery
    state: DeliveryState | None
    next_at: int | None


class ReportDeliveries:
    """The plan of the settings, as one node carries it out."""

    def __init__(self, database: Database, settings: Settings, node: str) -> None:
        self._database = database
        self._node = node
        self.adopt(settings)
        self._plan = {each.key: each for each in settings.report_schedule}

    def adopt(self, settings: Settings) -> None:
        """Go by these settings from the next delivery on, but for the plan."""
        self._settings = settings
        self._zone = zone_named(settings.timezone)

    def take(self) -> DueDelivery | None:
        """Return a delivery that is due, which is this node's from now on; None if there is none."""
        if not self._plan:
            return None
        with self._database.reading() as transaction:
            now = transaction.now()
            states = report_deliveries.known(transaction, self._plan)
        missing = [key for key in self._plan if key not in states]
        if missing:
            with self._database.writing() as transaction:
                for key in missing:
                    report_deliveries.begin(transaction, key, now)
        for state in sorted(states.values(), key=lambda each: each.last_at):
            delivery = self._plan[state.entry]
            if state.claimed_until > now or state.next_try_at > now:
                continue
            tick = due_tick(delivery, self._zone, after=state.last_at, now=now)
            if tick is not None and self._claim(state, now):
                return DueDelivery(delivery, tick, state.tries)
        return None

    def carry_out(self, due: DueDelivery) -> Delivered:
        """Make the report and deliver it, and note how that ended.

        Raises:
            UnreachableError: the database does not answer; the delivery is taken again later.
        """
        try:
            place = self._deliver(due)
        except RetryableError as error:
            return self._failed(due, error.message, error.retry_after)
        except QueuectlError as error:
            return self._failed(due, error.message)
        except OSError as error:
            return self._failed(due, error.strerror or str(error))
        with self._database.writing() as transaction:
            now = transaction.now()
            report_deliveries.delivered(transaction, due.delivery.key, self._node, tick=due.tick, now=now)
        return Delivered(due, place)

    def give_up(self, due: DueDelivery, problem: str) -> Delivered:
        """Note that a try failed for a reason that nobody foresaw."""
        return self._failed(due, problem)

    def _claim(self, state: DeliveryState, now: int) -> bool:
        with self._database.writing() as transaction:
            return report_deliveries.claim(transaction, state, self._node, now=now, until=now + _CLAIM_MS)

    def _deliver(self, due: DueDelivery) -> str:
        delivery = due.delivery
        with contextlib.closing(Reporter(self._settings)) as reporter:
            report = reporter.report_on(reported(delivery, self._zone, due.tick))
            content = reporter.render(report, delivery.format, delivery.lang)
        name = file_name(report, form_named(delivery.format), delivery.lang)
        if delivery.folder is not None:
            return str(put(Path(delivery.folder), name, content))
        self._post(due, report, name, content)
        return delivery.shown_target

    def _post(self, due: DueDelivery, report: Report, name: str, content: bytes) -> None:
        # Imported here because it costs time that an installation without webhooks never needs.
        from queuectl.handlers.webhook import Webhook

        webhook = Webhook(
            self._settings.webhook_secret or "",
            allow_networks=self._settings.fetch_allow_networks,
            timeout=self._settings.fetch_timeout,
        )
        webhook.post(
            due.delivery.target,
            content,
            key=f"report_{due.delivery.key}_{due.tick}",
            headers={
                "Content-Type": form_named(due.delivery.format).media_type,
                "Content-Disposition": f'attachment; filename="{name}"',
                "Queuectl-Event": f"report.{report.period.kind}",
            },
        )

    def _failed(self, due: DueDelivery, problem: str, asked: float | None = None) -> Delivered:
        pause = pause_ms(due.tries + 1, asked)
        with self._database.writing() as transaction:
            report_deliveries.failed(
                transaction,
                due.delivery.key,
                self._node,
                problem[:_LONGEST_PROBLEM],
                next_try_at=transaction.now() + pause,
            )
        return Delivered(due, None, problem, pause)


def put(folder: Path, name: str, content: bytes) -> Path:
    """Write a file of this name, whole and durable, and return where it is; nothing that is there is replaced.

    If there is a file of that name with other content, the new one gets a number behind its name.

    Raises:
        StorageError: it cannot be written, or even the folder above is not there: perhaps its disk is not.
    """
    if not folder.parent.is_dir():
        raise StorageError(
            f"there is no folder {folder.parent}",
            hint=f"make it, or mount its disk; {folder.name} is then made in it",
        )
    make_folder(folder)
    temporary = folder / f".{name}.{secrets.token_hex(4)}.part"
    stem, dot, ending = name.rpartition(".")
    names = [name, *(f"{stem}-{number}{dot}{ending}" for number in range(2, _NAMES))]
    try:
        with temporary.open("xb") as opened:
            opened.write(content)
        settle(temporary)
        for each in names:
            target = folder / each
            with contextlib.suppress(FileExistsError):
                _take_name(temporary, target)
                settle(folder)
                return target
            if target.is_file() and not target.is_symlink() and target.read_bytes() == content:
                settle(folder)
                return target  # what an earlier try wrote that could not say so any more
    except OSError as error:
        raise StorageError(
            f"{folder / name} cannot be written: {error.strerror or error}",
            hint=f"check that {folder} can be written and has space",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    raise StorageError(f"{folder} has {_NAMES - 1} other files named like {name}", hint="move them away")


def _take_name(temporary: Path, target: Path) -> None:
    """Give a file its name.

    Raises:
        FileExistsError: something has this name.
    """
    try:
        os.link(temporary, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
        # A share that knows no second name for a file: nobody else writes there between these two lines.
        if os.path.lexists(target):
            raise FileExistsError(target) from error
        temporary.rename(target)


def planned(database: Database, settings: Settings) -> list[PlannedDelivery]:
    """Return the plan with what has become of it."""
    zone = zone_named(settings.timezone)
    with database.reading() as transaction:
        now = transaction.now()
        states = report_deliveries.known(transaction, [each.key for each in settings.report_schedule])
    return [
        PlannedDelivery(each, states.get(each.key), following_tick(each, zone, now))
        for each in settings.report_schedule
    ]
