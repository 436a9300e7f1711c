"""What a command has done for good by the time that it cannot say so: that must not look as if nothing was done."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from queuectl.errors import PartlyDoneError, QueuectlError, SystemFailureError


class Deed(NamedTuple):
    """What was done, as a sentence without its end, and the command that shows it."""

    said: str
    see: str


_deed: ContextVar[Deed | None] = ContextVar("queuectl_deed", default=None)


def note_deed(said: str | None, see: str = "queuectl list") -> None:
    """Note what was done that no audit records, such as "task_6 is submitted"; None for nothing yet."""
    _deed.set(None if said is None else Deed(said, see))


def note_written(path: str | Path) -> None:
    """Note that a file was written."""
    note_deed(f"{path} is written", f"ls -l {quote(str(path))}")


def refused_by_system(said: str, hint: str) -> QueuectlError:
    """Return the failure of a command that the system refuses something, before or after it has done its work."""
    deed, recorded = _deed.get(), _recorded()
    if deed is None and recorded is not None:
        deed = Deed(f"operation {recorded} has changed something", f"queuectl audit show {recorded}")
    if deed is None:
        return SystemFailureError(said, hint=hint)
    return PartlyDoneError(f"{deed.said}, but {said}", hint=f"do not do it again; see: {deed.see}")


def _recorded() -> int | None:
    """Return the number of the operation that was recorded last; who has not loaded the audit has recorded none."""
    auditing = sys.modules.get("queuectl.operations.auditing")
    return None if auditing is None else auditing.latest_operation()
