"""Every verb of the pages: a question first, which says how much it is about, then the deed, without any script."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from queuectl.domain.lifecycle import State
from tests.support.site import Answer, Site, bury


@pytest.fixture
def filled(site: Site) -> Site:
    """Give a page on a database with something of everything."""
    for number in range(4):
        site.manager.submit_task(f"https://example.com/{number}", "low")
    for number in (91, 92):
        bury(site, number)
    (site.settings.home / "sources").mkdir()
    (site.settings.home / "sources" / "list.txt").write_text("https://example.com/x\nhttps://example.com/y\n")
    site.scheduler.schedule_recurring(
        f"file://{site.settings.home}/sources/list.txt", "0 10 * * *", name="daily"
    )
    return site


def hidden_fields(page: str) -> list[tuple[str, str]]:
    """Return what the form of a question would send."""
    form = page[page.index('action="/do/') :].partition("</form>")[0]
    return [
        (name, unescape(value))
        for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form)
    ]


def asked(site: Site, address: str, *, language: str = "en") -> tuple[str, list[tuple[str, str]]]:
    """Ask for a question and return its page and its fields."""
    answer = site.page(address, language)
    assert answer.status == 200, answer.text
    return answer.text, hidden_fields(answer.text)


def done(site: Site, verb: str, fields: list[tuple[str, str]], **more: str) -> str:
    """Answer yes, and return the page that follows."""
    answer = site.submit(f"/do/{verb}", [*fields, *more.items()])
    assert answer.status == 303, answer.text
    following: Answer = site.page(answer.headers["location"])
    assert following.status == 200
    return following.text


def test_tasks_are_cancelled_after_a_question(filled: Site) -> None:
    page, fields = asked(filled, "/do/cancel?queue=low&to=/tasks")
    assert "Cancel 4 tasks?" in page
    assert page.count("data-task=") == 4
    assert states(filled)[:4] == [State.QUEUED] * 4
    text = done(filled, "cancel", fields)
    assert "4 tasks cancelled." in text
    assert "/do/undo?number=" in text
    assert states(filled)[:4] == [State.CANCELLED] * 4


def test_chosen_tasks_and_the_language_of_the_question(filled: Site) -> None:
    page, fields = asked(filled, "/do/cancel?id=task_1&id=task_2", language="zh")
    assert "取消 2 个任务" in page
    done(filled, "cancel", fields)
    assert states(filled)[:4] == [State.CANCELLED, State.CANCELLED, State.QUEUED, State.QUEUED]
    page, fields = asked(filled, "/do/retry?id=task_1")
    assert "1 task goes back" in done(filled, "retry", fields)
    assert states(filled)[0] is State.QUEUED


def test_more_than_was_shown_is_not_acted_on(filled: Site) -> None:
    _, fields = asked(filled, "/do/cancel?queue=low")
    filled.manager.submit_task("https://example.com/late", "low")
    refused = filled.submit("/do/cancel", fields)
    assert refused.status == 409
    assert "More match by now" in refused.text
    assert "Cancel 5 tasks?" in refused.text
    assert State.CANCELLED not in states(filled)
    forged = [(name, value) for name, value in fields if name != "confirm"]
    assert filled.submit("/do/cancel", forged).status == 409


def test_a_verb_that_names_nothing_is_refused(filled: Site) -> None:
    assert filled.page("/do/cancel").status == 400
    assert filled.submit("/do/cancel", {"confirm": "1000000"}).status in (303, 400)
    assert filled.submit("/do/resurrect", {"confirm": "1000000"}).status in (303, 400)
    assert State.CANCELLED not in states(filled)


def test_a_priority_is_changed_and_put_back(filled: Site) -> None:
    _, fields = asked(filled, "/do/reprioritize?id=task_1&id=task_2")
    text = done(filled, "reprioritize", fields, to_priority="urgent")
    assert "2 tasks have another priority." in text
    assert filled.manager.get_task(1).queue == "urgent_priority"
    number = re.search(r"/do/undo\?number=(\d+)", text)
    assert number is not None
    _, fields = asked(filled, f"/do/undo?number={number[1]}")
    assert "2 put back" in done(filled, "undo", fields)
    assert filled.manager.get_task(1).queue == "low_priority"


def test_a_priority_can_still_be_changed_after_more_tasks_have_come(filled: Site) -> None:
    _, fields = asked(filled, "/do/reprioritize?queue=low")
    filled.manager.submit_task("https://example.com/late", "low")
    refused = filled.submit("/do/reprioritize", [*fields, ("to_priority", "urgent")])
    assert refused.status == 409
    again = hidden_fields(refused.text)
    assert "to_priority" not in dict(again)
    assert '<option value="urgent" selected>' in refused.text
    assert "5 tasks have another priority." in done(filled, "reprioritize", again, to_priority="urgent")


def test_of_many_dead_letters_some_are_shown_and_the_rest_is_told(filled: Site) -> None:
    for number in range(93, 98):
        bury(filled, number)
    link = re.search(r"/do/resurrect\?failure=[0-9a-f]+", filled.page("/dead").text)
    assert link is not None
    page, _ = asked(filled, link[0])
    assert "Resurrect 7 dead letters?" in page
    assert page.partition('<ul class="letters">')[2].partition("</ul>")[0].count("<li>") == 5
    assert "and 2 more" in page


def test_dead_letters_are_resurrected_by_their_kind_and_removed(filled: Site) -> None:
    link = re.search(r"/do/resurrect\?failure=[0-9a-f]+", filled.page("/dead").text)
    assert link is not None
    page, fields = asked(filled, link[0])
    assert "Resurrect 2 dead letters?" in page
    assert "2 dead letters resurrected." in done(filled, "resurrect", fields)
    page, fields = asked(filled, "/do/purge?days=0")
    assert "2 dead letters removed." in done(filled, "purge", fields)


def test_queues_are_paused_resumed_limited_and_cleared(filled: Site) -> None:
    page, fields = asked(filled, "/do/queue-pause?name=low")
    assert "4 tasks wait." in page
    assert "Low is paused." in done(filled, "queue-pause", fields)
    assert "paused" in filled.page("/queues").text
    _, fields = asked(filled, "/do/queue-resume?name=low")
    assert "Low is open." in done(filled, "queue-resume", fields)
    page, fields = asked(filled, "/do/queue-set?name=low&max_size=9&rate_limit=none&max_retries=1")
    assert page.count("<tr>") >= 3
    assert "2 limits of Low changed." in done(filled, "queue-set", fields)
    assert filled.manager.get_queue_config("low").max_size == 9
    assert filled.page("/do/queue-set?name=low&max_size=many").status == 400
    _, fields = asked(filled, "/do/queue-clear?name=low")
    assert "4 tasks cancelled in Low." in done(filled, "queue-clear", fields)


def test_schedules_are_added_fired_paused_and_removed(filled: Site) -> None:
    source = f"file://{filled.settings.home}/sources/list.txt"
    wrong = filled.submit("/schedules/new", {"source": source, "cron": "61 * * * *", "name": "x"})
    assert wrong.status == 400
    assert 'value="61 * * * *"' in wrong.text
    added = filled.submit("/schedules/new", {"source": source, "cron": "*/5 * * * *", "name": "a/b <often>"})
    assert added.status == 303
    assert "a/b &lt;often&gt;" in filled.page("/schedules").text
    _, fields = asked(filled, "/do/schedule-run?name=daily&to=/schedules")
    assert "daily has fired: 2 accepted" in done(filled, "schedule-run", fields)
    for verb, text in (
        ("schedule-pause", "is paused"),
        ("schedule-resume", "goes on"),
        ("schedule-remove", "is removed"),
    ):
        _, fields = asked(filled, f"/do/{verb}?name=daily&to=/schedules")
        assert text in done(filled, verb, fields)
    assert filled.page("/do/schedule-remove?name=daily").status == 404


def test_urls_are_submitted_once_however_often_the_button_is_pressed(filled: Site) -> None:
    key = re.search(r'name="key" value="([^"]+)"', filled.page("/submit").text)
    assert key is not None
    form = {"urls": "https://example.com/n1\nhttps://example.com/n2\nnonsense", "key": key[1], "name": "mine"}
    first, second = filled.submit("/submit", form), filled.submit("/submit", form)
    assert first.status == second.status == 303
    target = first.headers["location"].partition("?")[0]
    assert target == second.headers["location"].partition("?")[0]
    page = filled.page(first.headers["location"]).text
    assert "2 accepted" in page
    assert "1 invalid" in page
    single = filled.submit("/submit", {"urls": "https://example.com/one", "start": "2h", "key": "x"})
    assert single.headers["location"].startswith("/tasks/")
    wrong = filled.submit("/submit", {"urls": "ftp://example.com/one", "key": "y"})
    assert (wrong.status, "ftp://example.com/one" in wrong.text) == (400, True)


def test_a_form_of_nothing_but_duplicates_says_so_where_it_was(filled: Site) -> None:
    known = "https://example.com/0\nhttps://example.com/1"
    answer = filled.submit("/submit", {"urls": known, "key": "k"})
    assert answer.headers["location"].startswith("/submit?note=")
    page = filled.page(answer.headers["location"])
    assert (page.status, "2 duplicates" in page.text) == (200, True)


def test_what_is_in_the_way_of_a_form_is_said_in_the_language_of_the_page(filled: Site) -> None:
    chinese = {"Accept-Language": "zh"}
    source = f"file://{filled.settings.home}/sources/list.txt"
    for path, form, said in (
        ("/submit", {"urls": "ftp://example.com/a", "key": "a"}, "这个网址无法抓取："),
        ("/submit", {"urls": "https://example.com/a", "start": "whenever", "key": "b"}, "输入不可用："),
        ("/schedules/new", {"source": source, "cron": "@daily", "name": "daily"}, "已有同名的计划："),
        ("/do/cancel", {"queue": "low", "confirm": "1"}, "现在匹配的比你确认的多，请重新查看：4 match"),
    ):
        answer = filled.submit(path, form, headers=chinese)
        assert answer.status in (400, 409), answer.status
        assert said in answer.text, (path, answer.text)
    gone = filled.submit("/do/schedule-pause", {"name": "none", "confirm": "1", "to": "/"}, headers=chinese)
    assert "没有这个计划：" in filled.page(gone.headers["location"], "zh").text


def test_what_was_done_is_said_once(filled: Site) -> None:
    _, fields = asked(filled, "/do/queue-pause?name=low")
    location = filled.submit("/do/queue-pause", fields).headers["location"]
    assert "Low is paused." in filled.page(location).text
    assert "Low is paused." not in filled.page(location).text


def test_buttons_are_there_for_those_only_who_may_press_them(filled: Site) -> None:
    both = ["/do/queue-pause", "/do/queue-clear"]
    for role, words in {"read": both[:0], "operate": both[:1], "admin": both}.items():
        page = filled.page("/queues/low", login=role).text
        assert [word for word in both if word in page] == words


def states(site: Site) -> list[Any]:
    """Return the states of all tasks, the oldest first."""
    return [task.state for task in reversed(site.manager.list_tasks())]
