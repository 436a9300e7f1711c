"""Wake a daemon that waits for work: a byte on its local socket, and a notice through PostgreSQL for other machines.

Both are hints. A daemon that misses one finds the work at its next look, a quarter of a second later.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

CHANNEL = "queuectl_wake"
"""The PostgreSQL notification channel."""


def socket_path(home: Path) -> Path:
    """Return where the daemon of this home listens."""
    return home / "run" / "wake.sock"


def ring(home: Path) -> bool:
    """Wake the daemon of this home; return whether one listens."""
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as bell:
            bell.setblocking(False)
            bell.sendto(b"!", str(socket_path(home)))
    except BlockingIOError:
        return True  # its buffer is full of earlier rings, so it is about to look anyway
    except OSError:  # nobody listens, or no descriptor is free for a socket
        return False
    return True
