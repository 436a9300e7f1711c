"""The care of the database itself: set it up, bring it up to date, check it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from queuectl.errors import ExitCode, RefusedError
from queuectl.operations.home_lock import held
from queuectl.operations.opening import make_private_file
from queuectl.settings import Settings
from queuectl.store import check
from queuectl.store.database import Database, Transaction
from queuectl.store.migrate import STEPS, ensure_ready, migrate
from queuectl.store.vacuum import vacuum


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what was found, and what mends it if it is not in order.

    A ``warning`` is no failure, but worth a look. ``exit_code`` is what a failure ends a command with.
    """

    name: str
    ok: bool
    detail: str
    hint: str | None = None
    warning: bool = False
    exit_code: ExitCode = ExitCode.FAILED


def exit_code_of(checks: Sequence[Check]) -> ExitCode:
    """Return what a command that made these checks ends with; that something cannot be reached says most."""
    codes = {check.exit_code for check in checks if not check.ok}
    if ExitCode.UNREACHABLE in codes:
        return ExitCode.UNREACHABLE
    return ExitCode.FAILED if codes else ExitCode.DONE


def database_init(settings: Settings) -> str:
    """Set up an empty database, or confirm that it is set up; return its URL as it may be shown.

    Raises:
        UnreachableError: it does not answer, or its schema does not fit.
    """
    database = _database(settings)
    ensure_ready(database)
    database.close()
    return database.shown


def database_migrate(settings: Settings) -> list[str]:
    """Apply the missing migrations and return their names.

    Raises:
        SchemaError: the database is newer than this program.
        UnreachableError: it does not answer.
    """
    database = _database(settings)
    applied = migrate(database)
    database.close()
    return applied


def database_check(settings: Settings) -> list[Check]:
    """Check the schema, the file or server, and that the rows and the kept counts agree with each other.

    Raises:
        UnreachableError: it does not answer, or its schema does not fit.
    """
    database = _database(settings)
    ensure_ready(database)
    checks = [Check("schema", ok=True, detail=f"version {len(STEPS)}, as this queuectl needs it")]
    with database.reading() as transaction:
        damage = check.damage(transaction)
        checks.append(
            Check("integrity", not damage, damage or "sound", "restore a backup" if damage else None),
        )
        for name, look, fine, mend in _LOOKS:
            found = look(transaction)
            checks.append(Check(name, not found, "; ".join(found) or fine, mend if found else None))
    database.close()
    return checks


_LOOKS: tuple[tuple[str, Callable[[Transaction], list[str]], str, str], ...] = (
    ("counts", check.wrong_counts, "the kept counts agree with the tasks",
     "nothing is lost, but status is wrong; run: queuectl db check --repair"),
    ("orphans", check.orphans, "every row belongs to a task",
     "restore a backup, or report this as a bug"),
    ("states", check.wrong_states, "every task's state agrees with its times and its daemon",
     "restore a backup, or report this as a bug"),
    ("fences", check.wrong_fences, "every run has a fence of its own",
     "restore a backup, or report this as a bug"),
)  # fmt: skip


def repair_counts(settings: Settings) -> int:
    """Set the kept counts to the numbers of tasks; return how many were wrong. Daemons may go on meanwhile.

    Raises:
        UnreachableError: it does not answer, or its schema does not fit.
    """
    database = _database(settings)
    ensure_ready(database)
    with database.writing() as transaction:
        mended = check.mend_counts(transaction)
    database.close()
    return mended


def database_vacuum(settings: Settings) -> tuple[int, int]:
    """Give the unused space of SQLite's file back to the disk; return its bytes before and after.

    Raises:
        RefusedError: a daemon uses the database, or it is PostgreSQL, which needs no such thing.
        StorageError: the disk refuses; twice the space of what is in use is needed for a moment.
    """
    if not settings.database_url.startswith("sqlite:"):
        raise RefusedError(
            "PostgreSQL gives unused space back by itself", hint="see autovacuum in its documentation"
        )
    database = _database(settings)
    ensure_ready(database)
    database.close()
    with held(settings, "nothing was changed"):
        return vacuum(Path(settings.database_url.removeprefix("sqlite:///")))


def _database(settings: Settings) -> Database:
    database = Database(settings.database_url)
    if database.engine == "sqlite":
        make_private_file(Path(settings.database_url.removeprefix("sqlite:///")))
    return database
