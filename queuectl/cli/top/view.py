"""What a person looks at in ``top``, and what each key changes about it; nothing here reads or draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from queuectl.cli.render.words import short_queue
from queuectl.cli.top.rows import ORDERS, Order, Panel, Row, Snapshot, rows_of, state_of
from queuectl.domain.lifecycle import Move, State, allows
from queuectl.domain.status import QueueStatus
from queuectl.domain.task import task_name

_PANELS = tuple(Panel)
_LONGEST_FILTER = 100


class Verb(StrEnum):
    """What ``top`` can change."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"


class Deed(NamedTuple):
    """A change that a person wants: the verb, and the queue or task it is about."""

    verb: Verb
    target: str


class Question(NamedTuple):
    """What is asked before a deed."""

    deed: Deed
    text: str


class Sight(StrEnum):
    """What can lie over the panels."""

    HELP = "help"
    TASK = "task"
    QUEUE = "queue"
    EXPLANATION = "explanation"


@dataclass(slots=True)
class Sheet:
    """What lies over the panels: of which task or queue, and the first line of it that is seen."""

    sight: Sight
    target: str = ""
    top: int = 0


class Message(NamedTuple):
    """The answer to the last key."""

    text: str
    is_bad: bool = False


@dataclass
class View:
    """The state of the screen; ``press`` is told each key, ``take`` what was read."""

    snapshot: Snapshot
    readonly: bool = False
    panel: Panel = Panel.QUEUES
    filter: str = ""
    typing: bool = False
    question: Question | None = None
    sheet: Sheet | None = None
    message: Message | None = None
    left: bool = False
    page_lines: int = 10
    _orders: dict[Panel, int] = field(default_factory=lambda: dict.fromkeys(Panel, 0))
    _chosen: dict[Panel, tuple[str, int]] = field(default_factory=dict)

    def take(self, snapshot: Snapshot) -> None:
        """Show what was read now; the line that was chosen stays chosen wherever it has gone."""
        for panel in Panel:
            self._chosen[panel] = (self._key(panel), self.place(panel))
        self.snapshot = snapshot

    def order(self, panel: Panel) -> Order:
        """Return how a panel is sorted."""
        return ORDERS[panel][self._orders[panel]]

    def rows(self, panel: Panel) -> list[Row]:
        """Return the lines of a panel."""
        return rows_of(self.snapshot, panel, self.order(panel), self.filter)

    def place(self, panel: Panel) -> int:
        """Return which line of a panel is chosen, 0 if there is none."""
        rows = self.rows(panel)
        key, before = self._chosen.get(panel, ("", 0))
        found = next((place for place, row in enumerate(rows) if row.key == key), before)
        return max(0, min(found, len(rows) - 1))

    def chosen(self, panel: Panel | None = None) -> Row | None:
        """Return the line that is chosen in a panel, by default in the one that has the keys."""
        rows = self.rows(panel or self.panel)
        return rows[self.place(panel or self.panel)] if rows else None

    def press(self, key: str) -> Deed | None:
        """Do what a key means now, and return the change that a person has agreed to."""
        self.message = None
        if key == "ctrl-c":
            self.left = True
        elif self.question is not None:
            return self._answer(key)
        elif self.typing:
            self._type(key)
        else:
            keys = _PANEL_KEYS if self.sheet is None else _SHEET_KEYS
            act = keys.get(key) or _KEYS.get(key)
            if act is not None:
                act(self)
        return None

    def _key(self, panel: Panel) -> str:
        row = self.chosen(panel)
        return row.key if row else ""

    def _answer(self, key: str) -> Deed | None:
        question, self.question = self.question, None
        if question is not None and key in ("y", "Y"):
            return question.deed
        self.message = Message("nothing was changed")
        return None

    def _type(self, key: str) -> None:
        if key == "enter":
            self.typing = False
        elif key == "escape":
            self.typing, self.filter = False, ""
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif len(key) == 1 and len(self.filter) < _LONGEST_FILTER:
            self.filter += key

    def move(self, lines: int) -> None:
        """Go down so many lines, or up where it is less than 0."""
        if self.sheet is not None:
            self.sheet.top = max(0, self.sheet.top + lines)
            return
        rows = self.rows(self.panel)
        if rows:
            place = max(0, min(self.place(self.panel) + lines, len(rows) - 1))
            self._chosen[self.panel] = (rows[place].key, place)

    def switch(self, panels: int) -> None:
        """Give the keys to another panel."""
        self.panel = _PANELS[(_PANELS.index(self.panel) + panels) % len(_PANELS)]

    def sort(self) -> None:
        """Sort the panel in the next way."""
        self._orders[self.panel] = (self._orders[self.panel] + 1) % len(ORDERS[self.panel])

    def leave(self) -> None:
        """End."""
        self.left = True

    def back(self) -> None:
        """Close what lies over the panels, or forget the filter."""
        if self.sheet is not None:
            self.sheet = None
        else:
            self.filter = ""

    def search(self) -> None:
        """Let the next keys be a filter."""
        self.typing = True

    def help(self) -> None:
        """Show what the keys do."""
        self.sheet = Sheet(Sight.HELP)

    def open(self) -> None:
        """Show everything about the chosen queue or task."""
        row = self.chosen()
        if row is None:
            return
        task = row.task
        self.sheet = Sheet(Sight.QUEUE, row.queue) if task is None else Sheet(Sight.TASK, task_name(task.id))

    def explain(self) -> None:
        """Show why the task does not run."""
        name = self._task_name()
        if name:
            self.sheet = Sheet(Sight.EXPLANATION, name)

    def pause(self) -> None:
        """Ask whether to pause the queue, or to resume it."""
        name = self._queue_name()
        if name is None:
            return
        queue = next(each for each in self.snapshot.status.queues if each.name == name)
        if queue.paused:
            self._ask(Deed(Verb.RESUME, name), f"resume {short_queue(name)}, so that its tasks start again?")
        else:
            self._ask(Deed(Verb.PAUSE, name), f"pause {short_queue(name)}? those of its tasks at work go on")

    def cancel(self) -> None:
        """Ask whether to cancel the task."""
        name, state = self._task_name(), self._state()
        if name and state is not None and not allows(Move.CANCEL, state):
            self.message = Message(f"{name} has ended already: it is {state}", is_bad=True)
        elif name:
            self._ask(Deed(Verb.CANCEL, name), f"cancel {name}? {_cancelling(state)}")

    def retry(self) -> None:
        """Ask whether to send the task back to its queue."""
        name, state = self._task_name(), self._state()
        if name and state is not None and not allows(Move.REQUEUE, state):
            text = f"{name} cannot be retried: it is {state}; only retrying, cancelled and dead tasks can"
            self.message = Message(text, is_bad=True)
        elif name:
            self._ask(Deed(Verb.RETRY, name), f"retry {name}? it has all its attempts before it again")

    def _ask(self, deed: Deed, text: str) -> None:
        if self.readonly:
            self.message = Message("nothing is changed here: top was called with --readonly", is_bad=True)
        else:
            self.question = Question(deed, text)

    def _task_name(self) -> str:
        """Return the task that a key is about, or say that there is none."""
        if self.sheet is not None and self.sheet.sight is not Sight.QUEUE:
            return self.sheet.target
        row = self.chosen()
        if row is None or row.task is None or self.sheet is not None:
            elsewhere = ": Tab goes on to the lists of tasks" if self.panel is Panel.QUEUES else " here"
            self.message = Message(f"no task is chosen{elsewhere}", is_bad=True)
            return ""
        return task_name(row.task.id)

    def _state(self) -> State | None:
        """Return the state of the task under the keys; None if only the database knows it."""
        if self.sheet is None:
            row = self.chosen()
            return None if row is None or row.task is None else row.task.state
        return state_of(self.snapshot, self.sheet.target)

    def _queue_name(self) -> str | None:
        if self.sheet is not None and self.sheet.sight is Sight.QUEUE:
            return self.sheet.target
        row = self.chosen()
        return row.queue if row is not None and (self.sheet is None or _is_of(row, self.sheet)) else None


