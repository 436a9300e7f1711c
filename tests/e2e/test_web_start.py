"""How a daemon comes to have its page: the port, the first password, what would not be safe, TLS, and its memory."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import tests.support
from queuectl.errors import ExitCode
from tests.support.cli import CommandLine
from tests.support.daemon import Installation
from tests.support.ports import free_port
from tests.support.site import basic
from tests.support.waiting import wait_until

IDLE_MEGABYTES = 120


@pytest.fixture
def installation(home: Path) -> Iterator[Installation]:
    """Give a home whose daemon serves its page, with no password of its own yet."""
    made = Installation(home, web_port=free_port())
    yield made
    made.daemon.close()


def answer(installation: Installation, path: str, authorization: str | None = None) -> int:
    """Return the status that the page answers with."""
    request = urllib.request.Request(f"http://127.0.0.1:{installation.settings.web_port}{path}")
    if authorization is not None:
        request.add_header("Authorization", authorization)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_page_can_be_reached_as_soon_as_the_daemon_is_ready(installation: Installation) -> None:
    installation.daemon.start()
    assert answer(installation, "/healthz") == 200
    assert answer(installation, "/readyz") == 200
    assert answer(installation, "/") == 401


def test_the_first_password_is_made_and_said_once(installation: Installation) -> None:
    installation.daemon.start()
    said = re.findall(r"asks for user (\S+) and password (\S+);", installation.daemon.log())
    assert len(said) == 1
    user, password = said[0]
    assert len(password) >= 20
    assert answer(installation, "/", basic(user, password)) == 200
    kept = installation.home / "web.password"
    assert password not in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0
    installation.daemon.stop()
    installation.daemon.start()
    assert installation.daemon.log().count("asks for user") == 1
    assert answer(installation, "/", basic(user, password)) == 200


def test_a_port_that_is_taken_is_told_and_tasks_run_all_the_same(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", installation.settings.web_port)):
        installation.daemon.start()
        assert installation.daemon.log().count("the web page is off:") == 1
        task = installation.manager.submit_task("https://example.com/a", handler="echo")
        assert installation.manager.wait_for([task], timeout=30)


def refusal(home: Path, **settings: Any) -> str:
    """Return what a daemon says that does not start for its page."""
    made = Installation(home, web_port=free_port(), **settings)
    command = [sys.executable, "-m", "queuectl_daemon", "--home", str(made.home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.BAD_CONFIGURATION, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_daemon_may_insist_on_its_page(home: Path) -> None:
    port = free_port()
    made = Installation(home, web_port=port, web_required=True)
    with socket.create_server(("127.0.0.1", port)):
        command = [sys.executable, "-m", "queuectl_daemon", "--home", str(made.home)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.BAD_CONFIGURATION
    assert "cannot be served" in done.stderr


def test_others_are_not_served_without_a_password_or_without_tls(home: Path) -> None:
    said = refusal(home, web_host="0.0.0.0")
    assert "there is no password" in said
    assert "neither web_tls_cert nor web_without_tls" in said


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"web_host": "0.0.0.0", "web_without_tls": True}, "there is no password"),
        ({"web_host": "0.0.0.0", "web_auth": "ann:long enough"}, "web_without_tls"),
        ({"web_host": "::", "web_auth": "ann:short", "web_without_tls": True}, "shorter than"),
        ({"web_tls_cert": "/nowhere.crt", "web_tls_key": "/nowhere.key"}, "cannot be used"),
    ],
)
def test_what_is_not_safe_is_refused(home: Path, settings: dict[str, Any], words: str) -> None:
    assert words in refusal(home, **settings)


def test_with_password_and_an_explicit_word_others_are_served(home: Path) -> None:
    made = Installation(
        home, web_port=free_port(), web_host="0.0.0.0", web_auth="ann:long enough", web_without_tls=True
    )
    made.daemon.start()
    try:
        assert answer(made, "/", basic("ann", "long enough")) == 200
    finally:
        made.daemon.close()


CERTIFICATE, KEY = (
    Path(tests.support.__file__).with_name(f"localhost.{ending}") for ending in ("crt", "key")
)
"""A certificate of its own authority for localhost, valid for a hundred years, and its key: of use to nobody else."""


def test_with_a_certificate_it_speaks_tls_of_these_days_only(home: Path) -> None:
    port = free_port()
    made = Installation(
        home,
        web_port=port,
        web_tls_cert=str(CERTIFICATE),
        web_tls_key=str(KEY),
        web_auth="ann:secret",
    )
    made.daemon.start()
    try:
        trusted = ssl.create_default_context(cafile=str(CERTIFICATE))
        request = urllib.request.Request(f"https://localhost:{port}/api/v1/status")
        request.add_header("Authorization", basic("ann", "secret"))
        with urllib.request.urlopen(request, context=trusted, timeout=30) as response:
            assert response.headers["strict-transport-security"]
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(request, timeout=30)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection(("localhost", port), timeout=10) as plain,
            pytest.raises((ssl.SSLError, OSError)),
        ):
            old.wrap_socket(plain)
        with socket.create_connection(("localhost", port), timeout=20) as silent:
            assert silent.recv(1) == b""  # who says nothing of TLS is not waited for
    finally:
        made.daemon.close()


def test_without_a_page_nothing_of_it_is_loaded(home: Path, cli: CommandLine) -> None:
    del home
    cli.variables["QUEUECTL_WEB_PORT"] = str(free_port())
    cli("daemon", "start", "--no-web", "-q").ok()
    try:
        pid = int(cli("daemon", "status", "-q").ok().out)
        listening = [each for each in psutil.Process(pid).net_connections("tcp") if each.status == "LISTEN"]
        assert listening == []
        maps = Path(f"/proc/{pid}/maps")
        assert not maps.exists() or "markupsafe" not in maps.read_text()
    finally:
        cli.stop_daemon()


def test_an_idle_daemon_with_its_page_stays_small(installation: Installation) -> None:
    installation.daemon.start()
    wait_until(lambda: answer(installation, "/readyz") == 200, within=30, describing="the page to be ready")
    size = psutil.Process(installation.daemon.pid).memory_info().rss / 1024 / 1024
    assert size <= IDLE_MEGABYTES
