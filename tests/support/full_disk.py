"""A PostgreSQL whose disk has no room for some rows: the server itself refuses them, by the code of a full disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg2


@contextlib.contextmanager
def no_room(url: str, table: str, event: str, row: str) -> Iterator[None]:
    """Refuse to write rows of a table for which ``row`` holds, such as ``NEW.id > 7``; ``event`` is as in SQL."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
        )
        cursor.execute(
            f"CREATE TRIGGER no_room BEFORE {event} ON {table}"
            f" FOR EACH ROW WHEN ({row}) EXECUTE FUNCTION no_room()"
        )
        try:
            yield
        finally:
            cursor.execute(f"DROP TRIGGER no_room ON {table}")
            cursor.execute("DROP FUNCTION no_room")
