"""Decide which network addresses a fetch may reach, so that no page can lead queuectl into a private network.

A name is resolved once, every answer is judged, and the connection goes to a judged address and
nowhere else. The rule is an explicit list, because ``ipaddress.is_global`` calls several special
blocks global and differs between Python versions. The blocks are those of the IANA registries of
special-purpose addresses as of 2026-10, and a few addresses that clouds keep for themselves.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable
from typing import TypeAlias

from queuectl.errors import PermanentError, RetryableError

PUBLIC_PORTS = (80, 443)
_HINT = "if it is meant to be reached, add its network to fetch_allow_networks"

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver: TypeAlias = Callable[[str, int], list[str]]
"""Return all addresses of a host as text; raise OSError when there are none."""

_REFUSED_V4 = tuple(
    (ipaddress.IPv4Network(block), meaning)
    for block, meaning in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a provider's customers"),
        ("127.0.0.0/8", "this machine"),
        ("168.63.129.16/32", "a cloud's internal service"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "set aside for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.31.196.0/24", "set aside for protocols"),
        ("192.52.193.0/24", "set aside for protocols"),
        ("192.88.99.0/24", "a retired relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "set aside for protocols"),
        ("198.18.0.0/15", "for measurements"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
# Only 2000::/3 is given out for public use; everything outside of it is refused as a whole, which
# covers loopback, IPv4-compatible, unique local, link-local, site-local and multicast addresses.
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    (ipaddress.IPv6Network(block), meaning)
    for block, meaning in (
        ("2001::/23", "set aside for protocols"),  # Teredo among them, which embeds two IPv4 addresses
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "a retired relay"),  # 6to4, which embeds an IPv4 address
        ("2620:4f:8000::/48", "set aside for protocols"),
        ("3ffe::/16", "retired"),
        ("3fff::/20", "for documentation"),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# ISATAP puts an IPv4 address behind one of these two markers; the rest of the address looks public.
_ISATAP_MARKERS = (0x0000_5EFE, 0x0200_5EFE)


def refusal(address: Address) -> str | None:
    """Return what makes an address unfit for fetching, such as ``private``; None when it is public."""
    if isinstance(address, ipaddress.IPv4Address):
        return next((meaning for block, meaning in _REFUSED_V4 if address in block), None)
    embedded = _embedded(address)
    if embedded is not None:
        return refusal(embedded)
    if address not in _PUBLIC_V6:
        return "not public"
    return next((meaning for block, meaning in _REFUSED_V6 if address in block), None)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that a packet to this address would end at, if there is one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    number = int(address)
    isatap = (number >> 32) & 0xFFFF_FFFF in _ISATAP_MARKERS and address in _PUBLIC_V6
    if isatap or address in _NAT64:
        return ipaddress.IPv4Address(number & 0xFFFF_FFFF)
    return None


def resolve_with_system(host: str, port: int) -> list[str]:
    """Ask the system's resolver for all addresses of a host, IPv4 and IPv6."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class AddressGuard:
    """Turns a host into the addresses that may be connected to.

    ``allow`` lists networks, such as ``127.0.0.0/8``, that may be reached on any port although
    they are not public.
    """

    def __init__(self, allow: Iterable[str] = (), *, resolve: Resolver = resolve_with_system) -> None:
        self._allowed: tuple[Network, ...] = tuple(ipaddress.ip_network(each, strict=False) for each in allow)
        self._resolve = resolve

    def addresses(self, host: str, port: int, *, within: float) -> list[str]:
        """Return the addresses of a host, each of them fit to be connected to on this port.

        One unfit address among many refuses the host as a whole: a name that also leads to a
        public address is no reason to trust it. ``within`` is the time in seconds that the
        resolver may take.

        Raises:
            PermanentError: the host leads to an address that must not be reached.
            RetryableError: the host cannot be resolved now.
        """
        try:
            found = [ipaddress.ip_address(host)]
        except ValueError:
            found = [_parsed(host, answer) for answer in self._answers(host, port, within)]
        for address in found:
            self._judge(host, address, port)
        return [str(address) for address in found]

    def check_peer(self, host: str, peer: str, port: int) -> None:
        """Judge the address that a connection has really reached.

        Raises:
            PermanentError: it must not be reached.
        """
        self._judge(host, _parsed(host, peer), port)

    def _judge(self, host: str, address: Address, port: int) -> None:
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        if any((mapped or address) in network for network in self._allowed):
            return
        meaning = refusal(address)
        if meaning is not None:
            where = str(address) if str(address) == host else f"{host} ({address})"
            raise PermanentError(f"refused to fetch from {where}: the address is {meaning}", hint=_HINT)
        if port not in PUBLIC_PORTS:
            raise PermanentError(
                f"refused to fetch from port {port} of {host}: it is not 80 or 443", hint=_HINT
            )

    def _answers(self, host: str, port: int, within: float) -> list[str]:
        """Resolve in a thread of its own, because the system's resolver knows no time limit."""
        answers: list[str] = []
        failures: list[Exception] = []

        def ask() -> None:
            try:
                answers.extend(self._resolve(host, port))
            except (OSError, UnicodeError) as error:
                failures.append(error)

        thread = threading.Thread(target=ask, name=f"resolve {host}", daemon=True)
        thread.start()
        thread.join(max(within, 0.0))
        if thread.is_alive():
            raise RetryableError(f"the name {host} was not resolved within {within:.0f} s")
        if failures:
            raise RetryableError(f"the name {host} cannot be resolved: {failures[0]}") from failures[0]
        if not answers:
            raise RetryableError(f"the name {host} has no address")
        return answers


def _parsed(host: str, answer: str) -> Address:
    """Read a resolver's answer; one with a zone, or no address at all, is never public."""
    try:
        address = ipaddress.ip_address(answer)
    except ValueError:
        address = None
    if address is None or getattr(address, "scope_id", None):
        raise PermanentError(f"refused to fetch from {host}: {answer!r} is not a public address")
    return address
