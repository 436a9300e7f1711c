"""Cleanup, backup and restore as a person types them."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import CommandLine, obey_permissions

URL = "https://example.com/"


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """Give a home with one waiting task and two that ended long ago, one of them with an article."""
    cli("submit", URL + "1", URL + "2", URL + "3").ok()
    cli("cancel", "2", "3", "--yes").ok()
    with contextlib.closing(sqlite3.connect(cli.home / "queuectl.db")) as database:
        database.execute("UPDATE tasks SET finished_at = 1000 WHERE finished_at IS NOT NULL")
        database.execute(
            "INSERT INTO articles VALUES (2, 'u', 'u', 'Tea', NULL, NULL, NULL, 'en', 'text', '<p>text</p>', '[]',"
            " '2026/01/tea-2.md', '2026/01/tea-2.html', 1000)"
        )
        database.commit()
    return cli


def test_cleanup_looks_first_and_asks(filled: CommandLine) -> None:
    looked = filled("cleanup", "--days", "30", "--dry-run").ok()
    assert looked.out == "2\n"
    assert looked.err == "2 tasks, 1 article would be removed; nothing was changed\n"
    refused = filled("cleanup", "--days", "30").error(ExitCode.USAGE)
    assert "this would remove 2 tasks, 1 article for good, and nobody can be asked" in refused
    assert filled.states() == ["queued", "cancelled", "cancelled"]
    assert filled("cleanup", "--days", "30", "--yes").ok().err == "2 tasks, 1 article removed\n"
    assert filled.states() == ["queued"]
    again = filled("cleanup", "--days", "30").ok()
    assert again.err == "no task ended more than 30 days ago\n"
    filled("db", "check").ok()


def test_what_has_an_age_of_its_own_goes_without_an_old_task_too(cli: CommandLine) -> None:
    cli("batch", "-", given=URL).ok()
    cli("cancel", "--batch", "1", "--yes").ok()
    with contextlib.closing(sqlite3.connect(cli.home / "queuectl.db")) as database:
        database.execute("UPDATE changes SET at = 1000")
        database.commit()
    looked = cli("cleanup", "--days", "30", "--dry-run").ok()
    assert looked.err == "1 recorded change would be removed; nothing was changed\n"
    assert "remove 1 recorded change for good" in cli("cleanup", "--days", "30").error(ExitCode.USAGE)
    assert cli("cleanup", "--days", "30", "--yes").ok().err == "1 recorded change removed\n"
    with contextlib.closing(sqlite3.connect(cli.home / "queuectl.db")) as database:
        assert database.execute("SELECT COUNT(*) FROM changes").fetchone() == (0,)
    assert cli("cleanup", "--days", "30").ok().err == "no task ended more than 30 days ago\n"
    assert cli.states() == ["cancelled"]


def test_published_files_go_only_when_asked_for(filled: CommandLine) -> None:
    filled("articles", "rebuild").ok()
    file = filled.home / "articles" / "2026" / "01" / "tea-2.md"
    assert "Tea" in file.read_text()
    assert filled("cleanup", "--days", "1", "--yes", "--articles", "--json").ok().document["files"] == 2
    assert not file.exists()


def test_published_files_that_cannot_be_removed_are_told_of(filled: CommandLine) -> None:
    filled("articles", "rebuild").ok()
    folder = filled.home / "articles" / "2026" / "01"
    (folder / "tea-2.html").unlink()
    (folder / "tea-2.html").mkdir()
    cleaning = ("cleanup", "--days", "30", "--yes", "--articles", "--json")
    result = filled(*cleaning)
    assert f"{folder}/tea-2.html: Is a directory" in result.err
    assert result.code == ExitCode.PARTLY_DONE
    assert (result.document["files"], result.document["failures"]) == (1, 1)
    assert filled(*cleaning).ok().document["failures"] == 0


def test_a_folder_that_cannot_be_written_keeps_its_files_and_is_told_of(filled: CommandLine) -> None:
    filled("articles", "rebuild").ok()
    folder = filled.home / "articles" / "2026" / "01"
    folder.chmod(0o500)
    result = filled("cleanup", "--days", "30", "--yes", "--articles", before=obey_permissions)
    folder.chmod(0o700)
    text = result.error(ExitCode.PARTLY_DONE)
    assert (
        f"2 published files could not be removed, though the tasks are gone; the first is {folder}/tea-2.md: "
        in text
    )
    assert "Permission denied" in text
    assert f"find {filled.home}/articles -type f -mtime +30" in text
    assert result.out == "2\n"
    assert result.err.startswith("2 tasks, 1 article removed\n")
    assert len([*folder.iterdir()]) == 2
    assert filled.states() == ["queued"]


def test_published_files_are_written_again_after_a_restore(filled: CommandLine, tmp_path: Path) -> None:
    file = filled.home / "articles" / "2026" / "01" / "tea-2.html"
    assert filled("articles", "rebuild").ok().out == "2\n"
    filled("backup", tmp_path / "b").ok()
    file.write_text("something else")
    filled("restore", tmp_path / "b", "--yes").ok()
    assert filled("articles", "rebuild").ok().out == "1\n"
    assert "Tea" in file.read_text()
    file.unlink()
    file.mkdir()
    assert "could not be written" in filled("articles", "rebuild").error(ExitCode.PARTLY_DONE)


def test_a_folder_of_published_files_that_may_not_be_opened_is_not_to_be_removed(filled: CommandLine) -> None:
    filled("articles", "rebuild").ok()
    folder = filled.home / "articles" / "2026"
    folder.chmod(0)
    told = filled("articles", "rebuild", before=obey_permissions)
    folder.chmod(0o700)
    assert told.code == ExitCode.PARTLY_DONE
    assert f"task_2: {folder} cannot be opened: Permission denied\n" in told.err
    assert "remove" not in told.error(ExitCode.PARTLY_DONE)


def test_a_backup_and_a_restore_tell_what_they_did(filled: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "monday.backup"
    made = filled("backup", "monday.backup", cwd=tmp_path).ok()
    assert made.out == f"{file}\n"
    assert made.err.startswith("3 tasks in ")
    assert "add --yes" in filled("backup", file).error(ExitCode.REFUSED)
    filled("submit", URL + "4").ok()
    assert "add --yes" in filled("restore", file).error(ExitCode.USAGE)
    assert (
        filled("restore", file, "--dry-run").ok().err
        == f"{file} is sound and holds 3 tasks; nothing was changed\n"
    )
    assert len(filled.states()) == 4
    done = filled("restore", file, "--yes", "--json").ok().document
    assert (done["tasks"], done["dry_run"], Path(done["kept"]).exists()) == (3, False, True)
    assert len(filled.states()) == 3
    filled("restore", done["kept"], "--yes").ok()
    assert len(filled.states()) == 4


def test_a_database_that_cannot_be_read_now_is_neither_replaced_nor_called_damaged(
    filled: CommandLine, tmp_path: Path
) -> None:
    file, path = tmp_path / "b", filled.home / "queuectl.db"
    filled("backup", file).ok()
    filled("submit", URL + "4").ok()
    inode = path.stat().st_ino
    log = path.with_name("queuectl.db-wal")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("UPDATE tasks SET metadata = '{}' WHERE id = 4")
        log.chmod(0)
        text = filled("restore", file, "--yes", before=obey_permissions).error(ExitCode.UNREACHABLE)
        assert f"{path} cannot be read: unable to open" in text
        assert "damaged" not in text
        log.chmod(0o600)
        assert path.stat().st_ino == inode
        assert database.execute("SELECT metadata FROM tasks WHERE id = 4").fetchone() == ("{}",)
    assert [each.name for each in filled.home.iterdir() if "restore" in each.name] == []
    assert len(filled.states()) == 4


def test_a_running_daemon_is_backed_up_and_not_restored_over(cli: CommandLine, tmp_path: Path) -> None:
    cli.start_daemon()
    cli("submit", URL, "--in", "1h").ok()
    file = tmp_path / "b"
    cli("backup", file).ok()
    assert "nothing was changed" in cli("restore", file, "--dry-run").ok().err
    for arguments in (["restore", file, "--yes"], ["db", "vacuum"]):
        text = cli(*arguments).error(ExitCode.REFUSED)
        assert "a daemon (pid" in text
        assert "queuectl daemon stop" in text
    cli.stop_daemon()
    cli("restore", file, "--yes").ok()
    cli("db", "vacuum").ok()
    assert cli.states() == ["scheduled"]


def test_what_cannot_be_restored_is_a_bad_input_file(filled: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("remember the milk")
    for name in ("notes.txt", "missing"):
        text = filled("restore", tmp_path / name, "--yes").error(ExitCode.BAD_INPUT_FILE)
        assert str(tmp_path / name) in text
    assert len(filled.states()) == 3


@pytest.mark.parametrize("days", ["-1", "nan", "soon"])
def test_days_are_a_number(filled: CommandLine, days: str) -> None:
    filled("cleanup", "--days", days, "--yes").error(ExitCode.USAGE)
    assert len(filled.states()) == 3


def test_wrong_counts_are_named_and_mended(filled: CommandLine) -> None:
    with contextlib.closing(sqlite3.connect(filled.home / "queuectl.db")) as database:
        database.execute("UPDATE counters SET tasks = tasks + 1")
        database.commit()
    found = filled("db", "check")
    assert found.code == ExitCode.FAILED
    assert "db check --repair" in found.err
    mended = filled("db", "check", "--repair").ok()
    assert mended.err == "2 kept counts set right\n"
    assert filled("db", "check", "--repair", "--json").ok().document["repaired"] == 0


def test_a_folder_keeps_the_last_backups_and_nothing_else_of_it_is_touched(
    filled: CommandLine, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    (first,) = filled("backup", folder, "--keep", "2").ok().ids
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "mine.backup").touch()
    filled("backup", folder, "--keep", "2").ok()
    third = filled("backup", folder, "--keep", "2", "--json").ok().document
    assert third["removed"] == [first]
    assert len([*folder.glob("queuectl-*.backup")]) == 2
    assert (folder / "mine.backup").exists()
    assert "is no folder" in filled("backup", folder / "mine.backup", "--keep", "2").error(ExitCode.USAGE)
    filled("restore", third["file"], "--dry-run").ok()


_KEPT_BY_THE_SYSTEM = """
import os
unlink = os.unlink
def refusing(path, **options):
    if os.fspath(path) == {path!r}:
        raise PermissionError(1, "Operation not permitted", path)
    unlink(path, **options)
