"""Fetching from an honest site: redirects, refusals, waits, kept connections, TLS."""

from __future__ import annotations

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from queuectl import __version__
from queuectl.errors import PermanentError, RetryableError
from queuectl.handlers.article.fetch import REDIRECTS
from queuectl.handlers.retry_after import wait_asked_for
from tests.support.fake_site import FakeSite, Reply, gzipped

PAGE = "<html><body><p>an ordinary page</p></body></html>"


def test_a_page_is_returned_with_what_is_needed_to_read_it(site, fetcher):
    url = site.page("/a", PAGE, "text/html; charset=GBK")
    page = fetcher.get(url)
    assert (page.url, page.final_url, page.media_type, page.charset) == (url, url, "text/html", "GBK")
    assert page.body == PAGE.encode()


def test_the_request_names_queuectl_and_gives_away_nothing_else(site, fetcher):
    fetcher.get(site.page("/a", PAGE))
    (request,) = site.requests
    assert request.method == "GET"
    assert request.headers["user-agent"] == f"queuectl/{__version__}"
    assert request.headers["accept-encoding"] == "gzip, identity"
    assert request.headers["host"] == f"127.0.0.1:{site.port}"
    assert set(request.headers) == {"host", "user-agent", "accept", "accept-encoding"}


@pytest.mark.parametrize("target", ["/a?x=1&y=%E4%BD%A0", "/a?", "/a?q=[1]&r=a|b", "/a?x=1?y=2"])
def test_the_query_arrives_as_it_was(site, fetcher, target):
    site.page("/a", PAGE)
    fetcher.get(site.url(target))
    assert site.requests[0].target == target.replace("|", "%7C").removesuffix("?")


def test_gzip_is_undone(site, fetcher):
    url = site.reply(
        "/a", Reply(gzipped(PAGE.encode()), headers={"Content-Type": "text/html", "Content-Encoding": "gzip"})
    )
    assert fetcher.get(url).body == PAGE.encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(site, fetcher, status):
    site.page("/new", PAGE)
    page = fetcher.get(site.redirect("/old", "/new?x=1#part", status))
    assert page.final_url == site.url("/new?x=1")
    assert page.url == site.url("/old")


@pytest.mark.parametrize(
    "location", ["new", "./new", "/x/../new", "/new", "//{host}/new", "http://{host}/new", " /new "]
)
def test_a_redirect_may_be_written_in_any_form(site, fetcher, location):
    site.page("/new", PAGE)
    start = site.redirect("/old", location.replace("{host}", f"127.0.0.1:{site.port}"))
    assert fetcher.get(start).body == PAGE.encode()


def test_a_redirect_with_spaces_or_letters_beyond_ascii_is_followed(site, fetcher):
    site.page("/%E6%96%B0%20page", PAGE)

    def raw(visit):
        visit.send("HTTP/1.1 302 Found\r\nLocation: /新 page\r\nContent-Length: 0\r\n\r\n".encode())

    assert fetcher.get(site.reply("/raw", raw)).body == PAGE.encode()


def test_the_last_redirect_that_is_allowed_is_followed_and_no_more(site, fetcher):
    site.page("/0", PAGE)
    for step in range(1, REDIRECTS + 2):
        site.redirect(f"/{step}", f"/{step - 1}")
    assert fetcher.get(site.url(f"/{REDIRECTS}")).final_url == site.url("/0")
    with pytest.raises(PermanentError, match="more than 5 redirects"):
        fetcher.get(site.url(f"/{REDIRECTS + 1}"))


def test_a_redirect_in_a_circle_ends(site, fetcher):
    site.redirect("/a", "/b")
    with pytest.raises(PermanentError, match="more than 5 redirects"):
        fetcher.get(site.redirect("/b", "/a"))


@pytest.mark.parametrize(
    "location", ["ftp://example.com/", "file:///etc/passwd", "javascript:x", "http://", "http://[::1", ""]
)
def test_a_redirect_to_what_is_no_web_page_is_refused(site, fetcher, location):
    with pytest.raises(PermanentError):
        fetcher.get(site.redirect("/a", location))