def _cancelling(state: State | None) -> str:
    if state is None:
        return "if it waits it ends at once, and if it runs it is asked to stop"
    return "it runs and is asked to stop" if state is State.RUNNING else "it waits and ends at once"


def _is_of(row: Row, sheet: Sheet) -> bool:
    return (
        not isinstance(row.item, QueueStatus)
        and row.task is not None
        and task_name(row.task.id) == sheet.target
    )


_Keys = Mapping[str, Callable[[View], None]]

_KEYS: _Keys = {
    "q": View.leave,
    "Q": View.leave,
    "escape": View.back,
    "?": View.help,
    "h": View.help,
    "e": View.explain,
    "p": View.pause,
    "c": View.cancel,
    "r": View.retry,
    "up": lambda view: view.move(-1),
    "k": lambda view: view.move(-1),
    "down": lambda view: view.move(1),
    "j": lambda view: view.move(1),
    "page up": lambda view: view.move(-view.page_lines),
    "page down": lambda view: view.move(view.page_lines),
    " ": lambda view: view.move(view.page_lines),
    "home": lambda view: view.move(-(2**31)),
    "g": lambda view: view.move(-(2**31)),
    "end": lambda view: view.move(2**31),
    "G": lambda view: view.move(2**31),
}

_PANEL_KEYS: _Keys = {
    "tab": lambda view: view.switch(1),
    "right": lambda view: view.switch(1),
    "back tab": lambda view: view.switch(-1),
    "left": lambda view: view.switch(-1),
    "enter": View.open,
    "s": View.sort,
    "/": View.search,
}

_SHEET_KEYS: _Keys = {"enter": View.back, "q": View.back, "left": View.back}
