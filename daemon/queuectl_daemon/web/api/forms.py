"""What requests may carry: the same selectors and options as the commands, each with its bounds."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from queuectl.domain.selection import DEFAULT_LIMIT
from queuectl.operations.selectors import LetterWords, Selectors

MOST_LISTED = 1_000
"""So many things one page of a list holds at the most."""

Word = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(min_length=1, max_length=2_000)]
Address = Annotated[str, Meta(min_length=1, max_length=20_000)]
Words = Annotated[list[Word], Meta(max_length=MOST_LISTED)]
Limit = Annotated[int, Meta(ge=1, le=MOST_LISTED)]
Number = Annotated[int, Meta(ge=0, le=2**53)]
Seconds = Annotated[float, Meta(ge=0, le=604_800)]
Days = Annotated[float, Meta(ge=0, le=36_500)]


class Filter(Struct, forbid_unknown_fields=True, kw_only=True):
    """Selects tasks: all that is given must hold. Lists are repeated, or written with commas."""

    id: Words | None = None
    state: Words | None = None
    queue: Words | None = None
    priority: Words | None = None
    batch: Word | None = None
    host: Word | None = None
    url: Text | None = None
    error: Text | None = None
    since: Word | None = None
    until: Word | None = None
    older_than: Word | None = None

    def selectors(self, limit: int | None = None, *, everything: bool = False) -> Selectors:
        """Return them as the commands have them."""
        return Selectors(
            ids=self.id,
            state=self.state,
            queue=self.queue,
            priority=self.priority,
            batch=self.batch,
            host=self.host,
            url=self.url,
            error=self.error,
            since=self.since,
            until=self.until,
            older_than=self.older_than,
            limit=limit,
            everything=everything,
        )


class TaskList(Filter, kw_only=True):
    """A page of tasks; ``after`` is what the page before called ``next``."""

    sort: Word = "created"
    limit: Limit = DEFAULT_LIMIT
    after: Word | None = None


class TaskCount(Filter, kw_only=True):
    """How many tasks match, in all or by something."""

    by: Word | None = None
    limit: Limit = MOST_LISTED


class Many(Filter, kw_only=True):
    """An action on all tasks that match.

    ``dry_run`` only counts. Otherwise ``confirm`` is the largest number of tasks that it may be done to; where more
    match by now, nothing is done.
    """

    all: bool = False
    dry_run: bool = False
    confirm: Number | None = None
    limit: Number | None = None


class Reprioritize(Struct, forbid_unknown_fields=True, kw_only=True):
    """Another priority: a name or a score."""

    priority: Word | None = None
    score: int | None = None


class ManyReprioritize(Many, kw_only=True):
    """Another priority for all tasks that match; ``priority`` selects, ``to_priority`` or ``to_score`` is new."""

    to_priority: Word | None = None
    to_score: int | None = None


class Submit(Struct, forbid_unknown_fields=True, kw_only=True):
    """One task. ``run_at`` is a time or a delay such as ``90m``; ``timeout`` is seconds, ``memory_limit`` megabytes."""

    url: Address
    priority: Word | None = None
    score: int | None = None
    run_at: Word | None = None
    metadata: dict[str, Any] = {}
    handler: Word | None = None
    timeout: Seconds | None = None
    memory_limit: Number | None = None
    max_retries: Number | None = None
    unique: bool = False


class SubmitBatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """Tasks that are submitted together; ``tasks`` are addresses, or objects as for one task."""

    tasks: Annotated[list[Address | Submit], Meta(min_length=1, max_length=100_000)]
    name: Word | None = None
    priority: Word | None = None
    interval_minutes: Annotated[float, Meta(ge=0, le=525_600)] = 0.0
    start_at: Word | None = None
    on_duplicate: Word = "skip"
    dry_run: bool = False


class Limited(Struct, forbid_unknown_fields=True, kw_only=True):
    """How many of the newest."""

    limit: Limit = DEFAULT_LIMIT


class Clear(Struct, forbid_unknown_fields=True, kw_only=True):
    """Cancel what waits in a queue; ``confirm`` is the largest number of tasks."""

    dry_run: bool = False
    confirm: Number | None = None


class AddSchedule(Struct, forbid_unknown_fields=True, kw_only=True):
    """A schedule, as ``queuectl schedule add`` takes it."""

    source: Address
    cron: Word
    zone: Word | None = None
    name: Word | None = None
    priority: Word | None = None
    score: int | None = None
    handler: Word = "article"
    metadata: dict[str, Any] = {}
    catch_up: Word = "latest"
    overlap: Word = "skip"
    only_new: bool | None = None


class RunNow(Struct, forbid_unknown_fields=True, kw_only=True):
    """Whether a list may be submitted although it has lost most of its entries."""

    accept_shrunk: bool = False


class Next(Struct, forbid_unknown_fields=True, kw_only=True):
    """How many of the next ticks."""

    next: Limit = 20


class Preview(Next, kw_only=True):
    """An expression to try."""

    cron: Word
    zone: Word | None = None


class Optimize(Many, kw_only=True):
    """Tasks that are to be spread over a window."""

    start: Word
    end: Word
    max_per_hour: Number


class Deliver(Struct, forbid_unknown_fields=True, kw_only=True):
    """Articles to be delivered to the webhook: of the tasks with these ids, or all whose delivery has failed."""

    id: Words | None = None
    failed: bool = False


class Letters(Filter, kw_only=True):
    """Selects dead letters, whose ``id`` is their number; ``resurrected`` adds those that were resurrected already."""

    cause: Word | None = None
    failure: Word | None = None
    resurrected: bool = False
    limit: Limit = DEFAULT_LIMIT

    def words(self) -> LetterWords:
        """Return what only dead letters are selected by."""
        return LetterWords(self.cause, self.failure, resurrected=self.resurrected)


class Resurrect(Many, kw_only=True):
    """Submit the tasks of all dead letters that match anew."""

    cause: Word | None = None
    failure: Word | None = None
    again: bool = False

    def words(self) -> LetterWords:
        """Return what only dead letters are selected by."""
        return LetterWords(self.cause, self.failure, resurrected=self.again)


class Again(Struct, forbid_unknown_fields=True, kw_only=True):
    """Whether one that was resurrected already may be once more."""

    again: bool = False


class Purge(Struct, forbid_unknown_fields=True, kw_only=True):
    """Remove dead letters older than so many days; ``confirm`` is the largest number of them."""

    days: Days = 30.0
    dry_run: bool = False
    confirm: Number | None = None


class Events(Filter, kw_only=True):
    """Which events, and how many of the last ones."""

    limit: Limit = DEFAULT_LIMIT


class Follow(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which events are to be told as they happen."""

    id: Words | None = None
    queue: Words | None = None


class AuditList(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which operations, the newest first."""

    since: Word | None = None
    until: Word | None = None
    who: Word | None = None
    verb: Word | None = None
    limit: Limit = DEFAULT_LIMIT


class Verify(Struct, forbid_unknown_fields=True, kw_only=True):
    """An end of the record that was written down elsewhere."""

    anchor: Word | None = None


class Undo(Struct, forbid_unknown_fields=True, kw_only=True):
    """Whether to say only what undoing would do."""

    dry_run: bool = False


class Simulate(Struct, forbid_unknown_fields=True, kw_only=True):
    """What if: other workers, limits by queue, or tasks that are thought to be submitted now."""

    workers: Number | None = None
    rate_limits: dict[Word, Word | None] = {}
    concurrency: dict[Word, Number | None] = {}
    add: Number = 0
    priority: Word = "medium"
    duration_ms: Number | None = None


class StatisticsWanted(Struct, forbid_unknown_fields=True, kw_only=True):
    """A period, by default the last day; ``step`` is minute, hour or day, ``by`` queue or host."""

    since: Word | None = None
    until: Word | None = None
    step: Word | None = None
    by: Word | None = None
