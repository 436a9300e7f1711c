"""What counts as a URL, what it is normalised to, and how a refusal reads."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from queuectl.domain import urls
from queuectl.domain.urls import LENGTH_LIMIT, accept, key_of
from queuectl.errors import InvalidURLError

ALREADY_NORMAL = [
    "https://example.com/",
    "http://example.com/a/b.html?x=1&y=%E4%BD%A0",
    "https://mp.weixin.qq.com/s/AbC-dEf_123",
    "https://mp.weixin.qq.com/s?__biz=MzA3&mid=2247&idx=1&sn=0a1b#".rstrip("#"),
    "https://sub_domain.example.co.uk/a//b/../c;d=1?q=[1]&r=?",
    "http://localhost/x",
    "https://xn--fsqu00a.xn--0zwm56d/",
    "https://example.com:8443/a",
    "http://192.0.2.7:5000/a",
    "http://[2001:db8::1]:8080/",
]

NORMALISED = {
    "HTTPS://EXAMPLE.COM/Path": "https://example.com/Path",
    "https://example.com": "https://example.com/",
    "https://example.com?x=1": "https://example.com/?x=1",
    "https://example.com:443/a": "https://example.com/a",
    "http://example.com:80": "http://example.com/",
    "http://example.com:443/": "http://example.com:443/",
    "https://example.com:/a": "https://example.com/a",
    "http://example.com:008080/": "http://example.com:8080/",
    "https://example.com/a#part": "https://example.com/a",
    "https://example.com#part": "https://example.com/",
    "https://example.com/?a=1#b?c": "https://example.com/?a=1",
    "https://example.com./a": "https://example.com/a",
    "  https://example.com/a\r\n": "https://example.com/a",
    "https://例え.jp/日本?q=値": "https://xn--r8jz45g.jp/%E6%97%A5%E6%9C%AC?q=%E5%80%A4",
    "https://中文。中国/": "https://xn--fiq228c.xn--fiqs8s/",
    "https://BÜCHER.example/": "https://xn--bcher-kva.example/",
    "https://example.com/a%2fb?%zz=%e4": "https://example.com/a%2fb?%zz=%e4",
    'https://example.com/<a>"b"?{c}|^`': "https://example.com/%3Ca%3E%22b%22?%7Bc%7D%7C%5E%60",
    "http://[2001:DB8:0:0::1]/": "http://[2001:db8::1]/",
    "http://[::1]:80/": "http://[::1]/",
    # Circled digits are digits to the rules for names; the address guard judges what they mean.
    "http://①②⑦.⓪.⓪.①/": "http://127.0.0.1/",
}

REFUSED = {
    "": "is empty",
    "   ": "is empty",
    "example.com/a": "does not start with",
    "example.com:8080/a": "does not start with",
    "//example.com/a": "does not start with",
    "ftp://example.com/": "does not start with",
    "file:///etc/passwd": "does not start with",
    "javascript:alert(1)": "does not start with",
    "data:text/html,hello": "does not start with",
    "https:example.com": "no //",
    "http:/example.com": "no //",
    "http://": "no host",
    "http:///path": "no host",
    "http://?q": "no host",
    "http://#a": "no host",
    "http://:80/": "no host",
    "https://example.com/a b": "a space",
    "https://exam ple.com/": "a space",
    "https://example.com/a\u3000b": "a space",
    "https://example.com/a\u2028b": "a space",
    "https://example.com/a\tb": "control character",
    "https://example.com/a\nhttps://example.com/b": "control character",
    "https://example.com/\x00": "control character",
    "https://example.com/\x1b[31m": "control character",
    "https://example.com/\x9b": "control character",
    "https://example.com/\ud800": "control character",
    "https://example.com\\@evil.example/": "backslash",
    "http:\\\\example.com": "backslash",
    "https://user:secret@example.com/": "user name or password",
    "https://user@example.com/": "user name or password",
    "https://@example.com/": "user name or password",
    "https://example.com:0/": "bad port",
    "https://example.com:65536/": "bad port",
    "https://example.com:http/": "bad port",
    "https://example.com:-1/": "bad port",
    "https://example.com:80:80/": "bad port",
    "https://example.com:\u0661/": "bad port",
    "https://a..example/": "no valid name",
    "https://.example/": "no valid name",
    "https://example.com../": "no valid name",
    "https://-example.com/": "no valid name",
    "https://example-.com/": "no valid name",
    "https://exa%6dple.com/": "no valid name",
    "https://exam$ple.com/": "no valid name",
    f"https://{'a' * 64}.com/": "no valid name",
    f"https://{'a.' * 127}com/": "no valid name",
    f"https://{'é' * 300}.com/": "no valid name",
    "http://2130706433/": "IPv4",
    "http://0x7f000001/": "IPv4",
    "http://0x7f.1/": "IPv4",
    "http://127.1/": "IPv4",
    "http://0177.0.0.1/": "IPv4",
    "http://256.1.1.1/": "IPv4",
    "http://1.2.3.4.5/": "IPv4",
    "http://example.0x/": "IPv4",
    "http://[::1/": "brackets",
    "http://[::1]x/": "brackets",
    "http://[1.2.3.4]/": "IPv6",
    "http://[fe80::1%eth0]/": "IPv6",
    "http://[fe80::1%25eth0]/": "IPv6",
    "http://[]/": "IPv6",
    "https://example.com/" + "a" * LENGTH_LIMIT: "longer than 4,096",
    "https://example.com/" + "é" * 1000: "percent-encoded",
}


@pytest.mark.parametrize("url", ALREADY_NORMAL)
def test_a_normal_url_stays_as_it_is(url):
    assert accept(url).url == url


@pytest.mark.parametrize(("text", "url"), NORMALISED.items())
def test_a_url_is_brought_into_its_normal_form(text, url):
    assert accept(text).url == url


@pytest.mark.parametrize(("text", "why"), REFUSED.items(), ids=lambda text: ascii(text)[:40])
def test_a_refused_url_is_named_with_the_reason_in_one_line(text, why):
    with pytest.raises(InvalidURLError) as refusal:
        accept(text)
    assert why in refusal.value.message
    assert refusal.value.message.isprintable()
    assert len(refusal.value.message) < 200
    assert refusal.value.hint
    assert "\n" not in refusal.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2@example.com/",
        "ftp://user:hunter2@example.com/",
        "https:user:hunter2@example.com/",
        "user:hunter2@example.com",
        "https://user:hunter2@example.com/a b",
        "https://user:hunter2\\@example.com/",
        f"https://user:hunter2{'x' * 5000}@example.com/",
    ],
)
def test_a_refusal_never_shows_a_password(text):
    with pytest.raises(InvalidURLError) as refusal:
        accept(text)
    assert "hunter2" not in refusal.value.message


def test_the_host_is_given_without_brackets_and_port():
    assert accept("https://Example.COM:8443/a").host == "example.com"
    assert accept("http://[2001:db8::1]:8080/").host == "2001:db8::1"


def test_the_longest_url_is_accepted_by_either_way():
    room = LENGTH_LIMIT - len("https://example.com/")
    longest = "https://example.com/" + "a" * room
    assert accept(longest).url == longest
    assert accept("HTTPS://example.com/" + "a" * room).url == longest


def test_spellings_of_one_address_share_a_key_and_others_do_not():
    same = ["https://example.com/a", "HTTPS://EXAMPLE.com:443/a#x", " https://example.com./a"]
    assert len({accept(text).key for text in same}) == 1
    assert len({accept(f"https://example.com/{number}").key for number in range(10_000)}) == 10_000


def test_a_key_is_a_signed_64_bit_number_that_never_changes():
    assert key_of("https://example.com/") == 1493557592560457051
    keys = [key_of(f"https://example.com/{number}") for number in range(1000)]
    assert all(-(2**63) <= key < 2**63 for key in keys)
    assert min(keys) < 0 < max(keys)


PLAIN = st.from_regex(urls._NORMAL, fullmatch=True)
PIECES = st.lists(
    st.one_of(
        st.sampled_from(["http", "https", "://", "/", "?", "#", ":", "@", "[", "]", "::1", "."]),
        st.sampled_from(["80", "443", "%", "example", "com", "xn--a", "127.1"]),
        st.sampled_from(["0x7f", "é", "中", "。", "\\", " ", "\t", "_", "-"]),
        st.text(max_size=4),
    ),
    max_size=14,
).map("".join)
ANYTHING = st.one_of(PLAIN, PIECES, PIECES.map(lambda rest: f"http://{rest}"), st.text())


def outcome_of(text):
    """Return what became of a text: the accepted URL, or the error that refused it."""
    try:
        return accept(text)
    except InvalidURLError as error:
        return error


@given(PLAIN)
def test_the_fast_way_and_the_thorough_way_agree(url):
    fast = outcome_of(url)
    if isinstance(fast, InvalidURLError):
        with pytest.raises(InvalidURLError):
            urls._normalised(url)
    else:
        assert urls._normalised(url) == (fast.url, fast.host)


@given(ANYTHING)
@example("http://example.com/?")
@example("http://ａ。com")
def test_normalising_twice_changes_nothing_and_nothing_else_is_ever_raised(text):
    outcome = outcome_of(text)
    if isinstance(outcome, InvalidURLError):
        assert outcome.message.isprintable()
    else:
        assert accept(outcome.url) == outcome
        assert re.fullmatch(r"https?://[a-z0-9._\-\[\]:]+/[!-~]*", outcome.url)
        assert len(outcome.url) <= LENGTH_LIMIT
