"""The points at which a process is killed: named, counted by thread, and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.strace import Call, Point, Trace


@pytest.mark.parametrize("text", ["pwrite64:7", "openat:120"])
def test_a_point_is_found_again_by_its_name(text: str) -> None:
    assert str(Point.parse(text)) == text


def test_points_are_counted_in_each_thread_and_files_elsewhere_do_not_count() -> None:
    trace = Trace(
        [
            *(Call(1, "write"), Call(1, "openat", "/usr/lib/x"), Call(2, "write")),
            *(Call(1, "write"), Call(2, "write"), Call(1, "openat", "/home/a"), Call(2, "write")),
        ]
    )
    found = [str(each) for each in trace.points(Path("/home"))]
    assert found == ["openat:2", "write:1", "write:2", "write:3"]
