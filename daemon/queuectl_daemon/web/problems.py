"""What went wrong, as an HTTP answer: a status, a word for programs, a sentence for people, and what to do next."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from queuectl.domain.visible import visible
from queuectl.errors import (
    BadInputFileError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PartlyDoneError,
    QueuectlError,
    RefusedError,
    SourceUnavailableError,
    StorageError,
    UnreachableError,
    WaitTimedOutError,
)
from queuectl_daemon.web.work import BusyError

if TYPE_CHECKING:
    from starlette.requests import Request

DOCUMENT_VERSION = 1
_LONGEST_MESSAGE = 1_000
_STATUS: tuple[tuple[type[QueuectlError], int], ...] = (
    (InvalidInputError, 400),
    (BadInputFileError, 422),
    (NotFoundError, 404),
    (RefusedError, 409),
    (ConflictError, 503),
    (SourceUnavailableError, 502),
    (UnreachableError, 503),
    (StorageError, 503),
    (BusyError, 503),
    (WaitTimedOutError, 504),
)
_SILENT = (UnreachableError, StorageError)
"""Their messages name hosts and files, which is nobody's business outside; the daemon's log has them."""


class Problem(QueuectlError):  # noqa: N818  it is an answer too
    """An answer other than what was asked for."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.kind = kind
        self.headers = dict(headers or {})
        self.facts = dict(facts or {})


def reason_of(error: QueuectlError | None) -> str | None:
    """Return why an action ended early, as far as it is anybody's business; None where no error did that."""
    return None if error is None else problem_of(error).message


def problem_of(error: QueuectlError | None) -> Problem:
    """Return the answer that an error leads to; None stands for one that nobody foresaw."""
    if isinstance(error, Problem):
        return error
    if error is None:
        return Problem(
            500, "internal", "this has failed for a reason that nobody foresaw", hint="see the daemon's log"
        )
    if isinstance(error, PartlyDoneError) and error.reason is not None:
        rest = problem_of(error.reason)
        message = f"{error.done:,} done before it ended: {rest.message}"
        facts = {"done": error.done}
        return Problem(rest.status, "partly_done", message, hint=rest.hint, headers=rest.headers, facts=facts)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    message, hint = visible(error.message, _LONGEST_MESSAGE), error.hint
    if isinstance(error, _SILENT) and not isinstance(error, ConflictError | SourceUnavailableError):
        message, hint = "the database does not answer", "try again; the daemon's log says more"
    retry = {"retry-after": "1"} if status == 503 else {}
    return Problem(status, _kind(error), message, hint=hint, headers=retry)


def _kind(error: QueuectlError) -> str:
    name = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def encoded(content: Any) -> bytes:
    """Return a document as JSON, with halves of surrogate pairs, which a task's metadata may hold, as escapes."""
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        return json.dumps(content).encode()


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a document of the HTTP interface."""
    return Response(encoded(content), status, headers, media_type="application/json")


def problem_shape(problem: Problem) -> dict[str, Any]:
    """Return a problem for programs."""
    error = {"kind": problem.kind, "message": problem.message, "hint": problem.hint}
    return {"version": DOCUMENT_VERSION, "error": error, **problem.facts}


def answer_problem(request: Request, problem: Problem) -> Response:
    """Return the answer: a page for a person's browser, else JSON."""
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return json_response(problem_shape(problem), problem.status, problem.headers)
    from queuectl_daemon.web.pages.errors import problem_page

    return problem_page(request, problem)
