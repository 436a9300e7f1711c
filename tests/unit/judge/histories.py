"""An honest run to forge: a success after a retry, a dead letter, a cancellation, a schedule, and an audit line."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from tests.faults.judge import Histories

MS = 1_000_000
START = 1_700_000_040_000  # a full minute, UTC milliseconds


def task(number: int, state: str, **fields: Any) -> dict[str, Any]:
    """Return a task's row."""
    return {
        "id": number, "url": f"http://x.test/{number}", "handler": "work", "queue": "medium_priority",
        "priority_score": 5, "state": state, "fence": 1, "attempt": 1, "released": 0, "crashes": 0, "node": None,
        "due_at": START, "created_at": START, "finished_at": START + 9_000, "cancel_requested": 0, "metadata": "{}",
        "result": None, "error": None, "max_retries": None, "batch_id": None, "timeout": 1.0,
    } | fields  # fmt: skip


def attempt(number: int, fence: int, outcome: str, move: str, **fields: Any) -> dict[str, Any]:
    """Return a recorded run."""
    return {
        "task_id": number, "fence": fence, "attempt": fence, "node": "a", "outcome": outcome, "move": move,
        "error": None if outcome == "succeeded" else "it failed", "started_at": START, "finished_at": START,
    } | fields  # fmt: skip


def seen(number: int, fence: int, event: str, at_ms: int, **fields: Any) -> dict[str, Any]:
    """Return what the witness saw."""
    return {
        "event": event, "task": number, "fence": fence, "attempt": fence, "node": "a", "at": at_ms * MS,
    } | fields  # fmt: skip


def move(
    seq: int, number: int, old: str | None, new: str, fence: int, at: int, **fields: Any
) -> dict[str, Any]:
    """Return a change of a state."""
    return {
        "seq": seq, "task": number, "old": old, "new": new, "old_fence": fence - (new == "running"),
        "fence": fence, "attempt": fence, "node": "a", "queue": "medium_priority", "score": 5, "due_at": 0, "at": at,
    } | fields  # fmt: skip


def audit_line(number: int, previous: str) -> dict[str, Any]:
    """Return a line of the audit that follows the hash before."""
    row: dict[str, Any] = {
        "number": number, "operation": number, "at": START, "who": "me", "host": "here", "verb": "cancel",
        "target": "task_3", "things": 1, "before": None, "after": None, "undoes": None, "key": "k",
    }  # fmt: skip
    linked = json.dumps([previous, *row.values()], separators=(",", ":")).encode()
    return row | {"hash": hashlib.sha256(linked).hexdigest(), "seal": ""}


