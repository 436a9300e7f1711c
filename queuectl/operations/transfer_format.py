"""The file of an export, version 1: its records, its limits, and how a line is written; docs/formats.md explains it.

A line is a JSON object. The first one is the header; every other one has a single field that names the
kind of its record, and the last one is ``end`` with the number of records and a checksum.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

FORMAT = "queuectl"
VERSION = 1

LINE_LIMIT = 2 * 1024 * 1024
"""The most bytes of a line; the result of a task alone may have 1 MiB."""

DEPTH_LIMIT = 256
"""The deepest nesting of a line; the result of a task alone may have 200 levels."""

BATCH_LIMIT = 1_000_000
"""The most batches of a file: their numbers are kept in memory until it is read."""

COUNTED = {
    "task": "tasks",
    "batch": "batches",
    "attempt": "attempts",
    "dead_letter": "dead_letters",
    "queue": "queues",
    "schedule": "schedules",
    "seen": "seen",
}
"""The kinds of records, and the names under which the last line counts them."""

SCHEDULE_LIMIT = 10_000
"""The most schedules of a file."""

SEEN_LIMIT = 10_000
"""The most keys of URLs in one line."""

_Number = Annotated[int, Meta(ge=1, le=2**53)]
_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Key = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Time = Annotated[datetime, Meta(tz=True)]
_State = Literal["scheduled", "queued", "retrying", "succeeded", "dead", "cancelled"]


class Record(Struct, forbid_unknown_fields=True):
    """What all records share: a field that nobody knows is a mistake."""


class Header(Record):
    """The first line."""

    format: str
    version: int
    made_at: _Time | None = None
    program: str | None = None
    filters: dict[str, Any] | None = None
    include: list[str] | None = None


class Queue(Record):
    """The switch and limits of a queue; one that is not given is removed."""

    name: str
    paused: bool = False
    max_size: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    rate_limit: str | None = None
    concurrency: _Count | None = None
    host_gap: float | None = None
    host_concurrency: _Count | None = None
    task_timeout: float | None = None
    memory_limit: _Count | None = None
    max_retries: _Count | None = None
    retry_backoff: float | None = None


class Schedule(Record):
    """A rule that submits the URLs of a source at set times."""

    name: str
    source: str
    cron: str
    zone: str | None = None
    score: int | None = None
    handler: str = "article"
    metadata: dict[str, Any] | None = None
    only_new: bool | None = None
    catch_up: str = "latest"
    overlap: str = "skip"
    paused: bool = False
    created_at: _Time | None = None
    next_tick_at: _Time | None = None
    etag: str | None = None
    last_modified: str | None = None
    good_entries: _Count | None = None


class Seen(Record):
    """Keys of URLs that the source of the schedule before it has had, rising."""

    schedule: str
    keys: list[_Key]


class Batch(Record):
    """Tasks that were submitted together; how many is counted from the file."""

    id: _Number
    created_at: _Time
    name: str | None = None
    interval_minutes: float = 0


class Task(Record):
    """A task; only its URL has to be given."""

    url: str
    id: _Number | None = None
    handler: str = "article"
    queue: str | None = None
    score: int | None = None
    state: _State | None = None
    metadata: dict[str, Any] | None = None
    batch: _Number | None = None
    unique: bool = False
    timeout: float | None = None
    memory_limit: _Count | None = None
    max_retries: _Count | None = None
    created_at: _Time | None = None
    run_at: _Time | None = None
    due_at: _Time | None = None
    started_at: _Time | None = None
    finished_at: _Time | None = None
    fence: _Count = 0
    attempt: _Count = 0
    released: _Count = 0
    crashes: _Count = 0
    result: Any | UnsetType = UNSET
    error: str | None = None


class Attempt(Record):
    """A run of the task before it that has ended."""

    task: _Number
    fence: _Count
    attempt: _Count
    started_at: _Time
    finished_at: _Time
    outcome: str
    node: str | None = None
    error: str | None = None
    traceback: str | None = None
    move: Literal["succeed", "retry", "bury", "cancel", "release"] | None = None
    recorded_at: _Time | None = None


class DeadLetter(Record):
    """Why the task before it was given up."""

    task: _Number
    cause: str
    attempts: _Count
    died_at: _Time
    error: str | None = None
    resurrected_as: _Number | None = None
    resurrected_at: _Time | None = None


class End(Record):
    """The last line: how many records of each kind came before, and the SHA-256 of all bytes before it."""

    counts: dict[str, int]
    sha256: str


KINDS: dict[str, type[Record]] = {
    "queue": Queue,
    "schedule": Schedule,
    "seen": Seen,
    "batch": Batch,
    "task": Task,
    "attempt": Attempt,
    "dead_letter": DeadLetter,
    "end": End,
}

_encode = msgspec.json.Encoder().encode


def header_line(made_at: int, program: str, filters: dict[str, Any], include: list[str]) -> bytes:
    """Return the first line of a file."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "made_at": moment(made_at),
        "program": program,
        "filters": filters,
        "include": include,
    }
    return _encode(header) + b"\n"


def line(kind: str, record: dict[str, Any]) -> bytes:
    """Return the line of a record; what is None is left out."""
    return _encode({kind: {name: value for name, value in record.items() if value is not None}}) + b"\n"


def stored_json(text: str) -> msgspec.Raw:
    """Return JSON as it is stored, to be put into a line as it is."""
    return msgspec.Raw(text.encode())


def moment(at: int) -> str:
    """Return a stored time as it stands in a file: ISO 8601 in UTC with milliseconds."""
    return f"{_second(at // 1000)}.{at % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
