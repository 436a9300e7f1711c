"""Every error that queuectl raises on purpose, and the exit code that each one ends a command with.

An error carries what happened to which thing (its message) and what to type next (its hint).
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means; the numbers are part of the contract and never change."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DAEMON_NOT_RUNNING = 3
    NOT_FOUND = 4
    REFUSED = 5
    PARTLY_DONE = 6
    AWAITED_TASK_FAILED = 7
    UNREACHABLE = 8
    BAD_CONFIGURATION = 9
    BAD_INPUT_FILE = 10
    TIMED_OUT = 124
    INTERRUPTED = 130


class QueuectlError(Exception):
    """Something queuectl could not do."""

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.hint = hint

    @property
    def message(self) -> str:
        """What happened to which thing, as one sentence."""
        return str(self.args[0])


class InvalidInputError(QueuectlError):
    """An argument is not acceptable."""

    exit_code = ExitCode.USAGE


class InvalidURLError(InvalidInputError):
    """The text is not an http or https address that can be fetched."""


class MissingDependencyError(QueuectlError):
    """A package that only this needs is not installed."""


class BadInputFileError(QueuectlError):
    """An input file cannot be read or used."""

    exit_code = ExitCode.BAD_INPUT_FILE


class NotFoundError(QueuectlError):
    """The named thing does not exist."""

    exit_code = ExitCode.NOT_FOUND


class TaskNotFoundError(NotFoundError):
    """There is no task with this id."""


class BatchNotFoundError(NotFoundError):
    """There is no batch with this id."""


class QueueNotFoundError(NotFoundError):
    """There is no queue with this name."""


class ScheduleNotFoundError(NotFoundError):
    """There is no schedule with this name."""


class NodeNotFoundError(NotFoundError):
    """There is no running daemon with this id."""


class DeadLetterNotFoundError(NotFoundError):
    """There is no dead letter with this id."""


class ArticleNotFoundError(NotFoundError):
    """The task has no article."""


class RefusedError(QueuectlError):
    """The request is understood and declined."""

    exit_code = ExitCode.REFUSED


class DuplicateTaskError(RefusedError):
    """An open task for the same URL exists already."""


class ScheduleExistsError(RefusedError):
    """There is a schedule with this name already."""


class KeyReusedError(RefusedError):
    """The key of this submission was used for another one already."""


class QueueFullError(RefusedError):
    """The queue has no room for this submission."""


class WrongStateError(RefusedError):
    """The task is in a state that does not allow this."""


class AlreadyResurrectedError(RefusedError):
    """A task came of this dead letter already."""


class NoPlanError(RefusedError):
    """The tasks do not fit into the window.

    ``binding`` names the limits of which each alone is in the way; empty if only several together are.
    ``later_end`` (UTC milliseconds), ``higher_cap`` and ``leave_out`` (tasks) are the smallest changes
    of which each alone is enough; None where no change of that kind is.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        binding: tuple[str, ...] = (),
        later_end: int | None = None,
        higher_cap: int | None = None,
        leave_out: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.binding = binding
        self.later_end = later_end
        self.higher_cap = higher_cap
        self.leave_out = leave_out


class DaemonRunningError(RefusedError):
    """Another daemon already uses this home."""


class PartlyDoneError(QueuectlError):
    """Some of the request was done and some of it was not.

    Where an error was in the way of the rest it is the ``reason``; ``done`` counts the things before it.
    """

    exit_code = ExitCode.PARTLY_DONE

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        done: int = 0,
        reason: QueuectlError | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.done = done
        self.reason = reason


class DaemonNotRunningError(QueuectlError):
    """This needs a running daemon, and none is running."""

    exit_code = ExitCode.DAEMON_NOT_RUNNING


class UnreachableError(QueuectlError):
    """A service that this needs does not answer."""

    exit_code = ExitCode.UNREACHABLE


class DatabaseUnreachableError(UnreachableError):
    """The database does not answer."""


class TransportUnreachableError(UnreachableError):
    """Redis does not answer."""


class SourceUnavailableError(UnreachableError):
    """A schedule's source cannot be read now; it may be there at the next tick."""


class SchemaError(UnreachableError):
    """The database's schema does not fit this version of queuectl."""


class ConflictError(UnreachableError):
    """Another writer was in the way, and the database undid everything; nothing is lost."""


class StorageError(QueuectlError):
    """The database file or its disk cannot be used."""

    exit_code = ExitCode.UNREACHABLE


class SystemFailureError(QueuectlError):
    """The operating system refuses something: room on a disk, a descriptor, a file."""

    exit_code = ExitCode.UNREACHABLE


class ConfigurationError(QueuectlError):
    """The configuration has mistakes."""

    exit_code = ExitCode.BAD_CONFIGURATION

    def __init__(self, problems: list[str], *, hint: str | None = None) -> None:
        count = len(problems)
        head = "the configuration has a mistake" if count == 1 else f"the configuration has {count} mistakes"
        super().__init__(f"{head}: {'; '.join(problems)}", hint=hint)
        self.problems = problems


class WaitTimedOutError(QueuectlError):
    """The wait ended before the task did."""

    exit_code = ExitCode.TIMED_OUT


class HandlerError(QueuectlError):
    """A handler ends an attempt on purpose by raising one of this error's subclasses."""


class PermanentError(HandlerError):
    """The task can never succeed: it goes to the dead letters without another attempt."""


class RetryableError(HandlerError):
    """The attempt failed in a way that may pass; the task runs again by its retry rule.

    ``retry_after`` is the least number of seconds to wait before the next attempt. With ``hold_host``
    the host of the task is not to be called at all before then: no task of it starts, in whatever
    queue, for at least a second and at most a day, and the attempt is not charged to its task.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: float | None = None,
        hold_host: bool = False,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        self.hold_host = hold_host
