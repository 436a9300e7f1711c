"""How a run ended, judged from what its handler returned or raised; any value and any exception is survived."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import re
import traceback
from typing import Any

from queuectl.clock import monotonic
from queuectl.domain.article import Article
from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.visible import storable
from queuectl.errors import PermanentError, QueuectlError, RetryableError

LARGEST_RESULT = 1024 * 1024
"""Bytes of JSON text."""

_DEEPEST_RESULT = 200  # levels; readers of JSON give up somewhere below a thousand
_LONGEST_ERROR = 4000
_LONGEST_TRACEBACK = 16_000
_ENDLESS = 20  # causes of causes of an exception that are looked at
_OPENING = re.compile(r"[\[{]")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

NOTHING = Outcome(Verdict.SUCCEEDED, "null")
"""The outcome of a handler that returned None, which most do."""


class UnfitResultError(QueuectlError):
    """The handler returned something that cannot be stored."""


class TooLateError(Exception):
    """The handler cannot be called any more by the time at which it should have been."""


def check_in_time(begin_by: float | None) -> None:
    """Make sure that a handler may still be called; to be done after everything that takes time.

    Raises:
        TooLateError: It may not.
    """
    if begin_by is not None and monotonic() > begin_by:
        raise TooLateError


def cancelled() -> Outcome:
    """Return the outcome of a run that a person stopped."""
    return Outcome(Verdict.CANCELLED, error="cancelled while it ran")


def interrupted() -> Outcome:
    """Return the outcome of a run that the end of the daemon stopped."""
    return Outcome(Verdict.INTERRUPTED, error="stopped with the daemon")


def timed_out(limit: float | None) -> Outcome:
    """Return the outcome of a run that was ended at its time limit, which is given in seconds."""
    return Outcome(Verdict.TIMED_OUT, error=f"ran longer than its time limit of {limit or 0:g} s")


def of_value(value: object, article: Article | None) -> Outcome:
    """Return the outcome of a handler that returned ``value``; failed by rule if that cannot be stored."""
    if value is None and article is None:
        return NOTHING
    try:
        if article is not None:
            _check_article(article)
        return Outcome(Verdict.SUCCEEDED, encoded(value), article=article)
    except UnfitResultError as error:
        return Outcome(Verdict.FAILED, error=error.message)


def encoded(value: object) -> str:
    """Return a result as JSON text.

    Raises:
        UnfitResultError: It is no JSON value, too large, too deep, or holds what a database refuses.
    """
    if isinstance(value, str | bytes) and len(value) > LARGEST_RESULT:
        raise UnfitResultError(_too_large())
    try:
        text = _encode(value)
    except RecursionError:
        raise UnfitResultError(_too_deep()) from None
    except BaseException as error:  # noqa: BLE001 - a value's own code may run here, and may raise anything
        raise UnfitResultError(f"the handler's result is not JSON: {_said(error, 300)}") from None
    if len(text) > LARGEST_RESULT:
        raise UnfitResultError(_too_large())
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise UnfitResultError("the handler's result holds a lone surrogate, which is no text") from None
    if size > LARGEST_RESULT:
        raise UnfitResultError(_too_large())
    if "\\u0000" in text and _NUL.search(text):
        raise UnfitResultError("the handler's result holds a NUL character, which databases refuse")
    if len(_OPENING.findall(text)) > _DEEPEST_RESULT and _depth(value) > _DEEPEST_RESULT:
        raise UnfitResultError(_too_deep())
    return text


def of_error(error: BaseException, *, ours: int = 1) -> Outcome:
    """Return the outcome of a handler that raised; ``ours`` frames of its traceback belong to the runner."""
    if isinstance(error, TooLateError):
        return Outcome(Verdict.INTERRUPTED, began=False)
    if isinstance(error, PermanentError):
        return Outcome(Verdict.REFUSED, error=_deliberate(error))
    if isinstance(error, RetryableError):
        return Outcome(
            Verdict.FAILED,
            error=_deliberate(error),
            retry_after=_seconds(error.retry_after),
            hold_host=error.hold_host is True,
        )
    return Outcome(Verdict.FAILED, error=_said(error, _LONGEST_ERROR), traceback=_trace(error, ours))


def caused_by_memory(error: BaseException) -> bool:
    """Tell whether the exception, or one of those that led to it, says that memory ran out."""
    seen: BaseException | None = error
    for _ in range(_ENDLESS):
        if seen is None:
            return False
        if isinstance(seen, MemoryError) or (isinstance(seen, OSError) and seen.errno == errno.ENOMEM):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _too_large() -> str:
    return f"the handler's result is larger than {LARGEST_RESULT} bytes of JSON"


def _too_deep() -> str:
    return f"the handler's result is nested deeper than {_DEEPEST_RESULT} levels"


def _depth(value: object) -> int:
    """Return the levels of a value that has been encoded, so it has no cycles."""
    depth = 0
    level = [value]
    while level:
        depth += 1
        level = [inner for outer in level for inner in _inside(outer)]
    return depth


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def _check_article(article: object) -> None:
    if not isinstance(article, Article):
        raise UnfitResultError("the handler kept something that is not an article")
    for field in dataclasses.fields(article):
        value = getattr(article, field.name)
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and storable(text, len(text)) != text:
                raise UnfitResultError(
                    f"the article's {field.name} holds a NUL character or a lone surrogate"
                )


def _deliberate(error: QueuectlError) -> str:
    return storable(_text(error) or type(error).__name__, _LONGEST_ERROR)


def _said(error: BaseException, longest: int) -> str:
    name = type(error).__name__
    text = _text(error)
    return storable(f"{name}: {text}" if text else name, longest)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - an exception whose own text raises still is a failed attempt
        return "its text cannot be made"


def _seconds(retry_after: object) -> float | None:
    if isinstance(retry_after, int | float) and math.isfinite(retry_after) and retry_after >= 0:
        return float(retry_after)
    return None


def _trace(error: BaseException, ours: int) -> str | None:
    try:
        frames = error.__traceback__
        for _ in range(ours):
            frames = frames.tb_next if frames is not None else None
        lines = traceback.format_exception(type(error), error, frames, limit=50)
        return storable("".join(lines), _LONGEST_TRACEBACK)
    except BaseException:  # noqa: BLE001 - as above: reporting must not fail the daemon
        return None
