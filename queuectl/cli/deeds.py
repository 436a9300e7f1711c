"""What a command has done for good by the time that it cannot say so: that must not look as if nothing was done."""

from __future__ import annotations

import sys
from contextvars import ContextVar

from queuectl.errors import PartlyDoneError, QueuectlError, SystemFailureError

_deed: ContextVar[str | None] = ContextVar("queuectl_deed", default=None)


def note_deed(deed: str | None) -> None:
    """Note what was done that no audit records, such as "task_6 is submitted"."""
    _deed.set(deed)


def refused_by_system(said: str, hint: str) -> QueuectlError:
    """Return the failure of a command that the system refuses something, before or after it has done its work."""
    recorded = _recorded()
    deed = _deed.get() or (None if recorded is None else f"operation {recorded} has changed something")
    if deed is None:
        return SystemFailureError(said, hint=hint)
    see = "queuectl list" if recorded is None else f"queuectl audit show {recorded}"
    return PartlyDoneError(f"{deed}, but {said}", hint=f"do not do it again; see: {see}")


def _recorded() -> int | None:
    """Return the number of the operation that was recorded last; who has not loaded the audit has recorded none."""
    auditing = sys.modules.get("queuectl.operations.auditing")
    return None if auditing is None else auditing.latest_operation()
