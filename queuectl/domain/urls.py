"""Accept, refuse and normalise a submitted URL, and give it the key by which duplicates are found."""

from __future__ import annotations

import ipaddress
import re
from hashlib import blake2b
from typing import NamedTuple, NoReturn
from urllib.parse import quote

from queuectl.errors import InvalidURLError

LENGTH_LIMIT = 4096
"""The most characters a URL may have, as given and once normalised."""

_SHOWN = 60
_DEFAULT_PORTS = {"http": 80, "https": 443}

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# What is already normal and plain: the usual case of a bulk submission, recognised in one match.
# The last label starts with a letter, so that nothing that reads as an IPv4 address comes this way.
_NORMAL = re.compile(
    rf"https?://((?:{_LABEL}\.)*[a-z](?:[a-z0-9_-]{{0,61}}[a-z0-9_])?)"
    r"/[A-Za-z0-9\-._~:/@!$&'()*+,;=%\[\]]*(?:\?[A-Za-z0-9\-._~:/@!$&'()*+,;=%\[\]?]*)?"
)
_UNUSABLE = re.compile(r"(?P<control>[\x00-\x1f\x7f-\x9f\ud800-\udfff])|[\s\\]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_READS_AS_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[0-9]{1,6}")
_USER_INFORMATION = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*+:)?([/\\]*+)[^/?#]*@")
_HOST_LIMIT = 253
# Everything that may stay as it is in a path and a query; the rest is percent-encoded as UTF-8.
_KEPT = "-._~:/@!$&'()*+,;=%[]?"


class AcceptedURL(NamedTuple):
    """A normalised URL, its host in lower case, and a signed 64-bit key that equal URLs share.

    A named tuple and not a dataclass, because bulk submission makes one per line and this costs
    a third of the time.
    """

    url: str
    host: str
    key: int


def accept(text: str) -> AcceptedURL:
    """Return ``text`` as a normalised http or https URL.

    Scheme and host are in lower case, the host is an ASCII name without a final dot or an address
    in its usual form, a default port and the fragment are gone, an empty path is ``/``, and
    characters that a URL cannot carry are percent-encoded; the query is otherwise left alone.

    Raises:
        InvalidURLError: it is not a URL that can be fetched; the message says why in one line.
    """
    match = _NORMAL.fullmatch(text) if len(text) <= LENGTH_LIMIT else None
    if match is not None:
        host = match[1]
        if len(host) <= _HOST_LIMIT:
            return AcceptedURL(text, host, key_of(text))
    url, host = _normalised(text)
    return AcceptedURL(url, host, key_of(url))


def key_of(url: str) -> int:
    """Return the signed 64-bit key of a normalised URL; two URLs with one key count as duplicates."""
    return int.from_bytes(blake2b(url.encode(), digest_size=8).digest(), "big", signed=True)


def _normalised(text: str) -> tuple[str, str]:
    """Return the normalised URL and its host, for any text at all."""
    given = text
    text = text.strip(" \t\r\n")
    _refuse_unusable_text(given, text)
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else ""
    if match is None or scheme not in _DEFAULT_PORTS:
        # "example.com:8080/a" looks like a scheme and is an address without one.
        hint = "write the whole address, such as https://example.com/article"
        _refuse(text, "does not start with http:// or https://", hint)
    if not match[2]:
        _refuse(text, "has no // after its scheme", f"write {scheme}://…")
    authority, target = _split(text[match.end() :])
    if "@" in authority:
        _refuse(
            text,
            "carries a user name or password",
            "remove what stands before the @; credentials are never stored",
        )
    host, port = _host_and_port(text, authority)
    if port in ("", str(_DEFAULT_PORTS[scheme])):
        port = ""
    url = f"{scheme}://{host}{port and ':'}{port}{quote(target, safe=_KEPT)}"
    if len(url) > LENGTH_LIMIT:
        _refuse(text, f"is longer than {LENGTH_LIMIT:,} characters once it is percent-encoded", "shorten it")
    return url, host.strip("[]")


def _refuse_unusable_text(given: str, text: str) -> None:
    """Refuse what no URL may contain, before any part of it is looked at."""
    if not text:
        raise InvalidURLError("the URL is empty", hint="give an address such as https://example.com/article")
    if len(given) > LENGTH_LIMIT:
        _refuse(text, f"is longer than {LENGTH_LIMIT:,} characters", "shorten it")
    unusable = _UNUSABLE.search(text)
    if unusable is None:
        return
    if unusable[0] == "\\":
        _refuse(text, "has a backslash inside", "write / in the address, or %5C for a real backslash")
    if unusable["control"]:
        _refuse(text, "has a control character inside", "copy the address again from its source")
    _refuse(text, "has a space inside", "write a space as %20, or give one URL at a time")


def _split(rest: str) -> tuple[str, str]:
    """Split what follows ``//`` into the authority and the path with its query; the fragment goes."""
    rest = rest.partition("#")[0]
    end = next((index for index, character in enumerate(rest) if character in "/?"), len(rest))
    target = rest[end:]
    return rest[:end], target if target.startswith("/") else f"/{target}"


def _host_and_port(text: str, authority: str) -> tuple[str, str]:
    """Return the normal form of the host and the digits of the port, which may be empty."""
    if authority.startswith("["):
        literal, closed, after = authority[1:].partition("]")
        if not closed or after[:1] not in ("", ":"):
            _refuse(text, "has a bad host in brackets", "write it as [2001:db8::1] or [2001:db8::1]:8080")
        host, port = _ipv6(text, literal), after[1:]
    else:
        name, _, port = authority.partition(":")
        host = _host_name(text, name)
    if port and not (_PORT.fullmatch(port) and 0 < int(port) < 65536):
        _refuse(text, "has a bad port", "a port is a number from 1 to 65535")
    return host, port.lstrip("0")


def _ipv6(text: str, literal: str) -> str:
    try:
        # A zone names an interface of one machine, so it has no place in an address for everyone.
        return f"[{ipaddress.IPv6Address(literal.replace('%', ' ')).compressed}]"
    except ipaddress.AddressValueError:
        _refuse(text, "has a host that is no IPv6 address", "write it as [2001:db8::1], without a zone")


def _host_name(text: str, name: str) -> str:
    """Return a host in ASCII and lower case, an IPv4 address in four decimal numbers, or refuse it."""
    if not name:
        _refuse(text, "has no host", "write the whole address, such as https://example.com/article")
    host = name.lower()
    if not host.isascii() and len(host) <= _HOST_LIMIT:
        try:
            host = host.encode("idna").decode("ascii").lower()
        except UnicodeError:
            _refuse(text, "has a host that is no valid name", "check the host's spelling")
    host = host.removesuffix(".")
    if len(host) > _HOST_LIMIT or not _HOST.fullmatch(host):
        _refuse(
            text, "has a host that is no valid name", "a host is letters, digits and hyphens between dots"
        )
    if _READS_AS_NUMBER.fullmatch(host.rpartition(".")[2]):
        # 2130706433, 0x7f.1 and 127.1 all reach 127.0.0.1 somewhere; only one spelling is let in.
        try:
            return str(ipaddress.IPv4Address(host))
        except ipaddress.AddressValueError:
            _refuse(
                text,
                "has a host that is no usual IPv4 address",
                "write it as four decimal numbers, such as 192.0.2.1",
            )
    return host


def _refuse(text: str, why: str, hint: str | None = None) -> NoReturn:
    raise InvalidURLError(f"the URL {_shown(text)} {why}", hint=hint)


def _shown(text: str) -> str:
    """Return the beginning of a text in quotes, without credentials and with every odd character escaped."""
    # The credentials go before the cut, or a long password would be shown up to the cut.
    safe = _USER_INFORMATION.sub(r"\1\2…@", text, count=1) if _USER_INFORMATION.match(text) else text
    return repr(safe if len(safe) <= _SHOWN else f"{safe[:_SHOWN]}…")
