"""Look at everything that queuectl depends on; each finding that is not in order names what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from queuectl.errors import QueuectlError
from queuectl.operations.administration import Check
from queuectl.operations.doctor.articles import articles
from queuectl.operations.doctor.daemon import daemon
from queuectl.operations.doctor.database import database
from queuectl.operations.doctor.handlers import handlers
from queuectl.operations.doctor.home import disk, home, logs, pid_file, privacy
from queuectl.operations.doctor.machine import open_files
from queuectl.operations.doctor.redis import redis
from queuectl.operations.doctor.reports import reports
from queuectl.operations.doctor.schedules import schedules
from queuectl.operations.doctor.web import web
from queuectl.settings import Settings


def diagnose(settings: Settings) -> list[Check]:
    """Return every check; one that fails in an unforeseen way is a finding and stops no other."""
    checks: list[Check] = []
    for name, look in _LOOKS:
        try:
            checks.extend(look(settings))
        except QueuectlError as error:
            checks.append(
                Check(name, ok=False, detail=error.message, hint=error.hint, exit_code=error.exit_code)
            )
        except OSError as error:
            checks.append(Check(name, ok=False, detail=str(error), hint="see: queuectl config show"))
    return checks


_LOOKS: tuple[tuple[str, Callable[[Settings], Iterator[Check]]], ...] = (
    ("home", home),
    ("privacy", privacy),
    ("disk", disk),
    ("logs", logs),
    ("database", database),
    ("redis", redis),
    ("daemon", daemon),
    ("pid file", pid_file),
    ("handlers", handlers),
    ("open files", open_files),
    ("schedules", schedules),
    ("webhook", articles),
    ("reports", reports),
    ("web page", web),
)
