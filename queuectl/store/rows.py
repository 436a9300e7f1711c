"""Many rows in one statement whose text does not depend on their number, for both engines."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence

Columns = tuple[tuple[str, str], ...]
"""Pairs of a column's name and its PostgreSQL type."""


def json_table(columns: Columns, rows: Sequence[Sequence[object]]) -> tuple[str, list[object]]:
    """Return SQLite's table expression named ``v`` for ``rows``, and its one parameter."""
    return _json_table(columns), [json.dumps(rows, ensure_ascii=False)]


def array_table(columns: Columns, rows: Sequence[Sequence[object]]) -> tuple[str, list[object]]:
    """Return PostgreSQL's table expression named ``v`` for ``rows``, and its parameters, one for each column."""
    cells = zip(*rows, strict=True) if rows else ((),) * len(columns)
    return _array_table(columns), [array(column) for column in cells]


@functools.lru_cache(maxsize=64)
def _json_table(columns: Columns) -> str:
    picks = ", ".join(
        f"json_extract(value, '$[{place}]') AS {name}" for place, (name, _) in enumerate(columns)
    )
    return f"(SELECT {picks} FROM json_each(%s)) AS v"


@functools.lru_cache(maxsize=64)
def _array_table(columns: Columns) -> str:
    arrays = ", ".join(f"%s::{kind}[]" for _, kind in columns)
    names = ", ".join(name for name, _ in columns)
    return f"unnest({arrays}) AS v({names})"


def array(values: Iterable[object]) -> str:
    """Return values as the text of a PostgreSQL array.

    The driver would write ``ARRAY[…]`` with an expression for each element, which the server parses
    and plans one by one; this is a single constant to it.
    """
    return "{" + ",".join(["NULL" if each is None else _element(each) for each in values]) + "}"


def _element(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def placeholders(values: Iterable[object]) -> str:
    """Return ``%s, %s, …`` with one place for each value; for none NULL, which is in no list of values."""
    return ", ".join("%s" for _ in values) or "NULL"
