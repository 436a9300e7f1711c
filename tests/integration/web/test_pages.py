"""Every page, in both languages: its words are there, its fields have names, its links lead somewhere."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

import queuectl_daemon.web
from queuectl.domain.lifecycle import Move
from queuectl.store import nodes
from queuectl.store.nodes import NodeReport
from queuectl_daemon.web.pages.words import LANGUAGES, words_of
from tests.support.factories import ending, finish, new_task, started, submit
from tests.support.site import Site, bury

PAGES = (
    "/", "/tasks", "/tasks?state=queued&queue=low&sort=score", "/tasks?url=nothing-like-it", "/tasks/1", "/tasks/3",
    "/queues", "/queues/low", "/batches", "/batches/1", "/schedules", "/schedules/daily", "/schedules/new", "/dead",
    "/dead?host=example.com", "/audit", "/audit?verify=true", "/audit/1", "/health", "/submit", "/api",
    "/do/cancel?queue=low", "/do/retry?id=1", "/do/reprioritize?id=2", "/do/resurrect?host=example.com",
    "/do/purge?days=0", "/do/queue-pause?name=low", "/do/queue-resume?name=low", "/do/queue-clear?name=low",
    "/do/queue-set?name=low&max_size=9", "/do/schedule-pause?name=daily", "/do/schedule-resume?name=daily",
    "/do/schedule-run?name=daily", "/do/schedule-remove?name=daily", "/do/undo?number=1",
)  # fmt: skip
EMPTY = ("/", "/tasks", "/queues", "/batches", "/schedules", "/dead", "/audit", "/health")
_TEMPLATES = Path(queuectl_daemon.web.__file__).parent / "templates"


def fill(site: Site) -> None:
    """Put something of everything into a database."""
    for priority in ("low", "high", "urgent"):
        site.manager.submit_task("https://example.com/a", priority, metadata={"author": "作者"})
    site.manager.submit_batch(["https://example.com/1", "https://example.com/2"], batch_name="每日文章")
    bury(site, 91)
    (site.settings.home / "sources").mkdir(exist_ok=True)
    (site.settings.home / "sources" / "list.txt").write_text("https://example.com/x\n")
    site.scheduler.schedule_recurring(
        f"file://{site.settings.home}/sources/list.txt", "0 10 * * *", name="daily"
    )
    site.manager.cancel_task(2)


class Reading(HTMLParser):
    """What a page is made of."""

    VOID = frozenset(["br", "hr", "img", "input", "link", "meta", "source", "wbr"])

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.labelled: set[str] = set()
        self.unnamed: list[str] = []
        self.links: list[str] = []
        self.scripts: list[dict[str, str | None]] = []
        self.styles = 0
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.language: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if "style" in given or tag == "style" or any(name.startswith("on") for name in given):
            self.styles += 1
        if tag == "html":
            self.language = given.get("lang")
        if tag == "script":
            self.scripts.append(given)
        if tag == "a":
            self.links.append(given.get("href") or "")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if given.get("id"):
            self.ids.append(str(given["id"]))
        is_field = tag in ("input", "select", "textarea") and given.get("type") != "hidden"
        if is_field and "label" not in self.open and not given.get("aria-label"):
            self.unnamed.append(str(given))

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        # SVG closes its shapes in themselves.
        while self.open and self.open[-1] != tag and self.open[-1] in ("rect", "line", "polyline"):
            self.open.pop()
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> is out of order"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_can_be_read(site: Site, language: str) -> None:
    fill(site)
    tag = words_of(language).tag
    for path in PAGES:
        answer = site.page(path, language)
        assert answer.status == 200, (path, answer.text[:600])
        page = Reading(answer.text)
        assert page.language == tag
        assert page.open == [], path
        assert page.unnamed == [], path
        assert page.styles == 0, f"{path} has a style or a script of its own"
        assert [script for script in page.scripts if not str(script.get("src")).startswith("/static/")] == []
        assert len(set(page.ids)) == len(page.ids), path
        assert page.headings.count(1) == 1, path
        assert page.headings[0] == 1, path


def test_pages_of_an_empty_installation_say_what_to_do(plain_site: Site) -> None:
    for path in EMPTY:
        assert plain_site.page(path).status == 200
    assert "There are no tasks yet" in plain_site.page("/tasks").text
    assert "还没有任务" in plain_site.page("/tasks", "zh").text


@pytest.mark.parametrize(
    ("role", "missing", "english", "chinese"),
    [
        ("worker", "scheduler", "Only workers are running, so no schedule fires", "只有工作者角色"),
        ("scheduler", "worker", "Only schedulers are running, so no task starts", "只有调度角色"),
    ],
)
def test_daemons_that_all_do_the_same_half_are_told_of(
    plain_site: Site, role: str, missing: str, english: str, chinese: str
) -> None:
    with plain_site.manager._database.writing() as transaction:
        report = NodeReport(
            "n", "h", 1, "1", 0, 4, 0, "in-process", 1, 0.0, "{}", "[]", "{}", "[]", role, "{}"
        )
        nodes.save(transaction, report, 600_000)
    for path in ("/", "/health"):
        assert english in plain_site.page(path).text
        assert chinese in plain_site.page(path, "zh").text
    health = plain_site.page("/health").text
    assert f"queuectl daemon start --role {missing}" in health
    assert {"worker": "runs tasks", "scheduler": "<td>schedules</td>"}[role] in health


def test_every_link_of_every_page_leads_somewhere(plain_site: Site) -> None:
    fill(plain_site)
    seen: set[str] = set()
    waiting = list(PAGES)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = plain_site.page(path)
        assert answer.status == 200, (path, answer.status)
        if answer.headers["content-type"].startswith("text/html") and len(seen) < 150:
            links = (link.replace("&amp;", "&") for link in Reading(answer.text).links)
            waiting += [link for link in links if link.startswith("/") and link not in seen]
    assert len(seen) > 60


def test_every_page_takes_what_is_to_be_said_on_it_once(plain_site: Site) -> None:
    fill(plain_site)
    for path in PAGES:
        answer = plain_site.page(f"{path}{'&' if '?' in path else '?'}note=nothing")
        assert answer.status == 200, (path, answer.text[:300])


def test_a_result_is_shown_line_by_line_and_not_without_end(plain_site: Site) -> None:
    with plain_site.manager._database.writing() as transaction:
        row = new_task(92, score=1)
        (task,) = submit(transaction, row)
        work = started(transaction, task, row.queue)
        result = json.dumps({"words": [f"word {number}" for number in range(9_000)]})
        finish(transaction, [ending(work, Move.SUCCEED, result=result)])
    text = plain_site.page(f"/tasks/{task}").text
    assert "\n    &#34;word 1&#34;,\n" in text
    assert "\\n" not in text
    assert len(text) < 60_000


def test_the_languages_have_the_same_words() -> None:
    assert words_of("en").keys() == words_of("zh").keys()
    for key in sorted(words_of("en").keys()):
        fields = [set(re.findall(r"{(\w+)}", words_of(language)._sentences[key])) for language in LANGUAGES]
        assert fields[0] == fields[1], key


def test_a_chinese_page_says_why_tasks_wait_and_how_the_system_is(site: Site) -> None:
    site.manager.update_queue_config("low", {"rate_limit": "1/h", "max_size": 100})
    site.manager.submit_task("https://example.com/a", "low")
    site.manager.submit_task(
        "https://example.com/later", "low", publish_at=datetime.now(UTC) + timedelta(days=1)
    )
    site.manager.pause_queue("low")
    (site.settings.home / "sources").mkdir()
    source = site.settings.home / "sources" / "list.txt"
    source.write_text("https://example.com/x\n")
    site.scheduler.schedule_recurring(f"file://{source}", "0 10 * * *", name="daily")
    checks = site.monitor.get_health().checks
    assert len(checks) == 10
    english, chinese = site.page("/health").text, site.page("/health", "zh").text
    for check in checks:
        assert f"<td>{check.name}</td>" in english
        assert f"<td>{check.name}</td>" not in chinese
        if check.name not in ("database", "disk"):  # what these measure differs from moment to moment
            assert check.detail not in chinese, check
    assert "没有在运行的，有 1 个任务在等待" in chinese
    assert "0 of its 100" not in chinese
    for number in (1, 2):
        reasons = site.monitor.explain(number).reasons
        assert reasons
        page = site.page(f"/tasks/{number}", "zh").text
        assert "为何没有运行" in page
        assert [each.message for each in reasons if each.message in page] == []
        assert "“低”队列已暂停" in page


def test_the_templates_ask_only_for_words_that_there_are() -> None:
    known = words_of("en").keys()
    asked = set()
    for template in _TEMPLATES.rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        asked |= set(re.findall(r"""\bt\(["']([\w.-]+)["'](?!\s*~)""", text))
    assert {key for key in asked if not key.endswith(".")} <= known
    assert len(asked) > 100


def test_a_language_is_taken_from_the_browser_or_from_what_was_chosen(plain_site: Site) -> None:
    for header, tag in (
        ("de, zh;q=0.5, en;q=0.4", "zh-CN"),
        ("fr", "en"),
        ("*;q=x", "en"),
        ("zh-TW", "zh-CN"),
    ):
        assert Reading(plain_site.page("/", header).text).language == tag
    chosen = plain_site.submit("/preferences", {"language": "zh", "to": "/queues"})
    assert (chosen.status, chosen.headers["location"]) == (303, "/queues")
    cookie = chosen.headers["set-cookie"].partition(";")[0]
    assert Reading(plain_site.page("/", "en", headers={"Cookie": cookie}).text).language == "zh-CN"


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", ""]
)
def test_no_form_leads_to_another_site(plain_site: Site, target: str) -> None:
    answer = plain_site.submit("/preferences", {"theme": "dark", "to": target})
    assert answer.headers["location"] == "/"
    done = plain_site.submit("/do/queue-pause", {"name": "low", "to": target, "confirm": "1"})
    assert done.headers["location"].startswith("/?note=")


def test_a_theme_is_kept_and_nothing_else_is(plain_site: Site) -> None:
    answer = plain_site.submit("/preferences", {"theme": "dark", "language": "xx", "to": "/"})
    assert answer.headers["set-cookie"].startswith("theme=dark;")
    assert "HttpOnly" in answer.headers["set-cookie"]
    page = plain_site.page("/", headers={"Cookie": "theme=dark"}).text
    assert 'data-theme="dark"' in page
    assert 'data-theme="auto"' in plain_site.page("/", headers={"Cookie": 'theme="><script>'}).text


def test_what_went_wrong_is_a_page_for_a_person(plain_site: Site) -> None:
    answer = plain_site.page("/nothing", "zh")
    assert (answer.status, "这个地址没有内容" in answer.text) == (404, True)
    assert plain_site.page("/tasks/99").status == 404
    assert "task_99" in plain_site.page("/tasks/99").text
