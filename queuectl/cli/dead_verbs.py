"""``queuectl dead resurrect`` and ``dead purge``: make new tasks of dead letters, and remove old letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from queuectl.cli.bulk import FOR_GOOD, SAMPLE, DryRun, Plan, Work, Yes, agreed, working
from queuectl.cli.dead_selectors import Cause, Failure, selects_letters
from queuectl.cli.invocation import Invocation
from queuectl.cli.render.progress import progress
from queuectl.cli.undo import hint
from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.errors import ExitCode, NotFoundError, PartlyDoneError, QueuectlError, RefusedError
from queuectl.operations.selectors import LetterWords, Selectors, letter_selection, narrows

if TYPE_CHECKING:
    from queuectl.operations.dead_letters import Resurrection, Resurrections


@selects_letters(without=("state",), limit="At most this many, the oldest first.")
def resurrect(
    ctx: typer.Context,
    selectors: Selectors,
    *,
    cause: Cause = None,
    failure: Failure = None,
    again: Annotated[bool, typer.Option("--again", help="Also those that were resurrected already.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> int:
    """Submit the tasks of dead letters anew; prints the new tasks' ids.

    A new task has the URL, handler, score, metadata and limits of the old one, which stays dead. One is
    resurrected without a question. Of several, or by filters, five are shown first, and the question is
    answered with --yes where no person is.

    Examples:
      queuectl dead resurrect 3
      queuectl dead resurrect --failure 3fa94c12
      queuectl dead resurrect --host example.com --since 2d --dry-run
    """
    run: Invocation = ctx.obj
    selection = letter_selection(
        selectors, LetterWords(cause, failure, resurrected=again), run.settings.timezone
    )
    selectors.check_narrow("resurrect", "dead letter", narrow=narrows(selection))
    by_ids = bool(selection.ids) and selection == DeadLetterSelection(ids=selection.ids, resurrected=again)
    if by_ids and len(selection.ids) == 1 and not dry_run:
        return _resurrect_each(run, selection.ids, again=again)
    matched = run.manager.count_dead_letters(selection)
    if by_ids and not matched and not dry_run:
        return _resurrect_each(run, selection.ids, again=again)  # which says of each why not
    if not matched:
        run.output.say("no dead letter matches; nothing was changed")
    elif agreed(run, _planned(run, selection, matched), yes=yes, dry_run=dry_run):
        if by_ids:
            return _resurrect_each(run, selection.ids, again=again)
        return _resurrect_selected(run, selection, matched)
    if run.output.json:
        run.output.document(_document(matched, [], []) | {"dry_run": dry_run})
    return ExitCode.DONE


def _planned(run: Invocation, selection: DeadLetterSelection, matched: int) -> Plan:
    from queuectl.cli.render.dead_letters import letter_grid
    from queuectl.cli.render.words import count
    from queuectl.clock import now_ms

    letters = count(matched, "dead letter")
    sample = run.manager.oldest_dead_letters(selection, min(SAMPLE, matched))
    foretold = f"{letters} would become {count(matched, 'new task')}; the old ones stay dead"
    return Plan("resurrect", letters, matched, letter_grid(sample, now_ms()), [foretold])


def _resurrect_each(run: Invocation, numbers: Sequence[int], *, again: bool) -> int:
    """Resurrect named letters one by one; where some cannot be, do what can be done and say so.

    What was made before an error of another kind, or before Ctrl-C, is told all the same.
    """
    from queuectl.operations.dead_letters import Resurrection

    made: list[Resurrection] = []
    failed: list[tuple[int, QueuectlError]] = []
    ended_by: QueuectlError | KeyboardInterrupt | None = None
    for number in numbers:
        try:
            task_id = run.manager.resurrect_from_dead_letter(number, again=again)
        except (NotFoundError, RefusedError) as error:
            failed.append((number, error))
            continue
        except (QueuectlError, KeyboardInterrupt) as error:
            ended_by = error
            break
        made.append(Resurrection(number, task_id))
    if not made and (ended_by or failed):
        raise ended_by or failed[0][1]
    untried = numbers[len(made) + len(failed) :]
    if run.output.json:
        run.output.document(_document(len(numbers), made, failed) | {"not_tried": list(map(str, untried))})
    _tell(run, made)
    if isinstance(ended_by, KeyboardInterrupt):
        raise ended_by
    reasons = [error.message for _, error in failed]
    see: str | None = "see: queuectl dead list --all"
    if ended_by is not None:
        reasons.append(f"not from {untried[0]} on: {ended_by.message}")
        see = ended_by.hint
    if reasons:
        raise PartlyDoneError(f"{len(made)} of {len(numbers)} done: {'; '.join(reasons)}", hint=see)
    return ExitCode.DONE


def _tell(run: Invocation, made: Sequence[Resurrection]) -> None:
    undo = hint(run) if len(made) == 1 else ""
    for each in made:
        if not run.output.json:
            run.output.result(each.task_id)
        run.output.say(f"dead letter {each.dead_letter_id} is {each.task_id} now{undo}")


class _Report:
    """Takes in each group as it is done: writes its ids for programs, and keeps them for a document."""

    def __init__(self, run: Invocation, work: Work) -> None:
        self._run = run
        self._work = work
        self._writes_ids = run.output.quiet or not run.output.on_terminal
        self._done = 0
        self.made: list[Resurrection] = []

    def __call__(self, group: Sequence[Resurrection]) -> None:
        """Take in a group."""
        if self._run.output.json:
            self.made += group
        elif self._writes_ids:
            self._run.output.ids(each.task_id for each in group)
        self._done += len(group)
        self._work.advance(self._done)


def _resurrect_selected(run: Invocation, selection: DeadLetterSelection, matched: int) -> int:
    from queuectl.cli.render.words import count

    with working(run, matched) as work:
        report = _Report(run, work)
        total = run.manager.resurrect_dead_letters(selection, on_group=report, should_stop=work.should_stop)
    if run.output.json:
        failed = [(each.dead_letter_id, each.error) for each in total.refusals]
        run.output.document(_document(matched, report.made, failed) | {"dry_run": False})
    done = f"{count(total.done, 'dead letter')} resurrected"
    undo = hint(run) if total.done else ""
    if total.interrupted:
        run.output.say(f"interrupted: {done}; the rest is as it was{undo}")
        return ExitCode.INTERRUPTED
    run.output.say(f"{done}{undo}")
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


def _document(
    matched: int, made: Sequence[Resurrection], failed: Sequence[tuple[int, QueuectlError]]
) -> dict[str, Any]:
    return {
        "matched": matched,
        "resurrected": [{"dead_letter_id": each.dead_letter_id, "task_id": each.task_id} for each in made],
        "failed": [{"id": str(number), "message": error.message} for number, error in failed],
    }


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
    matched = run.manager.cleanup_dead_letter_queue(days, dry_run=True)
    removed = 0
    if not matched:
        run.output.say(f"no dead letter is older than {count_of_days(days)}")
    elif agreed(run, _purge_planned(run, days, matched), yes=yes, dry_run=dry_run):
        try:
            with progress(run.output, matched) as shown:
                removed = run.manager.cleanup_dead_letter_queue(days, on_progress=shown)
        except PartlyDoneError as error:
            _tell_removed(run, days, matched, error.done)
            raise
        run.output.say(f"{count(removed, 'dead letter')} removed")
    _tell_removed(run, days, matched, removed, dry_run=dry_run)


def _tell_removed(run: Invocation, days: float, matched: int, removed: int, *, dry_run: bool = False) -> None:
    if run.output.json:
        run.output.document({"days": days, "matched": matched, "removed": removed, "dry_run": dry_run})
    else:
        run.output.result(str(matched if dry_run else removed))


def _purge_planned(run: Invocation, days: float, matched: int) -> Plan:
    from queuectl.cli.render.dead_letters import letter_grid
    from queuectl.cli.render.words import count
    from queuectl.clock import now_ms
    from queuectl.operations.dead_letters import moment_days_ago

    old = DeadLetterSelection(until=moment_days_ago(days), resurrected=True)
    sample = run.manager.oldest_dead_letters(old, min(SAMPLE, matched))
    letters = f"{count(matched, 'dead letter')} older than {count_of_days(days)}"
    foretold = [f"{letters} would be removed", "their tasks stay dead and can still be looked at", FOR_GOOD]
    return Plan("remove", letters, matched, letter_grid(sample, now_ms()), foretold)


def count_of_days(days: float) -> str:
    """Return a number of days in words."""
    return f"{days:g} day" if days == 1 else f"{days:g} days"
