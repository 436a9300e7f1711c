"""Actions on many things that the database ends after their first groups: programs and people are told both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queuectl.operations import bulk, dead_letters
from queuectl.operations import manager as managing
from queuectl.settings import Settings
from queuectl.store.database import Database
from tests.support.full_disk import no_room
from tests.support.site import Site, bury, serving

API = "/api/v1"
SAID = "the database does not answer"


@pytest.fixture
def url(emptied_postgres: str) -> str:
    """Give the address of a migrated database without rows."""
    return emptied_postgres


@pytest.fixture
def filled(home: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give a page with five waiting tasks, and groups of two."""
    for module, name in (
        (bulk, "GROUP"),
        (managing, "_GROUP"),
        (dead_letters, "PURGED_AT_ONCE"),
        (dead_letters, "RESURRECTED_AT_ONCE"),
    ):
        monkeypatch.setattr(module, name, 2)
    with serving(Settings(home=home, database_url=url)) as site:
        for number in range(5):
            site.manager.submit_task(f"https://example.com/{number}", "low")
        yield site


def test_programs_get_what_is_done_and_the_reason(filled: Site, url: str) -> None:
    with no_room(url, "tasks", "UPDATE", "NEW.id > 2"):
        ended = filled.send(f"{API}/tasks/cancel", {"queue": ["low"], "confirm": 5}).ok()
        assert (ended["done"], ended["stopped"], ended["reason"]) == (2, True, SAID)
        nothing = filled.send(f"{API}/tasks/cancel", {"queue": ["low"], "confirm": 5})
        assert (nothing.status, nothing.kind) == (503, "storage")
    whole = filled.send(f"{API}/tasks/cancel", {"queue": ["low"], "confirm": 5}).ok()
    assert (whole["done"], whole["stopped"], whole["reason"]) == (3, False, None)
    with no_room(url, "tasks", "UPDATE", "NEW.id > 4"):
        undone = filled.send(f"{API}/undo/{whole['operation']}", {}).ok()
    assert (undone["done"], undone["stopped"], undone["reason"]) == (2, True, SAID)


def test_programs_get_a_problem_of_what_has_no_document_of_its_own(filled: Site, url: str) -> None:
    with no_room(url, "tasks", "UPDATE", "NEW.id > 2"):
        cleared = filled.send(f"{API}/queues/low/clear", {"confirm": 5})
    assert_partly(cleared.document, cleared.status)
    for number in range(5):
        bury(filled, 90 + number)
    database = Database(url)
    with database.writing() as transaction:
        transaction.execute("UPDATE dead_letters SET died_at = 0")
    database.close()
    with no_room(url, "dead_letters", "DELETE", "OLD.id > 2"):
        purged = filled.send(f"{API}/dead-letters/purge", {"days": 1, "confirm": 5})
    assert_partly(purged.document, purged.status)


def assert_partly(document: Any, status: int) -> None:
    assert (status, document["done"], document["error"]["kind"]) == (503, 2, "partly_done")
    assert document["error"]["message"] == f"2 done before it ended: {SAID}"


def test_people_are_told_both(filled: Site, url: str) -> None:
    fields = [("queue", "low"), ("confirm", "5"), ("to", "/tasks")]
    with no_room(url, "tasks", "UPDATE", "NEW.id > 2"):
        answer = filled.submit("/do/cancel", fields)
    text = filled.page(answer.headers["location"]).text
    assert re.search(rf"2 tasks? .*{SAID}", text, re.DOTALL)
    assert "It took long" not in text
