"""What submitters were told, written down as it happens: the first of the histories that the judge compares."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any


class ClientLog:
    """The calls of all submitters of a run; a call that was never answered stays one whose outcome is unknown."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._keys = itertools.count(1)

    def invoke(self, verb: str, *, urls: Sequence[str] = (), ids: Iterable[int] = (), **facts: Any) -> str:
        """Write down that a call is about to be made, and return its key."""
        key = f"{verb} {next(self._keys)}"
        self._write(key, verb, "invoke", {"urls": list(urls), "ids": list(ids)} | facts)
        return key

    def ok(self, key: str, ids: Iterable[int] = (), **facts: Any) -> None:
        """Write down that the call has succeeded; of a submission with the ids of its tasks."""
        self._write(key, key.partition(" ")[0], "ok", {"ids": list(ids)} | facts)

    def fail(self, key: str) -> None:
        """Write down that the call was refused, and has changed nothing."""
        self._write(key, key.partition(" ")[0], "fail", {"ids": []})

    def unknown(self, key: str) -> None:
        """Write down that nobody can tell what became of the call."""
        self._write(key, key.partition(" ")[0], "unknown", {"ids": []})

    def _write(self, key: str, verb: str, event: str, facts: dict[str, Any]) -> None:
        row = {"event": event, "verb": verb, "key": key, "at": time.monotonic_ns()} | facts
        with self._lock:
            self.rows.append(row)
