"""The password of the web page: how it is hashed, where it is kept, and how it is compared.

A hash is text, ``scrypt$N$r$p$salt$key``, and takes about a twentieth of a second and 16 MiB to compare with,
which is what makes guessing dear.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from queuectl.domain.visible import UNSAFE, visible
from queuectl.errors import InvalidInputError, StorageError
from queuectl.operations.opening import make_folder
from queuectl.settings import Settings

DEFAULT_USER = "queuectl"

# OWASP's figures for scrypt with 16 MiB; the memory bounds what two comparisons at once may take.
_COST, _BLOCK, _PARALLEL = 2**14, 8, 5
_MEMORY = 64 * 1024 * 1024
_SALT_BYTES = 16
_KEY_BYTES = 32
_LEAST_RANDOM_BYTES = 16
_LONGEST_BYTES = 1024
_LONGEST_USER = 100
_SCHEME = "scrypt"
_MOST_COST = 2**17


@dataclass(frozen=True, slots=True)
class Login:
    """A user, and the hash of the password or, from the settings, the password itself."""

    user: str
    secret: str

    @staticmethod
    def read(text: str) -> Login:
        """Return what ``user:password`` or ``user:hash`` means."""
        user, _, secret = text.partition(":")
        return Login(user, secret)


def hashed(password: str) -> str:
    """Return the hash of a password under a new salt.

    Raises:
        InvalidInputError: the password is empty or longer than a kilobyte.
    """
    content = password.encode("utf-8", "surrogatepass")
    if not 1 <= len(content) <= _LONGEST_BYTES:
        raise InvalidInputError("the password is empty or longer than 1,024 bytes", hint="give another one")
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _derived(content, salt, _COST, _BLOCK, _PARALLEL)
    return "$".join([_SCHEME, str(_COST), str(_BLOCK), str(_PARALLEL), _text(salt), _text(key)])


def is_hash(secret: str) -> bool:
    """Tell whether a text is a hash that ``matches`` understands."""
    return _parts(secret) is not None


def matches(password: bytes, secret: str) -> bool:
    """Compare a password with a hash; it takes as long whether they match or not."""
    parts = _parts(secret)
    if parts is None or len(password) > _LONGEST_BYTES:
        return False
    cost, block, parallel, salt, key = parts
    return hmac.compare_digest(_derived(password, salt, cost, block, parallel), key)


def kept_login(settings: Settings) -> Login | None:
    """Return the login of the settings, else the one that is kept in the home, None without either.

    Raises:
        StorageError: the file cannot be read.
    """
    if settings.web_auth is not None:
        return Login.read(settings.web_auth)
    file = password_file(settings)
    try:
        text = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f"{file} cannot be read: {error}", hint="make a new one: queuectl web password"
        ) from error
    login = Login.read(text)
    if not login.user or not is_hash(login.secret):
        raise StorageError(f"{file} holds no user and hash", hint="make a new one: queuectl web password")
    return login


def login_line(user: str, password: str) -> str:
    """Return a user and the hash of a password in the form that is kept and that the settings take.

    Raises:
        InvalidInputError: user or password are not usable.
    """
    if not 1 <= len(user) <= _LONGEST_USER or ":" in user or UNSAFE.search(user):
        raise InvalidInputError(f"{visible(user, 60)!r} cannot be a user", hint="use a name such as ann")
    return f"{user}:{hashed(password)}"


def keep_password(settings: Settings, user: str, password: str) -> None:
    """Keep the hash of a password in the home; a running daemon asks for the new one from then on.

    Raises:
        InvalidInputError: user or password are not usable.
        StorageError: the file cannot be written.
    """
    line = login_line(user, password)
    file = password_file(settings)
    make_folder(file.parent)
    beside = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as output:
            output.write(f"{line}\n")
        beside.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise StorageError(f"{file} cannot be written: {error.strerror}") from error


def random_password() -> str:
    """Return a new password of 128 random bits."""
    return secrets.token_urlsafe(_LEAST_RANDOM_BYTES)


def password_file(settings: Settings) -> Path:
    """Return where the hash is kept."""
    return settings.home / "web.password"


def _derived(password: bytes, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=cost, r=block, p=parallel, maxmem=_MEMORY, dklen=_KEY_BYTES)


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _parts(secret: str) -> tuple[int, int, int, bytes, bytes] | None:
    parts = secret.split("$")
    if len(parts) != 6 or parts[0] != _SCHEME:
        return None
    try:
        cost, block, parallel = (int(part) for part in parts[1:4])
        salt, key = _bytes(parts[4]), _bytes(parts[5])
    except ValueError:
        return None
    usable = 2 <= cost <= _MOST_COST and not cost & (cost - 1) and 1 <= block <= 32 and 1 <= parallel <= 16
    return (
        (cost, block, parallel, salt, key)
        if usable and 128 * cost * block < _MEMORY and len(key) == 32
        else None
    )
