"""What keys change on the screen of ``top``: the line that is chosen, the order, and what is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from queuectl.cli.top.rows import Panel, Snapshot
from queuectl.cli.top.view import Deed, Sheet, Sight, Verb, View
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import QUEUES
from queuectl.domain.status import EndedRun, QueueStatus, RealtimeStatus, RunningTask
from queuectl.domain.task import Task

AT = 1_795_485_600_000
STATUS = RealtimeStatus(
    at=AT,
    queues=tuple(
        QueueStatus(name, paused=name == "low_priority", queued=place) for place, name in enumerate(QUEUES)
    ),
    nodes=(),
    database="sqlite:///q.db",
    transport="in-process",
)


def task(number: int, state: State = State.QUEUED, title: object = None, **fields: object) -> Task:
    made = Task(
        id=number, url=f"https://example.com/{number}", handler="article", queue="high_priority", priority_score=8,
        state=state, fence=1, attempt=1, max_retries=None, timeout=None, memory_limit=None, batch_id=None,
        metadata={} if title is None else {"title": title}, created_at=AT, run_at=None, due_at=AT, started_at=AT,
        finished_at=None, cancel_requested=False, error=None, result=None,
    )  # fmt: skip
    return replace(made, **fields)  # type: ignore[arg-type]


def snapshot(*waiting: Task, running: int = 0, ended: tuple[EndedRun, ...] = ()) -> Snapshot:
    at_work = [
        RunningTask(task(100 + number, State.RUNNING), 1000 * number, None, None) for number in range(running)
    ]
    return Snapshot(STATUS, at_work, waiting, ended)


def pressed(view: View, *keys: str) -> list[Deed]:
    return [deed for key in keys if (deed := view.press(key)) is not None]


def shown(view: View, panel: Panel) -> list[int]:
    return [row.task.id for row in view.rows(panel) if row.task]


@pytest.fixture
def view() -> View:
    """Give a screen on which three tasks wait and have the keys."""
    made = View(snapshot(task(1), task(2), task(3)))
    pressed(made, "tab", "tab")
    assert made.panel is Panel.WAITING
    return made


def test_the_chosen_task_stays_chosen_where_others_come_before_it(view: View) -> None:
    pressed(view, "j")
    view.take(snapshot(task(7), task(8), task(1), task(2), task(3)))
    assert view.place(Panel.WAITING) == 3
    row = view.chosen()
    assert row is not None
    assert row.key == "task_2"


def test_the_question_about_an_open_task_says_what_will_happen_to_it() -> None:
    made = View(snapshot(task(1), running=1))
    for sheet, words in (
        ("task_100", "it runs and is asked to stop"),
        ("task_1", "it waits and ends at once"),
        ("task_77", "if it waits it ends at once, and if it runs it is asked to stop"),
    ):
        made.sheet = Sheet(Sight.TASK, sheet)
        pressed(made, "c")
        assert made.question is not None
        assert made.question.text == f"cancel {sheet}? {words}"
        pressed(made, "n")


def test_an_open_task_that_has_ended_is_not_asked_about() -> None:
    made = View(snapshot(task(1, State.SUCCEEDED)))
    made.sheet = Sheet(Sight.TASK, "task_1")
    for key, words in (("c", "has ended already: it is succeeded"), ("r", "cannot be retried")):
        pressed(made, key)
        assert made.question is None
        assert made.message is not None
        assert words in made.message.text


def test_the_line_below_is_chosen_where_the_chosen_one_has_gone(view: View) -> None:
    pressed(view, "j")
    view.take(snapshot(task(1), task(3)))
    assert view.place(Panel.WAITING) == 1
    view.take(snapshot())
    assert view.chosen() is None
    assert pressed(view, "j", "c", "r", "e", "enter", "G") == []


def test_moving_ends_at_the_first_and_the_last_line(view: View) -> None:
    pressed(view, *"jjjjj")
    assert view.place(Panel.WAITING) == 2
    pressed(view, *"kkkkk")
    assert view.place(Panel.WAITING) == 0
    pressed(view, "end")
    assert view.place(Panel.WAITING) == 2


def test_nothing_is_done_without_a_yes(view: View) -> None:
    for key in ("n", "escape", "enter", "c", "q", " "):
        assert pressed(view, "c") == []
        assert view.question is not None
        assert pressed(view, key) == []
        assert view.question is None
        assert view.message is not None
        assert view.message.text == "nothing was changed"
        assert not view.left
    assert pressed(view, "c", "y") == [Deed(Verb.CANCEL, "task_1")]


def test_what_is_asked_about_does_not_change_while_the_question_stands(view: View) -> None:
    pressed(view, "c")
    view.take(snapshot(task(9), task(2)))
    assert pressed(view, "y") == [Deed(Verb.CANCEL, "task_1")]


def test_a_paused_queue_is_resumed_and_another_one_paused(view: View) -> None:
    view.panel = Panel.QUEUES
    assert pressed(view, "p", "y", *"jjj", "p", "y") == [
        Deed(Verb.PAUSE, "urgent_priority"),
        Deed(Verb.RESUME, "low_priority"),
    ]


def test_the_queue_of_a_task_is_paused_from_its_line(view: View) -> None:
    assert pressed(view, "p", "y") == [Deed(Verb.PAUSE, "high_priority")]


def test_readonly_asks_nothing(view: View) -> None:
    view.readonly = True
    for key in "pc":
        assert pressed(view, key, "y") == []
    assert view.question is None


def test_what_a_task_cannot_do_is_said_before_anything_is_asked(view: View) -> None:
    pressed(view, "r")
    assert view.question is None
    assert view.message is not None
    assert "cannot be retried: it is queued" in view.message.text
    view.take(snapshot(task(1, State.DEAD)))
    assert pressed(view, "r", "y") == [Deed(Verb.RETRY, "task_1")]
    pressed(view, "c")
    assert view.question is None


@pytest.mark.parametrize("wanted", ["第二", "TASK_2", "example.com/2"])
def test_a_filter_looks_at_title_id_and_url_whatever_the_case(wanted: str) -> None:
    view = View(snapshot(task(1), task(2, title="第二"), task(3, title=7)))
    pressed(view, "/", *wanted)
    assert shown(view, Panel.WAITING) == [2]
    assert len(view.rows(Panel.QUEUES)) == 5
    pressed(view, "enter", "q")
    assert view.left, "after the filter is kept, keys mean what they meant"


def test_a_filter_is_corrected_and_forgotten(view: View) -> None:
    pressed(view, "/", "x", "backspace", "q", "tab", "up")
    assert view.filter == "q"
    assert not view.left
    pressed(view, "escape")
    assert (view.filter, view.typing) == ("", False)


def test_every_order_lists_the_same_tasks(view: View) -> None:
    ended = (
        EndedRun(task(5, State.SUCCEEDED), AT, State.SUCCEEDED, None),
        EndedRun(task(6, State.DEAD), AT, State.DEAD, "broken"),
    )
    view.take(snapshot(task(1, due_at=AT + 5), task(2), task(3), running=3, ended=ended))
    for panel in Panel:
        view.panel = panel
        everything = {row.key for row in view.rows(panel)}
        names = []
        while view.order(panel).name not in names:
            names.append(view.order(panel).name)
            assert {row.key for row in view.rows(panel)} == everything
            pressed(view, "s")
        assert len(names) >= 3
    view.panel = Panel.WAITING
    pressed(view, "s")
    assert shown(view, Panel.WAITING) == [2, 3, 1]
    view.panel = Panel.ENDED
    pressed(view, "s")
    assert shown(view, Panel.ENDED) == [6, 5]
    view.panel = Panel.QUEUES
    pressed(view, "s")
    assert [row.queue for row in view.rows(Panel.QUEUES)] == list(QUEUES[::-1])


def test_sheets_open_and_close_over_the_lists(view: View) -> None:
    for key, sight, target in (("enter", Sight.TASK, "task_1"), ("e", Sight.EXPLANATION, "task_1")):
        pressed(view, key)
        assert view.sheet is not None
        assert (view.sheet.sight, view.sheet.target) == (sight, target)
        pressed(view, "j", "j", "k")
        assert view.sheet.top == 1
        pressed(view, "q")
        assert view.sheet is None
        assert not view.left
    pressed(view, "q")
    assert view.left


def test_ctrl_c_leaves_from_everywhere(view: View) -> None:
    for keys in ("/", "c", "?", "\r"):
        view.left = False
        pressed(view, *keys, "ctrl-c")
        assert view.left
        pressed(view, "escape", "escape")


def test_a_task_on_a_sheet_is_the_one_that_keys_are_about(view: View) -> None:
    pressed(view, "j", "enter")
    view.take(snapshot(task(9)))
    assert pressed(view, "c", "y") == [Deed(Verb.CANCEL, "task_2")]
