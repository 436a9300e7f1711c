"""A harness that is asked for what is not there says so: nothing that was run is no promise that was kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("tests.simulation abc", "there is no seed in 'abc'"),
        ("tests.simulation 9..3", "there is no seed in '9..3'"),
        ("tests.simulation 3 --without nope", "'nope' is no kind of fault"),
        ("tests.faults.planted P1 P99", "there is no planted bug P99"),
        ("tests.faults.crash_points --scenario nope", "invalid choice: 'nope'"),
        ("tests.fuzz --inputs 10 --only nope", "there is no parser 'nope'"),
        ("tests.faults.judge .", "give the folder of one run"),
    ],
    ids=lambda words: words.removeprefix("tests."),
)
def test_what_is_not_there_is_refused(words: str, said: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words.split()], cwd=_ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
