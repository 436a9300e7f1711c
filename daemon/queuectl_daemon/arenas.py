"""Keep what the C library holds in reserve small, however many threads come and go."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8
"""glibc's number for this option, in ``malloc.h``."""

_ARENAS = 2


def keep_few_arenas() -> None:
    """Let all threads that are yet to come share two pools of free memory, where the C library is glibc.

    It would make up to eight pools a core, and each keeps what some thread of long ago once needed: sources that are
    read by a thread each, with a large feed among them now and then, made a process 50 MiB larger for good.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
