"""The key of the audit's seals: a file of its owner alone, apart from the database, made at its first use."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from queuectl.errors import StorageError
from queuectl.operations.opening import make_folder
from queuectl.settings import Settings

_BYTES = 32
_LONGEST = 1_024


def key_path(settings: Settings) -> Path:
    """Return where the key is kept."""
    return settings.audit_key_file or settings.home / "audit.key"


def audit_key(settings: Settings) -> bytes:
    """Return the key; without one it is made.

    Raises:
        StorageError: it can be neither read nor made, or is no key.
    """
    present = present_key(settings)
    if present is not None:
        return present
    path = key_path(settings)
    make_folder(path.parent)
    # Made under another name first: whoever finds the key under its own finds all of it.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_hex(_BYTES).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was faster, and its key counts
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    made = present_key(settings)
    if made is None:
        raise _unusable(path, "it vanished while it was made")
    return made


def present_key(settings: Settings) -> bytes | None:
    """Return the key, None if there is none yet.

    Raises:
        StorageError: it cannot be read, or is no key.
    """
    path = key_path(settings)
    try:
        with path.open("rb") as file:
            key = file.read(_LONGEST + 1).strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    if not 16 <= len(key) <= _LONGEST:
        raise _unusable(path, f"its length is not between 16 and {_LONGEST} bytes")
    return key


def _unusable(path: Path, reason: str) -> StorageError:
    return StorageError(
        f"the audit's key {path} cannot be used, and nothing was done: {reason}",
        hint="correct its permissions or content, or name another with audit_key_file",
    )
