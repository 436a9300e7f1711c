"""The tables as Peewee models; the numbered migrations create them, and a test keeps the two equal."""

from __future__ import annotations

import peewee

from queuectl.store.audit_tables import AuditRow, UndoRowRow, UndoTaskRow
from queuectl.store.history_tables import AttemptRow, ChangeRow, DeadLetterRow, TaskLogRow
from queuectl.store.statistics_tables import (
    FailureStatisticsRow,
    ObservationRow,
    ReportDeliveryRow,
    StatisticsRow,
)
from queuectl.store.table import Table
from queuectl.store.web_tables import SubmissionKeyRow, WebTokenRow


class TaskRow(Table):
    """One task, from its submission to its end."""

    id = peewee.BigAutoField()
    url = peewee.TextField()
    url_key = peewee.BigIntegerField()
    host = peewee.TextField()
    handler = peewee.TextField()
    queue = peewee.TextField()
    priority_score = peewee.IntegerField()
    rank = peewee.BigIntegerField()
    state = peewee.TextField()
    fence = peewee.IntegerField()
    attempt = peewee.IntegerField()
    released = peewee.IntegerField()
    crashes = peewee.IntegerField()
    node = peewee.TextField(null=True)
    due_at = peewee.BigIntegerField()
    run_at = peewee.BigIntegerField(null=True)
    created_at = peewee.BigIntegerField()
    dispatched_at = peewee.BigIntegerField(null=True)
    started_at = peewee.BigIntegerField(null=True)
    finished_at = peewee.BigIntegerField(null=True)
    timeout = peewee.DoubleField(null=True)
    memory_limit = peewee.IntegerField(null=True)
    max_retries = peewee.IntegerField(null=True)
    batch_id = peewee.BigIntegerField(null=True)
    unique_key = peewee.BigIntegerField(null=True)
    cancel_requested = peewee.IntegerField()
    metadata = peewee.TextField()
    result = peewee.TextField(null=True)
    error = peewee.TextField(null=True)

    class Meta:
        table_name = "tasks"


class TaskUrlRow(Table):
    """A task that a URL has had, whatever became of it."""

    url_key = peewee.BigIntegerField()
    task_id = peewee.BigIntegerField()

    class Meta:
        table_name = "task_urls"
        primary_key = peewee.CompositeKey("url_key", "task_id")


class BatchRow(Table):
    """Tasks submitted together."""

    id = peewee.BigAutoField()
    name = peewee.TextField(null=True)
    created_at = peewee.BigIntegerField()
    interval_minutes = peewee.DoubleField()
    submitted = peewee.IntegerField()
    first_task = peewee.BigIntegerField()
    last_task = peewee.BigIntegerField()

    class Meta:
        table_name = "batches"


class ArticleRow(Table):
    """An article that a succeeded task produced."""

    task_id = peewee.BigIntegerField(primary_key=True)
    url = peewee.TextField()
    final_url = peewee.TextField()
    title = peewee.TextField()
    author = peewee.TextField(null=True)
    account = peewee.TextField(null=True)
    published_at = peewee.BigIntegerField(null=True)
    language = peewee.TextField(null=True)
    markdown = peewee.TextField()
    html = peewee.TextField()
    images = peewee.TextField()
    markdown_path = peewee.TextField()
    html_path = peewee.TextField()
    stored_at = peewee.BigIntegerField()

    class Meta:
        table_name = "articles"


class ArticleDeliveryRow(Table):
    """How far the delivery of an article to the webhook is."""

    task_id = peewee.BigIntegerField(primary_key=True)
    attempt = peewee.BigIntegerField()
    begun_at = peewee.BigIntegerField()
    tries = peewee.BigIntegerField()
    next_try_at = peewee.BigIntegerField(null=True)
    problem = peewee.TextField(null=True)
    delivered_at = peewee.BigIntegerField(null=True)

    class Meta:
        table_name = "article_deliveries"


class QueueRow(Table):
    """A queue's switch and limits."""

    name = peewee.TextField(primary_key=True)
    paused = peewee.IntegerField()
    max_size = peewee.BigIntegerField(null=True)
    rate_starts = peewee.IntegerField(null=True)
    rate_period = peewee.BigIntegerField(null=True)
    concurrency = peewee.IntegerField(null=True)
    host_gap = peewee.DoubleField(null=True)
    host_concurrency = peewee.IntegerField(null=True)
    task_timeout = peewee.DoubleField(null=True)
    memory_limit = peewee.IntegerField(null=True)
    max_retries = peewee.IntegerField(null=True)
    retry_backoff = peewee.DoubleField(null=True)

    class Meta:
        table_name = "queues"


class QueueStartRow(Table):
    """The number of starts that a queue had had at a moment, while its rate is limited."""

    queue = peewee.TextField()
    at = peewee.BigIntegerField()
    total = peewee.BigIntegerField()

    class Meta:
        table_name = "queue_starts"
        primary_key = peewee.CompositeKey("queue", "at")


