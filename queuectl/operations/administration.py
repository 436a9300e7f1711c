"""The care of the database itself: set it up, bring it up to date, check it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from queuectl.operations.opening import make_folder
from queuectl.settings import Settings
from queuectl.store import check
from queuectl.store.database import Database
from queuectl.store.migrate import STEPS, ensure_ready, migrate


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what was found, and what mends it if it is not in order."""

    name: str
    ok: bool
    detail: str
    hint: str | None = None


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
    """Check the schema, the file or server, and that the kept counts agree with the tasks.

    Raises:
        UnreachableError: it does not answer, or its schema does not fit.
    """
    database = _database(settings)
    ensure_ready(database)
    checks = [Check("schema", ok=True, detail=f"version {len(STEPS)}, as this queuectl needs it")]
    with database.reading() as transaction:
        damage = check.damage(transaction)
        wrong = check.wrong_counts(transaction)
    checks.append(
        Check("integrity", not damage, damage or "sound", "restore a backup" if damage else None),
    )
    checks.append(
        Check(
            "counts",
            not wrong,
            "; ".join(wrong) or "the kept counts agree with the tasks",
            "nothing is lost, but status is wrong; please report this as a bug" if wrong else None,
        )
    )
    database.close()
    return checks


def _database(settings: Settings) -> Database:
    database = Database(settings.database_url)
    if database.engine == "sqlite":
        make_folder(Path(settings.database_url.removeprefix("sqlite:///")).parent)
    return database
