"""How the demonstration looks: the moving picture of its batch, and what it produced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queuectl.cli.render.facts import Facts
from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.safe import safe
from queuectl.cli.render.status import progress_text
from queuectl.cli.render.style import ACCENT, BAD, FAINT, GOOD, STATES, STRONG
from queuectl.cli.render.words import duration, short_queue
from queuectl.clock import monotonic
from queuectl.domain.dead_letter import DeadLetter
from queuectl.domain.lifecycle import FINAL, State
from queuectl.domain.priority import QUEUES
from queuectl.domain.selection import Selection
from queuectl.domain.status import RunningTask
from queuectl.domain.task import Task, task_name
from queuectl.shapes.dead_letters import letter_shape
from queuectl.shapes.tasks import task_shape

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from queuectl.cli.render.output import Output
    from queuectl.operations.manager import QueueManager
    from queuectl.operations.monitor import Monitor

_LEGEND = (
    (State.QUEUED, "waits"),
    (State.RUNNING, "runs"),
    (State.RETRYING, "failed, runs again"),
    (State.SUCCEEDED, "done"),
    (State.DEAD, "dead letter"),
)
_SHOWN_RUNNING = 3
_SHOWN_ENDED = 5


@dataclass(slots=True)
class Scene:
    """The batch at one moment; ``began`` is on the monotonic clock."""

    batch: str
    number: int
    size: int
    began: float
    tasks: list[Task] = field(default_factory=list)
    running: list[RunningTask] = field(default_factory=list)
    told: dict[int, str] = field(default_factory=dict)
    elapsed_ms: int = 0

    def look(self, manager: QueueManager, monitor: Monitor) -> None:
        """Read how the batch is now."""
        self.tasks = sorted(
            manager.list_tasks(Selection(batch=self.number, limit=self.size)), key=lambda task: task.id
        )
        self.running = [each for each in monitor.running(self.size) if each.task.batch_id == self.number]
        self.elapsed_ms = round((monotonic() - self.began) * 1000)

    def ids(self) -> set[int]:
        """Return the numbers of the batch's tasks."""
        return {task.id for task in self.tasks}

    def ended(self) -> list[Task]:
        """Return the tasks that have ended, the first to end first."""
        ended = [task for task in self.tasks if task.state in FINAL]
        return sorted(ended, key=lambda task: (task.finished_at or 0, task.id))

    def is_over(self) -> bool:
        """Tell whether every task has ended."""
        return len(self.tasks) == self.size and all(task.state in FINAL for task in self.tasks)

    def news(self) -> list[str]:
        """Return a line for each task that ended or is to be retried since the last call."""
        lines = []
        for task in self.tasks:
            if self.told.get(task.id) != task.state and task.state in FINAL | {State.RETRYING}:
                self.told[task.id] = task.state
                queue = short_queue(task.queue).ljust(10)
                lines.append(
                    f"{self.elapsed_ms / 1000:5.1f} s  {task_name(task.id):8} {task.state:9} {queue}  {_said(task)}"
                )
        return lines


@contextmanager
def stage(output: Output, scene: Scene) -> Iterator[Callable[[], None]]:
    """Yield the function that shows the scene: a moving picture on a terminal, else a line for each end."""
    if output.json or output.quiet:
        yield lambda: None
    elif not output.on_terminal:

        def tell_news() -> None:
            for line in scene.news():
                output.line(line)

        yield tell_news
    else:
        from rich.live import Live

        with Live(picture(scene), console=output.console, auto_refresh=False) as live:
            yield lambda: live.update(picture(scene), refresh=True)


def picture(scene: Scene) -> RenderableType:
    """Return the moving picture: a sign for each task in its queue, what runs, and what ended last."""
    from rich.console import Group
    from rich.text import Text

    done = len(scene.ended())
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append("queuectl demo", style=STRONG)
    head.append(f"  {done} of {scene.size} articles done")
    head.append(f"  {scene.elapsed_ms / 1000:.1f} s", style=FAINT)
    parts: list[RenderableType] = [head, Text(), *(_lane(scene, queue) for queue in QUEUES), Text()]
    parts += _padded([_running_line(each) for each in scene.running[:_SHOWN_RUNNING]], _SHOWN_RUNNING)
    parts.append(Text())
    parts += _padded([_ended_line(task) for task in scene.ended()[-_SHOWN_ENDED:]], _SHOWN_ENDED)
    parts += [Text(), _legend()]
    return Group(*parts)


def _legend() -> Text:
    from rich.text import Text

    line = Text(no_wrap=True, overflow="ellipsis")
    for state, word in _LEGEND:
        look = STATES[state]
        line.append(f"{look.sign} ", style=look.style or FAINT).append(f"{word}   ", style=FAINT)
    return line


