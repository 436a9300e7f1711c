"""How long a busy machine keeps waiting whoever wants to go on: what tests of intervals have to allow for."""

from __future__ import annotations

import threading

from queuectl.clock import monotonic

_PAUSE = 0.002
_LEAST = (
    0.03  # seconds that the quietest machine may take from a task's beginning to its handler's first line
)


class Delays:
    """Watches beside a block by how much a thread is waked too late; ``longest`` is that in seconds."""

    def __init__(self) -> None:
        self.longest = _LEAST
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Delays:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            began = monotonic()
            if self._over.wait(_PAUSE):
                return
            self.longest = max(self.longest, monotonic() - began - _PAUSE)
