"""The fork server: a small process with one thread that forks the children and buries what they leave.

Forking from the daemon itself would copy its threads' locks in whatever state they are. This process reads requests
from the daemon, answers with reports, and ends with everything below it when the daemon is gone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
import threading
import traceback
from typing import Any

import msgspec

from queuectl.clock import monotonic
from queuectl.settings import Settings
from queuectl_daemon.runner import child, family, kernel

REQUEST = struct.Struct(">II")
"""Fork child number …; 1 with the article handler loaded, else 0. Two descriptors travel with it.

Number 0, which no child has, says instead that new settings follow, as at the beginning.
"""
REPORT = struct.Struct(">BIi")
"""What happened, to which child, and its process id or wait status."""
BORN, DIED = 1, 2
SIZE = struct.Struct(">I")
"""Length of the settings, which are the first thing that the daemon sends."""

HEAVY = ("queuectl.handlers.article.handler", "chardet", "feedgen.feed")
"""What the article handler imports, some of it late; together most of a second."""

_LAST_SWEEPS = 5.0  # seconds
_PAUSE = 0.05  # seconds between two of them, where what is left cannot be seen


def main(descriptor: int) -> None:
    """Serve the daemon at the other end of the socket ``descriptor``."""
    with socket.socket(fileno=descriptor) as control:
        _Nursery(control, _settings(control)).serve()


def encode_settings(settings: Settings) -> bytes:
    """Return what ``main`` reads first."""
    data = msgspec.json.encode(settings, enc_hook=str)
    return SIZE.pack(len(data)) + data


def _settings(control: socket.socket) -> Settings:
    (length,) = SIZE.unpack(_exactly(control, SIZE.size))
    settings: Settings = msgspec.json.decode(_exactly(control, length), type=Settings, dec_hook=_decode)
    return settings


class _Nursery:
    def __init__(self, control: socket.socket, settings: Settings) -> None:
        self._control = control
        self._settings = settings
        self._pid = os.getpid()
        self._children: dict[int, int] = {}  # process id to the daemon's number
        self._is_warm = False
        self._bell, self._clapper = socket.socketpair()

    def serve(self) -> None:
        # Both reach the whole group when a terminal or a service manager stops the daemon, which decides itself
        # when its children end.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._bell.setblocking(False)
        self._clapper.setblocking(False)
        signal.set_wakeup_fd(self._clapper.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        kernel.adopt_orphans()
        waiting = select.poll()
        waiting.register(self._control, select.POLLIN)
        waiting.register(self._bell, select.POLLIN)
        try:
            while self._serve_once({descriptor for descriptor, _ in waiting.poll()}):
                pass
        except ConnectionError:
            return  # the daemon is gone
        finally:
            self._end_all()

    def _serve_once(self, ready: set[int]) -> bool:
        if self._bell.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                self._bell.recv(4096)
            self._bury()
        if self._control.fileno() not in ready:
            return True
        request, descriptors, _, _ = socket.recv_fds(self._control, REQUEST.size, 2)
        if not request:
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        number, warm = REQUEST.unpack(request)
        if not number:
            self._settings = _settings(self._control)
            return True
        if warm:
            self._warm_up()
        self._fork(number, *descriptors)
        return True

    def _warm_up(self) -> None:
        if self._is_warm:
            return
        self._is_warm = True
        for name in HEAVY:
            # A child that needs it will say so, to the task that needs it.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        gc.collect()
        gc.freeze()  # collecting in a child would otherwise copy the memory that it shares with this process

    def _fork(self, number: int, sock: int, output: int) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            pid = -(error.errno or 1)
        if pid == 0:
            self._become_child(sock, output)
        os.close(sock)
        os.close(output)
        if pid > 0:
            self._children[pid] = number
        self._report(BORN, number, pid)

    def _become_child(self, sock: int, output: int) -> None:
        code = 70
        try:
            signal.set_wakeup_fd(-1)
            for own in (self._control, self._bell, self._clapper):
                own.close()
            child.serve(socket.socket(fileno=sock), output, self._settings, self._pid)
            code = 0
        except BaseException:  # noqa: BLE001 - nothing may get from here into the fork server's own loop
            traceback.print_exc()
        finally:
            os._exit(code)

    def _report(self, event: int, number: int, value: int) -> None:
        self._control.sendall(REPORT.pack(event, number, value))

    def _bury(self) -> None:
        """Read the exit statuses of ended processes, and end what ended children have left behind.

        A stray that forks as fast as it is hunted ends up here again with each of its ends.
        """
        found: list[tuple[int, int]] = []
        while (ended := self._next_ended()) is not None:
            found.append(ended)
        if not found:
            return
        self._end_strays()
        for pid, status in found:
            number = self._children.pop(pid, None)
            if number is not None:
                self._report(DIED, number, status)

    def _next_ended(self) -> tuple[int, int] | None:
        with contextlib.suppress(ChildProcessError):
            if sys.platform == "linux":
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is None:
                    return None
                if found.si_pid in self._children:
                    # As long as its status is unread, no other process can have its number.
                    family.end_group(found.si_pid)
                return os.waitpid(found.si_pid, 0)
            pid, status = os.waitpid(-1, os.WNOHANG)
            return (pid, status) if pid else None
        return None

    def _end_strays(self) -> None:
        # Children adopt their own orphans while they live, so whatever was adopted here belongs to a dead one.
        # What cannot be seen now is ended at the next burial.
        for pid in self._below() or ():
            if pid not in self._children:
                family.end_family(pid)

    def _below(self) -> list[int] | None:
        """Return the processes directly below this one; None where nobody can tell, as when no descriptor is free."""
        try:
            return family.kin().get(self._pid, [])
        except OSError:
            return None

    def _end_all(self) -> None:
        give_up = monotonic() + _LAST_SWEEPS
        while monotonic() < give_up:
            below = self._below()
            for pid in list(self._children) if below is None else below:
                family.end_family(pid)
            with contextlib.suppress(ChildProcessError):
                # What cannot be seen has not been ended, and nobody may wait for that.
                pid, _ = os.waitpid(-1, os.WNOHANG if below is None else 0)
                self._children.pop(pid, None)
                if not pid:
                    threading.Event().wait(_PAUSE)
                continue
            return


def _exactly(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        # Not a byte more: descriptors travel with the bytes that follow.
        chunk = control.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def _decode(kind: type, value: Any) -> Any:
    return kind(value)
