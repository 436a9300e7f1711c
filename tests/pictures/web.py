"""Pictures of the web page in both themes, taken by a browser from a real daemon with a morning's work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import HttpCredentials, sync_playwright

from queuectl.domain.task import ArticleTask
from tests.support.browser import find_browser
from tests.support.daemon import Installation
from tests.support.guard import guard
from tests.support.ports import free_port
from tests.support.site import PASSWORD, USER, cheap_hash
from tests.support.waiting import wait_until

PAGES = {"dashboard": "/", "task": "/tasks/41", "dead": "/dead"}
SIZES = {"": (1120, 760), "-phone": (390, 780)}
_HOSTS = ("news.example.com", "mp.example.cn", "blog.example.org", "example.net")
_HANDLERS = {"read": "quick", "read_slowly": "progress", "reach": "fail", "find": "refuse"}


def take_pictures(folder: Path) -> None:
    """Write one picture for each page, theme and size."""
    home = guard.new_folder()
    installation = scene(home)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
            login = HttpCredentials(username=USER, password=PASSWORD, send="always")
            themes: tuple[Any, ...] = ("light", "dark")
            for theme in themes:
                for ending, (width, height) in SIZES.items():
                    context = browser.new_context(
                        http_credentials=login,
                        base_url=f"http://localhost:{installation.settings.web_port}",
                        color_scheme=theme,
                        viewport={"width": width, "height": height},
                    )
                    page = context.new_page()
                    for name, path in PAGES.items():
                        if not ending or name == "dashboard":
                            page.goto(path)
                            page.wait_for_timeout(
                                3_500 if path == "/" else 300
                            )  # until the live parts are there
                            page.screenshot(path=folder / f"web-{name}{ending}-{theme}.png")
                    context.close()
            browser.close()
    finally:
        installation.daemon.close()
        guard.remove_folder(home)


def scene(home: Path) -> Installation:
    """Return a daemon in the middle of its work: tasks at work, some that failed, some that wait."""
    made = Installation(home, web_port=free_port(), web_auth=f"{USER}:{cheap_hash(PASSWORD)}", workers=10)
    with (home / "queuectl.toml").open("a", encoding="utf-8") as file:
        for name, function in _HANDLERS.items():
            place = f"tests.support.scene_handlers:{function}"
            file.write(f'\n[handlers.{name}]\ncallable = "{place}"\nisolation = "thread"\n')
    made.read_settings_again()
    manager = made.manager
    for number in range(40):
        url = f"https://{_HOSTS[number % 4]}/articles/{2_000 + number}"
        manager.submit_task(ArticleTask(url, ("high", "medium", "low")[number % 3], handler="read"))
    for number in range(3):
        url = f"https://blog.example.org/posts/{number}"
        manager.submit_task(
            ArticleTask(url, "low", handler="reach", max_retries=2, metadata={"column": "科技"})
        )
    for number in range(6):
        manager.submit_task(ArticleTask(f"https://example.net/moved/{number}", handler="find"))
    for number in range(4):
        manager.submit_task(
            ArticleTask(f"https://news.example.com/long-reads/{number}", "urgent", handler="read_slowly")
        )
    daily = [ArticleTask(f"https://mp.example.cn/daily/{number}", handler="read") for number in range(12)]
    manager.submit_batch(daily, "background", "每日文章", 30)
    manager.update_queue_config("low", {"rate_limit": "60/h", "max_size": 500})
    made.daemon.start()
    wait_until(lambda: manager.count_dead_letters() == 9, within=60, describing="the dead letters")
    for number in range(30):
        manager.submit_task(ArticleTask(f"https://{_HOSTS[number % 4]}/late/{number}", "low", handler="read"))
    return made
