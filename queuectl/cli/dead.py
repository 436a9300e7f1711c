"""``queuectl dead``: tasks that will not run again unless a person says so."""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli.choices import ids
from queuectl.cli.dead_selectors import Cause, Failure, selects_letters
from queuectl.cli.dead_verbs import purge, resurrect
from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.domain.selection import DEFAULT_LIMIT
from queuectl.errors import InvalidInputError
from queuectl.operations.selectors import LetterWords, Selectors, letter_selection, narrows

app = group("Look at tasks that will not run again; make new ones.")

_LONGEST_LIST = 100_000


@command(app, "list")
@selects_letters(
    without=("ids", "state", "everything"), limit=f"At most this many; {DEFAULT_LIMIT} if not given."
)
def list_dead(
    ctx: typer.Context,
    selectors: Selectors,
    *,
    cause: Cause = None,
    failure: Failure = None,
    grouped: Annotated[
        bool, typer.Option("--group", help="By cause and kind of error, the most frequent first.")
    ] = False,
    resurrected: Annotated[
        bool, typer.Option("--all", help="Also those that were resurrected already.")
    ] = False,
) -> None:
    """List dead letters, the newest first.

    Examples:
      queuectl dead list
      queuectl dead list --group --since 2d
      queuectl dead list --host example.com --error "404" --json
    """
    run: Invocation = ctx.obj
    limit = selectors.limit or DEFAULT_LIMIT
    if limit > _LONGEST_LIST:
        raise InvalidInputError(
            f"the limit {limit:,} is not between 1 and {_LONGEST_LIST:,}",
            hint="give a smaller one, or --group",
        )
    selection = letter_selection(
        selectors, LetterWords(cause, failure, resurrected=resurrected), run.settings.timezone
    )
    if grouped:
        _list_groups(run, selection, limit)
    else:
        _list_letters(run, selection, limit)


def _list_letters(run: Invocation, selection: DeadLetterSelection, limit: int) -> None:
    from queuectl.cli.render.dead_letters import letter_grid
    from queuectl.cli.render.words import wider
    from queuectl.clock import now_ms
    from queuectl.shapes.dead_letters import letter_shape

    letters = run.monitor.get_dead_letter_queue(limit, selection)
    if not letters:
        run.output.say(_nothing(selection))
    if letters or run.output.json:
        run.output.show(
            lambda: {"dead_letters": [letter_shape(each) for each in letters]},
            lambda: letter_grid(letters, now_ms()),
            [str(each.id) for each in letters],
        )
    if len(letters) == limit:
        more = wider(limit, _LONGEST_LIST)
        run.output.say(f"these are the newest {limit:,}{more}{', or' if more else '; by kind:'} --group")


def _list_groups(run: Invocation, selection: DeadLetterSelection, limit: int) -> None:
    from queuectl.cli.render.dead_letters import group_grid
    from queuectl.clock import now_ms
    from queuectl.shapes.dead_letters import group_shape

    found = run.monitor.group_dead_letters(selection, limit)
    if not found:
        run.output.say(_nothing(selection))
    if found or run.output.json:
        run.output.show(
            lambda: {"groups": [group_shape(each) for each in found]},
            lambda: group_grid(found, now_ms()),
            [each.failure for each in found],
        )
    if found:
        key = found[0].failure
        run.output.say(
            f"to look at a group: queuectl dead list --failure {key};"
            f" to run it again: queuectl dead resurrect --failure {key}"
        )


def _nothing(selection: DeadLetterSelection) -> str:
    return "no dead letter matches" if narrows(selection) else "there are no dead letters"


@command(app)
def show(
    ctx: typer.Context,
    dead_letter_id: Annotated[
        str, typer.Argument(metavar="ID", help="A dead letter's number.", autocompletion=ids)
    ],
) -> None:
    """Show one dead letter with its cause.

    Examples:
      queuectl dead show 3
    """
    from queuectl.cli.render.dead_letters import letter_facts
    from queuectl.domain.task import task_name
    from queuectl.shapes.dead_letters import letter_shape

    run: Invocation = ctx.obj
    letter = run.monitor.get_dead_letter(dead_letter_id)
    run.output.show(
        lambda: letter_shape(letter),
        lambda: letter_facts(letter, run.settings.timezone),
        [str(letter.id)],
    )
    name = task_name(letter.task_id)
    if letter.resurrected_as is None:
        run.output.say(
            f"its attempts: queuectl show {name}; to run it again: queuectl retry {name},"
            f" or as a new task: queuectl dead resurrect {letter.id}"
        )
    else:
        run.output.say(f"its attempts: queuectl show {name}")


command(app)(resurrect)
command(app)(purge)
