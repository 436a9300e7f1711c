"""Of a folder of backups the last ones are kept, and the others go, whatever becomes of each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from queuectl.operations.backup_folder import remove_older


def a_folder(home: Path, count: int) -> list[Path]:
    """Fill a folder with so many backups and return them, the oldest first."""
    folder = home / "backups"
    folder.mkdir()
    files = [folder / f"queuectl-2020010{day}T000000Z.backup" for day in range(1, count + 1)]
    for age, file in enumerate(files):
        file.touch()
        os.utime(file, (age, age))
    return files


def without(files: list[Path], fail: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``fail`` run before any of these files is removed."""
    unlink = Path.unlink

    def removing(path: Path, missing_ok: bool = False) -> None:
        if path in files:
            fail(path)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", removing)


def test_one_that_cannot_be_removed_holds_up_no_other(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = a_folder(home, 6)

    def refuse(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    without(files[1:3], refuse, monkeypatch)
    older = remove_older(home / "backups", 2)
    assert older.removed == [files[3], files[0]]
    assert older.problems == [f"{each}: Operation not permitted" for each in (files[2], files[1])]
    assert sorted((home / "backups").iterdir()) == [*files[1:3], *files[4:]]


def test_what_another_backup_removes_meanwhile_is_no_problem(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = a_folder(home, 4)
    without(files[:1], os.unlink, monkeypatch)
    assert remove_older(home / "backups", 2) == ([files[1], files[0]], [])
    assert sorted((home / "backups").iterdir()) == files[2:]


def test_a_folder_that_cannot_be_listed_is_a_problem_and_no_end(home: Path) -> None:
    assert remove_older(home / "nowhere", 2) == ([], [f"{home / 'nowhere'}: No such file or directory"])