class HostRow(Table):
    """When a task of a host last started, and how long the host wants to be left alone."""

    host = peewee.TextField(primary_key=True)
    last_start_at = peewee.BigIntegerField(null=True)
    held_until = peewee.BigIntegerField(null=True)
    held_reason = peewee.TextField(null=True)

    class Meta:
        table_name = "hosts"


class ScheduleRow(Table):
    """A rule that submits the URLs of a source at set times."""

    id = peewee.BigAutoField()
    name = peewee.TextField()
    source = peewee.TextField()
    cron = peewee.TextField()
    zone = peewee.TextField()
    priority_score = peewee.IntegerField()
    handler = peewee.TextField()
    metadata = peewee.TextField()
    only_new = peewee.IntegerField(null=True)
    catch_up = peewee.TextField()
    overlap = peewee.TextField()
    paused = peewee.IntegerField()
    created_at = peewee.BigIntegerField()
    next_tick_at = peewee.BigIntegerField(null=True)
    firing_until = peewee.BigIntegerField(null=True)
    firing_node = peewee.TextField(null=True)
    etag = peewee.TextField(null=True)
    last_modified = peewee.TextField(null=True)
    good_entries = peewee.IntegerField(null=True)
    problem = peewee.TextField(null=True)
    problem_since = peewee.BigIntegerField(null=True)

    class Meta:
        table_name = "schedules"


class TickRow(Table):
    """One firing of a schedule."""

    schedule_id = peewee.BigIntegerField()
    tick_at = peewee.BigIntegerField()
    fired_at = peewee.BigIntegerField()
    outcome = peewee.TextField()
    accepted = peewee.IntegerField()
    duplicates = peewee.IntegerField()
    known = peewee.IntegerField()
    invalid = peewee.IntegerField()
    missed = peewee.IntegerField()
    by_hand = peewee.IntegerField()
    batch_id = peewee.BigIntegerField(null=True)
    node = peewee.TextField(null=True)
    problem = peewee.TextField(null=True)

    class Meta:
        table_name = "ticks"
        primary_key = peewee.CompositeKey("schedule_id", "tick_at")


class SourceUrlRow(Table):
    """A URL that the source of a schedule has had."""

    schedule_id = peewee.BigIntegerField()
    url_key = peewee.BigIntegerField()

    class Meta:
        table_name = "source_urls"
        primary_key = peewee.CompositeKey("schedule_id", "url_key")


class NodeRow(Table):
    """One daemon process, from its boot to its end."""

    id = peewee.TextField(primary_key=True)
    host = peewee.TextField()
    pid = peewee.IntegerField()
    version = peewee.TextField()
    started_at = peewee.BigIntegerField()
    heartbeat_at = peewee.BigIntegerField()
    lease_until = peewee.BigIntegerField()
    workers = peewee.IntegerField()
    running = peewee.IntegerField()
    transport = peewee.TextField()
    transport_up = peewee.IntegerField()
    per_minute = peewee.DoubleField()
    progress = peewee.TextField()
    handlers = peewee.TextField()
    clock_ahead = peewee.BigIntegerField()
    wanted_workers = peewee.IntegerField(null=True)
    kinds = peewee.TextField()
    held_back = peewee.TextField()
    role = peewee.TextField()
    caps = peewee.TextField()

    class Meta:
        table_name = "nodes"


class CounterRow(Table):
    """A part of the number of tasks in a queue and state; the parts of all shards add up."""

    shard = peewee.IntegerField()
    queue = peewee.TextField()
    state = peewee.TextField()
    tasks = peewee.BigIntegerField()

    class Meta:
        table_name = "counters"
        primary_key = peewee.CompositeKey("shard", "queue", "state")


class BatchCounterRow(Table):
    """A part of the number of tasks of a batch that have ended in a state; the parts of all shards add up."""

    batch_id = peewee.BigIntegerField()
    shard = peewee.IntegerField()
    state = peewee.TextField()
    tasks = peewee.BigIntegerField()
    first_at = peewee.BigIntegerField()
    last_at = peewee.BigIntegerField()

    class Meta:
        table_name = "batch_counters"
        primary_key = peewee.CompositeKey("batch_id", "shard", "state")


class FactRow(Table):
    """A single value about the whole installation."""

    name = peewee.TextField(primary_key=True)
    value = peewee.TextField()

    class Meta:
        table_name = "facts"


TABLES: tuple[type[Table], ...] = (
    TaskRow,
    TaskUrlRow,
    AttemptRow,
    ChangeRow,
    TaskLogRow,
    DeadLetterRow,
    BatchRow,
    ArticleRow,
    ArticleDeliveryRow,
    QueueRow,
    QueueStartRow,
    HostRow,
    ScheduleRow,
    TickRow,
    SourceUrlRow,
    NodeRow,
    CounterRow,
    BatchCounterRow,
    FactRow,
    AuditRow,
    UndoTaskRow,
    UndoRowRow,
    ObservationRow,
    StatisticsRow,
    FailureStatisticsRow,
    WebTokenRow,
    SubmissionKeyRow,
    ReportDeliveryRow,
)
