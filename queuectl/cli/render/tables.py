"""One function for each list and each single thing that is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from queuectl.cli.render.facts import Facts
from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.style import BAD, CAREFUL, FAINT, GOOD, STATES, STRONG, state_style
from queuectl.cli.render.words import block_words, count, duration
from queuectl.domain.queue_limits import LIMITS, LimitChange, written
from queuectl.domain.status import QueueStatus
from queuectl.domain.task import Attempt, Task, batch_name, task_name
from queuectl.times import shown

if TYPE_CHECKING:
    from queuectl.domain.status import NodeStatus
    from queuectl.operations.administration import Check
    from queuectl.operations.local_daemon import LocalDaemon
    from queuectl.store.articles import StoredArticle

_ENCODED_LETTERS = re.compile(r"(?:%[89A-Fa-f][0-9A-Fa-f])+")
"""Percent-encoded characters beyond ASCII; an encoded slash or blank stays encoded."""


def url_cell(url: str) -> Cell:
    """Return a URL: as it is for programs, with its foreign letters readable for people."""
    return Styled(url, drawn=_ENCODED_LETTERS.sub(_decoded, url))


def _decoded(match: re.Match[str]) -> str:
    try:
        return unquote(match[0], errors="strict")
    except UnicodeDecodeError:
        return match[0]


def state_cell(state: str) -> Cell:
    """Return a state with its sign and colour."""
    look = STATES[state]
    return Styled(state, look.style, look.sign)


def task_facts(task: Task, zone: str, why: str | None = None) -> Facts:
    """Return everything about one task but its attempts; what it has not is left out."""
    rows: list[tuple[str, Cell | None]] = [
        ("task", Styled(task_name(task.id), STRONG)),
        ("state", _state_of(task)),
        ("why", why),
        ("url", url_cell(task.url)),
        ("queue", f"{task.queue}, score {task.priority_score}"),
        ("handler", task.handler),
        ("batch", batch_name(task.batch_id) if task.batch_id is not None else None),
        ("submitted", shown(task.created_at, zone)),
        ("planned for", _time(task.run_at, zone)),
        ("next run", shown(task.due_at, zone) if task.state == "retrying" else None),
        ("started", _time(task.started_at, zone)),
        ("finished", _time(task.finished_at, zone)),
        ("took", _took(task.started_at, task.finished_at)),
        ("runs", _runs(task)),
        ("timeout", f"{task.timeout:g} s" if task.timeout is not None else None),
        ("memory limit", f"{task.memory_limit} MB" if task.memory_limit is not None else None),
        ("metadata", _json(task.metadata) if task.metadata else None),
        ("error", Styled(task.error, BAD) if task.error else None),
        ("result", _json(task.result) if task.result is not None else None),
    ]
    return Facts([(name, cell) for name, cell in rows if cell is not None])


def _state_of(task: Task) -> Cell:
    if task.cancel_requested and task.state == "running":
        return Styled("running, asked to stop", CAREFUL, STATES[task.state].sign)
    return state_cell(task.state)


def _runs(task: Task) -> str | None:
    if not task.attempt:
        return None if task.max_retries is None else f"0, and {task.max_retries} retries"
    return f"{task.attempt}" if task.max_retries is None else f"{task.attempt}, of {task.max_retries} retries"


def _time(at: int | None, zone: str) -> str | None:
    return None if at is None else shown(at, zone)


def _took(started: int | None, finished: int | None) -> str | None:
    return duration(finished - started) if started is not None and finished is not None else None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def attempt_grid(attempts: Sequence[Attempt], zone: str, waiting_since: int | None = None) -> Grid:
    """Return the timeline of a task's runs; the first one waited from ``waiting_since`` on."""
    columns = (
        Column("RUN", "right"),
        Column("WAITED", "right"),
        Column("STARTED"),
        Column("TOOK", "right"),
        Column("OUTCOME"),
        Column("ERROR", flexible=True),
    )
    since = [waiting_since, *(each.finished_at for each in attempts)]
    return Grid(
        columns,
        [
            [
                str(each.attempt),
                duration(each.started_at - before if before is not None else None),
                shown(each.started_at, zone),
                _took(each.started_at, each.finished_at) or "-",
                Styled(each.outcome, state_style(each.outcome)),
                each.error or "",
            ]
            for each, before in zip(attempts, since, strict=False)
        ],
    )


