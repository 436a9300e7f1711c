"""A backup holds what the database held at one moment, and a restore brings back just that, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from queuectl.domain.lifecycle import State
from queuectl.errors import (
    BadInputFileError,
    ConflictError,
    InvalidInputError,
    QueuectlError,
    RefusedError,
    SchemaError,
    StorageError,
)
from queuectl.operations import backup as backing_up
from queuectl.operations.backup import backup, inspect
from queuectl.operations.home_lock import HomeLock
from queuectl.operations.manager import QueueManager
from queuectl.operations.restore import check_restorable, has_content, restore
from queuectl.settings import Settings
from queuectl.store import nodes
from queuectl.store.database import Database
from queuectl.store.migrate import STEPS, migrate
from queuectl.store.schema import TABLES
from tests.support.factories import all_rows, an_article, counts_are_right, states, task_in
from tests.support.postgres import PostgresServer, programs


@pytest.fixture(autouse=True)
def its_own_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the programs of the server that the tests use; another version's could not read it."""
    monkeypatch.setenv("PATH", f"{programs()}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the place of a backup, in a folder of its own."""
    return tmp_path / "the backup"


def content(database: Database) -> dict[str, Any]:
    """Return all rows of all tables, whatever their order, but the audit, to which a restore adds a line."""
    names = [table._meta.table_name for table in TABLES]
    rows = {name: sorted(all_rows(database, name), key=str) for name in names if name != "audit"}
    rows["facts"] = [row for row in rows["facts"] if row["name"] != "audit_head"]
    return rows


def filled(database: Database) -> dict[str, Any]:
    """Put one task into each state, one of them with every kind of text, and return all rows."""
    for number, state in enumerate(sorted(State, key=lambda each: each is State.QUEUED), 1):
        task_in(database, state, number, metadata='{"text": "tab\\t\\\\N 茶 \\u0000"}')
    article = an_article(markdown="a\tb\nc\\.\n\\N\r\n茶")
    with database.writing() as transaction:
        transaction.execute(
            "INSERT INTO articles (task_id, url, final_url, title, markdown, html, images, markdown_path, html_path,"
            " stored_at) VALUES (1, 'u', 'u', %s, %s, %s, '[]', 'm', 'h', 5)",
            (article.title, article.markdown, article.html),
        )
    return content(database)


def test_what_was_there_at_the_moment_of_the_backup_comes_back(
    database: Database, settings: Settings, file: Path
) -> None:
    before = filled(database)
    report = backup(settings, file)
    assert report.manifest.tasks == len(State)
    assert report.manifest.schema == len(STEPS)
    task_in(database, State.CANCELLED, 50)
    with database.writing() as transaction:
        transaction.execute("DELETE FROM articles")
        transaction.execute("UPDATE queues SET paused = 1")

    restored = restore(settings, file)

    assert content(database) == before
    assert counts_are_right(database)
    assert restored.manifest == report.manifest
    assert restored.kept is not None
    assert inspect(restored.kept).tasks == len(State) + 1
    assert [(row["verb"], row["things"]) for row in all_rows(database, "audit")] == [("restore", len(State))]


def test_a_task_number_is_never_given_twice(database: Database, settings: Settings, file: Path) -> None:
    first = task_in(database, State.CANCELLED, 1)
    backup(settings, file)
    later = task_in(database, State.CANCELLED, 2)
    restore(settings, file)
    assert set(states(database)) == {first}
    assert QueueManager(settings).submit_task("https://example.com/3") == f"task_{later + 1}"


def test_not_even_after_a_backup_of_nothing(database: Database, settings: Settings, file: Path) -> None:
    backup(settings, file)
    later = task_in(database, State.CANCELLED, 1)
    restore(settings, file)
    assert states(database) == {}
    assert QueueManager(settings).submit_task("https://example.com/3") == f"task_{later + 1}"


def test_without_a_key_for_its_line_in_the_audit_a_restore_changes_nothing(
    database: Database, settings: Settings, file: Path
) -> None:
    backup(settings, file)
    filled(database)
    before = [content(database), all_rows(database, "audit")]
    (settings.home / "audit.key").write_text("short")
    there = sorted(settings.home.iterdir())
    with pytest.raises(StorageError, match="audit"):
        restore(settings, file)
    assert [content(database), all_rows(database, "audit")] == before
    assert [each for each in sorted(settings.home.iterdir()) if "restore" in each.name] == []
    assert set(there) <= set(settings.home.iterdir())
    (settings.home / "audit.key").unlink()
    restore(settings, file)
    assert states(database) == {}


def test_a_backup_is_private_and_leaves_nothing_beside_it(
    database: Database, settings: Settings, file: Path
) -> None:
    filled(database)
    report = backup(settings, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert report.size == file.stat().st_size


def test_a_file_is_replaced_only_when_asked_for(database: Database, settings: Settings, file: Path) -> None:
    file.write_text("precious")
    with pytest.raises(RefusedError, match="exists already"):
        backup(settings, file)
    assert file.read_text() == "precious"
    assert backup(settings, file, overwrite=True).manifest.tasks == 0
    assert inspect(file).tasks == 0


def test_a_backup_goes_into_a_folder_that_exists(database: Database, settings: Settings, file: Path) -> None:
    with pytest.raises(InvalidInputError, match="there is no folder"):
        backup(settings, file / "deeper")
    with pytest.raises(InvalidInputError, match="is a folder"):
        backup(settings, file.parent, overwrite=True)


def test_wrong_counts_are_told_and_keep_nobody_from_backing_up(
    database: Database, settings: Settings, file: Path
) -> None:
    task_in(database, State.QUEUED)
    with database.writing() as transaction:
        transaction.execute("UPDATE counters SET tasks = 7")
    assert backup(settings, file).manifest.wrong_counts == ("medium_priority queued: 7 kept, 1 stored",)
    assert restore(settings, file).manifest.wrong_counts


def test_a_running_daemon_keeps_its_database(database: Database, settings: Settings, file: Path) -> None:
    backup(settings, file)
    before = content(database)
    lock = HomeLock(settings.home, settings.database_url)
    lock.take()
    with pytest.raises(RefusedError, match="nothing was restored"):
        restore(settings, file)
    lock.free()
    assert content(database) == before
    restore(settings, file)
    lock.take()
    lock.free()


def test_a_daemon_of_another_home_keeps_its_database_too(
    emptied_postgres: str, home: Path, file: Path
) -> None:
    settings = Settings(home=home, database_url=emptied_postgres)
    backup(settings, file)
    database = Database(emptied_postgres)
    with database.writing() as transaction:
        report = nodes.NodeReport(
            "n", "elsewhere", 7, "1", 0, 1, 0, "redis", 1, 0.0, "{}", "[]", "{}", "[]", "all", "{}"
        )
        nodes.save(transaction, report, 30_000)
    with pytest.raises(RefusedError, match="used by the daemon on elsewhere"):
        restore(settings, file)
    with database.writing() as transaction:
        nodes.save(transaction, report, -1)
    database.close()
    restore(settings, file)


def test_a_truncated_backup_changes_nothing(database: Database, settings: Settings, file: Path) -> None:
    before = filled(database)
    backup(settings, file)
    whole = file.read_bytes()
    for length in (0, 10, len(whole) // 3, len(whole) - 4096, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(BadInputFileError):
            restore(settings, file)
    assert content(database) == before


def test_no_changed_byte_of_a_backup_of_sqlite_is_overlooked(
    home: Path, migrated_file: bytes, file: Path
) -> None:
    (home / "queuectl.db").write_bytes(migrated_file)
    settings = Settings(home=home, database_url=f"sqlite:///{home}/queuectl.db")
    database = Database(settings.database_url)
    filled(database)
    database.close()
    backup(settings, file)
    whole, chance = file.read_bytes(), random.Random(1)
    inspect(file)
    for place in [0, 30, 60, 63, *(chance.randrange(100, len(whole)) for _ in range(60))]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        with pytest.raises(BadInputFileError):
            inspect(file)


def test_no_changed_byte_of_an_archive_of_postgresql_does_half_a_restore(
    emptied_postgres: str, home: Path, file: Path
) -> None:
    settings = Settings(home=home, database_url=emptied_postgres)
    database = Database(emptied_postgres)
    before = filled(database)
    backup(settings, file)
    whole, chance = file.read_bytes(), random.Random(2)
    for _ in range(8):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        with contextlib.suppress(QueuectlError):
            restore(settings, file)
        found = content(database)
        assert [len(found[name]) for name in before] == [len(before[name]) for name in before]
    database.close()


def _text(file: Path, _: Settings) -> None:
    file.write_text("# urls\nhttps://example.com/1\n" * 100)


def _foreign_sqlite(file: Path, _: Settings) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE tasks (id INTEGER)")


def _folder(file: Path, _: Settings) -> None:
    file.mkdir()


def _nothing(file: Path, _: Settings) -> None:
    del file


@pytest.mark.parametrize("make", [_text, _foreign_sqlite, _folder, _nothing])
def test_what_is_no_backup_is_refused_by_name(
    database: Database, settings: Settings, file: Path, make: Callable[[Path, Settings], None]
) -> None:
    before = filled(database)
    make(file, settings)
    with pytest.raises(BadInputFileError, match="the backup"):
        restore(settings, file)
    assert content(database) == before


def test_an_archive_of_other_tables_is_refused(
    postgres: PostgresServer, postgres_url: str, home: Path, file: Path
) -> None:
    settings = Settings(home=home, database_url=postgres_url)
    database = Database(postgres_url)
    with database.writing() as transaction:
        transaction.execute("CREATE TABLE customers (id INTEGER)")
    assert os.spawnlp(os.P_WAIT, "pg_dump", "pg_dump", "--format=custom", f"--file={file}", postgres_url) == 0
    with pytest.raises(BadInputFileError, match="not of queuectl's tables"):
        restore(settings, file)
    database.close()


def test_tables_of_others_in_the_same_database_are_left_alone(
    postgres_url: str, home: Path, file: Path
) -> None:
    settings = Settings(home=home, database_url=postgres_url)
    database = Database(postgres_url)
    migrate(database)
    with database.writing() as transaction:
        transaction.execute("CREATE TABLE customers AS SELECT 5 AS id")
    backup(settings, file)
    with database.writing() as transaction:
        transaction.execute("UPDATE customers SET id = 6")
    restore(settings, file)
    with database.reading() as transaction:
        assert transaction.rows("SELECT id FROM customers") == [(6,)]
    database.close()


def test_a_backup_of_the_other_engine_is_refused(
    emptied_postgres: str, home: Path, migrated_file: bytes, file: Path
) -> None:
    (home / "queuectl.db").write_bytes(migrated_file)
    sqlite = Settings(home=home, database_url=f"sqlite:///{home}/queuectl.db")
    postgres = Settings(home=home, database_url=emptied_postgres)
    for made, other in ((sqlite, postgres), (postgres, sqlite)):
        backup(made, file, overwrite=True)
        with pytest.raises(BadInputFileError, match="and this installation uses"):
            check_restorable(other, file)


def test_a_newer_backup_is_refused_and_an_older_one_is_brought_up_to_date(
    empty_url: str, home: Path, file: Path
) -> None:
    settings = Settings(home=home, database_url=empty_url)
    database = Database(empty_url)
    migrate(database)
    with database.writing() as transaction:
        transaction.execute("INSERT INTO migrations VALUES (99, 'later', 0, '9.9')")
    _bare_copy(settings, file)
    with database.writing() as transaction:
        transaction.execute("DELETE FROM migrations WHERE number = 99")
    with pytest.raises(BadInputFileError, match="newer than this queuectl"):
        restore(settings, file)

    _undo_limits(database)
    _bare_copy(settings, file)
    with pytest.raises(SchemaError):
        backup(settings, file, overwrite=True)
    migrate(database)
    before = content(database)
    assert restore(settings, file).migrated == [name for name, _ in STEPS[1:]]
    assert content(database) == before
    database.close()


def _bare_copy(settings: Settings, file: Path) -> None:
    """Write a backup without asking whether the schema fits."""
    database = Database(settings.database_url)
    backing_up.write(database, file, None)
    database.close()


def _undo_limits(database: Database) -> None:
    """Bring a database back to the first schema."""
    with database.writing() as transaction:
        for table in TABLES:
            transaction.execute(f"DROP TABLE {table._meta.table_name}")
        transaction.execute("DELETE FROM migrations")
        STEPS[0][1](transaction)
        transaction.execute("INSERT INTO migrations VALUES (1, %s, 0, 'old')", (STEPS[0][0],))


def test_a_restore_into_an_empty_place_keeps_nothing_aside(
    database: Database, settings: Settings, file: Path, tmp_path: Path, postgres: PostgresServer
) -> None:
    before = filled(database)
    backup(settings, file)
    empty = f"sqlite:///{tmp_path}/deeper/q.db"
    if database.engine == "postgresql":
        empty = postgres.url(postgres.create_database())
    elsewhere = Settings(home=tmp_path / "home", database_url=empty)
    assert not has_content(elsewhere)
    assert restore(elsewhere, file).kept is None
    assert has_content(elsewhere)
    other = Database(empty)
    assert content(other) == before
    other.close()


def test_a_damaged_database_is_set_aside_and_replaced(home: Path, migrated_file: bytes, file: Path) -> None:
    path = home / "queuectl.db"
    path.write_bytes(migrated_file)
    settings = Settings(home=home, database_url=f"sqlite:///{path}")
    database = Database(settings.database_url)
    before = filled(database)
    database.close()
    backup(settings, file)
    unknown_format = migrated_file[:47] + b"\x09" + migrated_file[48:]
    no_text = migrated_file.replace(b"CREATE TABLE ", b"CREATE \xff\xff\xff\xff\xff ")
    headed = b"SQLite format 3\0" + bytes(5000)
    for damage in (b"no database at all", migrated_file[:5000], headed, unknown_format, no_text):
        path.write_bytes(damage)
        path.with_name("queuectl.db-wal").write_bytes(b"a log of something else")
        kept = restore(settings, file).kept
        assert kept is not None
        assert kept.read_bytes() == damage
        assert content(database) == before
        database.close()
        kept.unlink()


def test_a_database_that_another_program_holds_is_not_taken_for_a_damaged_one(
    home: Path, migrated_file: bytes, file: Path
) -> None:
    path = home / "queuectl.db"
    path.write_bytes(migrated_file)
    settings = Settings(home=home, database_url=f"sqlite:///{path}")
    database = Database(settings.database_url)
    filled(database)
    backup(settings, file)
    task_in(database, State.CANCELLED, 50)
    before, inode = content(database), path.stat().st_ino
    database.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = exclusive")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConflictError, match=r"another program holds .*queuectl\.db: ") as refusal:
            restore(settings, file)
    assert "fuser" in (refusal.value.hint or "")
    assert path.stat().st_ino == inode
    assert [each.name for each in home.iterdir() if "restore" in each.name] == []
    assert content(database) == before
    database.close()


def test_programs_that_have_the_database_open_go_on_with_the_restored_one(
    home: Path, migrated_file: bytes, file: Path
) -> None:
    (home / "queuectl.db").write_bytes(migrated_file)
    settings = Settings(home=home, database_url=f"sqlite:///{home}/queuectl.db")
    with QueueManager(settings) as manager:
        first = manager.submit_task("https://example.com/1")
        backup(settings, file)
        manager.submit_task("https://example.com/2")
        restore(settings, file)
        third = manager.submit_task("https://example.com/3")
    with QueueManager(settings) as fresh:
        assert {f"task_{task.id}" for task in fresh.list_tasks()} == {first, third}


def test_the_database_itself_is_no_place_for_a_backup(home: Path, migrated_file: bytes, file: Path) -> None:
    path = home / "queuectl.db"
    path.write_bytes(migrated_file)
    settings = Settings(home=home, database_url=f"sqlite:///{path}")
    file.symlink_to(path)
    for place in (path, file, home / "queuectl.db-wal"):
        with pytest.raises(InvalidInputError, match="is the database itself"):
            backup(settings, place, overwrite=True)
        with pytest.raises(InvalidInputError, match="is the database itself"):
            restore(settings, place)
    assert path.read_bytes() == migrated_file


def test_a_damaged_database_makes_no_backup(home: Path, migrated_file: bytes, file: Path) -> None:
    path = home / "queuectl.db"
    path.write_bytes(migrated_file)
    settings = Settings(home=home, database_url=f"sqlite:///{path}")
    database = Database(settings.database_url)
    filled(database)
    with database.reading() as transaction:
        (page,) = transaction.rows("SELECT rootpage FROM sqlite_master WHERE name = 'tasks_finished'")[0]
    database.close()
    damaged = bytearray(path.read_bytes())
    damaged[4096 * (page - 1) + 20 : 4096 * page] = bytes(4096 - 20)
    path.write_bytes(damaged)
    with pytest.raises(StorageError, match="not sound"):
        backup(settings, file)
    assert list(file.parent.iterdir()) == []


class TestPrograms:
    """PostgreSQL's own programs."""

    def test_where_they_are_missing_the_package_is_named(
        self, emptied_postgres: str, home: Path, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr("queuectl.operations.postgres_programs._DEBIAN", home)
        with pytest.raises(QueuectlError, match="pg_dump is not installed") as refusal:
            backup(Settings(home=home, database_url=emptied_postgres), file)
        assert "postgresql-client" in (refusal.value.hint or "")
        assert not file.exists()

    def test_a_password_is_never_on_their_command_line(
        self, postgres: PostgresServer, emptied_postgres: str, home: Path, file: Path, tmp_path: Path
    ) -> None:
        del postgres
        folder = tmp_path / "bin"
        folder.mkdir()
        said = tmp_path / "said"
        real = shutil.which("pg_dump")
        script = f'#!/bin/sh\necho "$*" > {said}\necho "$PGPASSWORD" >> {said}\nexec {real} "$@"\n'
        (folder / "pg_dump").write_text(script)
        (folder / "pg_dump").chmod(0o755)
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
        url = emptied_postgres.replace("//postgres@", "//postgres:can%27ary%20x@")
        assert url != emptied_postgres
        backup(Settings(home=home, database_url=url), file)
        command, password = said.read_text().splitlines()
        assert "ary" not in command
        assert password == "can'ary x"
