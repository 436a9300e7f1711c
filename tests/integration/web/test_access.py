"""Who gets in: passwords, tokens, addresses, names of the server, and how often somebody may guess."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from queuectl.errors import RefusedError
from queuectl.operations.web_password import hashed, keep_password
from queuectl.settings import Settings
from queuectl_daemon.web.throttle import FREE_FAILURES
from tests.support.site import PASSWORD, USER, Site, basic, serving
from tests.support.waiting import wait_until

OPEN = ("/healthz", "/readyz", "/static/page.css", "/static/page.js")
CLOSED = ("/", "/tasks", "/api/v1/status", "/api/v1/openapi.json", "/nothing", "/live", "/do/undo?number=1")


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_needs_no_login_and_tells_nothing_else(plain_site: Site, path: str) -> None:
    answer = plain_site.get(path, login=None)
    assert answer.status == 200
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("path", CLOSED)
def test_everything_else_asks_who_is_there(plain_site: Site, path: str) -> None:
    answer = plain_site.get(path, login=None)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.kind == "login_needed"


def test_a_person_gets_in_with_the_right_password_only(plain_site: Site) -> None:
    assert plain_site.get("/api/v1/status").status == 200
    for value in (
        basic(USER, "wrong"),
        basic("nobody", PASSWORD),
        basic(USER, ""),
        "Basic %%%",
        "Digest x",
    ):
        assert plain_site.get("/api/v1/status", headers={"Authorization": value}, login=None).status == 401


@pytest.mark.parametrize(
    "password", ["ü" * 100, "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), ":" * 50]
)
def test_unusual_passwords_are_only_wrong(plain_site: Site, password: str) -> None:
    header = {"Authorization": basic(USER, password)}
    assert plain_site.get("/api/v1/status", headers=header, login=None).status == 401


def test_a_password_of_a_kilobyte_and_more_is_refused_before_it_is_compared(plain_site: Site) -> None:
    header = {"Authorization": basic(USER, "x" * 10_000)}
    assert plain_site.get("/api/v1/status", headers=header, login=None).status == 401


def test_after_a_few_wrong_passwords_there_is_a_wait_for_that_address_but_not_for_who_is_known(
    plain_site: Site,
) -> None:
    assert plain_site.get("/api/v1/status").status == 200
    wrong = {"Authorization": basic(USER, "guess")}
    statuses = [plain_site.get("/", headers=wrong, login=None).status for _ in range(FREE_FAILURES + 1)]
    assert statuses == [401] * FREE_FAILURES + [429]
    waiting = plain_site.get("/", headers={"Authorization": basic("other", "guess")}, login=None)
    assert waiting.status == 429
    assert int(waiting.headers["retry-after"]) >= 1
    assert plain_site.get("/api/v1/status").status == 200


def test_a_guess_takes_the_same_work_whoever_the_user_is_said_to_be(
    plain_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[tuple[int, ...]] = []
    derive = hashlib.scrypt

    def counted(password: bytes, **how: Any) -> bytes:
        work.append((how["n"], how["r"], how["p"], how["dklen"], len(how["salt"])))
        return derive(password, **how)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    with serving(plain_settings) as site:
        work.clear()  # its hash was made by the same function
        assert site.get("/api/v1/queues").status == 200
        right = list(work)
        assert len(right) == 1
        for user, password in (
            (USER, "a guess"),
            ("bob", "a guess"),
            ("bob", PASSWORD),
            ("谁 ü", "猜"),
            ("", ""),
        ):
            work.clear()
            header = {"Authorization": basic(user, password)}
            assert site.get("/api/v1/queues", headers=header, login=None).status == 401
            assert work == right, user


def test_the_password_of_the_home_can_be_changed_while_it_is_served(plain_settings: Settings) -> None:
    keep_password(plain_settings, "ben", "first password")
    with serving(plain_settings, web_auth=None) as site:
        first, second = basic("ben", "first password"), basic("ben", "second password")
        assert site.get("/api/v1/queues", headers={"Authorization": first}, login=None).status == 200
        keep_password(plain_settings, "ben", "second password")
        wait_until(
            lambda: site.get("/api/v1/queues", headers={"Authorization": first}, login=None).status == 401,
            within=10,
            describing="the old password to be forgotten",
        )
        assert site.get("/api/v1/queues", headers={"Authorization": second}, login=None).status == 200


@pytest.mark.parametrize("is_hashed", [False, True])
def test_the_settings_may_hold_a_password_or_its_hash(plain_settings: Settings, is_hashed: bool) -> None:
    auth = f"carl:{hashed('a plain password') if is_hashed else 'a plain password'}"
    with serving(plain_settings, web_auth=auth) as site:
        right = {"Authorization": basic("carl", "a plain password")}
        assert site.get("/api/v1/queues", headers=right, login=None).status == 200
        # Whoever knows the hash does not know the password.
        known = {"Authorization": basic("carl", auth.partition(":")[2])}
        expected = 401 if is_hashed else 200
        assert site.get("/api/v1/queues", headers=known, login=None).status == expected


def test_a_token_opens_until_it_is_revoked(site: Site) -> None:
    _, text = site.tokens.create_token("publisher", "read")
    header = {"Authorization": f"Bearer {text}"}
    assert site.get("/api/v1/status", headers=header, login=None).status == 200
    forged = {"Authorization": f"Bearer {text[:-4]}aaaa"}
    assert site.get("/api/v1/status", headers=forged, login=None).status == 401
    site.tokens.revoke_token("publisher")
    wait_until(
        lambda: site.get("/api/v1/status", headers=header, login=None).status == 401,
        within=15,
        describing="the token to be refused",
    )


def test_a_program_with_a_dead_token_locks_nobody_out(plain_site: Site) -> None:
    _, text = plain_site.tokens.create_token("publisher", "read")
    plain_site.tokens.revoke_token("publisher")
    for number in range(3 * FREE_FAILURES):
        dead = {"Authorization": f"Bearer {text if number % 2 else text[:-4] + 'aaaa'}"}
        assert plain_site.get("/api/v1/status", headers=dead, login=None).status == 401
    assert plain_site.get("/api/v1/status").status == 200
    assert plain_site.get("/api/v1/status", login="read").status == 200


def test_an_expired_token_opens_nothing(site: Site) -> None:
    _, text = site.tokens.create_token("short", "admin", days=1e-9)
    header = {"Authorization": f"Bearer {text}"}
    assert site.get("/api/v1/status", headers=header, login=None).status == 401


def test_the_name_of_an_expired_token_may_be_given_again(site: Site) -> None:
    first, _ = site.tokens.create_token("publisher", "read", days=1e-9)
    second, text = site.tokens.create_token("publisher", "read", days=1)
    header = {"Authorization": f"Bearer {text}"}
    assert site.get("/api/v1/status", headers=header, login=None).status == 200
    assert {token.id: token.is_valid(second.created_at) for token in site.tokens.list_tokens()} == {
        first.id: False, second.id: True,
    }  # fmt: skip
    with pytest.raises(RefusedError):
        site.tokens.create_token("publisher", "read")


def test_only_allowed_networks_are_answered(plain_settings: Settings) -> None:
    with serving(plain_settings, web_allow=("10.0.0.0/8",)) as site:
        assert site.get("/healthz", login=None).status == 403
    with serving(plain_settings, web_allow=("127.0.0.0/8",)) as site:
        assert site.get("/healthz", login=None).status == 200


def test_forwarded_addresses_are_believed_from_known_proxies_only(plain_settings: Settings) -> None:
    forged = {"X-Forwarded-For": "10.1.2.3"}
    with serving(plain_settings, web_allow=("10.0.0.0/8",)) as site:
        assert site.get("/healthz", headers=forged, login=None).status == 403
    proxied = {"web_allow": ("10.0.0.0/8",), "web_trusted_proxies": ("127.0.0.1/32",)}
    with serving(plain_settings, **proxied) as site:
        assert site.get("/healthz", headers=forged, login=None).status == 200
        # What a client writes before it comes to the proxy is no word of the proxy.
        behind = {"X-Forwarded-For": "10.1.2.3, 192.0.2.9"}
        assert site.get("/healthz", headers=behind, login=None).status == 403
        assert site.get("/healthz", headers={"X-Forwarded-For": "nonsense"}, login=None).status == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "", "localhost@evil.example", "[::1"]
)
def test_another_name_of_the_server_is_refused(plain_site: Site, host: str) -> None:
    assert plain_site.get("/healthz", headers={"Host": host}, login=None).status in (400, 403)


def test_own_names_and_numbers_are_taken(plain_settings: Settings) -> None:
    with serving(plain_settings, web_names=("queue.example.com",)) as site:
        for host in (f"127.0.0.1:{site.port}", "[::1]:5555", "queue.example.com", "QUEUE.example.com:443"):
            assert site.get("/healthz", headers={"Host": host}, login=None).status == 200


def test_every_answer_has_the_headers_that_keep_a_browser_in_bounds(plain_site: Site) -> None:
    answers = [
        plain_site.page("/"),
        plain_site.page("/nothing"),
        plain_site.get("/healthz", login=None),
        plain_site.get("/", login=None),
        plain_site.get("/api/v1/tasks"),
        plain_site.get("/healthz", headers={"Host": "evil.example"}, login=None),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "server" not in answer.headers


def test_the_audit_says_who_it_was_and_where_from(site: Site) -> None:
    site.send("/api/v1/queues/low/pause").ok()
    site.send("/api/v1/queues/low/resume", login="operate").ok()
    later, first = site.get("/api/v1/audit?verb=queue%20pause").ok(), site.get("/api/v1/audit?limit=1").ok()
    assert (later["operations"][0]["who"], later["operations"][0]["host"]) == (USER, "127.0.0.1")
    assert first["operations"][0]["who"] == "token operate of the test"
