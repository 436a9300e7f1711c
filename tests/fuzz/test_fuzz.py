"""Twenty thousand made-up inputs for the twelve parsers, all that once went wrong, and a look at the judge itself."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator

import pytest

from queuectl.errors import InvalidInputError
from tests.fuzz import trial
from tests.fuzz.run import SHARES, Feeding, found_before, parsers, share_of
from tests.fuzz.trial import Parser, tried

INPUTS = 20_000
SEED_VARIABLE = "FUZZ_SEED"
NAMES = (
    *("API JSON", "import JSON Lines", "CSV", "cron expression", "cron source file", "url", "HTTP response"),
    *("HTML page", "config", "CLI arguments", "Redis message", "worker result frame"),
)


@pytest.fixture(scope="module")
def every() -> Iterator[dict[str, Parser]]:
    """Give the parsers by their names."""
    with parsers() as found:
        yield {each.name: each for each in found}


def test_there_are_twelve_and_their_shares_are_the_whole(every: dict[str, Parser]) -> None:
    assert sorted(every) == sorted(NAMES)
    assert sum(each.share for each in every.values()) == SHARES


@pytest.mark.parametrize("name", NAMES)
def test_whatever_comes_is_taken_or_refused(every: dict[str, Parser], name: str) -> None:
    # The same inputs for everybody, so that a failure comes from the change at hand; ``make fuzz`` takes others.
    seed = os.environ.get(SEED_VARIABLE) or "1"
    sys.stdout.write(f"{SEED_VARIABLE}={seed}\n")
    feeding = Feeding(every[name], seed)
    feeding.feed(share_of(every[name], INPUTS))
    for each in feeding.findings:
        sys.stdout.write(f"{each.parser}: {each.data!r}\n{each.fault.told}\n")
    assert [(each.fault.what, each.fault.place) for each in feeding.findings] == []


@pytest.mark.parametrize(("name", "data"), found_before(), ids=lambda value: str(value)[:30])
def test_what_once_went_wrong_does_not_again(every: dict[str, Parser], name: str, data: bytes) -> None:
    assert tried(every[name], data) is None


def a_parser(name: str, data: bytes) -> None:
    """Read as a parser with three mistakes would."""
    text = data.decode("latin-1")
    if "boom" in text:
        raise KeyError(text)
    if "loop" in text:
        while True:
            pass
    if "lines" in text:
        raise InvalidInputError(f"{name} has\nlines")
    raise InvalidInputError("no")


@pytest.mark.parametrize(
    ("word", "what"), [(b"boom", "KeyError"), (b"loop", "hang"), (b"lines", "no one-line refusal")]
)
def test_a_planted_mistake_is_found_told_once_and_made_small(
    monkeypatch: pytest.MonkeyPatch, word: bytes, what: str
) -> None:
    monkeypatch.setattr(trial, "HANG_SECONDS", 0.05)

    def make(chance: random.Random) -> bytes:
        noise = bytes(chance.randrange(65, 91) for _ in range(30))
        return noise + word + noise if chance.random() < 0.2 else noise

    parser = Parser("planted", 1, make, lambda data: a_parser("it", data))
    feeding = Feeding(parser, "7")
    feeding.feed(40)
    (found,) = feeding.findings
    assert found.fault.what == what
    assert word in found.data
    assert found.data == word or what == "hang", "of what takes long, fewer parts are tried"
    assert word in parser.input("7", found.number), "the seed and the number give the input again"


def test_an_input_is_the_same_in_every_run(every: dict[str, Parser]) -> None:
    for parser in every.values():
        assert parser.input("7", 12) == parser.input("7", 12)
        assert len({parser.input("7", number) for number in range(20)}) > 10
