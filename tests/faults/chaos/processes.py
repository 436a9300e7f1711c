"""Faults of the daemon and of what it has started: killed, stopped, halted, doubled, out of descriptors."""

from __future__ import annotations

import contextlib
import resource
import signal
from random import Random
from typing import TYPE_CHECKING

import psutil

from tests.support.chance import let_pass
from tests.support.family import descendants, handler_processes

if TYPE_CHECKING:
    from tests.faults.chaos.stage import Node, Stage

_REFUSED = 5  # the exit status of a daemon whose home has one


def kill_daemon(stage: Stage, chance: Random) -> None:
    """Kill one with SIGKILL and start it again."""
    _kill(chance.choice(stage.nodes), chance)


def kill_repeatedly(stage: Stage, chance: Random) -> None:
    """Kill daemons several times, also while they start."""
    for _ in range(chance.randint(2, 5)):
        _kill(chance.choice(stage.nodes), chance)
        let_pass(chance.uniform(0, 0.3))


def _kill(node: Node, chance: Random) -> None:
    with node.lock:
        node.daemon.kill()
        let_pass(chance.choice((0.0, 0.0, 0.1, 0.5)) * chance.random())
        node.start(ready=False)
        if chance.random() < 0.7:
            node.wait_until_ready()


def stop_and_start(stage: Stage, chance: Random) -> None:
    """Stop one in order and start it again."""
    node = chance.choice(stage.nodes)
    with node.lock:
        node.stop()
        node.start()


def stop_hard(stage: Stage, chance: Random) -> None:
    """Tell one twice to stop, and start it again."""
    node = chance.choice(stage.nodes)
    number = chance.choice((signal.SIGTERM, signal.SIGINT))
    with node.lock:
        if node.daemon.running:
            node.wait_until_ready()
            node.daemon.send(number)
            let_pass(chance.uniform(0, 0.05))
            node.stop(number)
        node.start()


def halt(stage: Stage, chance: Random) -> None:
    """Halt one for a while, for less than the time after which it is taken for dead."""
    node = chance.choice(stage.nodes)
    with node.lock:
        if node.daemon.running:
            node.daemon.send(signal.SIGSTOP)
            let_pass(chance.uniform(0.1, 1.5))
            node.daemon.send(signal.SIGCONT)


def kill_children(stage: Stage, chance: Random) -> None:
    """Kill processes of handlers, one by one or all at once."""
    stage.submit_some(20, "p_work", seconds=0.05)
    for _ in range(chance.randint(1, 8)):
        let_pass(chance.uniform(0, 0.1))
        children = _children(chance.choice(stage.nodes))
        for process in children if chance.random() < 0.3 else children[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def kill_fork_server(stage: Stage, chance: Random) -> None:
    """Kill the process that forks the handlers' processes."""
    stage.submit_some(20, "p_work", seconds=0.03)
    let_pass(chance.uniform(0, 0.2))
    node = chance.choice(stage.nodes)
    if node.daemon.running:
        for process in descendants(node.daemon.pid)[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def second_daemon(stage: Stage, chance: Random) -> None:
    """Start another daemon in a home that has one; one of the two refuses."""
    node = chance.choice(stage.nodes)
    with node.lock:
        if not node.daemon.running:
            return
        node.wait_until_ready()
        other = stage.arena.forker.daemon(node.site.home)
        status = other.wait(30)
        assert status == _REFUSED, f"a second daemon ended with {status}"
        assert node.daemon.running


def no_descriptors(stage: Stage, chance: Random) -> None:
    """Let a daemon open hardly another file for a while."""
    node = chance.choice(stage.nodes)
    with node.lock:
        if not node.daemon.running:
            return
        node.wait_until_ready()
        process = psutil.Process(node.daemon.pid)
        _, most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(
            process.pid, resource.RLIMIT_NOFILE, (process.num_fds() + chance.randint(0, 3), most)
        )
        let_pass(chance.uniform(0.2, 0.8))
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)


def _children(node: Node) -> list[psutil.Process]:
    return handler_processes(node.daemon.pid) if node.daemon.running else []
