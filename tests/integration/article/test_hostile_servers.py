"""Fetching from sites that mean harm: every one of them is left within the limits of time and memory."""

from __future__ import annotations

import itertools
import threading
import time
import tracemalloc
import zlib

import pytest

from queuectl.errors import PermanentError, RetryableError
from tests.support.fake_site import Reply, chunk, gzipped
from tests.support.waiting import wait_until

MIB = 1024 * 1024
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
DEADLINE = 0.8  # seconds, for tests that have to reach it
LATEST = 15.0  # seconds; far beyond the deadline, far below what a missing deadline would take


@pytest.fixture
def hasty(make_fetcher):
    """Give a fetcher that gives up soon."""
    return make_fetcher(timeout=DEADLINE)


@pytest.fixture
def sparing(make_fetcher):
    """Give a fetcher that takes pages of at most a mebibyte."""
    return make_fetcher(max_bytes=MIB)


def refused_in_time(fetcher, url, kind, match):
    started = time.monotonic()
    with pytest.raises(kind, match=match):
        fetcher.get(url)
    assert time.monotonic() - started < LATEST


def forever(piece):
    return itertools.repeat(piece)


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: ",
        HEAD + b"Content-Length: 100000\r\n\r\n",
        HEAD + b"\r\n",
    ],
    ids=["nothing", "status", "header", "body", "body without length"],
)
def test_an_answer_that_drips_ends_at_the_deadline(site, hasty, beginning):
    def drip(visit):
        visit.send(beginning)
        visit.send_until_client_leaves(forever(b"x"), every=0.05)

    refused_in_time(hasty, site.reply("/a", drip), RetryableError, r"within 0\.8 s|in time")


def test_chunks_that_drip_end_at_the_deadline(site, hasty):
    def drip(visit):
        visit.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        visit.send_until_client_leaves(forever(chunk(b"x")), every=0.05)

    refused_in_time(hasty, site.reply("/a", drip), RetryableError, r"within 0\.8 s|in time")


def test_a_site_that_never_answers_is_left_at_the_deadline(site, hasty):
    refused_in_time(hasty, site.reply("/a", lambda visit: visit.closing.wait(60)), RetryableError, "in time")


def test_redirects_share_one_deadline(site, hasty):
    def slow(visit):
        visit.closing.wait(0.3)
        visit.send(b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n")

    refused_in_time(hasty, site.reply("/a", slow), RetryableError, r"within 0\.8 s|in time")


def test_a_resolver_that_hangs_is_left_at_the_deadline(make_fetcher):
    released = threading.Event()

    def hang(host, port):
        released.wait(60)
        return ["127.0.0.1"]

    fetcher = make_fetcher(timeout=DEADLINE, resolve=hang)
    refused_in_time(fetcher, "http://slow.example/", RetryableError, r"slow\.example was not resolved within")
    released.set()


def test_an_endless_body_is_cut_off(site, sparing):
    taken = []

    def endless(visit):
        visit.send(HEAD + b"\r\n")
        taken.append(visit.send_until_client_leaves(forever(b"x" * 65536)))

    refused_in_time(sparing, site.reply("/a", endless), PermanentError, "larger than")
    assert wait_until(lambda: taken, describing="the site notices that the client has gone")[0] < 32 * MIB


def test_an_endless_chunked_body_is_cut_off(site, sparing):
    def endless(visit):
        visit.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        visit.send_until_client_leaves(forever(chunk(b"x" * 65536)))

    refused_in_time(sparing, site.reply("/a", endless), PermanentError, "larger than")


@pytest.mark.parametrize(
    "size_line",
    [b"FFFFFFFFFFFFFFFF\r\n", b"F" * 70_000 + b"\r\n", b"-1\r\n", b"x\r\n", b"1;" + b"a" * 200_000],
)
def test_chunk_sizes_that_lie_are_left(site, hasty, size_line):
    def lie(visit):
        visit.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + size_line)
        visit.send_until_client_leaves([b"x" * 1000])

    refused_in_time(hasty, site.reply("/a", lie), (RetryableError, PermanentError), "127.0.0.1")


def test_a_declared_length_of_terabytes_reserves_nothing(site, sparing):
    def boast(visit):
        visit.send(HEAD + b"Content-Length: 99999999999999\r\n\r\n")
        visit.send_until_client_leaves(forever(b"x" * 65536))

    tracemalloc.start()
    try:
        refused_in_time(sparing, site.reply("/a", boast), PermanentError, "larger than")
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_endless_headers_are_cut_off(site, sparing):
    def endless(visit):
        visit.send(b"HTTP/1.1 200 OK\r\n")
        visit.send_until_client_leaves(
            b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in itertools.count()
        )

    refused_in_time(sparing, site.reply("/a", endless), PermanentError, "64 KiB of headers")


