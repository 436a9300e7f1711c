"""However many threads allocate at the same time, the C library makes few pools of memory for them."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

_THREADS = 12
_PROGRAM = f"""
import ctypes, sys, threading
from queuectl_daemon.arenas import keep_few_arenas
if sys.argv[1] == "few":
    keep_few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier({_THREADS})
def allocate():
    together.wait()
    assert libc.malloc(ctypes.c_size_t(4096))
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range({_THREADS})]
for each in threads:
    each.start()
for each in threads:
    each.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="only glibc tells of its pools")
def test_threads_share_two_pools() -> None:
    assert _pools("few") == 2
    assert _pools("as many as it likes") > 2


def _pools(how: str) -> int:
    told = subprocess.run(
        [sys.executable, "-c", _PROGRAM, how], stdout=subprocess.PIPE, text=True, check=True
    )
    return told.stdout.count("<heap nr=")
