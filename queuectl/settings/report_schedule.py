"""What one line of ``report_schedule`` may be: a kind of report, when, in which form, and where it goes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast, get_args

from queuectl.domain.cron import parse
from queuectl.domain.report import FORMATS, LANGUAGES
from queuectl.domain.report_delivery import DeliveryKind, ReportDelivery, cron_for
from queuectl.domain.urls import accept
from queuectl.errors import InvalidInputError, InvalidURLError
from queuectl.settings.rules import UnfitValueError

_KINDS: tuple[DeliveryKind, ...] = get_args(DeliveryKind)
_NAMES = ("kind", "at", "format", "lang", "folder", "webhook")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_DEFAULT_AT = "08:00"


def report_schedule(value: object) -> tuple[ReportDelivery, ...]:
    """Return the lines of the plan; in the environment they are a JSON array.

    Raises:
        UnfitValueError: one of them cannot be carried out; the message says which and why.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UnfitValueError("it is no JSON") from error
    if not isinstance(value, list | tuple):
        raise UnfitValueError("it is no list of tables")
    made = []
    for number, table in enumerate(value, 1):
        try:
            made.append(_delivery(table))
        except (UnfitValueError, InvalidInputError) as error:
            raise UnfitValueError(f"entry {number}: {error}") from error
    if len({each.key for each in made}) < len(made):
        raise UnfitValueError("the same entry is there twice")
    return tuple(made)


def _delivery(table: object) -> ReportDelivery:
    if not isinstance(table, Mapping):
        raise UnfitValueError("it is no table")
    for name in table:
        if name not in _NAMES:
            raise UnfitValueError(f"{name!r:.40} is no part of it{_near(name, _NAMES)}")
    kind = cast(DeliveryKind, _one_of(table, "kind", _KINDS, None))
    return ReportDelivery(
        kind,
        _cron(kind, table.get("at", _DEFAULT_AT)),
        _one_of(table, "format", FORMATS, "html"),
        _one_of(table, "lang", LANGUAGES, "en"),
        **_goal(table),
    )


def _one_of(table: Mapping[str, Any], name: str, known: tuple[str, ...], default: str | None) -> str:
    value = table.get(name, default)
    if value not in known:
        what = (
            f"it has no {name}" if value is None else f"there is no {name} {value!r:.40}{_near(value, known)}"
        )
        raise UnfitValueError(f"{what}; use one of {', '.join(known)}")
    return str(value)


def _cron(kind: DeliveryKind, at: object) -> str:
    clock = _CLOCK.fullmatch(at) if isinstance(at, str) else None
    return cron_for(kind, int(clock[1]), int(clock[2])) if clock else parse(at).text


def _goal(table: Mapping[str, Any]) -> dict[str, str]:
    given = [name for name in ("folder", "webhook") if name in table]
    if len(given) != 1:
        raise UnfitValueError("it needs either a folder or a webhook")
    value = table[given[0]]
    if not isinstance(value, str) or not value or "\0" in value:
        raise UnfitValueError(f"its {given[0]} is no text")
    if given[0] == "webhook":
        try:
            return {"webhook": accept(value).url}
        except InvalidURLError as error:  # which quotes the address, and that is often a secret
            raise UnfitValueError("its webhook is no address that can be posted to") from error
    try:
        folder = Path(value).expanduser()
    except RuntimeError as error:
        raise UnfitValueError(f"the home of {value!r:.80} is not known") from error
    if not folder.is_absolute():
        raise UnfitValueError(f"the folder {value!r:.80} is not absolute")
    return {"folder": os.path.normpath(folder)}


def _near(value: object, known: tuple[str, ...]) -> str:
    near = get_close_matches(str(value), known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