def test_a_redirect_never_carries_credentials(site, fetcher):
    site.page("/b", PAGE)
    with pytest.raises(PermanentError, match="user name or password") as refusal:
        fetcher.get(site.redirect("/a", f"http://user:hunter2@127.0.0.1:{site.port}/b"))
    assert "hunter2" not in refusal.value.message


def test_cookies_are_not_kept(site, fetcher):
    site.reply(
        "/a", Reply(PAGE.encode(), headers={"Content-Type": "text/html", "Set-Cookie": "session=1; Path=/"})
    )
    fetcher.get(site.url("/a"))
    fetcher.get(site.url("/a"))
    assert all("cookie" not in request.headers for request in site.requests)


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 406, 410, 418, 422, 451, 300, 304, 305, 204, 599 + 1]
)
def test_an_answer_that_will_stay_the_same_is_final(site, fetcher, status):
    with pytest.raises(PermanentError):
        fetcher.get(site.reply("/a", Reply(b"", status=status, headers={"Content-Type": "image/png"})))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 520, 599])
def test_an_answer_that_may_change_is_worth_another_attempt(site, fetcher, status):
    with pytest.raises(RetryableError, match=f"answered {status}") as later:
        fetcher.get(site.reply("/a", Reply(b"", status=status)))
    assert later.value.retry_after is None


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_a_site_asks_for_is_passed_on(site, fetcher, status):
    with pytest.raises(RetryableError) as later:
        fetcher.get(site.reply("/a", Reply(b"", status=status, headers={"Retry-After": "120"})))
    assert later.value.retry_after == 120
    assert later.value.hold_host


@pytest.mark.parametrize(("status", "header"), [(500, "120"), (408, "120"), (429, "soon"), (503, "")])
def test_a_host_is_left_alone_only_if_it_is_overrun_and_says_for_how_long(site, fetcher, status, header):
    with pytest.raises(RetryableError) as later:
        fetcher.get(site.reply("/a", Reply(b"", status=status, headers={"Retry-After": header})))
    assert not later.value.hold_host


