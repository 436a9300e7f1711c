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


_NO_DESCRIPTOR = """
import os, pty, resource, signal, sys
from queuectl_daemon.signals import Signals

child, terminal = pty.fork()
if child:
    os.waitpid(child, 0)
    print(os.read(terminal, 999).decode().strip())
    sys.exit()
signals = Signals()
signals.listen()
kept = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, kept[1]))
signal.raise_signal(signal.SIGHUP)
resource.setrlimit(resource.RLIMIT_NOFILE, kept)
os.write(1, f"{signals.stops} stops, {signals.take_reload()}".encode())
os._exit(0)
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


def test_a_terminal_that_cannot_be_opened_for_want_of_a_descriptor_is_not_gone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NO_DESCRIPTOR],
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ),
    )
    assert (done.stdout, done.returncode) == ("0 stops, True\n", 0), done.stderr


def test_orders_are_told_apart(signals: Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("queuectl_daemon.signals._has_terminal", lambda: False)
    signals._hear(signal.SIGHUP, None)
    assert (signals.stops, signals.take_reload(), signals.take_reload()) == (0, True, False)
    signals._hear(signal.SIGTERM, None)
    assert signals.stops == 1
