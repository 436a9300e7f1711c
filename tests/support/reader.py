"""Somebody who follows a guide: types its commands into a shell on a terminal, in a home folder of their own.

The guide speaks of ``https://example.com``; its reader gets the sample site instead, and back in what is shown.
"""

from __future__ import annotations

import getpass
import os
import signal
import socket
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pexpect
import pyte

from queuectl.operations.local_daemon import has_ended, local_daemon
from tests.support.cli import PROGRAMS
from tests.support.guard import guard
from tests.support.guides import Step, WrittenFile
from tests.support.waiting import wait_until

_COLUMNS, _LINES = 110, 300
_SITE, _SITE_HOST = "https://example.com", "example.com"
_PERSON, _MACHINE = "ann", "mybox"
_SHELL = """
if [ -e ~/.shell ]; then . ~/.shell; fi
eval "$1"
code=$?
export -p > ~/.shell
exit $code
"""


class Reader:
    """A person with an empty home folder, and a folder below it to work in."""

    def __init__(self, folder: Path, site: str, servers: Iterable[tuple[str, str]] = ()) -> None:
        self.folder = folder
        self.work = folder / "reading"
        self.work.mkdir()
        host = site.partition("//")[2].partition(":")[0]
        # The longer names come first.
        self._told = [*servers, (_SITE, site), (_SITE_HOST, host)]
        self._daemons: set[int] = set()

    @property
    def home(self) -> Path:
        """The home of queuectl when nothing else is said."""
        return self.folder / ".local" / "share" / "queuectl"

    def write(self, file: WrittenFile) -> None:
        """Write a file: a configuration into the home, any other into the working folder."""
        place = self.home if file.name == "queuectl.toml" else self.work
        place.mkdir(parents=True, exist_ok=True)
        (place / file.name).write_text(self._really(file.text), encoding="utf-8")

    def type(self, step: Step) -> tuple[int, str]:
        """Run a command and return its exit code and what is on the screen in the end."""
        screen = pyte.Screen(_COLUMNS, _LINES)
        stream = pyte.ByteStream(screen)
        child = pexpect.spawn(
            "bash",
            ["--noprofile", "--norc", "-c", _SHELL, "bash", self._really(step.command)],
            cwd=str(self.work),
            env=self._environment(),
            dimensions=(40, _COLUMNS),
            timeout=60,
        )
        if step.endless:
            child.expect(rb"\S")
            child.sendintr()
        child.expect(pexpect.EOF)
        stream.feed((child.before or b"").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        child.close()
        self._watch_daemons()
        shown = "\n".join(line.rstrip() for line in screen.display).strip("\n")
        code = child.exitstatus if child.exitstatus is not None else 128 + int(child.signalstatus or 0)
        return code, self._as_told(shown)

    def close(self) -> None:
        """End the daemons that were started."""
        for file in self.folder.rglob("queuectld.pid"):
            daemon = local_daemon(file.parents[1])
            if daemon is not None:
                os.kill(daemon.pid, signal.SIGTERM)
                wait_until(partial(has_ended, daemon), within=20, describing="the daemon's end")
        for pid in self._daemons:
            guard.release(pid)

    def _watch_daemons(self) -> None:
        for file in self.folder.rglob("queuectld.pid"):
            daemon = local_daemon(file.parents[1])
            if daemon is not None and daemon.pid not in self._daemons:
                self._daemons.add(daemon.pid)
                guard.watch(daemon.pid)

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "NO_COLOR": "1",
            "QUEUECTL_FETCH_ALLOW_NETWORKS": "127.0.0.0/8",
            "QUEUECTL_WEB_PORT": "0",
        }

    def _really(self, text: str) -> str:
        for told, real in self._told:
            text = text.replace(told, real)
        return text

    def _as_told(self, text: str) -> str:
        for told, real in self._told:
            text = text.replace(real, told)
        machine = socket.gethostname()
        text = text.replace(f"{getpass.getuser()}@{machine}", f"{_PERSON}@{_MACHINE}")
        return text.replace(f"on {machine}", f"on {_MACHINE}").replace(str(self.folder), "~")
