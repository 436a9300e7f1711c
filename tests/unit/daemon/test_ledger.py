"""The judge of the fault tests, judged: an honest history passes, and every kind of cheating is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.ledger import Accounts, judge
from tests.support.sightings import END, START, Sighting


def history() -> Accounts:
    """Return the books of three tasks: one succeeded at its second attempt, one died, one was cancelled unseen."""
    return Accounts(
        accepted=[1, 2, 3],
        tasks={
            1: _row(1, "succeeded", fence=2, attempt=2),
            2: _row(2, "dead", fence=1, attempt=1),
            3: _row(3, "cancelled", fence=1, attempt=0),
        },
        attempts=[_attempt(1, 1, 1, "failed"), _attempt(1, 2, 2, "succeeded"), _attempt(2, 1, 1, "crashed")],
        letters=[{"task_id": 2}],
        sightings=[
            Sighting(1, 1, 1, 70, START, 10),
            Sighting(1, 1, 1, 70, END, 20),
            Sighting(1, 2, 2, 70, START, 30),
            Sighting(1, 2, 2, 70, END, 40),
            Sighting(2, 1, 1, 71, START, 15),
        ],
    )


def _row(number: int, state: str, **fields: Any) -> dict[str, Any]:
    row = {
        "id": number,
        "state": state,
        "finished_at": 50,
        "node": None,
        "cancel_requested": 0,
        "released": 0,
    }
    return row | fields


def _attempt(task: int, fence: int, attempt: int, outcome: str) -> dict[str, Any]:
    return {"task_id": task, "fence": fence, "attempt": attempt, "outcome": outcome}


def test_an_honest_history_passes() -> None:
    assert judge(history()) == []


def test_a_submission_without_an_answer_may_exist_or_not() -> None:
    accounts = history()
    accounts.accepted = [1, 2]
    assert judge(accounts)
    accounts.unknown = 1
    assert judge(accounts) == []


def _change(task: int, **fields: Any) -> Callable[[Accounts], Accounts]:
    def change(books: Accounts) -> Accounts:
        return _again(books, tasks={**books.tasks, task: {**books.tasks[task], **fields}})

    return change


def _see(*sightings: Sighting) -> Callable[[Accounts], Accounts]:
    return lambda books: _again(books, sightings=[*books.sightings, *sightings])


def _again(books: Accounts, **fields: Any) -> Accounts:
    names = ("accepted", "tasks", "attempts", "letters", "sightings", "unknown", "may_overlap")
    return Accounts(**{name: getattr(books, name) for name in names} | fields)


CHEATS: dict[tuple[str, str], Callable[[Accounts], Accounts]] = {
    ("a lost task", "is not in the database"): lambda books: _again(books, accepted=[1, 2, 3, 4]),
    ("an invented task", "never submitted"): lambda books: _again(books, accepted=[1, 2]),
    ("a run of no task", "ran and is not"): _see(Sighting(9, 1, 1, 70, START, 10)),
    ("an open task", "has not ended"): _change(1, state="running", finished_at=None),
    ("a task left behind at work", "under way"): _change(3, node="gone"),
    ("a cancellation left behind", "under way"): _change(1, cancel_requested=1),
    ("a success without an attempt", "0 successful"): lambda books: _again(
        books, attempts=[each for each in books.attempts if each["outcome"] != "succeeded"]
    ),
    ("two successes", "2 successful"): lambda books: _again(
        books,
        attempts=[*books.attempts, _attempt(1, 3, 3, "succeeded")],
        sightings=[*books.sightings, Sighting(1, 3, 3, 70, START, 50), Sighting(1, 3, 3, 70, END, 60)],
    ),
    ("a success of a dead task", "1 successful"): lambda books: _again(
        books, attempts=[*books.attempts[:2], _attempt(2, 1, 1, "succeeded")]
    ),
    ("a run after the success", "after its success"): lambda books: _again(
        books, attempts=[*books.attempts, _attempt(1, 3, 3, "interrupted")]
    ),
    ("a missing dead letter", "0 dead letters"): lambda books: _again(books, letters=[]),
    ("two dead letters", "2 dead letters"): lambda books: _again(
        books, letters=[*books.letters, *books.letters]
    ),
    ("a dead letter of a success", "1 dead letters"): lambda books: _again(
        books, letters=[*books.letters, {"task_id": 1}]
    ),
    ("an attempt that ran twice", "2 starts"): _see(Sighting(1, 2, 2, 99, START, 45)),
    ("an attempt that ended twice", "2 ends"): _see(Sighting(1, 2, 2, 99, END, 45)),
    ("an attempt under two fences", "under attempt 2"): _see(Sighting(1, 3, 2, 99, START, 45)),
    ("a run that was not recorded", "not among"): _see(Sighting(2, 5, 2, 99, START, 90)),
    ("a claim that was not recorded", "was claimed 1"): _change(3, attempt=1),
    ("a success that no handler came to", "no handler came"): lambda books: _again(
        books, sightings=[each for each in books.sightings if (each.fence, each.event) != (2, END)]
    ),
    ("two runs at once", "fell into"): lambda books: _again(
        books,
        sightings=[
            replace(each, at=35) if (each.fence, each.event) == (1, END) else each for each in books.sightings
        ],
    ),
    ("runs in the wrong order", "came after"): lambda books: _again(
        books,
        sightings=[
            replace(each, at=5) if (each.fence, each.event) == (2, START) else each
            for each in books.sightings
        ],
    ),
    ("a crash too many", "more often"): lambda books: _again(
        _change(2, attempt=4)(books),
        attempts=[*books.attempts, *(_attempt(2, fence, fence, "crashed") for fence in (2, 3, 4))],
    ),
    ("more releases than claims", "given back"): _change(1, released=3),
}


@pytest.mark.parametrize(("cheat", "breach"), CHEATS, ids=[name for name, _ in CHEATS])
def test_cheating_is_found(cheat: str, breach: str) -> None:
    findings = judge(CHEATS[cheat, breach](history()))
    assert [each for each in findings if breach in each.breach], findings


def test_an_overlap_passes_where_a_lease_was_lost() -> None:
    books = _again(CHEATS["two runs at once", "fell into"](history()), may_overlap=True)
    assert judge(books) == []
