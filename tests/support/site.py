"""The web page of a daemon in this process, on a real socket and a real database, and somebody who asks it."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from queuectl.clock import now_ms
from queuectl.domain.lifecycle import Move
from queuectl.operations.manager import QueueManager
from queuectl.operations.monitor import Monitor
from queuectl.operations.scheduler import Scheduler
from queuectl.operations.web_tokens import TokenControl
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl_daemon.capacity import Capacity
from queuectl_daemon.flights import Flights
from queuectl_daemon.kinds import Kinds
from queuectl_daemon.measures import Measures
from queuectl_daemon.metrics import Metrics
from queuectl_daemon.web.server import WebPage
from tests.support.factories import ending, finish, new_task, started, submit
from tests.support.ports import free_port

USER, PASSWORD = "ann", "correct horse 电池"
WITHIN = 30.0


def cheap_hash(password: str) -> str:
    """Return a hash of a password that takes no time to compare with."""
    import hashlib

    salt = b"salt" * 4
    key = hashlib.scrypt(password.encode(), salt=salt, n=16, r=1, p=1, dklen=32)
    words = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (salt, key)]
    return "$".join(["scrypt", "16", "1", "1", *words])


def basic(user: str = USER, password: str = PASSWORD) -> str:
    """Return the header value by which a person logs in."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode()

    @property
    def document(self) -> Any:
        """The content as JSON."""
        return json.loads(self.content)

    def ok(self, status: int = 200) -> Any:
        """Return the document after making sure of the status."""
        assert self.status == status, (self.status, self.text[:500])
        return self.document

    @property
    def kind(self) -> str:
        """The word for what went wrong."""
        return str(self.document["error"]["kind"])


@dataclass(slots=True)
class Site:
    """A page that is served, with the verbs on its database for the test itself."""

    settings: Settings
    port: int
    manager: QueueManager
    scheduler: Scheduler
    monitor: Monitor
    tokens: TokenControl
    roles: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        login: str | None = "person",
    ) -> Answer:
        """Send one request, logged in as a person, by the token of a role, or not at all."""
        sent = {"Host": f"localhost:{self.port}"}
        if login == "person":
            sent["Authorization"] = basic()
        elif login is not None:
            sent["Authorization"] = f"Bearer {self.token(login)}"
        sent |= headers or {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Answer:
        """Ask for an address."""
        return self.ask("GET", path, **options)

    def page(self, path: str, language: str = "en", **options: Any) -> Answer:
        """Ask for a page as a browser does."""
        headers = {"Accept": "text/html", "Accept-Language": language} | options.pop("headers", {})
        return self.ask("GET", path, headers=headers, **options)

    def send(self, path: str, content: Any = None, method: str = "POST", **options: Any) -> Answer:
        """Send JSON."""
        headers = {"Content-Type": "application/json"} | options.pop("headers", {})
        body = b"" if content is None else json.dumps(content).encode()
        return self.ask(method, path, headers=headers, body=body, **options)

    def submit(self, path: str, fields: Any, **options: Any) -> Answer:
        """Send a form as a browser does from a page of the site."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "text/html",
            "Sec-Fetch-Site": "same-origin",
            "Origin": f"http://localhost:{self.port}",
        } | options.pop("headers", {})
        return self.ask("POST", path, headers=headers, body=urlencode(fields, doseq=True).encode(), **options)

    def token(self, role: str) -> str:
        """Return the token of a role."""
        if role not in self.roles:
            self.roles[role] = self.tokens.create_token(f"{role} of the test", role)[1]
        return self.roles[role]


def idle_measures() -> Measures:
    """Return what a daemon has measured that has done nothing yet."""
    flights = Flights()
    kinds = Kinds({}, lambda work: "thread", dict)
    return Measures(flights, Capacity(flights, 4, kinds, in_turns=False))


@contextmanager
def serving(settings: Settings, **changes: Any) -> Iterator[Site]:
    """Serve the page of an installation; no daemon runs, so nothing is dispatched."""
    values: dict[str, Any] = {"web_port": free_port(), "web_auth": f"{USER}:{cheap_hash(PASSWORD)}"}
    settings = replace(settings, **(values | changes))
    database = Database(settings.database_url)
    page = WebPage(settings)
    page.bind()
    assert page.listeners, "the port is taken"
    page.start(database, Metrics(settings, database, idle_measures()))
    manager = QueueManager(settings, database)
    try:
        yield Site(
            settings,
            settings.web_port,
            manager,
            Scheduler(settings, database),
            Monitor(settings, database),
            TokenControl(settings, database),
        )
    finally:
        page.stop()
        database.close()


def bury(site: Site, number: int, *, error: str = "answered HTTP 404", **fields: Any) -> int:
    """Let a task of the background queue die, and return its number; no other one of that queue may wait."""
    with site.manager._database.writing() as transaction:
        row = new_task(number, score=1, **fields)
        (task,) = submit(transaction, row)
        work = started(transaction, task, row.queue)
        finish(transaction, [ending(work, Move.BURY, finished_at=now_ms(), error=error)])
    return task
