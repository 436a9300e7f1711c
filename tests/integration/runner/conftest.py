"""A running runner for each test, and the proof that no process outlives it."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from queuectl.domain.outcome import Outcome
from queuectl.domain.task import Claimed
from queuectl.settings import HandlerSettings, Settings
from queuectl_daemon.runner import Runner
from queuectl_daemon.runner.family import MARK
from tests.support import sample_handlers
from tests.support.guard import guard
from tests.support.processes import is_gone
from tests.support.waiting import wait_until


def sample(name: str, **options: Any) -> HandlerSettings:
    """Return the settings of a handler from tests/support/sample_handlers.py."""
    return HandlerSettings(callable=f"tests.support.sample_handlers:{name}", **options)


SAMPLES = {name: sample(name) for name in sample_handlers.__all__ if name.islower()}


@dataclass
class Started:
    """A run that a thread of the test waits for."""

    thread: threading.Thread
    work: Claimed
    outcomes: list[Outcome]

    def outcome(self, within: float = 20.0) -> Outcome:
        self.thread.join(within)
        assert self.outcomes, f"the run of {self.work.handler} did not end within {within:g} s"
        return self.outcomes[0]


@dataclass
class Stage:
    """A runner with the sample handlers, and what is needed to make it work."""

    home: Path
    workers: int = 4
    handlers: dict[str, HandlerSettings] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    reports: list[tuple[int, int, float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        settings = Settings(
            home=self.home,
            database_url="",
            workers=self.workers,
            handlers=SAMPLES | self.handlers,
            **self.settings,
        )
        self.runner = Runner(settings, on_progress=lambda *report: self.reports.append(report))

    def work(
        self, handler: str, *, timeout: float | None = None, memory: int | None = None, **metadata: Any
    ) -> Claimed:
        number = next(self._numbers)
        return Claimed(
            id=number,
            fence=number + 1000,
            attempt=metadata.pop("attempt_number", 1),
            released=0,
            crashes=0,
            url=metadata.pop("url", "http://example.test/"),
            handler=handler,
            queue="medium_priority",
            priority_score=5,
            metadata=json.dumps(metadata),
            timeout=timeout,
            memory_limit=memory,
            max_retries=3,
            started_at=0,
            host="example.test",
            due_at=0,
        )

    def run(self, handler: str, **options: Any) -> Outcome:
        return self.runner.run(self.work(handler, **options))

    def start(self, handler: str, **options: Any) -> Started:
        work = self.work(handler, **options)
        outcomes: list[Outcome] = []
        thread = threading.Thread(target=lambda: outcomes.append(self.runner.run(work)), daemon=True)
        thread.start()
        return Started(thread, work, outcomes)

    def pid_of_child(self) -> int:
        """Return the process of whichever child takes a run now."""
        result = self.run("echo").result
        assert result is not None
        return int(json.loads(result)["pid"])

    def processes(self) -> list[psutil.Process]:
        return marked_processes(self.home)


def marked_processes(home: Path) -> list[psutil.Process]:
    """Return the living processes that a runner of this home has started, directly or not."""
    found = []
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(MARK, "")
        except psutil.Error:
            continue
        if mark.endswith(f" {home}") and not is_gone(process):
            found.append(process)
    return found


@contextlib.contextmanager
def started(home: Path) -> Iterator[Callable[..., Stage]]:
    """Start runners below one home, and see that none leaves a process, a thread or a work folder behind."""
    stages: list[Stage] = []

    def make(**options: Any) -> Stage:
        stage = Stage(home, **options)
        stages.append(stage)
        stage.runner.start()
        return stage

    yield make
    for stage in stages:
        stage.runner.stop()
        assert not stage.runner._watch._thread.is_alive()
    assert marked_processes(home) == []
    work = home / "run" / "work"
    assert not work.exists() or not list(work.iterdir())


@pytest.fixture
def make_stage(home: Path) -> Iterator[Callable[..., Stage]]:
    """Start runners for one test."""
    with started(home) as make:
        yield make


@pytest.fixture(scope="module")
def shared_stage() -> Iterator[Stage]:
    """Give a running runner to all tests of a module that leave it as it was; the samples run in both isolations.

    ``thread:NAME`` is the sample in the calling thread.
    """
    home = guard.new_folder()
    in_threads = {f"thread:{name}": replace(found, isolation="thread") for name, found in SAMPLES.items()}
    with started(home) as make:
        yield make(handlers=in_threads)
    guard.remove_folder(home)


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    """Give a running runner with four workers."""
    return make_stage()


def wait_until_gone(pids: list[int], within: float = 20.0) -> None:
    """Wait for the end of processes that should be ending already."""
    wait_until(
        lambda: all(map(_has_gone, pids)),
        within=within,
        describing=f"the end of the processes {pids}",
    )


def _has_gone(pid: int) -> bool:
    try:
        return is_gone(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True
