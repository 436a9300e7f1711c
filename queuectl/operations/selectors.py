"""What selects tasks and dead letters, as people and programs write it: ids and filters, the same on every verb."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from queuectl.domain.dead_letter import DeadLetterSelection, dead_letter_number
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import level_named, queue_named
from queuectl.domain.selection import Selection
from queuectl.domain.task import batch_number, task_number
from queuectl.errors import InvalidInputError

ALL = "--all"


@dataclass(frozen=True, slots=True)
class Selectors:
    """The words that select tasks, as they were typed; times without a zone are read in ``zone``."""

    ids: list[str] | None = None
    state: list[str] | None = None
    queue: list[str] | None = None
    priority: list[str] | None = None
    batch: str | None = None
    host: str | None = None
    url: str | None = None
    error: str | None = None
    since: str | None = None
    until: str | None = None
    older_than: str | None = None
    limit: int | None = None
    everything: bool = False

    def selection(self, zone: str) -> Selection:
        """Return what they mean.

        Raises:
            InvalidInputError: one of them means nothing, or two can never hold together.
            NotFoundError: one is not a task id, or not a batch id.
        """
        return Selection(
            ids=tuple(dict.fromkeys(task_number(each) for each in self.ids or ())),
            states=tuple(_state(each) for each in _words(self.state)),
            queues=self._queues(),
            batch=batch_number(self.batch) if self.batch is not None else None,
            host=self.host,
            url=self.url,
            error=self.error,
            since=moment_in_past(zone, self.since),
            until=self._until(zone),
            limit=self.limit,
        )

    def narrow_selection(self, zone: str, verb: str, *, or_all: bool = True) -> Selection:
        """Return what they mean for a verb that must not take everything by accident; ``or_all`` lets ``--all`` say it.

        Raises:
            InvalidInputError: there is neither an id nor a filter, nor ``--all``; or one means nothing.
            NotFoundError: one is not a task id, or not a batch id.
        """
        selection = self.selection(zone)
        self.check_narrow(verb, "task", narrow=not selection.matches_everything, or_all=or_all)
        return selection

    def check_narrow(self, verb: str, thing: str, *, narrow: bool, or_all: bool = True) -> None:
        """Check that either an id or a filter was given, by which the selection is ``narrow``, or ``--all``.

        Raises:
            InvalidInputError: neither was, or both.
        """
        if not narrow and not self.everything:
            raise InvalidInputError(
                f"it is not said which {thing}s to {verb}",
                hint=f"give ids or filters such as --queue low{f', or {ALL} for every {thing}' if or_all else ''}",
            )
        if narrow and self.everything:
            raise InvalidInputError(
                f"{ALL} and a narrower selection contradict each other", hint=f"leave out {ALL}"
            )

    def _queues(self) -> tuple[str, ...]:
        queues = list(dict.fromkeys(queue_named(each) for each in _words(self.queue)))
        levels = list(dict.fromkeys(level_named(each).queue for each in _words(self.priority)))
        if not queues or not levels:
            return tuple(queues or levels)
        both = tuple(each for each in queues if each in levels)
        if not both:
            raise InvalidInputError(
                "a queue and a priority exclude each other here: each priority has a queue of its own",
                hint="give one of them",
            )
        return both

    def _until(self, zone: str) -> int | None:
        until = moment_in_past(zone, self.until)
        if self.older_than is None:
            return until
        from queuectl.clock import now_ms
        from queuectl.times import parse_duration

        before = now_ms() - round(parse_duration(self.older_than).total_seconds() * 1000)
        return before if until is None else min(until, before)


def _words(texts: Iterable[str] | None) -> list[str]:
    return [word for text in texts or () for word in text.split(",")]


def _state(name: str) -> State:
    try:
        return State(name.strip().lower())
    except ValueError as error:
        known = ", ".join(State)
        raise InvalidInputError(f"there is no state {name!r}", hint=f"the states are {known}") from error


def moment_in_past(zone: str, text: str | None) -> int | None:
    """Return the moment that an option names, in UTC milliseconds; a duration counts back from now."""
    if text is None:
        return None
    from queuectl.times import milliseconds, parse_moment

    return milliseconds(parse_moment(text, zone, towards="past"))


@dataclass(frozen=True, slots=True)
class LetterWords:
    """The words that only dead letters are selected by; ``resurrected`` adds those that were resurrected already."""

    cause: str | None = None
    failure: str | None = None
    resurrected: bool = False


def letter_selection(selectors: Selectors, words: LetterWords, zone: str) -> DeadLetterSelection:
    """Return what the selectors mean for dead letters.

    Raises:
        InvalidInputError: one of them means nothing, or two can never hold together.
        NotFoundError: one is not a number of a dead letter, or not a batch id.
    """
    chosen = replace(selectors, ids=None).selection(zone)
    return DeadLetterSelection(
        ids=tuple(dict.fromkeys(dead_letter_number(each) for each in selectors.ids or ())),
        queues=chosen.queues,
        batch=chosen.batch,
        host=chosen.host,
        url=chosen.url,
        error=chosen.error,
        cause=words.cause.strip().lower() if words.cause is not None else None,
        failure=words.failure.strip().lower() if words.failure is not None else None,
        since=chosen.since,
        until=chosen.until,
        resurrected=words.resurrected,
        limit=chosen.limit,
    )


def narrows(selection: DeadLetterSelection) -> bool:
    """Tell whether an id or a filter was given."""
    return replace(selection, resurrected=False, limit=None) != DeadLetterSelection()
