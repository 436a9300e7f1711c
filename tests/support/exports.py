"""Make export files by hand, and compare them without their ids."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from queuectl.domain.selection import Selection
from queuectl.domain.transfer import ExportReceipt
from queuectl.operations import transfer_format as form
from queuectl.operations.exporting import export
from queuectl.operations.transfer import parts_named
from queuectl.store.database import Database

HEADER = {"format": "queuectl", "version": 1}

Record = dict[str, Any]


def task(number: int | None = None, **fields: Any) -> Record:
    """Return the record of a task with a URL of its own."""
    record = {"url": f"https://example.com/{number or 0}"} | fields
    return {"task": record | ({} if number is None else {"id": number})}


def whole(body: bytes, counts: dict[str, int]) -> bytes:
    """Return a file: what comes before the last line, and that line."""
    end = {"end": {"counts": counts, "sha256": hashlib.sha256(body).hexdigest()}}
    return body + json.dumps(end).encode() + b"\n"


def a_file(records: Iterable[Record | bytes], header: Record | bytes = HEADER) -> bytes:
    """Return a file with a right end; records may be lines that no program would write."""
    lines = [header, *records]
    counts = Counter(
        form.COUNTED.get(kind, kind) for each in lines[1:] if isinstance(each, dict) for kind in each
    )
    body = b"".join(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in lines)
    return whole(body, dict(counts))


def resummed(content: bytes) -> bytes:
    """Return a file whose checksum fits again after its other lines were changed."""
    body, _, end = content.rstrip(b"\n").rpartition(b"\n")
    body += b"\n"
    try:
        counts = json.loads(end)["end"]["counts"]
    except (ValueError, KeyError, TypeError):
        counts = {}
    return whole(body, counts)


def exported(database: Database, *include: str, **filters: Any) -> tuple[bytes, ExportReceipt]:
    """Return an export of a database, with all parts unless some are named."""
    stream = io.BytesIO()
    receipt = export(database, stream, Selection(**filters), parts_named(include or ("all",)))
    return stream.getvalue(), receipt


def records_of(content: bytes) -> list[Record]:
    """Return what is between the first and the last line of a file."""
    return [json.loads(line) for line in content.splitlines()[1:-1]]


def without_ids(content: bytes) -> list[Record]:
    """Return the records of a file with the first task and the first batch counted as number 1."""
    places: dict[str, dict[int, int]] = {"task": {}, "batch": {}}
    records = records_of(content)
    for record in records:
        for kind, fields in record.items():
            for name, numbering in (
                ("id", kind),
                ("batch", "batch"),
                ("task", "task"),
                ("resurrected_as", "task"),
            ):
                if name in fields and numbering in places:
                    known = places[numbering]
                    fields[name] = known.setdefault(fields[name], len(known) + 1)
    return records


def put(folder: Path, content: bytes, name: str = "export.jsonl") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content)
    return path
