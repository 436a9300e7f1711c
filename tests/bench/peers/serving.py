"""A tool's side of the bench: a process that submits to it what it is told, and times that where it happens.

Orders come as JSON, one a line, on standard input; answers go the same way to standard output. Standard library
only: this runs in every tool's environment. ``bullmq.mjs`` speaks the same words.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

PREFIX = "PEERS_"
"""What the environment variables are called that say how a tool is to be set up."""

FAST, DURABLE = "fast", "durable"
NORMAL, LOW, URGENT = "normal", "low", "urgent"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tool works: its settings, its servers' addresses ("" for none), a folder, and tasks at a time."""

    settings: str
    variant: str
    redis: str
    postgres: str
    folder: Path
    slots: int

    @classmethod
    def of_environment(cls) -> Place:
        """Return what the bench said, to the submitting process and to the workers alike."""

        def said(name: str) -> str:
            return os.environ.get(PREFIX + name, "")

        return cls(
            settings=said("SETTINGS"),
            variant=said("VARIANT"),
            redis=said("REDIS"),
            postgres=said("POSTGRES"),
            folder=Path(said("FOLDER")),
            slots=int(said("SLOTS") or 1),
        )

    @property
    def durable(self) -> bool:
        """Whether the tool is to lose as little as it can, and not to be as fast as it can."""
        return self.settings == DURABLE


class Adapter(ABC):
    """What every tool has to offer."""

    cannot: ClassVar[Mapping[str, str]] = {}
    """What the tool has no means for, by the measure's name, with the reason."""

    command: Sequence[str] | None = None
    """The tool's command with the words that make it say its help; None where it has no command."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def prepare(self) -> None:  # noqa: B027  most tools need nothing
        """Make what the tool needs before the first submission."""

    @abstractmethod
    def submit(self, work: str, name: str, level: str) -> None:
        """Submit one task, and return when the tool has accepted it."""

    def submit_each(self, work: str, names: Sequence[str], level: str) -> None:
        """Submit tasks one after the other, each accepted before the next."""
        for name in names:
            self.submit(work, name, level)

    def submit_many(self, work: str, names: Sequence[str], level: str) -> None:
        """Submit tasks by the tool's call for many, or one after the other where it has none."""
        self.submit_each(work, names, level)

    @abstractmethod
    def workers(self) -> Sequence[Sequence[str]]:
        """Return the command lines that together work on ``slots`` tasks at a time."""


def script(name: str) -> str:
    """Return the path of a command that is installed beside this Python."""
    return str(Path(sys.executable).with_name(name))


def serve(make: type[Adapter]) -> None:
    """Do what standard input orders until it ends."""
    # Whatever the tool prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    adapter = make(Place.of_environment())
    for line in sys.stdin:
        try:
            answer = {"ok": True} | _obeyed(adapter, json.loads(line))
        except Exception as error:  # noqa: BLE001  the bench reports it beside the tool's name
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


def _obeyed(adapter: Adapter, order: Mapping[str, Any]) -> dict[str, Any]:
    match order["do"]:
        case "hello":
            adapter.prepare()
            return {
                "cannot": dict(adapter.cannot),
                "command": adapter.command and list(adapter.command),
                "workers": [list(words) for words in adapter.workers()],
            }
        case "each" | "many" as manner:
            names = [f"{order['prefix']}-{number}" for number in range(order["count"])]
            submit = adapter.submit_each if manner == "each" else adapter.submit_many
            start = time.perf_counter()
            submit(order["work"], names, order["level"])
            return {"seconds": time.perf_counter() - start}
        case "apart":
            return {"sent": _apart(adapter, order)}
        case other:
            raise ValueError(f"no such order: {other}")


def _apart(adapter: Adapter, order: Mapping[str, Any]) -> dict[str, int]:
    """Submit with pauses, never twice the same, or submissions would keep in step with whatever looks periodically."""
    sent: dict[str, int] = {}
    for number in range(order["count"]):
        time.sleep(order["pause"] * random.uniform(0.75, 1.25))
        name = f"{order['prefix']}-{number}"
        sent[name] = time.monotonic_ns()
        adapter.submit(order["work"], name, order["level"])
    return sent
