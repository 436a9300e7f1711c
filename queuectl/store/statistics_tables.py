"""The tables of statistics and reports, as Peewee models: sums, what is not added up yet, and deliveries."""

from __future__ import annotations

import peewee

from queuectl.store.table import Table


class ObservationRow(Table):
    """What one transaction has done to tasks, until it is in the statistics."""

    id = peewee.BigAutoField()
    content = peewee.TextField()

    class Meta:
        table_name = "observations"


class StatisticsRow(Table):
    """What happened in a minute, an hour or a day to the tasks of one queue, or of one host."""

    step = peewee.TextField()
    subject = peewee.TextField()
    start = peewee.BigIntegerField()
    name = peewee.TextField()
    submitted = peewee.BigIntegerField()
    imported = peewee.BigIntegerField()
    attempts = peewee.BigIntegerField()
    succeeded = peewee.BigIntegerField()
    retried = peewee.BigIntegerField()
    dead = peewee.BigIntegerField()
    cancelled = peewee.BigIntegerField()
    released = peewee.BigIntegerField()
    requeued = peewee.BigIntegerField()
    restored = peewee.BigIntegerField()
    waited_ms = peewee.BigIntegerField()
    longest_wait_ms = peewee.BigIntegerField()
    waits = peewee.TextField()
    ran_ms = peewee.BigIntegerField()
    longest_run_ms = peewee.BigIntegerField()
    runs = peewee.TextField()

    class Meta:
        table_name = "statistics"
        primary_key = peewee.CompositeKey("step", "subject", "start", "name")


class FailureStatisticsRow(Table):
    """How often runs of one queue failed in one way in a minute, an hour or a day."""

    step = peewee.TextField()
    start = peewee.BigIntegerField()
    queue = peewee.TextField()
    failure = peewee.TextField()
    cause = peewee.TextField()
    shape = peewee.TextField()
    retried = peewee.BigIntegerField()
    dead = peewee.BigIntegerField()

    class Meta:
        table_name = "failure_statistics"
        primary_key = peewee.CompositeKey("step", "start", "queue", "failure")


class ReportDeliveryRow(Table):
    """How far one line of the plan for reports is."""

    entry = peewee.TextField(primary_key=True)
    last_at = peewee.BigIntegerField()
    claimed_until = peewee.BigIntegerField()
    node = peewee.TextField(null=True)
    tries = peewee.IntegerField()
    next_try_at = peewee.BigIntegerField()
    problem = peewee.TextField(null=True)
    delivered_at = peewee.BigIntegerField(null=True)

    class Meta:
        table_name = "report_deliveries"
