"""No address, however it is written, resolved or redirected to, leads a fetch into a private network.

The witness listens on the loopback interface, where every one of these forms would end. Its port counts as one
of the web's here, so that the port is not what keeps the forms out.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import socket
import threading

import pytest

from queuectl.domain.urls import accept
from queuectl.errors import InvalidURLError, PermanentError, RetryableError
from queuectl.handlers.article import address_guard
from queuectl.handlers.article.address_guard import AddressGuard, resolve_with_system
from tests.support.fake_site import FakeSite

# Every spelling below means 127.0.0.1, another address of this machine, or nothing, to some program.
HOSTS = [
    # decimal, hexadecimal, octal, short and mixed IPv4
    *("127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "127.255.255.254", "0", "0.0.0.0", "0.0.0.1", "00.0.0.0"),
    *(
        "2130706433",
        "02130706433",
        "017700000001",
        "0x7f000001",
        "0X7F000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "0x7f.0x1",
    ),
    *("0177.0.0.1", "0177.1", "0177.0.0.0x1", "00000177.0.0.1", "127.0.0.01", "127.0.0.0x1", "127.00.00.01"),
    *(
        "0x7f.00.0.1",
        "0x0000007f.1",
        "127.0x0.0.1",
        "0x100007f000001",
        "4294967296",
        "6425673729",
        "-2130706432",
    ),
    *(
        "127.0.0.1.",
        "127.0.0.1..",
        "127..0.1",
        "127.0.0.1.0",
        "127.0.0.256",
        "127.0.0.1e0",
        "+127.0.0.1",
        "127.0.0.١",
    ),
    # digits that only become digits when a name is normalised
    *(
        "①②⑦.⓪.⓪.①",
        "１２７.０.０.１",
        "127。0。0。1",
        "127．0．0．1",
        "⑴27.0.0.1",
        "𝟭𝟮𝟳.𝟬.𝟬.𝟭",
        "０x7f.1",
        "２１３０７０６４３３",
    ),
    # names of this machine
    *(
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ⓛocalhost",
        "ｌｏｃａｌｈｏｓｔ",
        "localhost.localdomain",
        "ip6-localhost",
    ),
    *("ip6-loopback", "localhost%00.example.com", "localhost\u3002"),
    # IPv6: loopback, unspecified, mapped, compatible, translated, tunnelled
    *(
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[0000::0001]",
        "[::]",
        "[::0]",
        "[::0.0.0.1]",
        "[::1%25lo]",
        "[::1%lo]",
        "[::1%1]",
    ),
    *(
        "[::ffff:127.0.0.1]",
        "[::FFFF:7F00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[::127.0.0.1]",
    ),
    *("[::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::127.0.0.1]", "[2002:7f00:1::]"),
    *(
        "[2002:7f00:0001::1]",
        "[2001:0:7f00:1::]",
        "[2001::80ff:fffe]",
        "[fe80::5efe:127.0.0.1]",
        "[fe80::1]",
        "[fec0::1]",
    ),
    *(
        "[2a00:1450::5efe:127.0.0.1]",
        "[2a00:1450::200:5efe:127.0.0.1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
    ),
    *(
        "[::ffff:2130706433]",
        "[::ffff:0x7f000001]",
        "[::ffff:127.1]",
        "[::ffff:0177.0.0.1]",
        "[127.0.0.1]",
        "[::1",
        "::1",
    ),
    # other private addresses, and the services of clouds
    *(
        "10.0.0.1",
        "10.1",
        "172.16.0.1",
        "192.168.0.1",
        "192.168.257",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
    ),
    *(
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "100.100.100.200",
    ),
    *("168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "metadata"),
]
# Whole addresses, with {port} for the witness's.
FORMS = [
    *(f"http://{host}:{{port}}/" for host in HOSTS),
    # credentials, and what different programs take for the host
    "http://example.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@127.0.0.1:{port}/",
    "http://user:secret@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://example.com#@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@example.com/",
    "http://127.0.0.1:{port}?@example.com/",
    "http://127.0.0.1:{port}/@example.com/",
    "http://example.com:80@127.0.0.1:{port}/",
    "http://[::1]@127.0.0.1:{port}/",
    "http://127.0.0.1%20:{port}/",
    "http://127.0.0.1%2f@example.com:{port}/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1\n:{port}/",
    "http://127.0.0.1\r\nHost: example.com:{port}/",
    "http://\t127.0.0.1:{port}/",
    "\thttp://127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}\\",
    "http://127.0.0.1:0{port}/",
    "http://127.0.0.1:{port}0000000000/",
    "http://127.0.0.1:+{port}/",
    "http://127.0.0.1:{port}:80/",
    "HTTP://127.0.0.1:{port}/",
    "hTtPs://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}/",
    # other ways to talk to it
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_GET%20/",
    "dict://127.0.0.1:{port}/stat",
    "ldap://127.0.0.1:{port}/",
    "ws://127.0.0.1:{port}/",
    "jar:http://127.0.0.1:{port}/!/",
    "view-source:http://127.0.0.1:{port}/",
    "file://127.0.0.1/etc/passwd",
    "file:///etc/passwd",
    "data:text/html,http://127.0.0.1:{port}/",
    "javascript:fetch('http://127.0.0.1:{port}/')",
]


@pytest.fixture
def witness(monkeypatch):
    """Give a site that nothing may reach."""
    with FakeSite() as site:
        monkeypatch.setattr(address_guard, "PUBLIC_PORTS", (80, 443, site.port))
        site.page("/", "<p>secret</p>")
        yield site


def resolve_without_asking(host, port):
    """Resolve what the system itself takes for an address or for this machine; no test asks a real server."""
    if "local" in host or "ip6" in host:
        return resolve_with_system(host, port)
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [str(answer[4][0]) for answer in answers]


@pytest.fixture
def strict(make_fetcher):
    """Give a fetcher that may reach public addresses only."""
    return make_fetcher(allow_networks=(), timeout=5.0, resolve=resolve_without_asking)


def test_there_are_enough_forms():
    assert len(FORMS) == len(set(FORMS)) >= 150


def test_the_witness_would_be_reached_if_it_were_allowed(witness, make_fetcher):
    page = make_fetcher(allow_networks=["127.0.0.0/8"]).get(f"http://127.0.0.1:{witness.port}/")
    assert b"secret" in page.body
    assert witness.connections == 1


@pytest.mark.parametrize("form", FORMS, ids=ascii)
def test_no_form_of_a_private_address_is_fetched(witness, strict, form):
    with pytest.raises((PermanentError, RetryableError)):
        strict.get(form.replace("{port}", str(witness.port)))
    assert witness.connections == 0


@pytest.mark.parametrize("form", FORMS, ids=ascii)
def test_a_form_that_is_refused_at_the_door_is_refused_with_a_reason(form):
    text = form.replace("{port}", "8080")
    with contextlib.suppress(InvalidURLError):
        assert accept(text).url.isascii()
        return
    with pytest.raises(InvalidURLError) as refusal:
        accept(text)
    assert refusal.value.hint


def test_no_redirect_leads_into_a_private_network(witness, make_fetcher):
    # The redirecting site is reached because its one address is allowed; the witness's is another.
    with FakeSite("127.0.0.2", port=witness.port) as outside:
        fetcher = make_fetcher(allow_networks=["127.0.0.2/32"], timeout=5.0, resolve=resolve_without_asking)
        for number, form in enumerate(FORMS):
            target = form.replace("{port}", str(witness.port))
            if target.isprintable():
                start = outside.redirect(f"/{number}", target.encode().decode("latin-1"))
                with pytest.raises((PermanentError, RetryableError)):
                    fetcher.get(start)
        assert witness.connections == 0
        assert outside.connections > 0
        chain = outside.redirect("/chain", "/next")
        outside.redirect("/next", f"http://127.0.0.1:{witness.port}/")
        with pytest.raises(PermanentError, match="this machine"):
            fetcher.get(chain)
        assert witness.connections == 0


@pytest.mark.parametrize("host", HOSTS, ids=ascii)
def test_the_guard_needs_no_help_from_the_door(host):
    guard = AddressGuard(resolve=resolve_without_asking)
    found = []
    with contextlib.suppress(PermanentError, RetryableError):
        found = guard.addresses(host.strip("[]"), 80, within=5)
    # A few spellings mean a public address when read as an octal number; none may mean a private one.
    assert all(ipaddress.ip_address(each).is_global for each in found)
    assert len(found) <= (host == "02130706433")


def test_a_name_that_changes_its_address_is_never_followed_inside(witness, make_fetcher):
    answers = itertools.cycle(["127.0.0.2", "127.0.0.1"])
    asked = 0
    lock = threading.Lock()

    def rebinding(host, port):
        nonlocal asked
        with lock:
            asked += 1
            return [next(answers)]

    with FakeSite("127.0.0.2", port=witness.port) as outside:
        outside.page("/", "<p>public</p>")
        outside.page("/closing", "x")
        fetcher = make_fetcher(allow_networks=["127.0.0.2/32"], resolve=rebinding)
        fetched = 0
        for number in range(1000):
            with contextlib.suppress(PermanentError):
                # A new name each time, so that no kept connection is used in place of a new one.
                assert b"public" in fetcher.get(f"http://name{number}.example:{outside.port}/").body
                fetched += 1
        assert witness.connections == 0
        assert fetched == 500
        # One question for one connection: what was judged is what is connected to.
        assert asked == 1000


def test_one_private_answer_among_public_ones_is_enough(witness, make_fetcher):
    fetcher = make_fetcher(
        allow_networks=["127.0.0.2/32"], resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"]
    )
    with pytest.raises(PermanentError, match=r"refused to fetch from two\.example \(127\.0\.0\.1\)"):
        fetcher.get(f"http://two.example:{witness.port}/")
    assert witness.connections == 0


def test_the_port_of_a_service_is_refused_on_a_public_address(make_fetcher):
    fetcher = make_fetcher(allow_networks=(), resolve=lambda host, port: ["1.1.1.1"])
    for port in (22, 25, 5432, 6379, 8080):
        with pytest.raises(PermanentError, match=f"port {port}"):
            fetcher.get(f"http://a.example:{port}/")


def test_a_proxy_in_the_environment_is_not_used(witness, make_fetcher, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{witness.port}")
    with FakeSite("127.0.0.2") as outside:
        outside.page("/", "<p>public</p>")
        fetcher = make_fetcher(allow_networks=["127.0.0.2/32"])
        assert b"public" in fetcher.get(outside.url("/")).body
    assert witness.connections == 0