def article_facts(stored: StoredArticle, home: Path, zone: str) -> Facts:
    """Return where a task's article went."""
    article = stored.article
    folder = home / "articles"
    rows: list[tuple[str, Cell | None]] = [
        ("article", Styled(article.title, STRONG)),
        ("by", ", ".join(each for each in (article.author, article.account) if each) or None),
        ("published", _time(article.published_at, zone)),
        ("markdown", str(folder / article.markdown_path)),
        ("html", str(folder / article.html_path)),
    ]
    return Facts([(name, cell) for name, cell in rows if cell is not None])


def queue_grid(queues: Sequence[QueueStatus], now: int, zone: str) -> Grid:
    """Return the queues with what waits and runs in each, and what limits it."""
    columns = (
        Column("QUEUE"),
        Column("STATE"),
        Column("WAITING", "right"),
        Column("SCHEDULED", "right"),
        Column("RUNNING", "right"),
        Column("DEAD", "right"),
        Column("LIMITS", flexible=True),
    )
    return Grid(
        columns,
        [
            [
                queue.name,
                state_of_queue(queue, now, zone),
                f"{queue.waiting:,}",
                f"{queue.scheduled:,}",
                f"{queue.running:,}",
                f"{queue.dead:,}",
                limits_words(queue),
            ]
            for queue in queues
        ],
    )


def limits_words(queue: QueueStatus) -> str:
    """Return a queue's limits as one would type them."""
    return ", ".join(f"{key}={written(value)}" for key, value in _limits(queue))


def _limits(queue: QueueStatus) -> list[tuple[str, object]]:
    return [(key, value) for key in LIMITS if (value := getattr(queue, key)) is not None]


def state_of_queue(queue: QueueStatus, now: int, zone: str) -> Cell:
    """Return whether a queue's tasks may start."""
    if queue.paused:
        return Styled("paused", CAREFUL)
    return (
        Styled("open", GOOD) if queue.block is None else Styled(block_words(queue.block, now, zone), CAREFUL)
    )


def change_grid(changes: Sequence[LimitChange]) -> Grid:
    """Return which limits have changed."""
    columns = (Column("LIMIT"), Column("BEFORE"), Column("AFTER"))
    return Grid(
        columns, [[each.key, Styled(each.before, FAINT), Styled(each.after, STRONG)] for each in changes]
    )


def queue_facts(queue: QueueStatus, now: int, zone: str) -> Facts:
    """Return everything about one queue."""
    counts = ("scheduled", "queued", "dispatched", "running", "retrying", "succeeded", "dead", "cancelled")
    rows: list[tuple[str, Cell]] = [
        ("queue", Styled(queue.name, STRONG)),
        ("state", state_of_queue(queue, now, zone)),
    ]
    rows.extend((name, f"{getattr(queue, name):,}") for name in counts)
    rows.append(("oldest wait", duration(queue.oldest_wait_ms)))
    rows.extend((key, f"{written(value)} {LIMITS[key].unit}".rstrip()) for key, value in _limits(queue))
    return Facts(rows)


def check_grid(checks: Sequence[Check]) -> Grid:
    """Return what was looked at and what was found."""
    columns = (Column(""), Column("CHECK"), Column("FOUND", flexible=True, wraps=True))
    return Grid(columns, [[_sign(check), check.name, check.detail] for check in checks])


def _sign(check: Check) -> Cell:
    if check.ok and check.warning:
        return Styled("careful", CAREFUL, "!")
    return Styled("ok", GOOD, "✓") if check.ok else Styled("failed", BAD, "✗")


def daemon_facts(found: LocalDaemon, node: NodeStatus | None, log: str, zone: str, now: int) -> Facts:
    """Return everything about the daemon of this home."""
    rows: list[tuple[str, Cell]] = [
        ("daemon", Styled("running", GOOD)),
        ("pid", str(found.pid)),
        ("since", f"{shown(found.started_at, zone)} ({duration(now - found.started_at)})"),
    ]
    if node is not None:
        rows += [
            ("node", f"{node.id} on {node.host}, version {node.version}"),
            *([("role", node.role)] if node.role != "all" else []),
            ("workers", f"{node.workers}, {node.running} busy"),
            (
                "transport",
                Styled(node.transport, "") if node.transport_up else Styled("Redis does not answer", CAREFUL),
            ),
            ("rate", f"{count(round(node.per_minute), 'run')} a minute"),
            ("handlers", ", ".join(f"{name} ({kind})" for name, kind in node.kinds.items())),
        ]
    rows.append(("log", log))
    return Facts(rows)
