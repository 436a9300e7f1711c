"""Make a schedule of what a person or a program asks for: every part checked, nothing stored yet."""

from __future__ import annotations

import contextlib
import re
from datetime import tzinfo
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from queuectl.clock import now_ms
from queuectl.domain import priority as priorities
from queuectl.domain.cron import parse
from queuectl.domain.schedule import CATCH_UP, OVERLAP, CatchUp, NewSchedule, Overlap
from queuectl.domain.ticks import PlannedTick, ticks_after
from queuectl.domain.visible import UNSAFE, visible
from queuectl.errors import InvalidInputError
from queuectl.operations import fields
from queuectl.operations.sources.location import FileSource, locate
from queuectl.settings import Settings

LONGEST_NAME = 100
_MOST_PREVIEWED = 1_000
_NO_NAME = re.compile(r"[^\w.-]+")


def plan_schedule(
    settings: Settings,
    url_source: str,
    cron_expression: str,
    priority: str | None = None,
    *,
    name: str | None = None,
    zone: str | None = None,
    catch_up: CatchUp = "latest",
    only_new: bool | None = None,
    overlap: Overlap = "skip",
    handler: str = "article",
    priority_score: int | None = None,
    metadata: dict[str, Any] | None = None,
) -> NewSchedule:
    """Return the schedule that ``schedule_recurring`` would store, checked but not stored.

    Raises:
        InvalidInputError: an argument is not acceptable; the message says which.
        BadInputFileError: the file lies outside of the folders that may be read.
    """
    source = locate(url_source, settings)
    cron = parse(cron_expression)
    place = zone or settings.timezone
    named_zone(place)
    _check_choice("catch_up", catch_up, CATCH_UP)
    _check_choice("overlap", overlap, OVERLAP)
    fields.check_handler(handler, settings)
    fields.metadata(metadata or {})
    if priority is not None and priority_score is not None:
        raise InvalidInputError("a priority and a score contradict each other", hint="give one of them")
    level = priorities.DEFAULT if priority is None else priorities.level_named(priority)
    score = level.score if priority_score is None else priorities.checked_score(priority_score)
    path = str(source.path) if isinstance(source, FileSource) else source.url
    return NewSchedule(
        name=_made_name(path) if name is None else _checked_name(name),
        source=source.shown,
        cron=cron.text,
        zone=place,
        priority_score=score,
        handler=handler,
        metadata=dict(metadata or {}),
        only_new=only_new,
        catch_up=catch_up,
        overlap=overlap,
    )


def preview(cron_expression: str, zone: str, n: int = 20, *, after: int | None = None) -> list[PlannedTick]:
    """Return the next ``n`` ticks of an expression in a zone after a moment in UTC milliseconds, by default now.

    Raises:
        InvalidInputError: the expression, the zone or the number is not acceptable.
    """
    if not 1 <= n <= _MOST_PREVIEWED:
        raise InvalidInputError(
            f"{n!r} ticks cannot be shown", hint=f"give a number from 1 to {_MOST_PREVIEWED}"
        )
    cron, place = parse(cron_expression), named_zone(zone)
    return list(islice(ticks_after(cron, place, now_ms() if after is None else after), n))


def named_zone(name: object) -> tzinfo:
    """Return the time zone of that name.

    Raises:
        InvalidInputError: there is none.
    """
    # Thousands of dots in a name are thousands of packages to look for zones in, one within the other.
    with contextlib.suppress(OSError, LookupError, ValueError, RecursionError):
        return ZoneInfo(str(name))
    near = _nearest_zone(str(name))
    raise InvalidInputError(
        f"there is no time zone {visible(str(name), 60)!r}",
        hint=f"did you mean {near}?" if near else "zones look like Asia/Shanghai, Europe/Berlin or UTC",
    )


def _nearest_zone(name: str) -> str | None:
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    by_city = {zone.rpartition("/")[2].lower(): zone for zone in sorted(available_timezones())}
    wanted = name.rpartition("/")[2].strip().lower().replace(" ", "_")
    near = get_close_matches(wanted, list(by_city), n=1, cutoff=0.75)
    return by_city[near[0]] if near else None


def _check_choice(what: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidInputError(f"{what} is {str(value)[:60]!r}", hint=f"choose one of {', '.join(choices)}")


def _checked_name(name: object) -> str:
    usable = isinstance(name, str) and 1 <= len(name) <= LONGEST_NAME and name == name.strip()
    if not isinstance(name, str) or not usable or UNSAFE.search(name):
        raise InvalidInputError(
            f"{visible(str(name), 60)!r} cannot name a schedule",
            hint=f"use 1 to {LONGEST_NAME} visible characters, such as daily-news",
        )
    return name


def _made_name(address: str) -> str:
    """Return a name for the schedule of a source: the file's, or the host with the end of the path."""
    parts = urlsplit(address)
    stem = PurePosixPath(parts.path).stem
    words = [parts.hostname or "", stem] if parts.scheme in {"http", "https"} else [stem]
    return _NO_NAME.sub("-", "-".join(filter(None, words))).strip("-.")[: LONGEST_NAME - 5] or "schedule"
