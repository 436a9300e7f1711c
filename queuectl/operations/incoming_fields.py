"""Checks of single fields that the records of an import file have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from queuectl.clock import now_ms
from queuectl.domain.visible import UNSAFE, storable
from queuectl.errors import QueuectlError
from queuectl.operations.import_file import ImportFile
from queuectl.settings import Settings
from queuectl.times import is_kept, milliseconds

_LONGEST_NAME = 200
_LONGEST_TEXT = 64 * 1024


class FieldChecker:
    """Check fields of the present line of a file.

    Raises:
        BadInputFileError: by any method, if the field is not acceptable.
    """

    def __init__(self, file: ImportFile, settings: Settings) -> None:
        self._file = file
        self._settings = settings
        self._now = now_ms()

    def _text(self, field: str, value: str | None) -> str | None:
        if value is not None and (len(value) > _LONGEST_TEXT or storable(value) != value):
            self._file.refuse(f"it is no text of at most {_LONGEST_TEXT:,} characters without NUL", field)
        return value

    def _name(self, field: str, value: str) -> str:
        if len(value) > _LONGEST_NAME or UNSAFE.search(value):
            self._file.refuse(f"it is no text of at most {_LONGEST_NAME} visible characters", field)
        return value

    def _moment(self, field: str, value: datetime | None) -> int | None:
        return None if value is None else self._time(field, value)

    def _time(self, field: str, value: datetime) -> int:
        at = milliseconds(value)
        if not is_kept(at):
            self._file.refuse("the time is out of range", field)
        return at

    def _checked(self, field: str, check: Any, value: object) -> Any:
        try:
            return check(value)
        except QueuectlError as error:
            self._file.refuse(error.message, field, error.hint)