def honest() -> Histories:
    """Return the histories of a run in which all went well; each call returns others, to be forged at will."""
    lines = [audit_line(1, "0" * 64)]
    lines.append(audit_line(2, lines[0]["hash"]))
    letter = {
        "id": 1, "task_id": 2, "queue": "medium_priority", "url": "http://x.test/2", "handler": "work",
        "cause": "refused", "error": "it failed", "priority_score": 5, "metadata": "{}", "resurrected_as": None,
    }  # fmt: skip
    tables: dict[str, list[dict[str, Any]]] = {
        "tasks": [
            task(1, "succeeded", fence=2, attempt=2, result='{"fence": 2}'),
            task(2, "dead", error="it failed"),
            task(3, "cancelled", attempt=0),
            task(4, "succeeded", batch_id=7),
        ],
        "attempts": [
            attempt(1, 1, "failed", "retry"),
            attempt(1, 2, "succeeded", "succeed"),
            attempt(2, 1, "refused", "bury"),
            attempt(4, 1, "succeeded", "succeed"),
        ],
        "changes": [{"id": 1, "at": START, "move": "cancel", "tasks": "[3]", "detail": None}],
        "dead_letters": [letter],
        "counters": [
            {"queue": "medium_priority", "state": "succeeded", "tasks": 2},
            {"queue": "medium_priority", "state": "dead", "tasks": 1},
            {"queue": "medium_priority", "state": "cancelled", "tasks": 1},
        ],
        "batch_counters": [{"batch_id": 7, "shard": 0, "state": "succeeded", "tasks": 1}],
        "queues": [{"name": "medium_priority", "max_retries": None}],
        "schedules": [
            {
                "id": 1, "name": "news", "cron": "* * * * *", "zone": "UTC", "created_at": START - 30_000,
                "catch_up": "latest",
            }
        ],
        "ticks": [
            {
                "schedule_id": 1, "tick_at": START, "fired_at": START + 5, "by_hand": 0, "missed": 0, "batch_id": 7,
                "accepted": 1,
            },
            {
                "schedule_id": 1, "tick_at": START + 120_000, "fired_at": START + 120_009, "by_hand": 0,
                "missed": 1, "batch_id": None, "accepted": 0,
            },
        ],
        "audit": lines,
        "facts": [{"name": "audit_head", "value": f"2:{lines[1]['hash']}:k:s"}],
        "events": [
            move(1, 1, None, "queued", 0, 0),
            move(2, 2, None, "queued", 0, 1),
            move(3, 3, None, "scheduled", 0, 2),
            move(4, 1, "queued", "running", 1, 3),
            move(5, 2, "queued", "running", 1, 3),
            move(6, 3, "scheduled", "cancelled", 1, 4, old_fence=0),
            move(7, 1, "running", "retrying", 1, 50, old_fence=1),
            move(8, 2, "running", "dead", 1, 50, old_fence=1),
            move(9, 1, "retrying", "queued", 1, 150, old_fence=1),
            move(10, 1, "queued", "running", 2, 151),
            move(11, 1, "running", "succeeded", 2, 200, old_fence=2),
            move(12, 4, None, "queued", 0, 201),
            move(13, 4, "queued", "running", 1, 202),
            move(14, 4, "running", "succeeded", 1, 220, old_fence=1),
        ],
    }  # fmt: skip
    client = [
        {"event": "invoke", "key": "a", "urls": ["http://x.test/1", "http://x.test/2"], "at": 0},
        {
            "event": "ok",
            "key": "a",
            "ids": [1, 2],
            "urls": ["http://x.test/1", "http://x.test/2"],
            "at": 1,
            "due": 0,
        },
        {"event": "invoke", "key": "b", "urls": ["http://x.test/3"], "at": 2, "idempotency": "once"},
        {"event": "unknown", "key": "b", "at": 3},
        {"event": "invoke", "key": "c", "urls": ["http://x.test/refused"], "at": 4},
        {"event": "fail", "key": "c", "at": 5},
        {"event": "invoke", "verb": "cancel", "key": "d", "ids": [3], "at": 6},
        {"event": "ok", "verb": "cancel", "key": "d", "ids": [3], "at": 7},
    ]
    witness = [
        seen(1, 1, "start", 10), seen(1, 1, "end", 40), seen(2, 1, "start", 11), seen(2, 1, "end", 20),
        seen(1, 2, "start", 152), seen(1, 2, "end", 190), seen(4, 1, "start", 205), seen(4, 1, "end", 210),
    ]  # fmt: skip
    samples: list[dict[str, Any]] = [
        {"kind": "memory", "who": "the daemon", "bytes": 90 << 20},
        {"kind": "store", "name": "Redis", "value": 1, "limit": 16},
        {"kind": "round_trip", "what": "the export", "before": "x", "after": "x"},
        {"kind": "promise", "what": "an answer", "durable_at": 1, "told_at": 2},
        {
            "kind": "books",
            "source": "status",
            "submitted": 4,
            "succeeded": 2,
            "dead": 1,
            "cancelled": 1,
            "open": 0,
        },
    ]
    facts = {
        "seed": 17, "max_retries": 3, "crash_limit": 3, "lateness_ms": 250, "ticks_until": START + 130_000,
        "order": {"buffer": 0, "lag_ms": 0}, "backoff": {"seconds": 0.1, "longest": 1.0, "lag_ms": 100},
        "limits": [{"queue": "medium_priority", "starts": 2, "period_ms": 100, "concurrency": 2}],
        "kill_grace_ms": 50, "takeover_ms": 100,
    }  # fmt: skip
    return copy.deepcopy(Histories(client, witness, tables, facts, samples))
