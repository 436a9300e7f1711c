"""The installed commands as a person runs them: as processes, with an environment of their own."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.guard import guard
from tests.support.processes import guarded

PROGRAMS = Path(sys.executable).parent
UNREACHABLE_PORT = 1
"""Nobody listens there without being root, and nobody who is root does."""

_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _PR_CAPBSET_DROP = 1, 2, 24


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that is all of standard output."""
        assert self.out.count("\n") == 1, f"not one line: {self.out!r}"
        return json.loads(self.out)

    @property
    def ids(self) -> list[str]:
        """The lines of standard output."""
        return self.out.split()

    def ok(self) -> Result:
        """Return the same after making sure that the command succeeded."""
        assert self.code == 0, self
        return self

    def error(self, code: int) -> str:
        """Return the two lines of an error after making sure that it is one, and ended with ``code``."""
        lines = self.err.strip().splitlines()
        assert self.code == code, self
        assert "Traceback" not in self.err
        place = next(number for number, line in enumerate(lines) if line.startswith("queuectl: "))
        assert len(lines) > place + 1, f"no hint: {self.err}"
        assert lines[-1].startswith("hint: "), self.err
        return "\n".join(lines[place:])


class CommandLine:
    """The command ``queuectl`` in a home; call it with arguments."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.variables: dict[str, str] = {}

    def __call__(
        self,
        *arguments: str | Path,
        given: str | bytes = b"",
        before: Callable[[], None] | None = None,
        cwd: Path | None = None,
        within: float = 60,
    ) -> Result:
        """Run the command with ``given`` on standard input; ``before`` runs in the new process."""
        done = subprocess.run(
            [str(PROGRAMS / "queuectl"), *map(str, arguments)],
            input=given.encode() if isinstance(given, str) else given,
            capture_output=True,
            env=self.environment(),
            preexec_fn=before,
            cwd=cwd or self.home,
            timeout=within,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def running(
        self, *arguments: str | Path, variables: Mapping[str, str] | None = None, **options: Any
    ) -> contextlib.AbstractContextManager[subprocess.Popen[Any]]:
        """Run the command beside a block, with pipes from its output; it is gone after the block."""
        return guarded(
            [PROGRAMS / "queuectl", *arguments],
            env=self.environment() | dict(variables or {}),
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
        )

    def environment(self) -> dict[str, str]:
        """Return the variables that the command gets: none that a developer happens to have set."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        kept |= {"QUEUECTL_HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config")}
        kept["QUEUECTL_WEB_PORT"] = "0"  # tests run side by side, and there is one default port
        return kept | self.variables

    def configure(self, text: str) -> None:
        """Write the home's configuration file."""
        (self.home / "queuectl.toml").write_text(text, encoding="utf-8")

    def start_daemon(self) -> int:
        """Start the daemon of the home and return its pid; it cannot outlive the tests."""
        pid = int(self("daemon", "start", "-q").ok().out)
        guard.watch(pid, signal.SIGTERM)
        return pid

    def stop_daemon(self) -> None:
        """Stop the daemon of the home, if one runs."""
        found = self("daemon", "status", "-q")
        if found.code == 0:
            self("daemon", "stop", "-q").ok()
            guard.release(int(found.out))

    def states(self) -> list[str]:
        """Return the states of all tasks in the home's own database file, the oldest task first."""
        file = self.home / "queuectl.db"
        if not file.exists():
            return []
        with contextlib.closing(sqlite3.connect(file)) as database:
            return [state for (state,) in database.execute("SELECT state FROM tasks ORDER BY id")]


@pytest.fixture
def cli(home: Path) -> Iterator[CommandLine]:
    """Give the command line in an empty home; a daemon that was started there is stopped at the end."""
    line = CommandLine(home)
    yield line
    line.stop_daemon()


def obey_permissions() -> None:
    """Give up root's right to read and write every file; for ``before``, and nothing to do for other users."""
    if os.geteuid() == 0 and sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def words(result: Result) -> Sequence[Sequence[str]]:
    """Return the columns of plain output, without the headings."""
    return [line.split() for line in result.out.splitlines()[1:]]
