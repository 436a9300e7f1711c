"""The tables of what people did, as Peewee models: the audit, and what it takes to undo."""

from __future__ import annotations

import peewee

from queuectl.store.table import Table


class AuditRow(Table):
    """What somebody did to one group of things."""

    number = peewee.BigIntegerField(primary_key=True)
    operation = peewee.BigIntegerField()
    at = peewee.BigIntegerField()
    who = peewee.TextField()
    host = peewee.TextField()
    verb = peewee.TextField()
    target = peewee.TextField()
    things = peewee.BigIntegerField()
    before = peewee.TextField(null=True)
    after = peewee.TextField(null=True)
    undoes = peewee.BigIntegerField(null=True)
    key = peewee.TextField()
    hash = peewee.TextField()
    seal = peewee.TextField()

    class Meta:
        table_name = "audit"


class UndoTaskRow(Table):
    """A task as it was before an operation, and the fence and score that this gave it."""

    operation = peewee.BigIntegerField()
    task_id = peewee.BigIntegerField()
    state = peewee.TextField()
    score = peewee.IntegerField()
    fence = peewee.IntegerField()
    given_score = peewee.IntegerField()

    class Meta:
        table_name = "undo_tasks"
        primary_key = peewee.CompositeKey("operation", "task_id")


class UndoRowRow(Table):
    """Another thing as it was before one line of an operation, as JSON; the number is that of the line."""

    operation = peewee.BigIntegerField(primary_key=True)
    content = peewee.TextField()

    class Meta:
        table_name = "undo_rows"
