"""What a thousand wrong logins a second do to the start of tasks, and whether their time tells which users there are.

The guesses come from a process of their own, each from another address, so that each is compared with the hash as far
as the daemon compares at all. That process takes its share of the machine as well, so the same guesses are also sent
to somebody else, who only says no.
"""

from __future__ import annotations

import contextlib
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from queuectl.operations.web_password import hashed
from queuectl.operations.web_tokens import TokenControl
from queuectl_daemon.web.identity import Logins
from queuectl_daemon.web.work import Workers
from tests.bench.daemon import Daemon
from tests.bench.figures import Bound, Figure, figure, percentile
from tests.bench.handlers import count_stamps, read_stamps
from tests.bench.stage import ROOT, SQLITE, Place, Stage
from tests.support.ports import free_port
from tests.support.processes import guarded
from tests.support.site import cheap_hash
from tests.support.waiting import wait_until

_RATE = 1_000
_TAIL, _T = Bound(20), Bound(4.5)
_PAUSE_SECONDS = 0.020
_KEPT = 0.99
"""The share of the times that is looked at, the shortest: the rest is what else the machine does."""

_QUIET, _GUESSED, _BESIDE = "quiet", "wrong logins", "as many wrong logins elsewhere"


def run(stage: Stage) -> list[Figure]:
    """Measure the waits without guesses, under and beside them; then the time that a guess takes."""
    tasks = stage.size(300, 20)
    waits: dict[str, list[list[float]]] = {way: [] for way in (_QUIET, _GUESSED, _BESIDE)}
    answered: list[float] = []
    for _ in stage.rounds("logins"):
        port = free_port()
        lines = f'web_port = {port}\nweb_required = true\nweb_auth = "ann:{hashed("correct horse")}"'
        with stage.place(SQLITE, lines) as place, Daemon(place):
            waits[_QUIET].append(_waits(place, tasks))
            with _guesses(port) as ended:
                waits[_GUESSED].append(_waits(place, tasks))
                answered.append(ended())
            with _bystander() as other, _guesses(other):
                waits[_BESIDE].append(_waits(place, tasks))
    figures = []
    for way, rounds in waits.items():
        bound = None if way == _BESIDE else _TAIL
        figures.append(figure(f"{way}: p50", [percentile(each, 0.50) for each in rounds], "ms"))
        figures.append(figure(f"{way}: p99", [percentile(each, 0.99) for each in rounds], "ms", bound))
    figures.append(figure(f"wrong logins answered, of {_RATE:,} a second", answered, "/s"))
    with stage.place(SQLITE, f'web_auth = "ann:{cheap_hash("correct horse")}"') as place:
        known, unknown = _times_of_guesses(place, stage.size(100_000, 2_000))
    figures.append(figure("absolute t of known against unknown users", [abs(_t(known, unknown))], "", _T))
    return figures


def _waits(place: Place, tasks: int) -> list[float]:
    """Submit one task after another, and return in milliseconds how long each one took to start."""
    before, sent = count_stamps(place.home), {}
    with place.manager() as manager:
        for number in range(before, before + tasks):
            time.sleep(_PAUSE_SECONDS * random.uniform(0.75, 1.25))
            sent[f"task-{number}"] = time.monotonic_ns()
            manager.submit_task(f"https://example.com/task-{number}", handler="stamp")
    wait_until(
        lambda: count_stamps(place.home) >= before + tasks, within=60, describing=f"{tasks} tasks to start"
    )
    stamps = read_stamps(place.home)
    return [(stamps[name][0] - start) / 1e6 for name, start in sent.items()]


@contextlib.contextmanager
def _guesses(port: int) -> Iterator[Callable[[], float]]:
    """Let somebody guess at a port; what is given ends it and returns how many guesses a second were answered."""
    with _guesser(port, _RATE) as process:

        def ended() -> float:
            said, _ = process.communicate("\n", 60)
            return float(said)

        yield ended


@contextlib.contextmanager
def _bystander() -> Iterator[int]:
    """Give the port of somebody who refuses everybody."""
    port = free_port()
    with _guesser(port, 0):
        yield port


@contextlib.contextmanager
def _guesser(port: int, rate: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.bench.guesser", str(port), str(rate)]
    with guarded(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n", "whoever guesses has failed"
        yield process


def _times_of_guesses(place: Place, tries: int) -> tuple[list[float], list[float]]:
    """Return how long guesses for a user that there is took, and for one that there is not, in nanoseconds.

    The hash is a cheap one, so that it does not hide what is beside it. Which of the two comes next is left to chance.
    """
    times: tuple[list[float], list[float]] = ([], [])
    with place.manager() as manager:
        database = manager._database
        logins = Logins(place.settings, TokenControl(place.settings, database), Workers(database))
        users = (b"ann", b"bob")
        logins._compare(users[0], b"the hash is read at the first guess")
        for number in range(2 * tries):
            which = random.getrandbits(1)
            guess = b"guess%07d" % number
            start = time.perf_counter_ns()
            logins._compare(users[which], guess)
            times[which].append(time.perf_counter_ns() - start)
        logins.close()
    return times


def _t(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Welch's t of two samples, each without its longest times."""
    kept = [sorted(each)[: max(2, int(len(each) * _KEPT))] for each in (first, second)]
    spread = sum(statistics.variance(each) / len(each) for each in kept)
    return (statistics.fmean(kept[0]) - statistics.fmean(kept[1])) / math.sqrt(spread)
