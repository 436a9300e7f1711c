"""The tables of what happened to tasks, as Peewee models: attempts, people's changes, logs and dead letters."""

from __future__ import annotations

import peewee

from queuectl.store.table import Table


class AttemptRow(Table):
    """One run of a task that has ended."""

    task_id = peewee.BigIntegerField()
    fence = peewee.IntegerField()
    attempt = peewee.IntegerField()
    node = peewee.TextField(null=True)
    started_at = peewee.BigIntegerField()
    finished_at = peewee.BigIntegerField()
    outcome = peewee.TextField()
    error = peewee.TextField(null=True)
    traceback = peewee.TextField(null=True)
    move = peewee.TextField()
    recorded_at = peewee.BigIntegerField()

    class Meta:
        table_name = "attempts"
        primary_key = peewee.CompositeKey("task_id", "fence")


class ChangeRow(Table):
    """What a person's command did to a group of tasks."""

    id = peewee.BigAutoField()
    at = peewee.BigIntegerField()
    move = peewee.TextField()
    tasks = peewee.TextField()
    detail = peewee.TextField(null=True)

    class Meta:
        table_name = "changes"


class TaskLogRow(Table):
    """Lines that a run logged, one after the other."""

    task_id = peewee.BigIntegerField()
    fence = peewee.IntegerField()
    first_line = peewee.IntegerField()
    attempt = peewee.IntegerField()
    lines = peewee.TextField()

    class Meta:
        table_name = "task_logs"
        primary_key = peewee.CompositeKey("task_id", "fence", "first_line")


class DeadLetterRow(Table):
    """Why a task was given up, and what it takes to make it anew."""

    id = peewee.BigAutoField()
    task_id = peewee.BigIntegerField()
    queue = peewee.TextField()
    url = peewee.TextField()
    handler = peewee.TextField()
    cause = peewee.TextField()
    error = peewee.TextField(null=True)
    attempts = peewee.IntegerField()
    died_at = peewee.BigIntegerField()
    host = peewee.TextField()
    batch_id = peewee.BigIntegerField(null=True)
    priority_score = peewee.IntegerField()
    timeout = peewee.DoubleField(null=True)
    memory_limit = peewee.IntegerField(null=True)
    max_retries = peewee.IntegerField(null=True)
    unique_key = peewee.BigIntegerField(null=True)
    metadata = peewee.TextField()
    failure = peewee.TextField()
    shape = peewee.TextField()
    resurrected_as = peewee.BigIntegerField(null=True)
    resurrected_at = peewee.BigIntegerField(null=True)

    class Meta:
        table_name = "dead_letters"
