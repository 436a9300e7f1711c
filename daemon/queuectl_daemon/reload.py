"""Read the settings again while the daemon runs, take up what can be, and say what has to wait for its next start."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, is_dataclass, replace
from typing import Any

from queuectl.errors import ConfigurationError, QueuectlError
from queuectl.operations.auditing import Operation, acting_as
from queuectl.operations.reloading import Reloaded, answer, differences, take_wish
from queuectl.settings import Loaded, Settings
from queuectl.store import nodes
from queuectl.store.database import Database

logger = logging.getLogger("queuectl.daemon")


class Reload:
    """Reads the settings of one node again; ``read`` does so from where they came, ``adopt`` makes them hold."""

    def __init__(
        self,
        database: Database,
        node: str,
        *,
        read: Callable[[], Loaded],
        adopt: Callable[[Settings], None],
    ) -> None:
        self._database = database
        self._node = node
        self._read = read
        self._adopt = adopt

    def run(self, present: Settings) -> None:
        """Read once, and tell the log and whoever asked what came of it; a mistake leaves everything as it is."""
        try:
            self._run(present)
        except Exception:  # nothing of this may end the daemon, and its tasks with it
            logger.exception("the settings could not be read again", extra={"action": "reload_failed"})

    def _run(self, present: Settings) -> None:
        wish = take_wish(present.home)
        try:
            loaded = self._read()
        except ConfigurationError as error:
            self._say(present, Reloaded(self._node, problems=list(error.problems)))
            return
        for warning in loaded.warnings:
            logger.warning("%s", warning, extra={"action": "reloaded"})
        changed, restart = differences(present, loaded.settings)
        try:
            with acting_as(*wish) if wish is not None else nullcontext():
                self._record(present, changed, restart)
        except QueuectlError as error:
            self._say(present, Reloaded(self._node, problems=[error.message]))
            return
        if changed:
            self._adopt(replace(present, **{name: after for name, (_, after) in changed.items()}))
        self._say(present, Reloaded(self._node, _shown(changed), restart))

    def _record(self, present: Settings, changed: dict[str, list[Any]], restart: list[str]) -> None:
        """Put into the audit what is about to change; the number of workers changes by the same line."""
        if not changed:
            return
        operation = Operation(self._database, present, "daemon reload", self._node)
        shown = _shown(changed)
        before = {name: each for name, (each, _) in shown.items()}
        after = {name: each for name, (_, each) in shown.items()}
        try:
            with operation.writing() as transaction:
                if "workers" in changed and present.role != "scheduler":
                    nodes.want_workers(transaction, self._node, changed["workers"][1])
                operation.note(
                    transaction,
                    len(changed),
                    before=before,
                    after=after | ({"needs_restart": restart} if restart else {}),
                )
        finally:
            self._database.close()

    def _say(self, present: Settings, reloaded: Reloaded) -> None:
        facts = {"action": "reload_failed" if reloaded.problems else "reloaded", "node": self._node}
        for problem in reloaded.problems:
            logger.error("the settings stay as they are: %s", problem, extra=facts)
        for name, (before, after) in reloaded.changed.items():
            logger.info("%s is %s now, %s until now", name, _words(after), _words(before), extra=facts)
        if reloaded.restart:
            logger.warning("a restart is needed for: %s", ", ".join(reloaded.restart), extra=facts)
        if not (reloaded.problems or reloaded.changed or reloaded.restart):
            logger.info("the settings were read again; nothing has changed", extra=facts)
        try:
            answer(present.home, reloaded)
        except QueuectlError as error:
            logger.warning("could not tell what came of it: %s", error.message, extra=facts)


def _shown(changed: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return what has changed in a form that JSON can hold; of tables only those that differ.

    A handler's words may hold a secret, so only whether there is one is told.
    """
    shown: dict[str, list[Any]] = {}
    for name, (before, after) in changed.items():
        if isinstance(before, dict):
            for key in sorted({*before, *after}):
                if before.get(key) != after.get(key):
                    tell = _presence if name == "handlers" else _plain
                    shown[f"{name}.{key}"] = [tell(before.get(key)), tell(after.get(key))]
        else:
            shown[name] = [_plain(before), _plain(after)]
    return shown


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: each for name, each in asdict(value).items() if each is not None}
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return value


def _presence(value: Any) -> str | None:
    return None if value is None else "defined"


def _words(value: Any) -> str:
    return "unset" if value is None else str(value)
