"""``queuectl demo``: the main job in one go, on sample articles, with a daemon of its own."""

from __future__ import annotations

import secrets
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from queuectl.cli.invocation import Invocation
from queuectl.errors import RefusedError, UnreachableError

if TYPE_CHECKING:
    from queuectl.cli.render.demo import Scene
    from queuectl.operations.manager import QueueManager
    from queuectl.operations.monitor import Monitor
    from queuectl.settings import Loaded

_WORKERS = 2
_PAUSE_SECONDS = 0.08
_LATENCY_SECONDS = 0.35
"""The sample site answers about as fast as one in another country, so that there is something to see."""

_LIMIT_SECONDS = 90.0
_FEED_SECONDS = 4.0

_SETTINGS = """\
# Made by "queuectl demo": a daemon that may fetch from this machine, and that retries soon.
workers = {workers}
fetch_allow_networks = ["127.0.0.0/8"]
retry_backoff = 0.5
retry_backoff_max = 2.0
grace_period = 5.0
redis_namespace = "{namespace}"
"""


def demo(ctx: typer.Context) -> None:
    """Watch articles pass through, with nothing to set up.

    Starts a small local web site with sample articles and a daemon in a folder of its own, submits
    the articles with mixed priorities, shows how they pass through the queues, and lists what was
    produced. The folder stays. DATABASE_URL and REDIS_URL are used where they are set.

    Examples:
      queuectl demo
      queuectl demo --home ./trial
    """
    from queuectl.cli.daemon_process import start, stop
    from queuectl.operations.manager import QueueManager
    from queuectl.operations.monitor import Monitor
    from queuectl.samples.site import SampleSite

    run: Invocation = ctx.obj
    loaded = _settings(run.options.home)
    settings = loaded.settings
    run.output.say(f"the demonstration lives in {settings.home}")
    with QueueManager(settings) as manager, SampleSite(latency=_LATENCY_SECONDS) as site:
        monitor = Monitor(settings)
        _refuse_real_work(monitor)
        daemon = start(loaded, None, web=False)
        try:
            scene = _play(run, manager, monitor, site.urls)
            _await_feed(settings.home, scene)
        finally:
            stop(settings.home, daemon, settings.grace_period)
        report = _report(loaded)
        _tell(run, loaded, scene, monitor, report)
        monitor.close()


def _settings(home: Path | None) -> Loaded:
    """Return the settings of a new home, or of one that an earlier demonstration left.

    Raises:
        RefusedError: the folder is in use for something else.
    """
    from queuectl.operations.local_daemon import is_locked
    from queuectl.operations.opening import make_folder
    from queuectl.settings import load

    folder = home.absolute() if home is not None else Path(tempfile.mkdtemp(prefix="queuectl-demo-"))
    file = folder / "queuectl.toml"
    if is_locked(folder):
        raise RefusedError(f"a daemon already uses {folder}", hint="choose another folder with --home")
    if file.exists() and not file.read_text(encoding="utf-8").startswith(_SETTINGS[:20]):
        raise RefusedError(
            f"{folder} is a real home: it has its own queuectl.toml", hint="choose another --home"
        )
    make_folder(folder)
    file.write_text(
        _SETTINGS.format(workers=_WORKERS, namespace=f"demo-{secrets.token_hex(4)}"), encoding="utf-8"
    )
    return load(home=folder, config=file)


def _refuse_real_work(monitor: Monitor) -> None:
    """Keep the demonstration's daemon away from tasks that are not its own, and other daemons from its tasks.

    Raises:
        RefusedError: the configured database is in use.
    """
    status = monitor.get_realtime_status()
    busy = sum(queue.waiting + queue.scheduled + queue.running for queue in status.queues)
    if busy or any(node.alive for node in status.nodes):
        what = "a daemon" if not busy else "tasks"
        raise RefusedError(
            f"the database {status.database} is in use: it has {what}",
            hint="unset DATABASE_URL, or name an empty database",
        )


def _play(run: Invocation, manager: QueueManager, monitor: Monitor, urls: list[tuple[str, str]]) -> Scene:
    """Submit the batch and show it until every task has ended.

    Raises:
        UnreachableError: the tasks do not end.
    """
    from queuectl.cli.render.demo import Scene, stage
    from queuectl.clock import monotonic
    from queuectl.domain.task import ArticleTask

    tasks = [ArticleTask(url, priority) for url, priority in urls]
    batch = manager.submit_batch(tasks, batch_name="demonstration")
    scene = Scene(batch, int(batch.removeprefix("batch_")), len(urls), monotonic())
    pause = threading.Event()
    with stage(run.output, scene) as show:
        while True:
            scene.look(manager, monitor)
            show()
            if scene.is_over():
                return scene
            if monotonic() - scene.began > _LIMIT_SECONDS:
                raise UnreachableError(
                    f"the batch did not end within {_LIMIT_SECONDS:g} s",
                    hint=f"see: queuectl --home {manager.settings.home} status",
                )
            pause.wait(_PAUSE_SECONDS)


def _await_feed(home: Path, scene: Scene) -> None:
    """Give the daemon the moment that it takes to bring its feed up to date."""
    feed, deadline = home / "articles" / "feed.xml", threading.Event()
    newest = max((task.finished_at or 0 for task in scene.tasks), default=0) / 1000
    for _ in range(int(_FEED_SECONDS / _PAUSE_SECONDS)):
        if feed.exists() and feed.stat().st_mtime >= newest:
            return
        deadline.wait(_PAUSE_SECONDS)


def _report(loaded: Loaded) -> str:
    """Write a report on today as an HTML file and return its path."""
    from queuectl.operations.reporter import Reporter

    with Reporter(loaded.settings) as reporter:
        return reporter.export_report(reporter.generate_daily_report())


def _tell(run: Invocation, loaded: Loaded, scene: Scene, monitor: Monitor, made: str) -> None:
    from queuectl.cli.render.demo import report, report_shape

    letters = [each for each in monitor.get_dead_letter_queue(1000) if each.task_id in scene.ids()]
    home = loaded.settings.home
    if run.output.json:
        run.output.document(report_shape(scene, letters, home) | {"report": made})
        return
    for part in report(scene, letters, home, made):
        if isinstance(part, str):
            run.output.line(part)
        else:
            run.output.grid(part)
