"""A file is replaced as a whole, and what killed writers have left goes with the next one, once it is old."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from queuectl.operations.backup_folder import file_in
from queuectl.operations.whole_file import in_place_of

DAY = 24 * 3600


def left_behind(folder: Path, name: str, *, age: float) -> Path:
    file = folder / name
    file.write_bytes(b"half of it")
    then = time.time() - age
    os.utime(file, (then, then))
    return file


@pytest.mark.parametrize("ending", [".part", ".part-wal", ".part-shm", ".part-journal"])
def test_what_a_killed_writer_has_left_is_removed_a_day_later(tmp_path: Path, ending: str) -> None:
    old = left_behind(tmp_path, f".it.abcd1234{ending}", age=DAY + 60)
    young = left_behind(tmp_path, f".it.abcd5678{ending}", age=DAY - 60)
    others = [
        left_behind(tmp_path, name, age=9 * DAY)
        for name in (f".of.abcd1234{ending}", f".it.long{ending}", f"it.abcd1234{ending}", ".it")
    ]
    with in_place_of(tmp_path / "it") as draft:
        draft.write_bytes(b"all of it")
    assert not old.exists()
    assert young.exists(), "somebody may be at it"
    assert all(each.exists() for each in others)
    assert (tmp_path / "it").read_bytes() == b"all of it"


def test_signs_of_a_pattern_in_a_name_stand_for_themselves(tmp_path: Path) -> None:
    other = left_behind(tmp_path, ".a.abcd1234.part", age=9 * DAY)
    with in_place_of(tmp_path / "*"):
        pass
    assert other.exists()


def test_a_folder_of_backups_is_rid_of_what_any_killed_backup_has_left(tmp_path: Path) -> None:
    old = left_behind(tmp_path, ".queuectl-20260101T000000Z.backup.abcd1234.part", age=DAY + 60)
    file_in(tmp_path)
    assert not old.exists()
