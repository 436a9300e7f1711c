"""The web page in a real browser: it follows what happens, obeys the keyboard, fits a phone, and needs no script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, HttpCredentials, Page, sync_playwright

from queuectl.domain.lifecycle import State
from queuectl.domain.task import ArticleTask
from tests.support.browser import find_browser
from tests.support.daemon import Installation
from tests.support.ports import free_port
from tests.support.site import PASSWORD, USER, cheap_hash
from tests.support.waiting import wait_until

PAGES = ("/", "/tasks", "/tasks/1", "/queues", "/queues/low", "/batches", "/batches/1", "/schedules", "/dead",
         "/reports", "/audit", "/health", "/submit", "/api", "/do/cancel?queue=low", "/nothing")  # fmt: skip
_LEAST_CONTRAST = 4.5
_LEAST_CONTRAST_OF_LARGE = 3.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a browser."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def installation(home: Path) -> Iterator[Installation]:
    """Give a daemon with its page, and some tasks that wait because their queue is paused."""
    made = Installation(home, web_port=free_port(), web_auth=f"{USER}:{cheap_hash(PASSWORD)}")
    made.manager.pause_queue("low")
    for number in range(3):
        made.manager.submit_task(
            ArticleTask(f"https://example.com/{number}/文章", priority="low", handler="echo")
        )
    made.manager.submit_batch(
        [ArticleTask("https://example.com/x", handler="echo")], "low", batch_name="每日"
    )
    made.manager.submit_task(ArticleTask("https://example.com/gone", handler="refuse"))
    made.daemon.start()
    wait_until(lambda: made.manager.get_task(5).state is State.DEAD, within=30, describing="a dead letter")
    yield made
    made.daemon.close()


class Visit:
    """Somebody who looks at the page, and whatever the browser complained about meanwhile."""

    def __init__(self, browser: Browser, installation: Installation, **options: Any) -> None:
        self.base = f"http://localhost:{installation.settings.web_port}"
        login = HttpCredentials(username=USER, password=PASSWORD, send="always")
        options.setdefault("locale", "en-GB")
        self._context = browser.new_context(http_credentials=login, base_url=self.base, **options)
        self.page: Page = self._context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning") and "404 (Not Found)" not in message.text:
            self.complaints.append(message.text)

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, *error: object) -> None:
        self._context.close()
        assert self.complaints == []


def test_the_dashboard_follows_what_happens_without_being_loaded_again(
    browser: Browser, installation: Installation
) -> None:
    with Visit(browser, installation) as page:
        page.goto("/")
        page.evaluate("window.loadedOnce = true")
        succeeded = page.locator("[data-live=queues] tr", has_text="Medium").locator("td").nth(5)
        assert succeeded.inner_text() == "0"
        task = installation.manager.submit_task(ArticleTask("https://example.com/new", handler="echo"))
        page.wait_for_function(
            "document.querySelector('[data-live=queues]').innerText.match(/Medium[^\\n]*\\t1\\t/)",
            timeout=20_000,
        )
        page.locator(
            "[data-live=recent] a", has_text=re.compile(f"^{task.removeprefix('task_')}$")
        ).wait_for()
        assert page.evaluate("window.loadedOnce")


def test_a_list_of_tasks_hears_of_a_new_state(browser: Browser, installation: Installation) -> None:
    with Visit(browser, installation) as page:
        page.goto("/tasks?queue=low")
        state = page.locator("tr[data-task='1'] .state")
        assert state.inner_text() == "Queued"
        page.wait_for_timeout(1_500)  # until the stream has begun
        installation.manager.cancel_task(1)
        page.locator("tr[data-task='1'] .state.cancelled").wait_for(timeout=20_000)


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
def test_chosen_tasks_are_cancelled_after_a_question(
    browser: Browser, installation: Installation, script: bool
) -> None:
    with Visit(browser, installation, java_script_enabled=script) as page:
        page.goto("/tasks?queue=low")
        page.locator("input[value=task_1]").check()
        page.locator("input[value=task_2]").check()
        page.get_by_role("button", name="Cancel").first.click()
        assert page.locator("h1").inner_text() == "Cancel 2 tasks?"
        page.get_by_role("button", name="Cancel 2 tasks").click()
        page.locator(".note.good", has_text="2 tasks cancelled.").wait_for()
        page.get_by_role("link", name="Undo").first.click()
        page.get_by_role("button", name="Undo").click()
        page.locator(".note.good", has_text="2 put back").wait_for()
    assert installation.manager.get_task(1).state is State.QUEUED


def test_language_and_theme_are_chosen_and_kept(browser: Browser, installation: Installation) -> None:
    with Visit(browser, installation, color_scheme="light") as page:
        page.goto("/queues")
        light = background(page)
        page.get_by_role("button", name="Dark").click()
        assert background(page) != light
        page.get_by_role("button", name="中文").click()
        assert page.locator("h1").inner_text() == "队列"
        page.goto("/tasks")
        assert page.locator("h1").inner_text() == "任务"
        assert background(page) != light
    with Visit(browser, installation, color_scheme="dark") as page:
        page.goto("/queues")
        assert background(page) != light


def background(page: Page) -> str:
    """Return the colour behind everything."""
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_keyboard_is_enough(browser: Browser, installation: Installation) -> None:
    with Visit(browser, installation) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        page.keyboard.press("g")
        page.keyboard.press("t")
        page.wait_for_url("**/tasks")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "search"
        page.keyboard.type("nothing like it")
        page.keyboard.press("Enter")
        page.get_by_text("No task matches").wait_for()
        page.locator("body").click()
        page.keyboard.press("?")
        assert page.locator("dialog#keys").is_visible()
        page.keyboard.press("Escape")
        outline = page.evaluate("getComputedStyle(document.activeElement, null).outlineStyle")
        assert outline in ("none", "auto", "solid")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_can_be_read_in_both_themes_and_on_a_phone(
    browser: Browser, installation: Installation, theme: Any
) -> None:
    for width in (1280, 390):
        with Visit(
            browser, installation, color_scheme=theme, viewport={"width": width, "height": 800}
        ) as page:
            for path in PAGES:
                page.goto(path)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, path
                for ratio, size, text in page.evaluate(_CONTRASTS):
                    least = _LEAST_CONTRAST_OF_LARGE if size >= 24 else _LEAST_CONTRAST
                    assert ratio >= least, f"{path} ({theme}, {width}): {text!r} has {ratio:.2f}"


_CONTRASTS = """
() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const part = (value) => ((value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.textContent.trim();
    const style = getComputedStyle(element);
    if (!text || element.closest("svg, script, dialog:not([open]), td.none") || !element.checkVisibility()) continue;
    const pair = [light(numbers(style.color)), light(behind(element))].sort((a, b) => b - a);
    found.push([(pair[0] + 0.05) / (pair[1] + 0.05), parseFloat(style.fontSize), text.slice(0, 40)]);
  }
  return found;
}
"""


def test_a_report_is_shown_without_its_own_rights_and_downloaded(
    browser: Browser, installation: Installation
) -> None:
    with Visit(browser, installation) as page:
        page.goto("/reports")
        usual, own = page.locator("form.card").all()
        with page.expect_download() as downloading:
            usual.get_by_role("button", name="Download").click()
        assert downloading.value.suggested_filename.startswith("queuectl-daily-")
        own.get_by_label("From").fill("2026-01-30")
        own.get_by_label("To").first.fill("2026-02-02")
        own.get_by_label("Hosts").check()
        own.get_by_label("Summary").check()
        own.get_by_role("button", name="View").click()
        page.wait_for_url("**/reports/file?**")
        assert page.locator("h1").count() >= 1
        assert page.locator("h2").all_inner_texts() == ["Summary", "Hosts"]
