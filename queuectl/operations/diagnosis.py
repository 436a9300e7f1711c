"""Look at everything that queuectl depends on; each finding that is not in order names what mends it."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from shlex import quote

from queuectl.errors import QueuectlError
from queuectl.operations.administration import Check, database_check
from queuectl.operations.local_daemon import local_daemon
from queuectl.operations.opening import open_database
from queuectl.operations.probes import probe_redis
from queuectl.settings import Settings
from queuectl.store import nodes, schedules
from queuectl.store.version import SAFE_SQLITE, engine_version, is_safe_sqlite

LEAST_FREE_BYTES = 200 * 1024 * 1024
SLOW_MS = 20.0
_SPARE_FILES = 128
_FILES_OF_A_WORKER = 8
_SHOWN_PROBLEMS = 10


def diagnose(settings: Settings) -> list[Check]:
    """Return every check; one that fails in an unforeseen way is a finding and stops no other."""
    checks: list[Check] = []
    for name, look in _LOOKS:
        try:
            checks.extend(look(settings))
        except QueuectlError as error:
            checks.append(Check(name, ok=False, detail=error.message, hint=error.hint))
        except OSError as error:
            checks.append(Check(name, ok=False, detail=str(error), hint="see: queuectl config show"))
    return checks


def _home(settings: Settings) -> Iterator[Check]:
    home = settings.home
    if not home.exists():
        parent = next(each for each in home.parents if each.exists())
        ok = os.access(parent, os.W_OK)
        hint = None if ok else f"choose another home with --home, or let {parent} be written"
        yield Check("home", ok, f"{home} does not exist yet", hint)
        return
    try:
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        hint = "choose another home with --home, or correct the folder's owner and permissions"
        yield Check("home", ok=False, detail=f"{home} cannot be written: {error.strerror}", hint=hint)
        return
    if home.stat().st_mode & 0o002:
        yield Check("home", ok=False, detail=f"every user may write to {home}", hint=f"run: chmod 700 {home}")
    else:
        yield Check("home", ok=True, detail=f"{home} can be written")


def _disk(settings: Settings) -> Iterator[Check]:
    folder = next(each for each in (settings.home, *settings.home.parents) if each.exists())
    free = shutil.disk_usage(folder).free
    enough = free >= LEAST_FREE_BYTES
    text = f"{free / 1024**3:.1f} GiB free" if free >= 1024**3 else f"{free / 1024**2:.0f} MiB free"
    yield Check("disk", enough, text, None if enough else f"free some space on the disk of {settings.home}")


def _database(settings: Settings) -> Iterator[Check]:
    database = open_database(settings)
    try:
        with database.reading() as transaction:
            version = engine_version(transaction)
    finally:
        database.close()
    if database.engine == "postgresql":
        yield Check("database", ok=True, detail=f"PostgreSQL {version} at {database.shown}")
    else:
        safe = is_safe_sqlite(version)
        detail = f"SQLite {version} at {database.shown}"
        if not safe:
            # Rare, and avoided as long as one daemon does all checkpoints: worth knowing, no failure.
            detail += f"; {'.'.join(map(str, SAFE_SQLITE))} repairs a rare fault of its log"
        yield Check("database", ok=True, detail=detail)
    yield from database_check(settings)


def _redis(settings: Settings) -> Iterator[Check]:
    if settings.redis_url is None:
        yield Check("redis", ok=True, detail="not configured; one daemon keeps its messages itself")
        return
    facts = probe_redis(settings.redis_url)
    text = f"version {facts.version}, {facts.latency_ms:.1f} ms, policy {facts.policy}"
    if facts.policy not in {"noeviction", "unknown"}:
        text += " (messages it drops are sent again after 15 s; noeviction drops none)"
    slow = facts.latency_ms > SLOW_MS
    yield Check("redis", not slow, text, "use a Redis server that is nearer" if slow else None)


def _daemon(settings: Settings) -> Iterator[Check]:
    found = local_daemon(settings.home)
    if found is not None:
        yield Check("daemon", ok=True, detail=f"runs with pid {found.pid}")
        return
    elsewhere = _other_nodes(settings)
    if elsewhere:
        yield Check("daemon", ok=True, detail=f"runs on {', '.join(elsewhere)}")
    else:
        yield Check("daemon", ok=False, detail="none is running", hint="run: queuectl daemon start")


def _other_nodes(settings: Settings) -> list[str]:
    from queuectl.clock import now_ms

    try:
        database = open_database(settings)
    except QueuectlError:  # reported by its own check
        return []
    with database.reading() as transaction:
        known = nodes.every(transaction)
    database.close()
    return sorted({node.host for node in known if node.lease_until > now_ms()})


def _handlers(settings: Settings) -> Iterator[Check]:
    from queuectl.handlers import registry

    for name, handler in settings.handlers.items():
        label = f"handler {name}"
        if handler.command is not None:
            program = shutil.which(handler.command[0])
            hint = None if program else f"install it, or correct handlers.{name}.command"
            yield Check(label, program is not None, program or f"there is no {handler.command[0]}", hint)
        elif handler.callable is not None:
            yield _importable(label, handler.callable, partial(registry.load, name, settings))
    yield Check("handler article", ok=True, detail="built in")


def _importable(label: str, target: str, load: Callable[[], object]) -> Check:
    try:
        load()
    except Exception as error:  # noqa: BLE001  the user's module may fail in any way while it is imported
        hint = f"install the package of {target}, or add its folder to PYTHONPATH"
        return Check(label, ok=False, detail=f"{target} cannot be imported: {error}", hint=hint)
    return Check(label, ok=True, detail=f"{target} can be imported")


def _files(settings: Settings) -> Iterator[Check]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _SPARE_FILES + _FILES_OF_A_WORKER * settings.workers
    enough = soft == resource.RLIM_INFINITY or soft >= needed
    shown = "no limit" if soft == resource.RLIM_INFINITY else f"{soft} may be open"
    hint = None if enough else f"run: ulimit -n {needed}, or set LimitNOFILE={needed} in the unit"
    yield Check("open files", enough, f"{shown}, {needed} needed for {settings.workers} workers", hint)


def _schedules(settings: Settings) -> Iterator[Check]:
    try:
        database = open_database(settings)
    except QueuectlError:  # reported by its own check
        return
    with database.reading() as transaction:
        troubled = schedules.problems(transaction, _SHOWN_PROBLEMS)
        known = schedules.every(transaction)
    database.close()
    for each in troubled:
        hint = f"see: queuectl schedule show {quote(each.name)}"
        yield Check(f"schedule {each.name}", ok=False, detail=each.problem, hint=hint)
    if not troubled:
        number = len(known)
        yield Check("schedules", ok=True, detail=f"{number} known, none with a problem" if number else "none")


def _log(settings: Settings) -> Iterator[Check]:
    folder: Path = settings.home / "logs"
    if folder.exists() and not os.access(folder, os.W_OK):
        yield Check("logs", ok=False, detail=f"{folder} cannot be written", hint="correct its owner")


_LOOKS: tuple[tuple[str, Callable[[Settings], Iterator[Check]]], ...] = (
    ("home", _home),
    ("disk", _disk),
    ("logs", _log),
    ("database", _database),
    ("redis", _redis),
    ("daemon", _daemon),
    ("handlers", _handlers),
    ("open files", _files),
    ("schedules", _schedules),
)
