"""Run a program as the service's unit has systemd run it, as far as one can without systemd.

With the system calls of its filter and no others, no memory that is written and then run, no capabilities, and no
way to new ones. Called as a program, with the unit and the words of the command.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # what seccomp calls them; the latter with EPERM
_MASKED_EQUAL = 7
_WRITE, _EXECUTE = 2, 4
_DROP_FROM_BOUNDING_SET, _NO_NEW_PRIVILEGES = 24, 38


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


def calls_of(unit: Path) -> set[str]:
    """Return the names of the system calls that the unit allows."""
    allowed = _members("@default")
    for without, names in re.findall(r"^SystemCallFilter=(~?)(.*)$", unit.read_text(), re.MULTILINE):
        for name in names.split():
            allowed = allowed - _members(name) if without else allowed | _members(name)
    return allowed | _members("@default")


def confine(allowed: set[str]) -> None:
    """Let this process, and all that come of it, make these calls only."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    seccomp.seccomp_load.argtypes = [ctypes.c_void_p]
    add = seccomp.seccomp_rule_add_array
    add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    rules = seccomp.seccomp_init(_REFUSE)
    for name in allowed:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue  # another processor's
        comparisons: list[_Comparison | None] = [None]
        if name == "mmap":
            both = _WRITE | _EXECUTE
            comparisons = [_Comparison(2, _MASKED_EQUAL, both, each) for each in (0, _WRITE, _EXECUTE)]
        elif name in ("mprotect", "pkey_mprotect"):
            comparisons = [_Comparison(2, _MASKED_EQUAL, _EXECUTE, 0)]
        for each in comparisons:
            add(rules, _ALLOW, number, int(each is not None), None if each is None else ctypes.byref(each))
    libc = ctypes.CDLL(None)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    for capability in range(64):
        libc.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
    if seccomp.seccomp_load(rules):
        raise OSError("the kernel does not take the filter")


def _members(group: str) -> set[str]:
    if not group.startswith("@"):
        return {group}
    listed = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True
    )
    words = [line.strip() for line in listed.stdout.splitlines()[1:]]
    return {call for word in words if word and not word.startswith("#") for call in _members(word)}


if __name__ == "__main__":
    confine(calls_of(Path(sys.argv[1])))
    os.execv(sys.argv[2], sys.argv[2:])
