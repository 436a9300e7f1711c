"""The end of one run, decided: the move its task makes and everything that is recorded with it."""

from __future__ import annotations

from typing import NamedTuple

from queuectl.domain.article import Article
from queuectl.domain.lifecycle import Move
from queuectl.domain.outcome import Verdict
from queuectl.domain.task import Claimed


class Ending(NamedTuple):
    """What becomes of a task after a run; one is made for each, so it is a tuple.

    ``move`` is one of succeed, retry, bury, cancel and release. ``due_at`` (UTC milliseconds) is
    when a retry may start, ``cause`` why a task is buried. A release or a retry is charged or not.
    ``hold_until`` (UTC milliseconds) is how long the host of the task wants to be left alone.
    """

    work: Claimed
    move: Move
    verdict: Verdict
    finished_at: int
    due_at: int | None = None
    cause: str | None = None
    charged: bool = True
    result: str | None = None
    error: str | None = None
    traceback: str | None = None
    article: Article | None = None
    hold_until: int | None = None
