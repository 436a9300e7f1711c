"""A steady load for fault tests: tasks that are submitted one by one while things break."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from queuectl.domain.task import task_number
from queuectl.errors import QueuectlError
from queuectl.operations.manager import QueueManager
from tests.support.daemon import Installation


class Load:
    """Submits tasks in a thread of its own between ``start`` and ``stop``.

    A submission that was refused or whose answer was lost is tried no second time; it is counted as one that
    may exist or not.
    """

    def __init__(
        self,
        site: Installation,
        *,
        pause: float = 0.002,
        handlers: tuple[str, ...] = ("work",),
        **metadata: Any,
    ) -> None:
        self._site = site
        self._pause = pause
        self._handlers = itertools.cycle(handlers)
        self._metadata = {"witness": str(site.witness.path)} | metadata
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._submit, name="load", daemon=True)
        self._failure: BaseException | None = None

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(90)
        assert not self._thread.is_alive(), "a submission hangs"
        if self._failure is not None:
            raise self._failure

    def _submit(self) -> None:
        try:
            with QueueManager(self._site.settings) as manager:
                for number in itertools.count():
                    if self._ended.wait(self._pause):
                        return
                    self._submit_one(manager, number)
        except BaseException as error:  # noqa: BLE001  shown by the test's own thread
            self._failure = error

    def _submit_one(self, manager: QueueManager, number: int) -> None:
        try:
            name = manager.submit_task(
                url=f"http://load.test/{number}", handler=next(self._handlers), metadata=self._metadata
            )
        except QueuectlError:
            self._site.unknown += 1
        else:
            self._site.accepted.append(task_number(name))
