"""Put a backup in the place of the present database."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from queuectl.domain.backup import Manifest
from queuectl.errors import BadInputFileError, RefusedError
from queuectl.operations import postgres_programs
from queuectl.operations.audit_key import audit_key
from queuectl.operations.auditing import Operation
from queuectl.operations.backup import Progress, inspect, refuse_the_database_itself, sqlite_path, write
from queuectl.operations.home_lock import held
from queuectl.operations.opening import make_folder
from queuectl.operations.whole_file import in_place_of
from queuectl.settings import Settings
from queuectl.store import nodes, postgres_copy, sqlite_copy
from queuectl.store.database import Database
from queuectl.store.migrate import STEPS, migrate, refuse_newer, version

ENGINES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """A finished restore: ``kept`` is where the database that was there before lies now.

    ``migrated`` names the steps that brought an older backup up to date.
    """

    manifest: Manifest
    kept: Path | None
    migrated: list[str] = field(default_factory=list)


def check_restorable(settings: Settings, file: Path, *, now: bool = True) -> Manifest:
    """Check that a backup can be restored into this installation, and say what is in it.

    With ``now`` it must be possible at once; without it a daemon may still run.

    Raises:
        BadInputFileError: the file is damaged, no backup of queuectl, or of another kind or a newer version.
        RefusedError: a daemon uses the database.
    """
    refuse_the_database_itself(settings, file)
    if now:
        with held(settings, "nothing was restored"):
            _refuse_while_used(settings)
    manifest = inspect(file)
    engine = "sqlite" if settings.database_url.startswith("sqlite:") else "postgresql"
    if manifest.engine != engine:
        raise BadInputFileError(
            f"{file} is a backup of {ENGINES[manifest.engine]}, and this installation uses {ENGINES[engine]}",
            hint="name a database of that kind in DATABASE_URL, or use: queuectl export, queuectl import",
        )
    if manifest.schema > len(STEPS):
        raise BadInputFileError(
            f"{file} has schema {manifest.schema}, newer than this queuectl, which knows {len(STEPS)}",
            hint="upgrade queuectl to the version that made it",
        )
    return manifest


def has_content(settings: Settings) -> bool:
    """Tell whether a restore would replace anything; a database that cannot be read counts as something."""
    path = sqlite_path(settings)
    if path is not None:
        return path.exists() and path.stat().st_size > 0
    database = Database(settings.database_url)
    try:
        with database.reading() as transaction:
            return version(transaction) > 0
    finally:
        database.close()


def restore(settings: Settings, file: Path, *, on_progress: Progress | None = None) -> RestoreReport:
    """Put a backup in the place of the present database, which is kept beside it under a name with the date.

    Whatever happens, the database holds what it held before or what the backup holds. Tasks that ran
    when the backup was made are given back by the next daemon.

    Raises:
        BadInputFileError: the file is damaged, no backup of queuectl, or of another kind or a newer version.
        ConflictError: another program keeps the database locked.
        RefusedError: a daemon uses the database.
        StorageError: the disk refuses, or the database that is there cannot be read now.
        UnreachableError: the database does not answer, or its schema is newer than this program.
    """
    manifest = check_restorable(settings, file)
    audit_key(settings)  # what stands in its way must be told before anything is replaced
    with held(settings, "nothing was restored"):
        _refuse_while_used(settings)
        path = sqlite_path(settings)
        if path is None:
            kept = _restore_postgres(settings, file, manifest, on_progress)
        else:
            kept = _restore_sqlite(path, file, on_progress)
        database = Database(settings.database_url)
        try:
            migrated = migrate(database)
            operation = Operation(database, settings, "restore", file.name)
            with operation.writing() as transaction:
                operation.note(transaction, manifest.tasks)
            database.analyze()
        finally:
            database.close()
    return RestoreReport(manifest, kept, migrated)


def _restore_sqlite(path: Path, file: Path, on_progress: Progress | None) -> Path | None:
    if not path.exists() or path.stat().st_size == 0:
        make_folder(path.parent)
        with in_place_of(path) as temporary:
            sqlite_copy.copy_out(file, temporary, on_progress)
        return None
    kept = _unused(path.with_name(f"{path.name}.before-restore-{_stamp()}"))
    if _is_sound_copy(path, kept):
        sqlite_copy.copy_in(file, path, on_progress)
        return kept
    # It is damaged, so nothing can be written into it: the very case that backups are made for.
    for suffix in ("", "-wal"):
        _set_aside(path.with_name(path.name + suffix), kept.with_name(kept.name + suffix))
    with in_place_of(path) as temporary:
        sqlite_copy.copy_out(file, temporary, on_progress)
        # A log left beside another file than its own would be applied to it.
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return kept


def _is_sound_copy(path: Path, kept: Path) -> bool:
    """Keep a copy of the present database; return False, without one, if that is too damaged to be copied.

    Raises:
        ConflictError, StorageError: it cannot be read now, which says nothing of what is in it.
    """
    try:
        with in_place_of(kept) as temporary:
            sqlite_copy.copy_out(path, temporary)
            sqlite_copy.add_checksum(temporary)
            sqlite_copy.inspect(temporary)
    except BadInputFileError:
        return False
    return True


def _set_aside(source: Path, target: Path) -> None:
    if source.exists():
        with in_place_of(target) as temporary:
            shutil.copyfile(source, temporary)


def _restore_postgres(
    settings: Settings, file: Path, manifest: Manifest, on_progress: Progress | None
) -> Path | None:
    kept = None
    if has_content(settings):
        folder = settings.home / "backups"
        make_folder(folder)
        kept = _unused(folder / f"before-restore-{_stamp()}.dump")
        _keep_present(settings, kept)
    database = Database(settings.database_url)
    told = (
        None if on_progress is None else lambda done: on_progress(min(done, manifest.tasks), manifest.tasks)
    )
    try:
        with postgres_programs.rows_of(file) as lines:
            postgres_copy.replace(database, manifest, lines, told)
    finally:
        database.close()
    return kept


def _keep_present(settings: Settings, kept: Path) -> None:
    database = Database(settings.database_url)
    try:
        with in_place_of(kept) as temporary:
            write(database, temporary, None)
    finally:
        database.close()


def _refuse_while_used(settings: Settings) -> None:
    """Refuse while daemons of other homes are heard of; those of a SQLite file are kept out by its lock."""
    if sqlite_path(settings) is not None:
        return
    database = Database(settings.database_url)
    try:
        with database.reading() as transaction:
            present = version(transaction)
            refuse_newer(database, present)
            if not present:
                return
            now = transaction.now()
            living = [node for node in nodes.every(transaction) if node.lease_until > now]
    finally:
        database.close()
    if living:
        places = ", ".join(f"{node.host} (pid {node.pid})" for node in living)
        seconds = max(node.lease_until - now for node in living) // 1000 + 1
        raise RefusedError(
            f"nothing was restored: this database is used by the daemon on {places}",
            hint=f"stop it with: queuectl daemon stop; one that was killed is forgotten after {seconds} s",
        )


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S")


def _unused(path: Path) -> Path:
    """Return the path, or one that ends in a number if it is taken: what was kept before stays."""
    names = (path, *(path.with_name(f"{path.name}-{number}") for number in range(2, 1_000)))
    return next(each for each in names if not each.exists())
