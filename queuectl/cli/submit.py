"""``queuectl submit``: one task for each URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, NoReturn

import typer

from queuectl.cli.deeds import note_deed
from queuectl.cli.invocation import Invocation
from queuectl.cli.task_options import Handler, Meta, Priority, Score, metadata
from queuectl.cli.wait import wait_and_tell
from queuectl.errors import (
    ExitCode,
    InvalidInputError,
    PartlyDoneError,
    QueuectlError,
    RefusedError,
)


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A task as it was submitted; ``run_at`` is UTC milliseconds."""

    task_id: str
    state: str
    queue: str
    priority_score: int
    run_at: int | None


@dataclass(slots=True)
class _Submission:
    """What became of several URLs: ``untried`` are those behind the one at which an error ended it."""

    done: list[_Submitted] = field(default_factory=list)
    refused: list[tuple[str, QueuectlError]] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)
    ended_by: QueuectlError | KeyboardInterrupt | None = None


def submit(
    ctx: typer.Context,
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="Addresses of articles.")],
    priority: Priority = None,
    score: Score = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="TIME", help='When to start, such as "2027-01-31 10:00".')
    ] = None,
    delay: Annotated[
        str | None, typer.Option("--in", metavar="DURATION", help="Start after this time, such as 90m.")
    ] = None,
    meta: Meta = None,
    handler: Handler = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="The longest time one run may take.")
    ] = None,
    memory_limit: Annotated[
        int | None, typer.Option(metavar="MB", help="The most memory one run may use.")
    ] = None,
    max_retries: Annotated[
        int | None, typer.Option(metavar="N", help="How often it runs again after a failure.")
    ] = None,
    unique: Annotated[
        bool, typer.Option("--unique", help="Refuse the URL while an open task has it.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the tasks have ended.")] = False,
    wait_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop waiting after this time.")
    ] = None,
) -> int:
    """Submit URLs, now or for later; prints the ids of their tasks.

    Examples:
      queuectl submit https://example.com/article --priority high
      queuectl submit https://example.com/article --schedule "tomorrow 10:00"
      queuectl submit https://example.com/article --in 90m --meta author=Ann
      queuectl submit https://example.com/article --wait --wait-timeout 60
    """
    run: Invocation = ctx.obj
    fields = {
        "metadata": metadata(meta or []),
        "handler": handler,
        "timeout": timeout,
        "memory_limit": memory_limit,
        "max_retries": max_retries,
        "unique": unique or None,
    }
    _check(urls, priority, score)
    start = _start(run, schedule, delay)
    found = _submit_all(run, urls, priority, score, start, fields)
    note_deed(_deed(found.done))
    if run.output.json and (not wait or found.ended_by is not None):
        run.output.document(_document(found))
    for submitted in found.done if not run.output.json else ():
        run.output.line(submitted.task_id)
    _say(run, found.done, start)
    for url, error in found.refused:
        run.output.warn(f"{url[:200]}: {error.message}")
    if found.ended_by is not None:
        _raise_end(found, len(urls))
    code = ExitCode.PARTLY_DONE if found.refused else ExitCode.DONE
    if wait:
        return _wait(run, found, wait_timeout) or code
    return code


def _check(urls: list[str], priority: str | None, score: int | None) -> None:
    """Refuse what can be refused before anything is stored, so that a mistake leaves nothing half done."""
    from queuectl.domain.priority import checked_score, level_named
    from queuectl.domain.urls import accept

    if priority is not None and score is not None:
        raise InvalidInputError("--priority and --score contradict each other", hint="give one of them")
    if priority is not None:
        level_named(priority)
    if score is not None:
        checked_score(score)
    for url in urls:
        accept(url)


def _start(run: Invocation, schedule: str | None, delay: str | None) -> datetime | None:
    if schedule is None and delay is None:
        return None
    from datetime import UTC

    from queuectl.times import parse_duration, parse_moment

    if schedule is not None and delay is not None:
        raise InvalidInputError("--schedule and --in contradict each other", hint="give one of them")
    if delay is not None:
        duration = parse_duration(delay)
        try:
            return datetime.now(UTC) + duration
        except OverflowError as error:
            raise InvalidInputError(f"{delay!r} is too long", hint="give at most some years") from error
    return parse_moment(schedule or "", run.settings.timezone, tell=run.output.say)


