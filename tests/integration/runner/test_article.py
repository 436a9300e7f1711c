"""The built-in handler in a child process: it comes back with the article, and the process is fit for the next one."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator

import pytest

from queuectl.domain.outcome import Verdict
from tests.integration.runner.conftest import Stage, wait_until_gone

PAGE = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>A long walk</title></head><body><article>"
    "<h1>A long walk</h1>"
    + "".join(
        f"<p>Paragraph {number} tells of the road, the rain and the people met there.</p>"
        for number in range(9)
    )
    + "</article></body></html>"
).encode()


class _Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *arguments: object) -> None:
        """Stay silent."""


@pytest.fixture
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_article_comes_back_and_the_process_is_used_again(make_stage: Callable[..., Stage], site: str):
    stage = make_stage(settings={"fetch_allow_networks": ("127.0.0.0/8",)})
    processes = []

    for number in range(3):
        outcome = stage.run("article", url=f"{site}/{number}", timeout=60)

        assert outcome.verdict is Verdict.SUCCEEDED, outcome
        assert outcome.article is not None
        assert outcome.article.title == "A long walk"
        assert json.loads(outcome.result or "")["title"] == "A long walk"
        processes.append(stage.pid_of_child())

    assert len(set(processes)) == 1
    assert [fraction for _, _, fraction, _ in stage.reports] == [0.5] * 3


def test_the_only_process_makes_room_for_one_that_has_the_handler_loaded(
    make_stage: Callable[..., Stage], site: str
):
    stage = make_stage(workers=1, settings={"fetch_allow_networks": ("127.0.0.0/8",)})
    before = stage.pid_of_child()

    assert stage.run("article", url=f"{site}/", timeout=60).verdict is Verdict.SUCCEEDED
    assert stage.pid_of_child() != before
    wait_until_gone([before])
