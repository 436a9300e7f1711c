"""``queuectl schedule``: submit the URLs of a source again and again, and spread tasks over a window of time."""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli.bulk import Yes, confirm
from queuectl.cli.choices import schedules
from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.cli.schedule_add import add
from queuectl.cli.schedule_optimize import optimize
from queuectl.cli.undo import hint
from queuectl.errors import ExitCode, InvalidInputError

app = group("Submit URLs of files and feeds at set times; spread tasks.")
command(app)(add)
command(app)(optimize)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name.", autocompletion=schedules)]

_SHOWN_TICKS = 10
_NEXT_TICKS = 3


@command(app, "list")
def list_schedules(ctx: typer.Context) -> None:
    """List the schedules with their next and last ticks.

    Examples:
      queuectl schedule list
      queuectl schedule list --json
    """
    from queuectl.cli.render.schedules import schedule_grid
    from queuectl.clock import now_ms
    from queuectl.shapes.schedules import schedule_shape

    run: Invocation = ctx.obj
    found = run.scheduler.list_schedules()
    last = run.scheduler.last_ticks()
    if not found:
        run.output.say("there are no schedules; add one with: queuectl schedule add SOURCE --cron EXPR")
    if found or run.output.json:
        run.output.show(
            lambda: {"schedules": [schedule_shape(each, last=last.get(each.id)) for each in found]},
            lambda: schedule_grid(found, last, now_ms()),
            [each.name for each in found],
        )


@command(app)
def show(ctx: typer.Context, name: Name) -> None:
    """Show one schedule with its last and next ticks, and what is wrong with its source, if anything.

    Examples:
      queuectl schedule show daily_urls
    """
    from queuectl.cli.render.schedules import schedule_facts, tick_grid
    from queuectl.shapes.schedules import schedule_shape

    run: Invocation = ctx.obj
    schedule = run.scheduler.get_schedule(name)
    past = run.scheduler.get_ticks(name, _SHOWN_TICKS)
    coming = [] if schedule.paused else run.scheduler.preview(name, _NEXT_TICKS)
    if run.output.json or run.output.quiet:
        run.output.show(
            lambda: schedule_shape(schedule, ticks=past, coming=coming),
            lambda: schedule_facts(schedule, coming),
            [schedule.name],
        )
        return
    run.output.grid(schedule_facts(schedule, coming))
    if past:
        run.output.line("")
        run.output.grid(tick_grid(past, schedule.zone))


@command(app)
def pause(ctx: typer.Context, name: Name) -> None:
    """Fire a schedule no more until it is resumed; what it misses meanwhile is not made up for.

    Examples:
      queuectl schedule pause daily_urls
    """
    run: Invocation = ctx.obj
    changed = run.scheduler.pause(name)
    _tell(run, name, changed=changed, paused=True)


@command(app)
def resume(ctx: typer.Context, name: Name) -> None:
    """Go on with a paused schedule at its next tick.

    Examples:
      queuectl schedule resume daily_urls
    """
    run: Invocation = ctx.obj
    changed = run.scheduler.resume(name)
    _tell(run, name, changed=changed, paused=False)


@command(app)
def remove(
    ctx: typer.Context,
    name: Name,
    yes: Yes = False,
) -> None:
    """Forget a schedule and its ticks; the tasks that it has submitted stay.

    Examples:
      queuectl schedule remove daily_urls --yes
    """
    run: Invocation = ctx.obj
    schedule = run.scheduler.get_schedule(name)
    if not yes:
        confirm(run, f"remove the schedule {schedule.name} and the record of its ticks")
    run.scheduler.remove(name)
    if run.output.json:
        run.output.document({"name": schedule.name, "removed": True})
        return
    run.output.result(schedule.name)
    run.output.say(f"the schedule {schedule.name} is removed; its tasks stay{hint(run)}")


@command(app, "run-now")
def run_now(
    ctx: typer.Context,
    name: Name,
    accept_shrunk: Annotated[
        bool,
        typer.Option("--accept-shrunk", help="Submit the list although it has lost most of its entries."),
    ] = False,
) -> int:
    """Submit what a schedule's source holds, now and besides its plan.

    Examples:
      queuectl schedule run-now daily_urls
      queuectl schedule run-now daily_urls --accept-shrunk
    """
    from queuectl.cli.daemon_watch import say_if_none_runs
    from queuectl.cli.render.schedules import tick_words
    from queuectl.domain.task import batch_name
    from queuectl.shapes.schedules import tick_shape

    run: Invocation = ctx.obj
    tick = run.scheduler.run_now(name, accept_shrunk=accept_shrunk)
    if run.output.json:
        run.output.document(tick_shape(tick))
    else:
        if tick.batch_id is not None:
            run.output.line(batch_name(tick.batch_id))
        run.output.say(tick_words(tick))
        if tick.problem is not None:
            run.output.warn(tick.problem)
        if tick.batch_id is not None:
            say_if_none_runs(run)
    return ExitCode.PARTLY_DONE if tick.invalid else ExitCode.DONE


@command(app)
def preview(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A schedule's name.", autocompletion=schedules)
    ] = None,
    cron: Annotated[
        str | None, typer.Option(metavar="EXPR", help="An expression to try, in place of a schedule.")
    ] = None,
    zone: Annotated[str | None, typer.Option(metavar="ZONE", help="Where that time counts.")] = None,
    coming: Annotated[int, typer.Option("--next", metavar="N", help="How many ticks.")] = 20,
) -> None:
    """Show when the next ticks are, and which of them the clocks skip or show twice.

    Examples:
      queuectl schedule preview daily_urls
      queuectl schedule preview --cron "30 2 * * *" --zone Europe/Berlin --next 200
    """
    from queuectl.cli.render.schedules import planned_grid
    from queuectl.operations import schedule_plan
    from queuectl.shapes.schedules import planned_shape
    from queuectl.times import iso

    run: Invocation = ctx.obj
    if (name is None) == (cron is None):
        raise InvalidInputError("preview needs either a schedule's name or --cron", hint="give one of them")
    if name is not None:
        schedule = run.scheduler.get_schedule(name)
        cron, zone = schedule.cron, zone or schedule.zone
    place = zone or run.settings.timezone
    ticks = schedule_plan.preview(cron or "", place, coming)
    run.output.show(
        lambda: {"cron": cron, "zone": place, "ticks": [planned_shape(each) for each in ticks]},
        lambda: planned_grid(ticks, place),
        [iso(each.at) or "" for each in ticks],
    )


def _tell(run: Invocation, name: str, *, changed: bool, paused: bool) -> None:
    from queuectl.cli.render.schedules import tick_time

    schedule = run.scheduler.get_schedule(name)
    if run.output.json:
        run.output.document({"name": name, "paused": paused, "changed": changed})
        return
    run.output.result(name)
    already, undo = ("", hint(run)) if changed else (" already", "")
    if paused:
        run.output.say(f"{name} is paused{already}{undo}")
    else:
        coming = tick_time(schedule.next_tick_at, schedule.zone)
        run.output.say(f"{name} is on{already}; next: {coming}{undo}")
