"""Give the twelve parsers their inputs, in shares, and tell what went wrong with which."""

from __future__ import annotations

import ast
import contextlib
import ctypes
import gc
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import psutil

from queuectl.operations.administration import database_migrate
from queuectl.settings import Settings
from queuectl_daemon.arenas import keep_few_arenas
from tests.fuzz.exchanges import exchanges
from tests.fuzz.files import files
from tests.fuzz.texts import texts
from tests.fuzz.trial import Fault, Parser, shrunk, tried

FOUND = Path(__file__).with_name("found.txt")
"""Inputs that have once done what they must not, each with its parser."""

SHARES = 1_000
WARM = 200
_MOST_GROWTH = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that does what it must not: its place in the run, itself made small, and what it does."""

    parser: str
    seed: str
    number: int
    data: bytes
    fault: Fault


class Feeding:
    """One parser and what has come of its inputs so far; each kind of fault is told once, by a small input.

    ``seconds`` are those of the processor, and ``growth`` is how many bytes the process has grown while it read
    what came after the first ``WARM`` inputs, without what the allocator only keeps for the next ones.
    """

    def __init__(self, parser: Parser, seed: str) -> None:
        self.parser = parser
        self.inputs = 0
        self.seconds = 0.0
        self.growth = 0
        self.findings: list[Finding] = []
        self._seed = seed
        self._known: set[tuple[str, str]] = set()

    @property
    def is_flat(self) -> bool:
        """Whether memory stayed flat."""
        return self.growth <= _MOST_GROWTH

    def feed(self, inputs: int, watch: Callable[[], None] = lambda: None) -> None:
        """Give the parser so many more inputs."""
        before, begun = _held() if self.inputs >= WARM else None, process_time()
        for number in range(self.inputs, self.inputs + inputs):
            data = self.parser.input(self._seed, number)
            fault = tried(self.parser, data)
            if fault is not None and (fault.what, fault.place) not in self._known:
                self._known.add((fault.what, fault.place))
                small = shrunk(self.parser, data, fault)
                self.findings.append(Finding(self.parser.name, self._seed, number, small, fault))
            watch()
        self.inputs += inputs
        self.seconds += process_time() - begun
        if before is not None:
            self.growth += _held() - before


def _held() -> int:
    """Return how many bytes of memory the process holds; glibc first gives back what is free."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return int(psutil.Process().memory_info().rss)


@contextlib.contextmanager
def parsers() -> Iterator[tuple[Parser, ...]]:
    """Give the twelve, with a home and a database of their own; memory is kept as in the daemon."""
    keep_few_arenas()
    with tempfile.TemporaryDirectory(prefix="queuectl-fuzz-") as folder:
        home = Path(folder)
        settings = Settings(home=home, database_url=f"sqlite:///{home / 'queuectl.db'}")
        database_migrate(settings)
        yield (*exchanges(settings), *files(settings), *texts())


def share_of(parser: Parser, inputs: int) -> int:
    """Return how many of all inputs are one parser's."""
    return max(1, inputs * parser.share // SHARES)


def found_before() -> list[tuple[str, bytes]]:
    """Return the parsers and the inputs of earlier findings."""
    lines = FOUND.read_text(encoding="ascii").splitlines()
    pairs = [line.rpartition(": ")[::2] for line in lines if line and not line.startswith("#")]
    return [(name, ast.literal_eval(text)) for name, text in pairs]
