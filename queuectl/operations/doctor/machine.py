"""Look at what the operating system allows a daemon."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from queuectl.operations.administration import Check
from queuectl.settings import Settings

_SPARE_FILES = 128
_FILES_OF_A_WORKER = 8


def open_files(settings: Settings) -> Iterator[Check]:
    """Look at how many files may be open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _SPARE_FILES + _FILES_OF_A_WORKER * settings.workers
    enough = soft == resource.RLIM_INFINITY or soft >= needed
    shown = "no limit" if soft == resource.RLIM_INFINITY else f"{soft} may be open"
    hint = None if enough else f"run: ulimit -n {needed}, or set LimitNOFILE={needed} in the unit"
    yield Check("open files", enough, f"{shown}, {needed} needed for {settings.workers} workers", hint)
