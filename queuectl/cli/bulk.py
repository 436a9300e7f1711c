"""The manner of every command that changes many things: show, ask, work in groups, and stop between two of them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Annotated, Any

import typer

from queuectl.cli.invocation import Invocation
from queuectl.cli.render.grid import Grid
from queuectl.cli.render.progress import progress
from queuectl.cli.render.safe import safe
from queuectl.errors import InvalidInputError, PartlyDoneError, QueuectlError, RefusedError

SAMPLE = 5
"""So many of the things that match are shown before a person is asked."""

FOR_GOOD = "this cannot be undone"
"""Said before what is removed for good, beside which other commands can be taken back."""

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what it would do.")]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a command is about to do.

    ``verb`` and ``things`` make the question, such as "cancel" and "12 tasks". ``consequences`` are
    sentences without a full stop.
    """

    verb: str
    things: str
    count: int
    sample: Grid
    consequences: Sequence[str]


def agreed(run: Invocation, plan: Plan, *, yes: bool, dry_run: bool) -> bool:
    """Show a plan and ask; return False for a dry run.

    Raises:
        InvalidInputError: nobody is there to be asked.
        RefusedError: the answer was no.
    """
    asking = not yes and not dry_run
    if asking:
        _check_that_a_person_is_there(
            run, f"{plan.verb} {plan.things}", "--yes to do it, or --dry-run to look first"
        )
    if asking or dry_run:
        _show(run, plan)
    if dry_run:
        run.output.say("nothing was changed")
    elif asking:
        _ask(f"{plan.verb.capitalize()} {plan.things}?")
    return not dry_run


def confirm(
    run: Invocation, deed: str, *, instead: str = "--yes to do it", consequence: str | None = None
) -> None:
    """Ask whether to do something to a single thing, such as "remove the schedule daily".

    ``instead`` says what to add where nobody can be asked, ``consequence`` is said before.

    Raises:
        InvalidInputError: nobody is there to be asked.
        RefusedError: the answer was no.
    """
    _check_that_a_person_is_there(run, deed, instead)
    if consequence is not None:
        run.output.say(consequence)
    _ask(f"{deed[0].upper()}{deed[1:]}?")


def confirm_by_name(run: Invocation, deed: str, name: str) -> None:
    """Ask for the name of the thing to which so much is done that a yes would come too easily.

    Raises:
        InvalidInputError: nobody is there to be asked.
        RefusedError: the answer was another.
    """
    _check_that_a_person_is_there(run, deed, "--yes to do it, or --dry-run to look first")
    if _answer(f"This will {deed}. Type {name} to go on: ") != name:
        raise RefusedError(
            f"nothing was changed: the answer was not {name}", hint=f"type {name}, or add --yes"
        )


def _check_that_a_person_is_there(run: Invocation, deed: str, instead: str) -> None:
    if run.output.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInputError(f"this would {deed}, and nobody can be asked", hint=f"add {instead}")


def _show(run: Invocation, plan: Plan) -> None:
    if run.output.quiet or run.output.json:
        return
    run.output.message_grid(plan.sample)
    if plan.count > len(plan.sample.rows):
        run.output.say(f"... and {plan.count - len(plan.sample.rows):,} more")
    for sentence in plan.consequences:
        run.output.say(sentence)


def _ask(question: str) -> None:
    if _answer(f"{question} [y/N] ").lower() not in {"y", "yes"}:
        raise RefusedError("nothing was changed: the answer was not yes", hint="type y, or add --yes")


def _answer(question: str) -> str:
    sys.stdout.flush()
    sys.stderr.write(safe(question))
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def partly_done(sentence: str, reason: QueuectlError, undo: str = "") -> PartlyDoneError:
    """Return the failure of a command that an error has ended after its first groups, which are done."""
    return PartlyDoneError(f"{sentence} before it ended: {reason.message}{undo}", hint=reason.hint)


@dataclass(slots=True)
class Work:
    """Work that goes on in groups; ``stop`` becomes true when a person presses Ctrl-C."""

    advance: Callable[[int], None]
    stop: bool = False

    def should_stop(self) -> bool:
        """Tell whether to leave the rest undone."""
        return self.stop


@contextmanager
def working(run: Invocation, steps: int) -> Iterator[Work]:
    """Show progress while the body works; Ctrl-C lets it finish its group first, a second one does not."""
    with progress(run.output, steps) as shown:
        work = Work(shown or (lambda _: None))

        def interrupt(number: int, frame: FrameType | None) -> None:
            del number, frame
            if work.stop:
                raise KeyboardInterrupt
            work.stop = True

        before: Any = signal.signal(signal.SIGINT, interrupt)
        try:
            yield work
        finally:
            signal.signal(signal.SIGINT, before)
