"""Make inputs: good ones with a few things wrong, words of a language in any order, and plain noise."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

_NUMBER = re.compile(rb"\d+")
_NUMBERS = (
    *(b"0", b"-1", b"00", b"255", b"256", b"65535", b"65536", b"2147483648", b"9007199254740993"),
    *(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809", b"1e308", b"1e999", b"0.5"),
    *(b"NaN", b"Infinity", b"9" * 400, b"9" * 5_000, "٣".encode(), "１".encode()),
)
_ODD = (
    *(b"\0", b"\r\n", b"\n", b"\t", b"\x1b[31m", b"\x7f", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xc0\x80"),
    *(b"\xed\xa0\x80", b"\\", b"'", b'"', b"%", b"%00", b"..", b"{}", b"[]", b"${x}", b"{{7*7}}"),
    *("\u2028".encode(), "\u202e".encode(), "\u200b".encode(), "İ".encode(), "ﬀ".encode(), "例え".encode()),
)
_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**53 + 1,
        2**63 - 1,
        2**63,
        -(2**63) - 1,
        10**40,
        0.5,
        1e308,
        -0.0,
    ),
    *(
        "",
        " ",
        "\0",
        "\ud800",
        "\udfff\ud800",
        "x" * 300,
        "0",
        "true",
        "2027-01-31",
        "urgent",
        "task_1",
        "\u202e",
    ),
    *("9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00Z", "https://example.com/", [], {}, [[]], {"": ""}),
)
_DEEP = 400


def mutated(chance: random.Random, samples: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Return one of the samples with a change or a few, and now and then only words, or only noise.

    Mostly it is one change: what is wrong in many ways is refused for the first, and nothing behind that is reached.
    """
    kind = chance.random()
    if kind < 0.04:
        return chance.randbytes(chance.randrange(200))
    if kind < 0.12 and words:
        return b"".join(chance.choice(words) for _ in range(chance.randint(1, 25)))
    data = bytearray(chance.choice(samples))
    _change(chance, data, samples, words)
    while chance.random() < 0.4:
        _change(chance, data, samples, words)
    return bytes(data)


def _change(chance: random.Random, data: bytearray, samples: Sequence[bytes], words: Sequence[bytes]) -> None:
    place = chance.randrange(len(data) + 1)
    match chance.randrange(9):
        case 0:
            data[place:place] = chance.choice(words or _ODD)
        case 1:
            data[place:place] = chance.choice(_ODD)
        case 2:
            del data[place : place + chance.randint(1, 12)]
        case 3:
            data[place : place + 1] = bytes([chance.randrange(256)])
        case 4:
            start = chance.randrange(len(data) + 1)
            data[place:place] = data[start : start + chance.randint(1, 40)]
        case 5:
            other = chance.choice(samples)
            cut = chance.randrange(len(other) + 1)
            data[place:] = other[cut:]
        case 6:
            numbers = list(_NUMBER.finditer(data))
            if numbers:
                found = chance.choice(numbers)
                data[found.start() : found.end()] = chance.choice(_NUMBERS)
        case 7:
            del data[place:]
        case _:
            data[place:place] = chance.choice(words or _ODD) * chance.choice((2, 3, 30, 300))


def changed_json(chance: random.Random, value: Any) -> bytes:
    """Return a JSON value with a few of its parts replaced, as text; sometimes with a repeated name in it."""
    value = _replaced(chance, value)
    while chance.random() < 0.3:
        value = _replaced(chance, value)
    text = json.dumps(value, ensure_ascii=chance.random() < 0.7).encode("utf-8", "surrogatepass")
    if chance.random() < 0.05:
        text = text.replace(b"}", b', "url": 1, "url": 2}', 1)
    return text


def _replaced(chance: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        if chance.random() < 0.12:
            return {(chance.choice(_NAMES) if each == name else each): inner for each, inner in value.items()}
        if chance.random() < 0.06:
            return {each: inner for each, inner in value.items() if each != name}
        return value | {name: _replaced(chance, value[name])}
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        changed = [*value[:place], _replaced(chance, value[place]), *value[place + 1 :]]
        return changed * 40 if chance.random() < 0.02 else changed
    if isinstance(value, str) and chance.random() < 0.4:
        text = value.encode("utf-8", "surrogatepass")
        return mutated(chance, [text or b"x"], _ODD).decode("utf-8", "replace")
    if chance.random() < 0.03:
        return _nested(chance.choice((5, 33, 65, _DEEP)))
    return chance.choice(_VALUES)


def _nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


_NAMES = ("", "url", "id", "\ud800", "__class__", "x" * 100, "state", "metadata", "score", "\0")


Generate = Callable[[random.Random], bytes]
"""Makes one input."""


def from_samples(samples: Sequence[bytes], words: Sequence[bytes]) -> Generate:
    """Return what changes samples as bytes."""
    return lambda chance: mutated(chance, samples, words)


def from_documents(documents: Sequence[Any], words: Sequence[bytes]) -> Generate:
    """Return what changes JSON documents, mostly as values and else as bytes."""
    samples = [json.dumps(each).encode() for each in documents]

    def made(chance: random.Random) -> bytes:
        if chance.random() < 0.65:
            return changed_json(chance, chance.choice(documents))
        return mutated(chance, samples, words)

    return made
