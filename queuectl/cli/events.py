"""``queuectl events`` and ``follow``: what happens to tasks, as it happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.cli.selectors import selects_tasks
from queuectl.clock import monotonic
from queuectl.domain.event import Event
from queuectl.domain.lifecycle import FINAL, State
from queuectl.domain.selection import Selection
from queuectl.domain.task import task_name
from queuectl.errors import ExitCode, RefusedError, TaskNotFoundError
from queuectl.operations.selectors import Selectors

if TYPE_CHECKING:
    from queuectl.operations.events import EventStream

_PAUSE_SECONDS = 0.5
_SHARE = 20
"""Reading takes at most one part in so many of the time."""

_MOST_FOLLOWED = 10_000
_FEW = 20
_WIDE_COLUMNS = 100


@selects_tasks(
    without=("everything", "until", "older_than"),
    since="What happened at or after this time; 2h means 2 hours ago.",
    limit="The last so many events; 50 if not given.",
)
def events(
    ctx: typer.Context,
    selectors: Selectors,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")
    ] = False,
) -> int:
    """Tell what happens to all tasks, or to those that are selected.

    submit, start, succeed, retry, bury, cancel, release (given back by a daemon), requeue (sent back by a
    person), reprioritize, reschedule and restore (a cancellation was undone). With -f and --json each event
    is a document on a line of its own.

    Examples:
      queuectl events
      queuectl events -f --queue urgent
      queuectl events --since 1h --limit 1000 --json
    """
    run: Invocation = ctx.obj
    selection = selectors.selection(run.settings.timezone)
    since, limit = selection.since, selection.limit or 50
    selection = replace(selection, since=None, limit=None)
    stream = run.monitor.follow_events(selection) if follow else None
    found = run.monitor.get_events(selection, limit, since)
    if run.output.json and stream is None:
        from queuectl.shapes.tasks import event_shape

        run.output.document({"events": [event_shape(event) for event in found]})
        return ExitCode.DONE
    _write(run, found)
    if stream is None:
        if not found:
            plain = since is None and selection.matches_everything
            run.output.say("nothing has happened yet" if plain else "no event matches")
        return ExitCode.DONE
    # What happened while the last events were read comes once more.
    known = set(found)
    return _poll(run, stream, lambda new: _write(run, [each for each in new if each not in known]))


@selects_tasks(without=("everything", "limit"))
def follow(ctx: typer.Context, selectors: Selectors) -> int:
    """Tell what happens to tasks until all have ended; the exit code is 7 if one of them did not succeed.

    Examples:
      queuectl follow task_12
      queuectl follow --batch batch_3
    """
    from queuectl.cli.daemon_watch import say_if_none_runs

    run: Invocation = ctx.obj
    selection = selectors.narrow_selection(run.settings.timezone, "follow", or_all=False)
    stream = run.monitor.follow_events(_lasting(selection))
    states = run.manager.states_of_tasks(selection, _MOST_FOLLOWED + 1)
    _check(selection, states)
    _begin(run, states)
    if not _all_ended(states):
        say_if_none_runs(run)

    def take(new: list[Event]) -> bool:
        _write(run, [event for event in new if event.task in states])
        waiting = [number for number, state in states.items() if state not in FINAL]
        if waiting:
            states.update(run.manager.states_of_tasks(Selection(ids=tuple(waiting)), _MOST_FOLLOWED))
        if not _all_ended(states):
            return False
        # Whatever led to the last end is stored by now.
        _write(run, [event for event in stream.poll() if event.task in states])
        return True

    code = _poll(run, stream, take)
    if code:
        run.output.say("no longer following; the tasks go on")
        return code
    succeeded = all(state is State.SUCCEEDED for state in states.values())
    return ExitCode.DONE if succeeded else ExitCode.AWAITED_TASK_FAILED


def _lasting(selection: Selection) -> Selection:
    """Return the selection by what does not change while tasks are followed."""
    return replace(selection, states=(), queues=(), error=None)


def _check(selection: Selection, states: dict[int, State]) -> None:
    missing = [number for number in selection.ids if number not in states]
    if missing and selection == Selection(ids=selection.ids):
        raise TaskNotFoundError(f"there is no task {task_name(missing[0])}", hint="see: queuectl list")
    if not states:
        raise TaskNotFoundError("no task matches", hint="see: queuectl list")
    if len(states) > _MOST_FOLLOWED:
        raise RefusedError(
            f"more than {_MOST_FOLLOWED:,} tasks match, which is more than can be followed one by one",
            hint="see what happens to them with: queuectl events -f --batch ID",
        )


def _begin(run: Invocation, states: dict[int, State]) -> None:
    if len(states) <= _FEW:
        for number, state in states.items():
            run.output.say(f"{task_name(number)} is {state}")
    else:
        ended = sum(state in FINAL for state in states.values())
        run.output.say(f"{len(states):,} tasks, of which {ended:,} have ended")


def _all_ended(states: dict[int, State]) -> bool:
    return all(state in FINAL for state in states.values())


def _poll(run: Invocation, stream: EventStream, take: Callable[[list[Event]], object]) -> int:
    """Hand over what is new again and again until ``take`` returns something true or Ctrl-C comes."""
    pause = threading.Event()
    try:
        while True:
            begun = monotonic()
            if take(stream.poll()):
                return ExitCode.DONE
            run.output.flush()
            pause.wait(max(_PAUSE_SECONDS, _SHARE * (monotonic() - begun)))
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _write(run: Invocation, found: Iterable[Event]) -> None:
    from queuectl.cli.render.streams import EVENT_WIDTHS, event_row
    from queuectl.shapes.tasks import event_shape

    for event in found:
        if run.output.json:
            run.output.record(event_shape(event))
        elif run.output.quiet:
            run.output.line(f"{event.kind} {task_name(event.task)}")
        else:
            narrow = run.output.on_terminal and run.output.console.width < _WIDE_COLUMNS
            run.output.row(event_row(event, run.settings.timezone, narrow=narrow), EVENT_WIDTHS)