def _submit_all(
    run: Invocation,
    urls: list[str],
    priority: str | None,
    score: int | None,
    start: datetime | None,
    fields: dict[str, Any],
) -> _Submission:
    """Submit one after the other; what was accepted before an error or Ctrl-C is told all the same.

    Raises:
        QueuectlError: none was accepted.
    """
    from queuectl.clock import now_ms
    from queuectl.domain.priority import DEFAULT, level_named, level_of_score
    from queuectl.times import milliseconds

    effective = score if score is not None else (level_named(priority) if priority else DEFAULT).score
    at = milliseconds(start) if start is not None else None
    found = _Submission()
    for place, url in enumerate(urls):
        try:
            task_id = run.manager.submit_task(url, priority, priority_score=score, publish_at=start, **fields)
        except RefusedError as error:
            found.refused.append((url, error))
            continue
        except (QueuectlError, KeyboardInterrupt) as error:
            if not found.done:
                raise
            found.ended_by, found.untried = error, urls[place:]
            break
        state = "scheduled" if at is not None and at > now_ms() else "queued"
        found.done.append(_Submitted(task_id, state, level_of_score(effective).queue, effective, at))
    if not found.done:
        raise found.refused[0][1]
    return found


def _raise_end(found: _Submission, number: int) -> NoReturn:
    error = found.ended_by
    if not isinstance(error, QueuectlError):
        raise KeyboardInterrupt
    raise PartlyDoneError(
        f"{len(found.done):,} of {number:,} URLs submitted; not from {found.untried[0][:200]} on: {error.message}",
        hint=error.hint,
    ) from error


def _deed(done: list[_Submitted]) -> str:
    first, last = done[0].task_id, done[-1].task_id
    return (
        f"{first} is submitted"
        if len(done) == 1
        else f"{len(done):,} tasks, {first} to {last}, are submitted"
    )


def _document(found: _Submission) -> dict[str, Any]:
    from queuectl.times import iso

    shapes = [
        {
            "task_id": each.task_id,
            "state": each.state,
            "queue": each.queue,
            "priority_score": each.priority_score,
            "run_at": iso(each.run_at),
        }
        for each in found.done
    ]
    if len(shapes) == 1 and not found.refused and found.ended_by is None:
        return shapes[0]
    refused = [{"url": url, "message": error.message} for url, error in found.refused]
    return {"tasks": shapes, "refused": refused, "not_tried": found.untried}


def _say(run: Invocation, done: list[_Submitted], start: datetime | None) -> None:
    if run.output.quiet or run.output.json:
        return
    from queuectl.cli.daemon_watch import say_if_none_runs
    from queuectl.times import milliseconds, shown

    first = done[0]
    subject = "queued" if first.state == "queued" else "scheduled"
    text = f"{subject} in {first.queue} with score {first.priority_score}"
    if start is not None:
        at = shown(milliseconds(start), run.settings.timezone)
        text += f" for {at}" if first.state == "scheduled" else f": {at} has passed, so it runs now"
    run.output.say(text)
    say_if_none_runs(run)


def _wait(run: Invocation, found: _Submission, timeout: float | None) -> int:
    try:
        tasks, code = wait_and_tell(run, [each.task_id for each in found.done], timeout)
    except (QueuectlError, typer.Exit):
        if run.output.json:  # whoever stops waiting, for whatever reason, still has to learn the ids
            run.output.document(_document(found))
        raise
    if run.output.json:
        ended = {f"task_{task.id}": task for task in tasks}
        content = _document(found)
        for shape in content.get("tasks", [content]):
            task = ended[shape["task_id"]]
            shape |= {"state": task.state.value, "result": task.result, "error": task.error}
        run.output.document(content)
    return code
