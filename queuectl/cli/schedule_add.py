"""``queuectl schedule add``: check a schedule and its source, and store it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.cli.task_options import Handler, Meta, Priority, Score, metadata
from queuectl.errors import SourceUnavailableError

if TYPE_CHECKING:
    from queuectl.domain.schedule import NewSchedule
    from queuectl.operations.scheduler import SourceReport

_NEXT_TICKS = 3


class CatchUp(StrEnum):
    """What to do about ticks that no daemon fired."""

    LATEST = "latest"
    ALL = "all"
    NONE = "none"


class Overlap(StrEnum):
    """What to do about a tick while tasks of the last one are open."""

    SKIP = "skip"
    ALLOW = "allow"


def add(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="file://urls.txt in the home, file:///folder/urls.txt, or https://…"
        ),
    ],
    cron: Annotated[
        str, typer.Option(metavar="EXPR", help='When: minute hour day month weekday, such as "0 10 * * *".')
    ],
    zone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Where that time counts; by default the configured zone."),
    ] = None,
    priority: Priority = None,
    score: Score = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its name; by default one made from the source.")
    ] = None,
    handler: Handler = None,
    meta: Meta = None,
    catch_up: Annotated[
        CatchUp,
        typer.Option(help="Ticks that no daemon fired: once for all of them, each by itself, or none."),
    ] = CatchUp.LATEST,
    overlap: Annotated[
        Overlap, typer.Option(help="While tasks of the last tick are open: skip the tick, or allow it.")
    ] = Overlap.SKIP,
    only_new: Annotated[
        bool | None,
        typer.Option("--only-new/--all", help="Leave out what the source had before; by default for feeds."),
    ] = None,
) -> None:
    """Submit the URLs of a source at set times; prints the schedule's name.

    The source has one URL a line (# begins a comment), is a JSON array of URLs or of objects with url,
    priority, score and metadata, or is an RSS or Atom feed. It is read at each tick, and once now to check it.

    Examples:
      queuectl schedule add file://daily_urls.txt --cron "0 10 * * *" --priority high
      queuectl schedule add https://example.com/feed.xml --cron "*/15 * * * *" --name news
      queuectl schedule add file://urls.txt --cron "0 9 * * MON-FRI" --zone Europe/Berlin
    """
    from queuectl.operations.schedule_plan import plan_schedule
    from queuectl.shapes.schedules import schedule_shape

    run: Invocation = ctx.obj
    plan = plan_schedule(
        run.settings,
        source,
        cron,
        priority,
        name=name,
        zone=zone,
        catch_up=catch_up.value,
        only_new=only_new,
        overlap=overlap.value,
        handler=handler or "article",
        priority_score=score,
        metadata=metadata(meta or []),
    )
    found = _inspected(run, plan)
    stored = run.scheduler.get_schedule(run.scheduler.add(plan, may_rename=name is None))
    coming = run.scheduler.preview(stored.name, _NEXT_TICKS)
    if run.output.json:
        run.output.document(schedule_shape(stored, coming=coming))
        return
    run.output.line(stored.name)
    _say_found(run, found)
    for tick in coming:
        _say_tick(run, tick.at, stored.zone, tick.note)
    if plan.catch_up == "all" and plan.overlap == "skip":
        run.output.say(
            "of ticks made up for one after another, those skip that find tasks of the last one open"
        )
    _say_if_nobody_fires(run)


def _inspected(run: Invocation, plan: NewSchedule) -> SourceReport | None:
    """Return what the source holds; one that is not there yet may come, so that is only worth a warning."""
    try:
        return run.scheduler.inspect_source(plan)
    except SourceUnavailableError as error:
        run.output.warn(f"{error.message}; {error.hint}")
        return None


def _say_found(run: Invocation, found: SourceReport | None) -> None:
    if found is None:
        return
    from queuectl.cli.render.words import count

    form = {"list": "a list", "array": "a JSON array", "feed": "a feed"}[found.form]
    new = "; each is submitted once" if found.only_new else ""
    run.output.say(f"the source is {form} of {count(found.entries, 'entry', 'entries')}{new}")
    if found.complaint is not None:
        run.output.warn(
            f"{count(found.invalid, 'entry is', 'entries are')} not acceptable: {found.complaint}"
        )


def _say_tick(run: Invocation, at: int, zone: str, note: str | None) -> None:
    from queuectl.cli.render.schedules import tick_time

    run.output.say(f"next: {tick_time(at, zone)}" + (f" ({note})" if note else ""))


def _say_if_nobody_fires(run: Invocation) -> None:
    if not any(node.alive for node in run.monitor.get_realtime_status().nodes):
        run.output.say("no daemon is running, and only a daemon fires schedules: queuectl daemon start")
