"""What a route is, and how a request becomes a call of it: checked fields in, a document or a page out.

Every route of the page and of the interface is one of these, so that one place checks roles, and tests and the
description of the interface can walk all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
import msgspec.inspect
from starlette.requests import Request

from queuectl.domain.visible import is_storable, visible
from queuectl.domain.web_access import Role
from queuectl.errors import InvalidInputError
from queuectl_daemon.web.identity import Identity
from queuectl_daemon.web.problems import Problem

if TYPE_CHECKING:
    from queuectl_daemon.web.desk import Desk

_MOST_FIELDS = 1_000
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and checked; ``query`` and ``body`` are of the route's types."""

    desk: Desk
    request: Request
    identity: Identity
    path: Mapping[str, str]
    query: Any
    body: Any
    content: bytes = b""

    @property
    def zone(self) -> str:
        """The zone in which times without one are read."""
        return self.desk.settings.timezone

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return str(self.request.scope["state"]["address"])

    def need(self, role: Role) -> None:
        """Check that whoever asks may do this.

        Raises:
            Problem: no.
        """
        if self.identity.role < role:
            raise Problem(
                403,
                "role_too_low",
                f"this needs the role {role.word}, and {self.identity.name} has the role {self.identity.role.word}",
                hint="use a token with a higher role",
            )


Answer = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, who may use them, what they take, and what answers.

    ``answer`` runs in a thread that may block. What it returns is the content of a document, or a response.
    ``streams`` says that it is a coroutine function in the loop, whose response does not end; ``form`` that it takes
    the fields of a form, ``file`` that it returns a file, ``once`` that a key keeps it from happening twice, ``deep``
    that the name in its path may have slashes in it.
    """

    method: str
    path: str
    role: Role
    answer: Answer
    summary: str = ""
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    status: int = 200
    streams: bool = False
    once: bool = False
    tag: str = ""
    form: bool = False
    file: bool = False
    deep: bool = False

    @property
    def pattern(self) -> str:
        """The path as the router takes it."""
        return self.path.replace("{name}", "{name:path}") if self.deep else self.path


def read_query(request: Request, kind: type[msgspec.Struct] | None) -> Any:
    """Return the fields of an address's query.

    Raises:
        InvalidInputError: one is unknown or not acceptable.
    """
    pairs = _pairs(request.scope["query_string"])
    if kind is None:
        if pairs:
            raise InvalidInputError(f"there is no parameter {pairs[0][0][:60]!r} here")
        return None
    return converted(pairs, kind)


def converted(pairs: list[tuple[str, str]], kind: type[msgspec.Struct]) -> Any:
    """Return fields that were sent as texts, with empty ones left out.

    Raises:
        InvalidInputError: one is unknown or not acceptable.
    """
    lists = _lists_of(kind)
    found: dict[str, Any] = {}
    for name, value in pairs:
        if not value.strip():
            continue
        if name in lists:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    try:
        return msgspec.convert(found, kind, strict=False)
    except (msgspec.ValidationError, OverflowError) as error:
        raise InvalidInputError(_said(error)) from error


def read_form(content: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form.

    Raises:
        InvalidInputError: it is none.
    """
    return _pairs(content)


def read_body(request: Request, content: bytes, kind: type[msgspec.Struct] | None) -> Any:
    """Return the content of a JSON request.

    Raises:
        Problem: it is not JSON.
        InvalidInputError: a field is unknown or not acceptable.
    """
    if kind is None:
        if content.strip():
            raise InvalidInputError("nothing is to be sent here")
        return None
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != "application/json":
        raise Problem(
            415, "not_json", "the content is to be JSON", hint="send it with Content-Type: application/json"
        )
    try:
        plain = msgspec.json.decode(content or b"{}")
        _check_plain(plain)
        return msgspec.convert(plain, kind)
    except RecursionError as error:
        raise InvalidInputError("the content is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError("the content is not UTF-8 text") from error
    except (msgspec.DecodeError, OverflowError) as error:
        raise InvalidInputError(_said(error)) from error


def _pairs(content: bytes) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(
            content.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise InvalidInputError("the parameters are not UTF-8, or too many") from error
    for name, value in pairs:
        check_text(name)
        check_text(value)
    return pairs


def check_text(text: str) -> None:
    """Refuse what no database keeps.

    Raises:
        InvalidInputError: there is a zero character or half of a pair in it.
    """
    if not is_storable(text):
        raise InvalidInputError("a text has a character in it that cannot be kept")


def _check_plain(value: Any, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise InvalidInputError(f"the content is nested more than {_DEEPEST} deep")
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, list):
        for each in value:
            _check_plain(each, depth + 1)
    elif isinstance(value, dict):
        for name, each in value.items():
            check_text(name)
            _check_plain(each, depth + 1)


@cache
def _lists_of(kind: type[msgspec.Struct]) -> frozenset[str]:
    """Return the names of the fields that hold several values."""
    found = msgspec.inspect.type_info(kind)
    fields = found.fields if isinstance(found, msgspec.inspect.StructType) else ()
    return frozenset(each.encode_name for each in fields if _takes_list(each.type))


def _takes_list(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_takes_list(each) for each in kind.types)
    return isinstance(kind, msgspec.inspect.ListType)


def _said(error: Exception) -> str:
    text = str(error).replace("`", "'")  # it names fields as they were sent
    return f"the request cannot be read: {visible(text, 300)}"