def test_what_a_host_asks_for_to_which_another_redirects_is_not_the_others_word(site, fetcher):
    busy = site.reply("/busy", Reply(b"", status=429, headers={"Retry-After": "9"}))
    same, other = (
        site.redirect("/same", busy),
        site.redirect("/other", busy.replace("127.0.0.1", "localhost")),
    )
    with pytest.raises(RetryableError) as own:
        fetcher.get(same)
    assert own.value.hold_host
    with pytest.raises(RetryableError) as theirs:
        fetcher.get(other)
    assert (theirs.value.hold_host, theirs.value.retry_after) == (False, 9)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        (" 7 ", 7),
        ("86400", 86_400),
        ("999999999999", 86_400),
        ("9" * 5000, None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("Fri, 99 Dec 2024 23:59:59 GMT", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_a_retry_after_header_is_read_and_bounded(header, seconds):
    assert wait_asked_for(header) == seconds


def test_a_retry_after_date_counts_from_now():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert wait_asked_for(soon) == pytest.approx(100, abs=3)


@pytest.mark.parametrize(
    "content_type",
    ["image/png", "application/pdf", "application/json", "video/mp4", "text/css", "application/octet-stream"],
)
def test_what_is_no_text_is_no_article(site, fetcher, content_type):
    with pytest.raises(PermanentError, match="not an article"):
        fetcher.get(site.page("/a", b"\x89PNG", content_type))


@pytest.mark.parametrize(
    "content_type", ["text/html", "TEXT/HTML;charset=utf-8", "application/xhtml+xml", "text/plain ; x=y"]
)
def test_pages_and_plain_text_are_accepted(site, fetcher, content_type):
    assert fetcher.get(site.page("/a", PAGE, content_type)).body == PAGE.encode()


def test_a_page_without_a_type_is_accepted(site, fetcher):
    assert fetcher.get(site.reply("/a", Reply(PAGE.encode()))).media_type == ""


def test_other_types_can_be_asked_for(site, fetcher):
    url = site.page("/feed", "{}", "application/json")
    assert fetcher.get(url, types=frozenset({"application/json"})).body == b"{}"


def test_one_connection_serves_many_pages(site, fetcher):
    url = site.page("/a", PAGE)
    for _ in range(5):
        fetcher.get(url)
    assert len(site.requests) == 5
    assert site.connections == 1


def test_a_kept_connection_that_the_site_has_closed_costs_no_attempt(site, fetcher):
    url = site.page("/a", PAGE)
    fetcher.get(url)
    site.hang_up()
    assert fetcher.get(url).body == PAGE.encode()


def test_a_kept_connection_that_dies_under_the_request_costs_no_attempt(site, fetcher):
    url = site.page("/a", PAGE)
    fetcher.get(url)
    died = []

    def die_once(visit):
        died.append(visit)
        if len(died) > 1:
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok")

    assert fetcher.get(site.reply("/b", die_once)).body == b"ok"
    assert len(died) == 2


def test_a_fresh_connection_that_dies_is_a_failed_attempt(site, fetcher):
    seen: list[object] = []
    with pytest.raises(RetryableError, match=r"connection for .* failed"):
        fetcher.get(site.reply("/a", seen.append))
    assert len(seen) == 1


def test_a_port_where_nobody_listens_is_a_failed_attempt(fetcher):
    with FakeSite() as gone:
        url = gone.url("/")
    with pytest.raises(RetryableError, match="failed"):
        fetcher.get(url)


def test_the_next_address_is_tried_when_the_first_does_not_answer(make_fetcher):
    with FakeSite("127.0.0.2") as site:
        site.page("/", PAGE)
        fetcher = make_fetcher(resolve=lambda host, port: ["127.0.0.3", "127.0.0.2"])
        assert fetcher.get(f"http://two.example:{site.port}/").body == PAGE.encode()


def test_a_site_is_reached_over_ipv6(fetcher):
    with FakeSite("::1") as site:
        assert fetcher.get(site.page("/a", PAGE)).body == PAGE.encode()
        assert site.requests[0].headers["host"] == f"[::1]:{site.port}"


def test_a_fetch_can_be_stopped(site, fetcher):
    def stop():
        raise RetryableError("stopped")

    with pytest.raises(RetryableError, match="stopped"):
        fetcher.get(site.page("/a", PAGE), check=stop)
    assert site.requests == []


@pytest.mark.parametrize("url", ["", "x", "ftp://a/", "http://a b/", "http://u:p@a/"])
def test_what_is_no_url_is_final(fetcher, url):
    with pytest.raises(PermanentError):
        fetcher.get(url)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Give a certificate for article.test that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, path = folder / "key.pem", folder / "certificate.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=article.test "
        f"-addext subjectAltName=DNS:article.test -keyout {key} -out {path}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return path, key


@pytest.fixture
def secure_site(certificate):
    """Give a site that speaks TLS and records the name that its visitors ask for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    asked = []
    context.sni_callback = lambda connection, name, context: asked.append(name)
    with FakeSite(tls=context) as site:
        site.page("/", PAGE)
        yield site, asked


def test_the_name_stays_with_tls_and_host_while_the_judged_address_is_reached(
    secure_site, certificate, make_fetcher
):
    site, asked = secure_site
    trusting = ssl.create_default_context(cafile=certificate[0])
    fetcher = make_fetcher(tls=trusting, resolve=lambda host, port: ["127.0.0.1"])
    assert fetcher.get(f"https://article.test:{site.port}/").body == PAGE.encode()
    assert asked == ["article.test"]
    assert site.requests[0].headers["host"] == f"article.test:{site.port}"


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_that_does_not_fit_is_not_accepted(secure_site, certificate, make_fetcher, trusted):
    site, _ = secure_site
    tls = ssl.create_default_context(cafile=certificate[0]) if trusted else None
    fetcher = make_fetcher(tls=tls, resolve=lambda host, port: ["127.0.0.1"])
    name = "other.test" if trusted else "article.test"
    with pytest.raises(RetryableError, match=r"(?i)certificate"):
        fetcher.get(f"https://{name}:{site.port}/")
    assert site.requests == []