def _padded(lines: list[Text], number: int) -> list[Text]:
    """Keep the picture's height, so that it does not jump."""
    from rich.text import Text

    return lines + [Text() for _ in range(number - len(lines))]


def _lane(scene: Scene, queue: str) -> Text:
    from rich.text import Text

    line = Text(f"{short_queue(queue):>10}  ")
    for task in scene.tasks:
        if task.queue == queue:
            look = STATES[task.state]
            line.append(f"{look.sign} ", style=look.style or FAINT)
    return line


def _running_line(running: RunningTask) -> Text:
    from rich.text import Text

    look = STATES[State.RUNNING]
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{look.sign} {task_name(running.task.id):8}", style=ACCENT)
    line.append(f" {running.elapsed_ms / 1000:5.1f} s  {_page(running.task)}")
    return line.append(f"  {progress_text(running.fraction, running.note)}", style=FAINT)


def _ended_line(task: Task) -> Text:
    from rich.text import Text

    look = STATES[task.state]
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{look.sign} {task_name(task.id):8}", style=look.style)
    took = duration((task.finished_at or 0) - (task.started_at or 0))
    return line.append(f" {took:>7}  {_said(task)}")


def _said(task: Task) -> str:
    """Return what a task has to say for itself: its article's title, or its error."""
    if task.state is State.SUCCEEDED and isinstance(task.result, dict):
        return safe(task.result.get("title", ""), 100)
    return safe((task.error or f"{_page(task)} {task.state}").replace(task.url, _page(task)), 160)


def _page(task: Task) -> str:
    return "/".join(task.url.split("/")[3:])


def report(
    scene: Scene, letters: Sequence[DeadLetter], home: Path, made: str
) -> Iterator[str | Grid | Facts]:
    """Yield what the demonstration produced, and what to try next."""
    articles = [task for task in scene.ended() if task.state is State.SUCCEEDED]
    yield ""
    yield f"{len(articles)} articles in {duration(scene.elapsed_ms)}, in the order in which they were done:"
    yield ""
    yield _articles(articles, home)
    for letter in letters:
        yield ""
        yield f"1 dead letter, because trying again would not help: task_{letter.task_id}"
        yield Facts(
            [("page", letter.url), ("cause", Styled(letter.cause, BAD)), ("error", letter.error or "-")]
        )
    for task in scene.ended():
        if task.attempt > 1:
            yield ""
            yield f"1 retried: {task_name(task.id)} succeeded in run {task.attempt}: {_page(task)}"
    yield ""
    yield Facts(
        [
            ("files", str(home / "articles")),
            ("feed", Styled(str(home / "articles" / "feed.xml"), GOOD)),
            ("report", Styled(made, GOOD)),
            ("log", str(home / "logs" / "queuectld.log")),
        ]
    )
    yield ""
    yield "Look around:"
    for line in _next_commands(scene, letters, home):
        yield f"  {line}"


def _articles(tasks: Sequence[Task], home: Path) -> Grid:
    columns = (
        Column("TASK"),
        Column("QUEUE"),
        Column("TITLE", flexible=True),
        Column("LANGUAGE"),
        Column("TOOK", "right"),
        Column("FILE", flexible=True),
    )
    rows: list[list[Cell]] = []
    for task in tasks:
        found: dict[str, Any] = task.result if isinstance(task.result, dict) else {}
        rows.append(
            [
                task_name(task.id),
                short_queue(task.queue),
                str(found.get("title", "")),
                str(found.get("language") or "-"),
                duration((task.finished_at or 0) - (task.started_at or 0)),
                Styled(f"articles/{found.get('html_path', '')}", FAINT),
            ]
        )
    return Grid(columns, rows)


def _next_commands(scene: Scene, letters: Sequence[DeadLetter], home: Path) -> Iterator[str]:
    yield f"export QUEUECTL_HOME={home}"
    yield "queuectl status"
    retried = next((task for task in scene.ended() if task.attempt > 1), None)
    if retried is not None:
        yield f"queuectl show {task_name(retried.id)}"
    if letters:
        yield "queuectl dead list"
    yield "queuectl report daily --format pdf --lang zh"
    yield "queuectl daemon start"
    yield "queuectl submit https://example.com/ --priority urgent --wait"


def report_shape(scene: Scene, letters: Sequence[DeadLetter], home: Path) -> dict[str, Any]:
    """Return what the demonstration produced, for programs."""
    return {
        "home": str(home),
        "batch_id": scene.batch,
        "elapsed_ms": scene.elapsed_ms,
        "tasks": [task_shape(task) for task in scene.ended()],
        "dead_letters": [letter_shape(each) for each in letters],
        "feed": str(home / "articles" / "feed.xml"),
    }