def test_one_endless_header_is_cut_off(site, sparing):
    def endless(visit):
        visit.send(b"HTTP/1.1 200 OK\r\nX-A: ")
        visit.send_until_client_leaves(forever(b"x" * 1000))

    refused_in_time(sparing, site.reply("/a", endless), PermanentError, "64 KiB of headers")


def test_endless_interim_answers_are_cut_off(site, sparing):
    def endless(visit):
        visit.send_until_client_leaves(forever(b"HTTP/1.1 100 Continue\r\nX: " + b"x" * 500 + b"\r\n\r\n"))

    refused_in_time(sparing, site.reply("/a", endless), PermanentError, "64 KiB of headers")


def test_too_many_header_lines_are_refused(site, fetcher):
    many = {f"X-{number}": "1" for number in range(120)}
    refused_in_time(fetcher, site.reply("/a", Reply(b"x", headers=many)), PermanentError, "100 header lines")


@pytest.mark.parametrize("length", [0, 10, 99_999])
def test_a_body_shorter_than_declared_is_another_attempt(site, fetcher, length):
    def cut(visit):
        visit.send(HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * length)

    refused_in_time(fetcher, site.reply("/a", cut), RetryableError, "failed")


def test_a_body_longer_than_declared_ends_where_it_was_declared_to(site, fetcher):
    def more(visit):
        visit.send(HEAD + b"Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    url = site.reply("/a", more)
    assert fetcher.get(url).body == b"hello"
    # What came after it must not be taken for the answer to the next request.
    assert fetcher.get(url).body == b"hello"


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"\x00" * 20 + b"\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.example ESMTP\r\n",
    ],
    ids=ascii,
)
def test_an_answer_that_is_no_sound_http_fails_the_attempt(site, hasty, head):
    refused_in_time(
        hasty, site.reply("/a", lambda visit: visit.send(head)), (RetryableError, PermanentError), "127.0.0.1"
    )


def zip_bomb(mebibytes):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(b"<html>") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * mebibytes


@pytest.mark.parametrize("limit", [MIB, 50 * MIB, 2048 * MIB])
def test_a_gzip_bomb_of_a_gigabyte_is_defused(site, make_fetcher, limit):
    url = site.reply(
        "/a", Reply(zip_bomb(1024), headers={"Content-Type": "text/html", "Content-Encoding": "gzip"})
    )
    fetcher = make_fetcher(max_bytes=limit)
    tracemalloc.start()
    try:
        refused_in_time(fetcher, url, PermanentError, r"larger than|compression bomb")
        assert tracemalloc.get_traced_memory()[1] < 80 * MIB
    finally:
        tracemalloc.stop()


def test_an_endless_gzip_stream_is_cut_off(site, sparing):
    bomb = zip_bomb(64)

    def endless(visit):
        visit.send(HEAD + b"Content-Encoding: gzip\r\n\r\n" + bomb)
        visit.send_until_client_leaves(forever(bomb[-1024:]))

    refused_in_time(sparing, site.reply("/a", endless), PermanentError, r"larger than|compression bomb")


@pytest.mark.parametrize(
    "encoding", ["gzip, gzip", "gzip,gzip,gzip", "br", "zstd", "deflate", "compress", "aes128gcm", "x"]
)
def test_an_encoding_that_was_not_asked_for_is_not_undone(site, fetcher, encoding):
    body = gzipped(gzipped(b"x" * 1000))
    url = site.reply("/a", Reply(body, headers={"Content-Type": "text/html", "Content-Encoding": encoding}))
    refused_in_time(fetcher, url, PermanentError, "not asked for")


def test_gzip_inside_gzip_is_undone_once(site, fetcher):
    inner = gzipped(b"x" * 1000)
    url = site.reply(
        "/a", Reply(gzipped(inner), headers={"Content-Type": "text/html", "Content-Encoding": "gzip"})
    )
    assert fetcher.get(url).body == inner


def test_a_fetcher_works_on_after_every_kind_of_attack(site, sparing):
    site.page("/good", "<p>still here</p>")
    cut, large = HEAD + b"Content-Length: 9\r\n\r\nx", HEAD + b"\r\n" + b"x" * 2 * MIB
    for number, attack in enumerate((b"", b"nonsense\r\n\r\n", cut, large)):
        url = site.reply(f"/{number}", lambda visit, attack=attack: visit.send_until_client_leaves([attack]))
        with pytest.raises((RetryableError, PermanentError)):
            sparing.get(url)
        assert sparing.get(site.url("/good")).body == b"<p>still here</p>"