os.unlink = refusing
"""
"""What makes a file of this path immutable for a command; only root could have the file system do so."""


def test_an_older_backup_that_cannot_be_removed_holds_up_neither_the_new_one_nor_the_others(
    filled: CommandLine, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    files = [Path(filled("backup", folder, "--keep", "9").ok().out.strip()) for _ in range(3)]
    (tmp_path / "sitecustomize.py").write_text(_KEPT_BY_THE_SYSTEM.format(path=str(files[1])))
    filled.variables["PYTHONPATH"] = str(tmp_path)
    made = filled("backup", folder, "--keep", "1")
    reason = f"not all older ones could be removed: {files[1]}: Operation not permitted"
    assert f"the backup is made, but {reason}" in made.error(ExitCode.PARTLY_DONE)
    files.append(Path(made.out.strip()))
    assert f"removed {files[0].name}, since 1 is kept" in made.err
    assert {*folder.iterdir()} == {files[1], files[3]}
    again = filled("backup", folder, "--keep", "1", "--json")
    assert again.code == ExitCode.PARTLY_DONE
    assert (again.document["removed"], again.document["failures"]) == ([str(files[3])], 1)
    assert reason in again.err
    del filled.variables["PYTHONPATH"]
    assert filled("backup", folder, "--keep", "1", "--json").ok().document["failures"] == 0
