"""What wakes the daemon's main thread: also a signal that comes in the middle of its waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from queuectl_daemon.signals import Signals

_STORM = """
import os, signal, sys, threading
from queuectl_daemon.signals import Signals

signals = Signals()
signals.listen()
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
signal.signal(signal.SIGALRM, signals._hear)  # a storm of signals in the thread that waits
rounds = 0
while rounds < 20_000 and signals.stops < 2_000:
    signals.wait(0.0001)
    rounds += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print("done")
"""


@pytest.fixture
def signals() -> Signals:
    return Signals()


def test_whoever_waits_is_woken(signals: Signals) -> None:
    signals.wake()
    signals.wait(60)
    signals.wait(0.001)


def test_a_signal_in_the_middle_of_waiting_never_locks_the_thread_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STORM], capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def test_orders_are_told_apart(signals: Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("queuectl_daemon.signals._has_terminal", lambda: False)
    signals._hear(signal.SIGHUP, None)
    assert (signals.stops, signals.take_reload(), signals.take_reload()) == (0, True, False)
    signals._hear(signal.SIGTERM, None)
    assert signals.stops == 1
