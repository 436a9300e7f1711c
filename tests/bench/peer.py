"""Bare Dramatiq as its documentation sets it up: the stock Redis broker and its own worker process."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tests.bench.handlers import BRIEF_SECONDS, note
from tests.support.processes import end, start_server

THREADS = 8

_URL = "BENCH_PEER_REDIS"
_EXPECTED = "BENCH_PEER_EXPECTED"


class Peer:
    """A broker and the actors that go with it, on either side of Redis."""

    def __init__(self, url: str, expected: int = 0) -> None:
        self.broker = RedisBroker(url=url)
        numbers = itertools.count(1)

        def noop() -> None:
            number = next(numbers)
            if number in {1, expected}:
                note("first" if number == 1 else "last")

        def brief(label: str) -> None:
            note(label)
            time.sleep(BRIEF_SECONDS)

        self.noop = self._actor(noop, "default", 0)
        self.stamp = self._actor(note, "default", 0)
        self.low = self._actor(brief, "low", 3)
        self.urgent = self._actor(note, "urgent", 0, name="urgent")

    def close(self) -> None:
        """Close the connections."""
        self.broker.client.close()

    def _actor(self, work: object, queue: str, priority: int, *, name: str | None = None) -> dramatiq.Actor:
        return dramatiq.actor(
            work,  # type: ignore[call-overload]
            actor_name=name or getattr(work, "__name__", ""),
            broker=self.broker,
            queue_name=queue,
            priority=priority,
        )


class PeerProcess:
    """``dramatiq`` with one process of eight threads, in a folder where its actors leave their stamps."""

    def __init__(self, url: str, folder: Path, expected: int = 0) -> None:
        self._environment = {_URL: url, _EXPECTED: str(expected)}
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PeerProcess:
        command = [sys.executable, "-m", "dramatiq", "tests.bench.peer_worker:broker"]
        os.environ.update(self._environment)
        try:
            self._process = start_server(
                [*command, "--processes", "1", "--threads", str(THREADS)], folder=self._folder
            )
        finally:
            for name in self._environment:
                del os.environ[name]
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process, signal.SIGTERM, within=60)


def peer_of_environment() -> Peer:
    """Return the peer that ``PeerProcess`` described to its worker process."""
    return Peer(os.environ[_URL], int(os.environ[_EXPECTED]))
