"""Faults that people and handlers bring: tasks that do harm, verbs that race with runs, reloads, killed commands."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from queuectl.domain.priority import QUEUES
from queuectl.errors import QueuectlError, UnreachableError
from queuectl.operations.manager import QueueManager
from tests.support import exports
from tests.support.chance import let_pass
from tests.support.harmful_handlers import DISTURBANCES, UNFIT

if TYPE_CHECKING:
    from tests.faults.chaos.stage import Node, Stage

_WHEN = "2026-11-25T10:00:00.000Z"


def hanging_handlers(stage: Stage, chance: Random) -> None:
    """Submit runs that nothing but the end of their process ends."""
    for handler in ("block", "sleep_in_c", "spin"):
        stage.submit_some(2, f"harm_{handler}", options={"timeout": 0.3, "max_retries": chance.randint(0, 1)})


def hungry_handlers(stage: Stage, chance: Random) -> None:
    """Submit runs that take more memory than they may."""
    options = {"memory_limit": 64, "max_retries": 0, "timeout": 5.0}
    for handler in ("hog", "hog_at_once"):
        stage.submit_some(2, f"harm_{handler}", options=options, most=512)


def crashing_handlers(stage: Stage, chance: Random) -> None:
    """Submit runs that end their process without a word."""
    for handler in ("exit_well", "exit_badly", "kill_itself", "segfault"):
        stage.submit_some(chance.randint(1, 3), f"harm_{handler}")


def forking_handlers(stage: Stage, chance: Random) -> None:
    """Submit runs that leave processes behind."""
    for handler in ("fork_and_stay", "fork_and_go", "fork_and_die"):
        stage.submit_some(2, f"harm_{handler}", options={"timeout": 0.5, "max_retries": 0})


def spoiling_handlers(stage: Stage, chance: Random) -> None:
    """Submit runs that leave their process as nobody wants to find it."""
    options = {"timeout": 3.0, "max_retries": 0}
    for how in chance.sample(sorted(DISTURBANCES), 3):
        stage.submit_some(1, "harm_disturb", options=options, how=how)
    for handler in ("open_files", "print_much"):
        stage.submit_some(1, f"harm_{handler}", options=options)
    stage.submit_some(10, "p_work")


def unfit_results(stage: Stage, chance: Random) -> None:
    """Submit runs whose results have no place in a database, and whose errors are strange."""
    for kind in chance.sample(sorted(UNFIT), 5):
        stage.submit_some(1, "harm_return_unfit", options={"max_retries": 0, "timeout": 10.0}, kind=kind)
    stage.submit_some(2, result="\x00 \ud800 end")


def change_tasks(stage: Stage, chance: Random) -> None:
    """Cancel, retry and reprioritize tasks, wherever they are."""
    with QueueManager(stage.site.settings) as manager:
        for _ in range(60):
            numbers = stage.some_tasks(chance, 1)
            if not numbers:
                let_pass(0.01)
                continue
            match chance.choice(("cancel", "cancel", "requeue", "reprioritize")):
                case "cancel":
                    _told(stage, "cancel", numbers[0], manager.cancel_task)
                case "requeue":
                    _told(stage, "requeue", numbers[0], manager.retry_task)
                case _:
                    with contextlib.suppress(QueuectlError):
                        manager.reprioritize_task(numbers[0], score=chance.randrange(12))
            let_pass(chance.uniform(0, 0.02))


def _told(stage: Stage, verb: str, number: int, act: Callable[[int], object]) -> None:
    key = stage.client.invoke(verb, ids=[number])
    try:
        act(number)
    except UnreachableError:
        stage.client.unknown(key)
    except QueuectlError:
        stage.client.fail(key)
    else:
        stage.client.ok(key, [number])


def pause_queues(stage: Stage, chance: Random) -> None:
    """Pause queues and resume them."""
    with QueueManager(stage.site.settings) as manager:
        for _ in range(chance.randint(1, 6)):
            with contextlib.suppress(QueuectlError):
                manager.pause_queue(chance.choice(QUEUES))
                let_pass(chance.uniform(0, 0.2))
            with contextlib.suppress(QueuectlError):
                manager.resume_queue(chance.choice(QUEUES))


def reload(stage: Stage, chance: Random) -> None:
    """Change the number of workers and other settings, and have them taken up."""
    node = chance.choice(stage.nodes)
    for _ in range(chance.randint(1, 4)):
        with node.lock:  # a daemon that starts reads a whole file
            _rewrite(node, rf"\g<1>{chance.randint(1, 8)}")
            _hang_up(node)
        let_pass(chance.uniform(0, 0.3))


def broken_reload(stage: Stage, chance: Random) -> None:
    """Let a daemon read a file that is none, and a good one again; none could start with it meanwhile."""
    node = chance.choice(stage.nodes)
    file = node.site.home / "queuectl.toml"
    with node.lock:
        whole = file.read_text()
        try:
            if node.daemon.running:
                node.wait_until_ready()
            file.write_text(chance.choice(("workers = [", "workers = -3\n", whole[: len(whole) // 2], "")))
            if node.daemon.running:
                node.daemon.send(signal.SIGHUP)
            let_pass(chance.uniform(0, 0.3))
        finally:
            file.write_text(whole)
        _hang_up(node)


def _rewrite(node: Node, workers: str) -> None:
    file = node.site.home / "queuectl.toml"
    file.write_text(re.sub(r"(?m)^(workers = )\d+$", workers, file.read_text()))


def _hang_up(node: Node) -> None:
    with node.lock:
        if node.daemon.running:
            node.wait_until_ready()
            node.daemon.send(signal.SIGHUP)


def killed_backup(stage: Stage, chance: Random) -> None:
    """Start a backup, and kill it on its way; on PostgreSQL where pg_dump does not fit it is refused."""
    home = stage.site.home
    process = stage.arena.forker.command(
        home, ["backup", str(home / "copy"), "--yes", "--home", str(home)], home / "backup.log"
    )
    let_pass(chance.uniform(0, 0.3))
    process.kill()
    process.wait(10)


def killed_import(stage: Stage, chance: Random) -> None:
    """Start an import, and kill it on its way: all of its tasks are there in the end, or none."""
    home = stage.site.home
    facts = {"handler": "work", "created_at": _WHEN, "metadata": {"witness": str(stage.site.witness.path)}}
    tasks = [exports.task(number, **facts) for number in range(1, 201)]
    urls = [each["task"]["url"] for each in tasks]
    file = exports.put(home, exports.a_file(tasks))
    key = stage.client.invoke("import", urls=urls)
    process = stage.arena.forker.command(
        home, ["import", str(file), "--yes", "--home", str(home)], home / "import.log"
    )
    let_pass(chance.uniform(0, 0.4))
    process.kill()
    process.wait(10)
    stage.client.unknown(key)
    stage.at_the_end.append(lambda: _all_or_none(stage, urls))


def _all_or_none(stage: Stage, urls: list[str]) -> None:
    ((count,),) = stage.site.rows("SELECT COUNT(*) FROM tasks WHERE url LIKE %s", "https://example.com/%")
    assert count in (0, len(urls)), f"{count} of {len(urls)} imported tasks are there"
