"""Ask a Redis server how it is, over a plain socket: the library for it takes longer to load than the answer."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import SplitResult, unquote, urlsplit

from queuectl.clock import monotonic
from queuectl.errors import TransportUnreachableError
from queuectl.settings import without_password

_ANSWER_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What a Redis server says of itself; ``latency_ms`` is the time of one empty command, memory is in bytes.

    A ``memory_limit`` of 0 is none.
    """

    version: str
    policy: str
    latency_ms: float
    memory: int = 0
    memory_limit: int = 0


def probe_redis(url: str, *, timeout: float = 2.0) -> RedisFacts:
    """Connect, log in, and ask for version and eviction policy; ``timeout`` is in seconds.

    Raises:
        TransportUnreachableError: it does not answer, or refuses.
    """
    try:
        address = urlsplit(url)
        with _connected(address, timeout) as connection, connection.makefile("rb") as answers:
            if address.password is not None:
                user = [unquote(address.username)] if address.username else []
                _ask(connection, answers, "AUTH", *user, unquote(address.password))
            start = monotonic()
            _ask(connection, answers, "PING")
            latency = (monotonic() - start) * 1000
            text = _ask(connection, answers, "INFO")
    except (OSError, ValueError) as error:
        raise TransportUnreachableError(
            f"Redis at {without_password(url)} does not answer: {error}",
            hint="start it, or correct REDIS_URL; without it one daemon can do the work alone",
        ) from error
    facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    version = facts.get("valkey_version") or facts.get("redis_version", "unknown")
    memory, limit = (_number(facts.get(name, "")) for name in ("used_memory", "maxmemory"))
    return RedisFacts(version, facts.get("maxmemory_policy", "unknown"), latency, memory, limit)


def _number(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def _connected(address: SplitResult, timeout: float) -> socket.socket:
    if address.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        connection.connect(unquote(address.path))
        return connection
    host = address.hostname or "localhost"
    connection = socket.create_connection((host, address.port or 6379), timeout)
    if address.scheme == "rediss":
        return ssl.create_default_context().wrap_socket(connection, server_hostname=host)
    return connection


def _ask(connection: socket.socket, answers: BinaryIO, *words: str) -> str:
    """Send one command and return its answer as text.

    Raises:
        ValueError: it is an error or no answer in Redis's language.
    """
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    connection.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
    head = answers.readline(_ANSWER_LIMIT).decode(errors="replace").rstrip("\r\n")
    kind, rest = head[:1], head[1:]
    if kind in {"+", ":"}:
        return rest
    if kind == "$" and rest.isdecimal() and int(rest) <= _ANSWER_LIMIT:
        return answers.read(int(rest) + 2)[:-2].decode(errors="replace")
    if kind == "-":
        raise ValueError(rest)
    raise ValueError("it does not speak Redis's language" if head else "it closed the connection")
