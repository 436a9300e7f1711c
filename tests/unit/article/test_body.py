"""Reading and decompressing a body within its limits."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib

import pytest

from queuectl.errors import PermanentError, RetryableError
from queuectl.handlers.article.body import read_body

MIB = 1024 * 1024
TEXT = b"".join(b"line %d of an ordinary page\n" % number for number in range(20_000))


def read(*chunks, encoding="gzip", limit=4 * MIB):
    return read_body(chunks, encoding, limit, check=lambda: None)


def split(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_a_plain_body_is_joined(encoding):
    assert read(b"ab", b"", b"c", encoding=encoding) == b"abc"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
@pytest.mark.parametrize("size", [1, 7, 1000, 10 * MIB])
def test_gzip_is_decompressed_however_it_arrives(encoding, size):
    text = TEXT[:50_000] if size == 1 else TEXT
    assert read(*split(gzip.compress(text), size), encoding=encoding) == text


def test_gzip_in_several_members_and_with_padding_is_decompressed():
    assert read(gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 50) == b"one two"
    assert read(gzip.compress(b"one "), gzip.compress(b"two"), b"\0" * 50) == b"one two"


def test_output_that_fills_a_step_exactly_is_not_lost():
    for size in (64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 128 * 1024, 192 * 1024):
        text = random.Random(size).randbytes(size)
        assert read(gzip.compress(text)) == text


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "deflate", "gzip, gzip", "gzip,br", "x" * 1000, "\x1b[31m"]
)
def test_an_encoding_that_was_not_asked_for_is_refused(encoding):
    with pytest.raises(PermanentError, match="which was not asked for") as refusal:
        read(b"", encoding=encoding)
    assert len(refusal.value.message) < 150
    assert refusal.value.message.isprintable()


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_body_beyond_the_limit_is_refused_before_all_of_it_is_read(encoding):
    asked = 0

    def endless():
        nonlocal asked
        while True:
            asked += 1
            yield random.Random(asked).randbytes(100_000)

    with pytest.raises((PermanentError, RetryableError)):
        read_body(endless(), encoding, MIB, check=lambda: None)
    assert asked <= 12


def test_a_body_of_the_limit_passes_and_one_byte_more_does_not():
    assert len(read(b"x" * MIB, encoding="", limit=MIB)) == MIB
    with pytest.raises(PermanentError, match="the page is larger than 1,048,576 bytes"):
        read(b"x" * (MIB + 1), encoding="", limit=MIB)
    noise = random.Random(1).randbytes(MIB)
    with pytest.raises(PermanentError, match="larger than"):
        read(gzip.compress(noise + b"x"), limit=MIB)


@pytest.mark.parametrize("limit", [2 * MIB, 1024 * MIB])
def test_a_bomb_of_a_gigabyte_is_refused_with_little_memory(limit):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(b"<html>") + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a block stands for itself, so the same one can follow as often as one likes.
    mebibyte = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = start + mebibyte * 1024
    tracemalloc.start()
    try:
        with pytest.raises(PermanentError, match=r"larger than|compression bomb"):
            read(*split(bomb, 64 * 1024), limit=limit)
        assert tracemalloc.get_traced_memory()[1] < 80 * MIB
    finally:
        tracemalloc.stop()


def test_an_ordinary_page_that_compresses_well_is_no_bomb():
    page = b"<p>the same words again and again</p>" * 20_000
    assert read(gzip.compress(page)) == page


@pytest.mark.parametrize("cut", [1, 5, 10, 100, -1, -8])
def test_gzip_that_ends_too_early_may_be_complete_next_time(cut):
    with pytest.raises(RetryableError, match="ends too early"):
        read(gzip.compress(TEXT)[:cut])


def test_damaged_gzip_may_be_whole_next_time():
    data = bytearray(gzip.compress(TEXT))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(RetryableError, match="damaged"):
        read(bytes(data))
    with pytest.raises(RetryableError, match="damaged"):
        read(b"<html>not gzip at all</html>")


def test_the_check_can_end_the_reading():
    def stop():
        raise RetryableError("stopped")

    with pytest.raises(RetryableError, match="stopped"):
        read_body([b"x"], "", MIB, check=stop)
