"""Clients of the web page that are slow, half gone or greedy: they are cut, and tasks go on as if nobody were there."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from queuectl.clock import monotonic
from queuectl.domain.lifecycle import State
from queuectl.domain.task import ArticleTask
from queuectl.operations.web_password import hashed
from queuectl_daemon.web.connections import LARGEST_HEAD, MOST_OF_ONE_ADDRESS, REQUEST_SECONDS
from tests.support.daemon import Installation
from tests.support.ports import free_port
from tests.support.site import PASSWORD, USER, basic, cheap_hash
from tests.support.waiting import wait_until

CUT_WITHIN = 15.0
_HEAD = "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n"


class Served:
    """A daemon with its page, and somebody who talks to it as no browser does."""

    def __init__(self, installation: Installation, port: int) -> None:
        self.installation = installation
        self.port = port

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """Return a connection, from one of the machine's own addresses."""
        return socket.create_connection(("127.0.0.1", self.port), CUT_WITHIN + 5, (source, 0))

    def answers(self) -> bool:
        """Tell whether the page answers somebody who asks properly."""
        with contextlib.suppress(OSError), self.connect() as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return read_all(connection).startswith(b"HTTP/1.1 200")
        return False


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side ends it, or has nothing to say for too long."""
    content = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65_536):
            content += piece
    return content


def cut_after(connection: socket.socket) -> float:
    """Return after how many seconds the other side ended the connection."""
    begun = monotonic()
    read_all(connection)
    return monotonic() - begun


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    """Give a daemon whose page is served."""
    with serving(home, cheap_hash(PASSWORD)) as page:
        yield page


@contextlib.contextmanager
def serving(home: Path, secret: str) -> Iterator[Served]:
    """Serve the page of a daemon behind a hash of a password."""
    port = free_port()
    installation = Installation(home, web_port=port, web_auth=f"{USER}:{secret}")
    installation.daemon.start()
    page = Served(installation, port)
    wait_until(page.answers, within=30, describing="the page to answer")
    try:
        yield page
    finally:
        installation.daemon.close()


def test_half_sent_requests_are_cut_and_tasks_go_on(served: Served) -> None:
    beginnings = {
        "nothing at all": b"",
        "a part of a line": b"GET / HT",
        "a head without an end": _HEAD.encode(),
        "a body that does not come": (
            f"POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic()}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        ).encode(),
        "a request behind another one": _HEAD.encode() + b"\r\nGET /ta",
    }
    manager = served.installation.manager
    with contextlib.ExitStack() as stack:
        connections = {name: stack.enter_context(served.connect()) for name in beginnings for _ in range(1)}
        crowd = [stack.enter_context(served.connect()) for _ in range(30)]
        for name, beginning in beginnings.items():
            connections[name].sendall(beginning)
        for each in crowd:
            each.sendall(_HEAD.encode())
        ids = [manager.submit_task(ArticleTask("https://example.com/a", handler="echo")) for _ in range(200)]
        assert served.answers()
        ended = manager.wait_for(ids, timeout=30)
        assert {task.state for task in ended} == {State.SUCCEEDED}
        for name, connection in connections.items():
            assert cut_after(connection) < CUT_WITHIN, name


def test_a_head_that_drips_in_is_cut_like_one_that_stands_still(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(_HEAD.encode())
        begun = monotonic()
        pause = threading.Event()
        with contextlib.suppress(ConnectionError):
            while monotonic() - begun < CUT_WITHIN + 10:
                connection.sendall(b"X-Drip: 1\r\n")
                pause.wait(0.3)
        assert monotonic() - begun < CUT_WITHIN


def test_a_client_that_does_not_take_its_answer_is_cut(served: Served) -> None:
    for number in range(300):
        served.installation.manager.submit_task(
            ArticleTask(f"https://example.com/{number}?{'x' * 1_500}", publish_at=None, handler="echo")
        )
    with served.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        request = (
            f"GET /api/v1/tasks?limit=1000 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic()}\r\n\r\n"
        ).encode()
        connection.sendall(request * 20)
        threading.Event().wait(CUT_WITHIN)  # what it does not do is the point
        content = read_all(connection)
    assert 1 <= content.count(b"HTTP/1.1 200") < 20
    assert served.answers()


def test_a_stream_is_kept_for_longer_than_a_request_may_take(served: Served) -> None:
    request = f"GET /live?parts=tiles HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic()}\r\n\r\n"
    with served.connect() as connection:
        connection.sendall(request.encode())
        begun = monotonic()
        while monotonic() - begun < REQUEST_SECONDS + 2:
            assert connection.recv(65_536), f"it was cut after {monotonic() - begun:.1f} s"
        # Another moment comes, and a heartbeat where nothing does.
        assert connection.recv(65_536)


def test_heads_and_bodies_beyond_all_measure_are_refused_at_once(served: Served) -> None:
    with served.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(_HEAD.encode() + b"X-Long: " + b"x" * (4 * LARGEST_HEAD))
        assert cut_after(connection) < 5
    with served.connect() as connection:
        connection.sendall(
            f"POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic()}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {10**10}\r\n\r\n".encode()
        )
        assert b" 413 " in connection.recv(4_096)
    with served.connect() as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00nonsense\r\n\r\n")
        assert cut_after(connection) < 5
    assert served.answers()


def test_requests_that_are_sent_ahead_are_answered_in_order(served: Served) -> None:
    with served.connect() as connection:
        ahead = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50
        connection.sendall(ahead + b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        content = read_all(connection)
    assert content.count(b"HTTP/1.1 200") == 50
    assert content.count(b"HTTP/1.1 401") == 1


def test_one_address_gets_only_so_many_connections(served: Served) -> None:
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(served.connect()) for _ in range(MOST_OF_ONE_ADDRESS + 20)]
        for each in crowd:
            each.settimeout(5)
        cut = 0
        for each in crowd:
            with contextlib.suppress(ConnectionError, TimeoutError):
                each.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                cut += not each.recv(100)
                continue
            cut += 1
        assert cut >= 20
    wait_until(served.answers, within=20, describing="the page to answer again")


def test_the_daemon_stops_in_order_while_streams_are_open(served: Served) -> None:
    request = (
        f"GET /live?parts=tiles HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic()}\r\n\r\n".encode()
    )
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(served.connect()) for _ in range(10)]
        for each in streams:
            each.sendall(request)
            assert b"200 OK" in each.recv(4_096)
        begun = monotonic()
        assert served.installation.daemon.stop() == 0
        assert monotonic() - begun < 20
    assert "Traceback" not in served.installation.daemon.log()


def test_guessing_passwords_does_not_hold_up_tasks(home: Path) -> None:
    stop = threading.Event()
    numbers = count(2)
    compared: list[int] = []

    def guess(served: Served) -> None:
        while not stop.is_set():
            number = next(numbers)  # from an address of its own, or there would be a wait before the next one
            source = f"127.1.{number // 250}.{number % 250 + 1}"
            with contextlib.suppress(OSError), served.connect(source) as connection:
                wrong = basic(f"user{number}", f"guess{number}")
                connection.sendall(f"{_HEAD}Authorization: {wrong}\r\nConnection: close\r\n\r\n".encode())
                if read_all(connection).startswith(b"HTTP/1.1 401"):
                    compared.append(number)

    with serving(home, hashed(PASSWORD)) as served:
        guessers = [threading.Thread(target=guess, args=(served,)) for _ in range(6)]
        for each in guessers:
            each.start()
        try:
            wait_until(lambda: len(compared) > 6, within=30, describing="hashes to be compared")
            manager = served.installation.manager
            task = ArticleTask("https://example.com/a", handler="echo")
            ids = [manager.submit_task(task) for _ in range(100)]
            assert len(manager.wait_for(ids, timeout=30)) == 100
            before = len(compared)
            wait_until(lambda: len(compared) > before, within=30, describing="the guessing to go on")
        finally:
            stop.set()
            for each in guessers:
                each.join(30)
