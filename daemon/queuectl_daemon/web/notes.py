"""What a page says once after something was done: kept here for a minute, under a name that only its reader knows."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence, the kind of news that it is (``good`` or ``bad``), and the operation that can be undone."""

    text: str
    kind: str = "good"
    operation: int | None = None


class Notes:
    """The notes that nobody has read yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: OrderedDict[str, Note] = OrderedDict()

    def leave(self, note: Note) -> str:
        """Keep a note and return the name under which it is taken."""
        name = secrets.token_urlsafe(9)
        with self._lock:
            self._notes[name] = note
            while len(self._notes) > _MOST:
                self._notes.popitem(last=False)
        return name

    def take(self, name: str | None) -> Note | None:
        """Return a note and forget it."""
        with self._lock:
            return self._notes.pop(name, None) if name else None
