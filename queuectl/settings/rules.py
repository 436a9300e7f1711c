"""What each setting accepts, in one table; nothing here knows where a value came from."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from queuectl.errors import InvalidURLError
from queuectl.settings.model import ROLES


class UnfitValueError(ValueError):
    """A value cannot be used, for a reason that is worth telling."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one setting may be.

    ``accepts`` ends the sentence "accepted is …". ``check`` returns the value or raises ValueError.
    ``is_list`` values are written with commas in the environment. A ``secret`` is never repeated.
    """

    accepts: str
    check: Callable[[object], Any]
    is_list: bool = False
    secret: bool = False


def _whole(low: int, high: int) -> Rule:
    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return Rule(f"a whole number from {low} to {high}", check)


def _number(low: float, high: float, unit: str) -> Rule:
    def check(value: object) -> float:
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not low <= number <= high:
            raise ValueError
        return float(number)

    return Rule(f"a number of {unit} from {low:g} to {high:g}", check)


def _text(pattern: str, accepts: str) -> Rule:
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise ValueError
        return value

    return Rule(accepts, check)


def _one_of(*names: str) -> Rule:
    def check(value: object) -> str:
        if not isinstance(value, str) or value.lower() not in names:
            raise ValueError
        return value.lower()

    return Rule("one of " + ", ".join(names), check)


def _folder(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # "~" of somebody without a home
        raise ValueError from error


def _folders(value: object) -> tuple[Path, ...]:
    folders = [_folder(each) for each in value] if isinstance(value, list | tuple) else None
    if folders is None or not all(each.is_absolute() for each in folders):
        raise ValueError
    return tuple(Path(os.path.normpath(each)) for each in folders)


def _absolute(value: object) -> Path:
    path = _folder(value)
    if not path.is_absolute():
        raise ValueError
    return path


def _zone(value: object) -> str:
    from zoneinfo import ZoneInfo  # costs a tenth of a command's start-up

    if not isinstance(value, str) or not value:
        raise ValueError
    if value == "UTC":
        return value
    try:
        ZoneInfo(value)
    except (OSError, LookupError, ValueError, RecursionError) as error:
        raise ValueError from error
    return value


def _networks(value: object) -> tuple[str, ...]:
    from ipaddress import ip_network  # needed by few installations

    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ValueError
    return tuple(str(ip_network(each.strip(), strict=False)) for each in value)


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    words = {
        "true": True,
        "yes": True,
        "on": True,
        "1": True,
        "false": False,
        "no": False,
        "off": False,
        "0": False,
    }
    found = words.get(str(value).strip().lower())
    if found is None:
        raise ValueError
    return found


def _names(value: object) -> tuple[str, ...]:
    names = (
        [each.strip() for each in value if isinstance(each, str)] if isinstance(value, list | tuple) else [""]
    )
    if not all(_HOST_NAME.fullmatch(each) for each in names):
        raise ValueError
    return tuple(each.lower() for each in names)


def _user_and_password(value: object) -> str:
    user, _, password = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not user.strip() or not password or any(ord(mark) < 32 for mark in f"{user}{password}"):
        raise ValueError
    return f"{user}:{password}"


def _database_url(value: object) -> str:
    if isinstance(value, str) and value.startswith("sqlite:///"):
        # Every process opens the database for itself, so it cannot live in the memory of one.
        if value.removeprefix("sqlite:///").strip() in {"", "/", ":memory:"} or "\0" in value:
            raise ValueError
        return value
    return _address(value, {"postgresql", "postgres"})


def _redis_url(value: object) -> str:
    return _address(value, {"redis", "rediss", "unix"})


def _address(value: object, schemes: set[str]) -> str:
    if not isinstance(value, str) or any(mark.isspace() or mark == "\0" for mark in value):
        raise ValueError
    scheme, _, rest = value.partition("://")
    if scheme not in schemes or not rest:
        raise ValueError
    _ = urlsplit(value).port  # raises ValueError beyond 65535 and for brackets that do not close
    return value


def _command(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError
    if not all(isinstance(each, str) and "\0" not in each for each in value) or not value[0]:
        raise ValueError
    return tuple(value)


def _share(value: object) -> float:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0 < number <= 1:
        raise ValueError
    return float(number)


def _port(value: object) -> int:
    number = int(str(value))
    if not 1 <= number <= 65535:
        raise ValueError
    return number


PORT = Rule("a whole number from 1 to 65535", _port)

_WORKERS = _whole(1, 512)
_SECONDS_OF_A_RUN = _number(0.1, 604_800, "seconds")
_MEGABYTES = _whole(16, 1_048_576)
_RETRIES = _whole(0, 1000)
_BACKOFF = _number(0, 86_400, "seconds")


def _secret(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 16 <= len(value) <= 200:
        raise ValueError
    return value


def _webhook(value: object) -> str:
    from queuectl.domain.urls import accept  # few installations have one

    try:
        return accept(value if isinstance(value, str) else "").url
    except InvalidURLError as error:
        raise ValueError from error


def _report_schedule(value: object) -> tuple[Any, ...]:
    from queuectl.settings.report_schedule import report_schedule  # few installations have one

    return report_schedule(value)


_REPORT_SCHEDULE = (
    'tables such as {kind = "weekly", at = "08:00", format = "pdf", lang = "en", folder = "/srv/reports"},'
    " with a webhook or a folder each"
)
_NAME = r"[A-Za-z_]\w*"
_HOST_NAME = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,253}")
_FLAG = Rule("true or false", _flag)
_NETWORKS = Rule("networks such as 127.0.0.0/8 or ::1/128", _networks, is_list=True)

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "home": Rule("a folder", _folder),
        "database_url": Rule(
            "postgresql://user:password@host:5432/name or sqlite:///file", _database_url, secret=True
        ),
        "redis_url": Rule("redis://:password@host:6379/0, rediss://… or unix://…", _redis_url, secret=True),
        "redis_namespace": _text(
            r"[A-Za-z0-9_.-]{1,64}", "up to 64 letters, digits, dots, dashes and underscores"
        ),
        "role": _one_of(*ROLES),
        "workers": _WORKERS,
        "workers_process": _WORKERS,
        "workers_thread": _WORKERS,
        "workers_async": _WORKERS,
        "grace_period": _number(0, 3600, "seconds"),
        "timezone": Rule("a time zone such as UTC or Asia/Shanghai", _zone),
        "log_level": _one_of("debug", "info", "warning", "error"),
        "log_format": _one_of("plain", "json"),
        "fetch_allow_networks": _NETWORKS,
        "fetch_timeout": _number(0.1, 3600, "seconds"),
        "fetch_max_bytes": _whole(1024, 1024 * 1024 * 1024),
        "source_folders": Rule("absolute folders such as /srv/lists", _folders, is_list=True),
        "source_max_bytes": _whole(1024, 1024 * 1024 * 1024),
        "import_max_bytes": _whole(1024, 1024**4),
        "task_timeout": _SECONDS_OF_A_RUN,
        "max_retries": _RETRIES,
        "retry_backoff": _BACKOFF,
        "retry_backoff_max": _number(0, 604_800, "seconds"),
        "priority_aging": _number(0.001, 1_000_000, "minutes"),
        "dead_letter_days": _number(0, 36_500, "days"),
        "retention_days": _number(0, 36_500, "days"),
        "audit_key_file": Rule("an absolute path such as /etc/queuectl/audit.key", _absolute),
        "undo_days": _number(0, 36_500, "days"),
        "statistics_minute_days": _number(0, 36_500, "days"),
        "statistics_hour_days": _number(0, 36_500, "days"),
        "statistics_day_days": _number(0, 36_500, "days"),
        "statistics_hosts": _whole(1, 10_000),
        "report_schedule": Rule(_REPORT_SCHEDULE, _report_schedule),
        "publish_webhook": Rule("an address such as https://example.com/articles", _webhook, secret=True),
        "publish_webhook_text": _FLAG,
        "webhook_secret": Rule("a text of 16 to 200 characters", _secret, secret=True),
        "web_host": _text(r"[A-Za-z0-9_.:%-]{1,253}", "an address or a host name such as 127.0.0.1"),
        "web_port": _whole(0, 65_535),
        "web_required": _FLAG,
        "web_auth": Rule("user:password, or user and a hash", _user_and_password, secret=True),
        "web_allow": _NETWORKS,
        "web_names": Rule("host names such as queue.example.com", _names, is_list=True),
        "web_trusted_proxies": _NETWORKS,
        "web_tls_cert": Rule("an absolute path such as /etc/queuectl/web.crt", _absolute),
        "web_tls_key": Rule("an absolute path such as /etc/queuectl/web.key", _absolute),
        "web_without_tls": _FLAG,
        "health_wait": _number(1, 31_536_000, "seconds"),
        "health_failure_rate": Rule("a share such as 0.1, above 0 and at most 1", _share),
        "health_dead_letters": _whole(1, 10_000),
        "health_schedule_lag": _number(1, 31_536_000, "seconds"),
        "health_disk": _number(1, 1_048_576, "megabytes"),
    }
)
"""The settings that are single values; ``queues`` and ``handlers`` are tables of the next two."""

QUEUE_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "task_timeout": _SECONDS_OF_A_RUN,
        "memory_limit": _MEGABYTES,
        "max_retries": _RETRIES,
        "retry_backoff": _BACKOFF,
    }
)

HANDLER_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "callable": _text(rf"{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*", "package.module:function"),
        "command": Rule('a list such as ["program", "--", "{url}"]', _command),
        "isolation": _one_of("process", "thread", "async"),
        "timeout": _SECONDS_OF_A_RUN,
        "memory_limit": _MEGABYTES,
        "max_retries": _RETRIES,
    }
)

HANDLER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
TABLES = ("queues", "handlers")
