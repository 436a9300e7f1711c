"""The checking of gathered values: good ones are kept with their origin, bad ones become problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from queuectl.domain.priority import LEVELS, QUEUES, queue_named
from queuectl.errors import QueueNotFoundError
from queuectl.settings.model import HandlerSettings, QueueSettings
from queuectl.settings.rules import (
    HANDLER_NAME,
    HANDLER_RULES,
    QUEUE_RULES,
    RULES,
    TABLES,
    Rule,
    UnfitValueError,
)
from queuectl.settings.sources import Found

BUILT_IN_HANDLER = "article"
_SHOWN_VALUE = 60


@dataclass(slots=True)
class Reading:
    """What has been gathered so far.

    ``files`` remembers which file a value was read from, ``lines`` where the configuration file names what.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def check(self, name: str, rule: Rule, found: Found, written: str | None = None) -> Any:
        """Return the value of a setting, or None after noting why it cannot be used.

        ``written`` is its name as it stands in the file, where that is another one.
        """
        try:
            value = rule.check(found.value)
        except UnfitValueError as error:
            self.problems.append(f"{name} ({found.origin}): {error}; accepted is {rule.accepts}")
            return None
        except ValueError:
            where = self._where(written or name, found)
            self.problems.append(f"{_said(name, rule, found, where)}; accepted is {rule.accepts}")
            return None
        self.origins[name] = found.origin
        if found.file is not None:
            self.files[name] = found.file
        else:
            self.files.pop(name, None)
        return value

    def keep(self, name: str, found: Found) -> None:
        """Take over one setting; the latest call for a name wins."""
        rule = RULES.get(name)
        if rule is None:
            self.problems.append(
                f"{name!r} ({self._where(name, found)}) is not a setting{nearest(name, [*RULES, *TABLES])}"
            )
            return
        value = self.check(name, rule, found)
        if value is not None:
            self.values[name] = value

    def keep_tables(self, name: str, found: Found) -> None:
        """Take over the tables ``[queues.…]`` or ``[handlers.…]``."""
        tables = found.value
        if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
            where = self._where(name, found)
            self.problems.append(f"{name} ({where}) holds tables such as [{name}.NAME]")
            return
        self.values[name] = {}
        for key, table in tables.items():
            part = Found(table, found.origin, found.file)
            if name == "queues":
                self._keep_queue(key, part)
            else:
                self._keep_handler(key, part)

    def _keep_queue(self, key: str, found: Found) -> None:
        try:
            queue = queue_named(key)
        except QueueNotFoundError:
            names = [level.name for level in LEVELS]
            self.problems.append(
                f"there is no queue {key!r} ({self._where(f'queues.{key}', found)}){nearest(key, [*names, *QUEUES])}; "
                f"the queues are {', '.join(names)}"
            )
            return
        if queue in self.values["queues"]:
            where = self._where(f"queues.{key}", found)
            self.problems.append(f"queues.{queue} ({where}) is given twice")
            return
        self.values["queues"][queue] = QueueSettings(
            **self._table(f"queues.{queue}", QUEUE_RULES, found, f"queues.{key}")
        )

    def _keep_handler(self, key: str, found: Found) -> None:
        name = f"handlers.{key}"
        where = self._where(name, found)
        if not HANDLER_NAME.fullmatch(key):
            self.problems.append(f"{key!r} ({where}) cannot name a handler; use letters, digits, - and _")
            return
        ways = [way for way in ("callable", "command") if way in found.value]
        if key == BUILT_IN_HANDLER and ways:
            self.problems.append(f"{name} ({where}) is built in and takes no {ways[0]}; choose another name")
        elif key != BUILT_IN_HANDLER and len(ways) != 1:
            self.problems.append(f"{name} ({where}) needs exactly one of callable and command")
        made = HandlerSettings(**self._table(name, HANDLER_RULES, found, name))
        if made.isolation == "async" and "callable" not in ways:
            self.problems.append(
                f"{name}.isolation is 'async' ({where}), which only an async def function can have"
            )
        self.values["handlers"][key] = made

    def _table(self, prefix: str, rules: Mapping[str, Rule], found: Found, written: str) -> dict[str, Any]:
        values = {}
        for name, value in found.value.items():
            rule = rules.get(name)
            if rule is None:
                self.problems.append(
                    f"'{prefix}.{name}' ({self._where(f'{written}.{name}', found)}) is not a setting"
                    f"{nearest(name, rules)}"
                )
                continue
            checked = self.check(
                f"{prefix}.{name}", rule, replace(found, value=value), written=f"{written}.{name}"
            )
            if checked is not None:
                values[name] = checked
        return values

    def _where(self, name: str, found: Found) -> str:
        """Return where a value comes from, with the line if it stands in the configuration file."""
        line = self.lines.get(name) if found.file is not None and found.origin == str(found.file) else None
        return found.origin if line is None else f"{found.origin} line {line}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that proposes the known name that looks most like ``name``."""
    matches = get_close_matches(name, list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _said(name: str, rule: Rule, found: Found, where: str) -> str:
    if rule.secret:
        return f"{name} ({where}) cannot be used as it is"
    text = repr(found.value)
    if len(text) > _SHOWN_VALUE:
        text = text[:_SHOWN_VALUE] + "…"
    return f"{name} is {text} ({where})"
