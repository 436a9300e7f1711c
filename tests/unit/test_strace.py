"""The points at which a process is killed: named, counted by thread, and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.strace import Point, Trace


@pytest.mark.parametrize("text", ["pwrite64:7", "openat:120"])
def test_a_point_is_found_again_by_its_name(text: str) -> None:
    assert str(Point.parse(text)) == text


def test_points_are_counted_in_each_thread_and_files_elsewhere_do_not_count() -> None:
    trace = Trace(
        {
            1: [("write", ""), ("openat", "/usr/lib/x"), ("write", ""), ("openat", "/home/a")],
            2: [("write", ""), ("write", ""), ("write", "")],
        }
    )
    found = [str(each) for each in trace.points(Path("/home"))]
    assert found == ["openat:2", "write:1", "write:2", "write:3"]
