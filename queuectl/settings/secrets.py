"""Settings as they may be shown: the passwords in addresses replaced by stars."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from queuectl.domain.delivery import shown_address
from queuectl.settings.model import Settings

_HIDDEN = "***"

ADDRESSES = ("database_url", "redis_url")
"""The settings that may hold a password."""


_ENCRYPTED = ("require", "verify-ca", "verify-full")


def without_password(url: str) -> str:
    """Return an address with its password, if it has one, replaced by stars.

    Where the address cannot be taken apart nothing of it but the scheme is shown.
    """
    scheme, separator, _ = url.partition("://")
    if scheme == "sqlite":
        return url
    if not separator:
        return "***" if "@" in url or ":" in url else url
    try:
        parts = urlsplit(url)
        secret = parts.password
        _ = parts.port
    except ValueError:
        return f"{scheme}://***"
    if secret is None and "password=" not in parts.query:
        return url
    userinfo, at, host = parts.netloc.rpartition("@")
    user = userinfo.partition(":")[0]
    query = "***" if "password=" in parts.query else parts.query
    netloc = f"{user}:***@{host}" if at and secret is not None else parts.netloc
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def in_clear(settings: Settings) -> list[str]:
    """Return a sentence for each server on another machine to which everything would go unencrypted."""
    database, redis = urlsplit(settings.database_url), urlsplit(settings.redis_url or "")
    found = []
    modes = parse_qs(database.query).get("sslmode", [""])
    if (
        database.scheme.startswith("postgres")
        and _is_elsewhere(database.hostname)
        and modes[-1] not in _ENCRYPTED
    ):
        found.append(
            f"{without_password(settings.database_url)} may be reached without TLS; "
            "add sslmode=verify-full and sslrootcert to DATABASE_URL"
        )
    if redis.scheme == "redis" and _is_elsewhere(redis.hostname):
        found.append(
            f"{without_password(settings.redis_url or '')} is reached without TLS, with its password; use rediss://"
        )
    return found


def _is_elsewhere(host: str | None) -> bool:
    return host is not None and host not in ("localhost", "::1") and not host.startswith("127.")


def shown_webhook(settings: Settings) -> str | None:
    """Return where articles are posted to, as it may be shown; None if nowhere."""
    return None if settings.publish_webhook is None else shown_address(settings.publish_webhook)


def shown(settings: Settings) -> dict[str, Any]:
    """Return every setting by name in a form that JSON can hold, without any password."""
    values = asdict(settings)
    values["home"] = str(settings.home)
    for name in ADDRESSES:
        if values[name] is not None:
            values[name] = without_password(values[name])
    if settings.web_auth is not None:
        values["web_auth"] = f"{settings.web_auth.partition(':')[0]}:***"
    values["publish_webhook"] = shown_webhook(settings)
    if settings.webhook_secret is not None:
        values["webhook_secret"] = _HIDDEN
    values["report_schedule"] = [
        {
            "kind": each.kind,
            "at": each.cron,
            "format": each.format,
            "lang": each.lang,
            "to": each.shown_target,
        }
        for each in settings.report_schedule
    ]
    return values
