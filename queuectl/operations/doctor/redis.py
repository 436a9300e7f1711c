"""Look at Redis: that it answers, how fast, what it does when it is full, and how full it is."""

from __future__ import annotations

from collections.abc import Iterator

from queuectl.operations.administration import Check
from queuectl.operations.probes import probe_redis
from queuectl.settings import Settings

SLOW_MS = 20.0
NEARLY_FULL = 0.9
_OLDEST = (6, 2)
"""The first version that pops several messages in one command."""


def redis(settings: Settings) -> Iterator[Check]:
    """Look at the configured Redis server."""
    if settings.redis_url is None:
        yield Check("redis", ok=True, detail="not configured; one daemon keeps its messages itself")
        return
    facts = probe_redis(settings.redis_url)
    text = f"version {facts.version}, {facts.latency_ms:.1f} ms, policy {facts.policy}"
    hint = None
    if facts.latency_ms > SLOW_MS:
        yield Check("redis", ok=False, detail=text, hint="use a Redis server that is nearer")
        return
    if _is_older(facts.version):
        yield Check("redis", ok=False, detail=text, hint="upgrade it to 6.2 or later, or use Valkey")
        return
    if facts.policy not in {"noeviction", "unknown"}:
        text += "; messages that it drops are sent again after 15 s"
        hint = "noeviction drops none: redis-cli CONFIG SET maxmemory-policy noeviction"
    yield Check("redis", ok=True, warning=hint is not None, detail=text, hint=hint)
    if facts.memory_limit:
        share = facts.memory / facts.memory_limit
        full = share > NEARLY_FULL
        used = f"{facts.memory / 1024**2:.1f} of {facts.memory_limit / 1024**2:.1f} MiB in use"
        hint = (
            "give it more: redis-cli CONFIG SET maxmemory; queuectl itself needs a few MiB" if full else None
        )
        yield Check("redis memory", ok=True, warning=full, detail=used, hint=hint)


def _is_older(version: str) -> bool:
    numbers = version.split(".")[:2]
    return all(each.isdecimal() for each in numbers) and tuple(map(int, numbers)) < _OLDEST
