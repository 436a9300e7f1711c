"""``queuectl dead resurrect`` and ``dead purge``: make new tasks of dead letters, and remove old letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from queuectl.cli import dead_filters as filters
from queuectl.cli.invocation import Invocation
from queuectl.cli.question import ask_to_go_on
from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.errors import ExitCode, InvalidInputError, PartlyDoneError, QueuectlError

if TYPE_CHECKING:
    from queuectl.operations.dead_letters import Resurrection, Resurrections

_SAMPLE = 5

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")]


def resurrect(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Dead letters, by their numbers.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also those that were resurrected already.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All of them, without a filter.")] = False,
    queue: filters.Queues = None,
    batch: filters.Batch = None,
    host: filters.Host = None,
    url: filters.Url = None,
    error: filters.Error = None,
    cause: filters.Cause = None,
    failure: filters.Failure = None,
    since: filters.Since = None,
    until: filters.Until = None,
    older_than: filters.OlderThan = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most this many, the oldest first.")
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> int:
    """Submit the tasks of dead letters anew; prints the new tasks' ids.

    A new task has the URL, handler, score, metadata and limits of the old one, which stays dead.
    Given by filters, they are counted and shown first.

    Examples:
      queuectl dead resurrect 3
      queuectl dead resurrect --failure 3fa94c12
      queuectl dead resurrect --host example.com --since 2d --dry-run
    """
    run: Invocation = ctx.obj
    selection = filters.selection_of(
        run,
        queue=queue,
        batch=batch,
        host=host,
        url=url,
        error=error,
        cause=cause,
        failure=failure,
        since=since,
        until=until,
        older_than=older_than,
    )
    narrowed = filters.narrows(selection) or limit is not None
    if ids and not narrowed and not dry_run:
        return _resurrect_each(run, ids, again=again)
    if not ids and not narrowed and not everything:
        raise InvalidInputError(
            "nothing says which dead letters are meant",
            hint="give their numbers or a filter, or --all; see: queuectl dead list --group",
        )
    from queuectl.domain.dead_letter import dead_letter_number

    numbers = tuple(dead_letter_number(each) for each in ids or [])
    selection = replace(selection, ids=numbers, resurrected=again, limit=limit)
    return _resurrect_selected(run, selection, yes=yes, dry_run=dry_run)


def _resurrect_each(run: Invocation, ids: Sequence[str], *, again: bool) -> int:
    """Resurrect named letters one by one; where some cannot be, do what can be done and say so."""
    from queuectl.operations.dead_letters import Resurrection

    made: list[Resurrection] = []
    failed: list[tuple[str, QueuectlError]] = []
    for each in ids:
        try:
            task_id = run.manager.resurrect_from_dead_letter(each, again=again)
        except QueuectlError as error:
            if error.exit_code not in {ExitCode.NOT_FOUND, ExitCode.REFUSED}:
                raise
            failed.append((each, error))
            continue
        made.append(Resurrection(int(each), task_id))
    if failed and not made:
        raise failed[0][1]
    if run.output.json:
        run.output.document(_document(made, failed))
    _tell(run, made)
    if failed:
        reasons = "; ".join(error.message for _, error in failed)
        raise PartlyDoneError(
            f"{len(made)} of {len(ids)} done: {reasons}", hint="see: queuectl dead list --all"
        )
    return ExitCode.DONE


def _resurrect_selected(run: Invocation, selection: DeadLetterSelection, *, yes: bool, dry_run: bool) -> int:
    from queuectl.cli.render.words import count

    matching = run.manager.count_dead_letters(selection)
    if not matching:
        run.output.say("no dead letter matches; nothing was changed")
        if run.output.json:
            run.output.document(_document([], []) | {"matching": 0, "dry_run": dry_run})
        return ExitCode.DONE
    letters = count(matching, "dead letter")
    if dry_run or not yes:
        _show_sample(run, selection, f"{letters} would become {count(matching, 'new task')}:", matching)
    if dry_run:
        if run.output.json:
            run.output.document(_document([], []) | {"matching": matching, "dry_run": True})
        return ExitCode.DONE
    if not yes:
        ask_to_go_on(f"{letters} would be resurrected", "Submit their tasks anew?")
    return _run_selected(run, selection, matching)


def _run_selected(run: Invocation, selection: DeadLetterSelection, matching: int) -> int:
    from queuectl.cli.render.words import count

    made: list[Resurrection] = []

    def on_group(group: Sequence[Resurrection]) -> None:
        made.extend(group)
        if not run.output.json:
            for each in group:
                run.output.line(each.task_id)

    try:
        total = run.manager.resurrect_dead_letters(selection, on_group=on_group)
    except KeyboardInterrupt:
        run.output.say(f"stopped: {count(len(made), 'dead letter')} resurrected, the others are as they were")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    failed = [(str(each.dead_letter_id), each.error) for each in total.refusals]
    if run.output.json:
        run.output.document(_document(made, failed) | {"matching": matching, "dry_run": False})
    run.output.say(f"{count(total.done, 'dead letter')} resurrected")
    return _outcome(total)


def _outcome(total: Resurrections) -> int:
    """Return the exit code.

    Raises:
        QueuectlError: some or all could not be resurrected.
    """
    reason = total.stopped or (total.refusals[0].error if total.refusals else None)
    if reason is None:
        return ExitCode.DONE
    if not total.done:
        raise reason
    rest = "the others were not looked at" if total.stopped else f"{total.refused:,} were refused"
    because = reason.message.removesuffix("; nothing was submitted")
    raise PartlyDoneError(f"{total.done:,} resurrected; {rest}: {because}", hint=reason.hint)


def _document(made: Sequence[Resurrection], failed: Sequence[tuple[str, QueuectlError]]) -> dict[str, Any]:
    return {
        "resurrected": [{"dead_letter_id": each.dead_letter_id, "task_id": each.task_id} for each in made],
        "failed": [{"id": each, "message": error.message} for each, error in failed],
    }


def _tell(run: Invocation, made: Sequence[Resurrection]) -> None:
    for each in made:
        if not run.output.json:
            run.output.line(each.task_id)
        run.output.say(f"dead letter {each.dead_letter_id} is {each.task_id} now")


def _show_sample(run: Invocation, selection: DeadLetterSelection, heading: str, matching: int) -> None:
    from queuectl.cli.render.dead_letters import letter_grid
    from queuectl.clock import now_ms

    if run.output.quiet or run.output.json:
        return
    run.output.say(heading)
    letters = run.monitor.get_dead_letter_queue(_SAMPLE, selection)
    for line in letter_grid(letters, now_ms()).plain():
        run.output.say(f"  {line}")
    if matching > len(letters):
        run.output.say(f"  ... and {matching - len(letters):,} more")


def purge(
    ctx: typer.Context,
    days: Annotated[float, typer.Option(metavar="N", min=0, help="Older than so many days.")] = 30,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Remove old dead letters for good; their tasks stay dead and can still be looked at.

    Examples:
      queuectl dead purge --days 30 --dry-run
      queuectl dead purge --days 7 --yes
    """
    from queuectl.cli.render.words import count

    run: Invocation = ctx.obj
    matching = run.manager.cleanup_dead_letter_queue(days, dry_run=True)
    letters = f"{count(matching, 'dead letter')} older than {count_of_days(days)}"
    removed = 0
    if dry_run:
        run.output.say(f"{letters} would be removed; nothing was changed")
    elif matching:
        if not yes:
            ask_to_go_on(f"{letters} would be removed for good", "Remove them?")
        removed = run.manager.cleanup_dead_letter_queue(days)
        run.output.say(f"{count(removed, 'dead letter')} removed")
    else:
        run.output.say(f"no dead letter is older than {count_of_days(days)}")
    if run.output.json:
        run.output.document({"days": days, "matching": matching, "removed": removed, "dry_run": dry_run})
    else:
        run.output.line(str(matching if dry_run else removed))


def count_of_days(days: float) -> str:
    """Return a number of days in words."""
    return f"{days:g} day" if days == 1 else f"{days:g} days"
