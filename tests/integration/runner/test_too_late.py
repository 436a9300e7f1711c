"""A handler that would be called too late is not called, wherever it runs; nobody can tell that it was tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from queuectl.clock import monotonic
from queuectl.domain.outcome import Outcome, Verdict
from tests.integration.runner.conftest import Stage


@pytest.mark.parametrize("handler", ["witness", "thread:witness"])
def test_a_handler_that_is_too_late_is_not_called(shared_stage: Stage, tmp_path: Path, handler: str) -> None:
    seen = tmp_path / "seen"
    work = shared_stage.work(handler, witness=str(seen))

    late = shared_stage.runner.run(work._replace(begin_by=monotonic() - 0.001))

    assert late == Outcome(Verdict.INTERRUPTED, began=False)
    assert not seen.exists()
    in_time = shared_stage.runner.run(work._replace(begin_by=monotonic() + 60))
    assert in_time.verdict is Verdict.SUCCEEDED
    assert seen.exists()


def test_a_handler_whose_process_had_to_be_made_first_is_judged_when_it_could_be_called(
    stage: Stage, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    work = stage.work("witness", witness=str(seen))._replace(begin_by=monotonic() + 0.001)

    assert stage.runner.run(work) == Outcome(Verdict.INTERRUPTED, began=False)
    assert not seen.exists()
