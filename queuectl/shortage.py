"""Tell when this machine, or what it grants this process, has run out of something: that is nobody else's fault."""

from __future__ import annotations

import errno

_RUN_OUT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT})


def is_shortage(error: BaseException) -> bool:
    """Tell whether an error, or the one that it was raised from, means no descriptor, memory or space left."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno in _RUN_OUT):
            return True
        cause = cause.__cause__
    return False
