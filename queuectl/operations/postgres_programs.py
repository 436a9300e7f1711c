"""Run pg_dump and pg_restore; a password never stands on their command line, where every user could read it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from queuectl.errors import BadInputFileError, DatabaseUnreachableError, QueuectlError, StorageError
from queuectl.settings import without_password
from queuectl.store import postgres_copy
from queuectl.store.database import Database

_LOOK_SECONDS = 0.2
_LONGEST_ERROR = 300
_DEBIAN = Path("/usr/lib/postgresql")


def dump(database: Database, target: Path, on_progress: Callable[[int, int], None] | None = None) -> None:
    """Write queuectl's tables as they are at one moment to ``target``, in pg_dump's custom format.

    ``on_progress`` is told the bytes written, compressed, and about how many bytes of rows there are.

    Raises:
        QueuectlError: pg_dump is not installed, or older than the server.
        DatabaseUnreachableError: the server does not answer.
        StorageError: the file cannot be written.
    """
    with database.reading() as transaction:
        names, size = postgres_copy.tables(transaction), postgres_copy.size(transaction)
    database.close()
    words, password = postgres_copy.connection_words(database.url)
    command = [find("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", "--no-password"]
    command += [f"--table={name}" for name in names]
    command += [f"--file={target}", f"--dbname={words}"]
    with _started(command, password, stdout=subprocess.DEVNULL) as process:
        said = None
        while said is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                _, said = process.communicate(timeout=_LOOK_SECONDS)
            if on_progress:
                on_progress(min(target.stat().st_size, size), size)
    if process.returncode == -signal.SIGXFSZ:
        said = b"File too large"
    if process.returncode:
        raise _dump_failed(database, target, _told(said))


def _dump_failed(database: Database, target: Path, text: str) -> QueuectlError:
    if "server version" in text:
        return QueuectlError(
            f"pg_dump is older than the server: {text}",
            hint="install the client programs of the server's version, such as postgresql-client-17",
        )
    if "could not write" in text or "No space" in text or "File too large" in text:
        return StorageError(
            f"{target.parent} cannot take the backup: {text}", hint="free some space there, then try again"
        )
    return DatabaseUnreachableError(
        f"pg_dump could not read {without_password(database.url)}: {text}", hint="see: queuectl doctor"
    )


@contextlib.contextmanager
def rows_of(file: Path) -> Iterator[Iterator[bytes]]:
    """Give the lines with the rows of an archive; it is all read, or found to be damaged, when they have ended.

    Raises:
        BadInputFileError: the file is damaged, or no archive.
        QueuectlError: pg_restore is not installed, or too old for this archive.
    """
    with tempfile.TemporaryFile() as said:
        command = [find("pg_restore"), "--data-only", "--file=-", str(file)]
        with _started(command, None, stdout=subprocess.PIPE, stderr=said.fileno()) as process:
            assert process.stdout is not None  # noqa: S101  it was asked for just above

            def lines() -> Iterator[bytes]:
                assert process.stdout is not None  # noqa: S101  as above
                yield from process.stdout
                if process.wait():
                    said.seek(0)
                    raise BadInputFileError(
                        f"{file} is damaged or no archive of pg_dump: {_told(said.read())}",
                        hint="use another backup",
                    )

            yield lines()


def find(name: str) -> str:
    """Return where one of PostgreSQL's client programs is.

    Raises:
        QueuectlError: it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        installed = [
            folder / "bin" / name for folder in _DEBIAN.glob("*") if (folder / "bin" / name).exists()
        ]
        found = str(max(installed, key=lambda path: path.parent.parent.name)) if installed else None
    if found is None:
        raise QueuectlError(
            f"{name} is not installed",
            hint="it comes with PostgreSQL's client programs: apt install postgresql-client, or brew install libpq",
        )
    return found


@contextlib.contextmanager
def _started(
    command: Sequence[str], password: str | None, *, stdout: int, stderr: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"LC_ALL": "C"}
    if password is not None:
        environment["PGPASSWORD"] = password
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _told(said: bytes) -> str:
    text = " ".join(said.decode("utf-8", "replace").split())
    return text[:_LONGEST_ERROR] or "it said nothing"
