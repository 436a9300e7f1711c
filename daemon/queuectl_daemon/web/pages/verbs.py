"""Every verb of the pages: first a page that says how much it is about and what comes of it, then the deed.

Both steps have one address, ``/do/VERB``: asked for, it shows; sent to, it does. What is acted on is in its fields,
so this works without a script, and the number that was shown is the most that is acted on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.responses import Response

from queuectl.domain.dead_letter import DeadLetter
from queuectl.domain.priority import LEVELS
from queuectl.domain.task import Task
from queuectl.domain.web_access import Role
from queuectl.errors import QueuectlError
from queuectl_daemon.web.notes import Note
from queuectl_daemon.web.pages.forms import noted, own_address
from queuectl_daemon.web.pages.page import Show, page, reader_of
from queuectl_daemon.web.pages.words import Words
from queuectl_daemon.web.problems import Problem, problem_of
from queuectl_daemon.web.routes import Call, Route, read_form

Fields = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a verb would do: a question, what comes of it, a sample, and how many things it is about."""

    title: str
    sentences: Sequence[str]
    button: str
    count: int = 1
    possible: bool = True
    dangerous: bool = False
    tasks: Sequence[Task] = ()
    letters: Sequence[DeadLetter] = ()
    changes: Sequence[tuple[str, str, str]] = field(default=())


@dataclass(frozen=True, slots=True)
class Asked:
    """A verb's fields and the words to answer in; ``confirm`` is the number that was shown."""

    call: Call
    fields: Fields
    t: Words
    show: Show
    confirm: int = 0

    def one(self, name: str) -> str:
        """Return a field that has to be there.

        Raises:
            Problem: it is not.
        """
        values = self.fields.get(name, [])
        if len(values) != 1 or not values[0].strip():
            raise Problem(400, "incomplete", f"the field {name} is missing")
        return values[0]

    def check_count(self, matched: int) -> None:
        """Refuse to act on more than was shown.

        Raises:
            Problem: by now there is more.
        """
        if matched > self.confirm:
            raise Problem(409, "not_confirmed", f"{matched:,} match, and {self.confirm:,} were shown")

    def why_ended(self, reason: QueuectlError | None) -> str:
        """Return why an action ended between two groups: by an error, or because it took long."""
        return self.t("done.stopped") if reason is None else self.show.problem(problem_of(reason))


@dataclass(frozen=True, slots=True)
class PageVerb:
    """A verb of the pages: who may, what it would do, and the deed, which returns what to say of it.

    ``asks`` are the fields that are chosen on the page of the question.
    """

    name: str
    role: Role
    plan: Callable[[Asked], Plan]
    do: Callable[[Asked], Note]
    asks: tuple[str, ...] = ()


def _asked(call: Call, pairs: Sequence[tuple[str, str]]) -> tuple[Asked, str]:
    reader = reader_of(call.request, call.zone)
    fields: Fields = {}
    back, confirm = "/", "0"
    for name, value in pairs:
        if name == "to":
            back = own_address(value)
        elif name == "confirm":
            confirm = value
        elif name != "note" and value.strip():
            fields.setdefault(name, []).append(value)
    number = int(confirm) if confirm.isascii() and confirm.isdigit() and len(confirm) < 16 else 0
    return Asked(call, fields, reader.words, Show(reader), number), back


def _confirm_page(
    call: Call, verb: PageVerb, pairs: Sequence[tuple[str, str]], problem: str | None = None
) -> Response:
    asked, back = _asked(call, pairs)
    plan = verb.plan(asked)
    kept = {name: values for name, values in asked.fields.items() if name not in verb.asks}
    fields = [("to", back), *((name, value) for name, values in kept.items() for value in values)]
    return page(
        call,
        "confirm.html",
        code=200 if problem is None else 409,
        plan=plan,
        verb=verb.name,
        fields=fields,
        back=back,
        levels=LEVELS,
        chosen={name: asked.fields[name][-1] for name in verb.asks if name in asked.fields},
        problem=problem,
    )


def routes_of(verb: PageVerb) -> tuple[Route, Route]:
    """Return the two routes of a verb."""

    def look(call: Call) -> Response:
        return _confirm_page(call, verb, read_form(call.request.scope["query_string"]))

    def act(call: Call) -> Response:
        asked, back = _asked(call, call.body)
        try:
            note = verb.do(asked)
        except QueuectlError as error:
            problem = problem_of(error)
            if problem.status >= 500:
                raise
            return _refused(call, verb, problem, back)
        return noted(call, back, note)

    path = f"/do/{verb.name}"
    return (
        Route("GET", path, verb.role, look, f"{verb.name}: look first", form=True),
        Route("POST", path, verb.role, act, verb.name, form=True),
    )


def _refused(call: Call, verb: PageVerb, problem: Problem, back: str) -> Response:
    """Show the question again with what is in the way; where it cannot be asked any more, say only that."""
    said = Show(reader_of(call.request, call.zone)).problem(problem)
    try:
        return _confirm_page(call, verb, call.body, said)
    except QueuectlError:
        return noted(call, back, Note(said, "bad"))
