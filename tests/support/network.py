"""A network for daemons: machines on one side, PostgreSQL and Redis on the other, and links between that can be cut.

As root each machine is a network namespace with a cable to a router of our own, itself one, so nothing of the
computer's own network is touched; what the router swallows is lost without a word, as in real networks. Others get
links of ``tests.support.link`` in their place, which hold back what real links lose. As root there is no such way
out: what the namespaces need and do not get is an error.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.guard import guard
from tests.support.link import BOTH, Direction, Link
from tests.support.postgres import PostgresServer
from tests.support.processes import guarded
from tests.support.redis import RedisServer
from tests.support.waiting import wait_until

_SERVERS = "10.200.0.2"
_HERE = Path("/proc/thread-self/ns/net")


class Machine(Protocol):
    """One machine on the network, and where it finds the servers."""

    database_url: str
    redis_url: str

    def inside(self) -> AbstractContextManager[None]:
        """Let what this thread starts in the block run on this machine."""

    def cut(self, *directions: Direction) -> None:
        """Let nothing of this machine pass in these directions, or in both, until ``mend``."""

    def unplug(self) -> None:
        """Take the machine's cable out, until ``mend``."""

    def mend(self) -> None:
        """Let everything pass again."""


class Network:
    """The servers, and machines that reach them; the test itself reaches the database past the network."""

    def __init__(self, postgres: PostgresServer, database: str, join: Callable[[], Machine]) -> None:
        self.direct_url = postgres.socket_url(database)
        self._join = join

    def machine(self) -> Machine:
        """Connect another machine."""
        return self._join()


@pytest.fixture
def network(
    own_postgres: Callable[..., PostgresServer], own_redis: Callable[..., RedisServer]
) -> Iterator[Network]:
    """Give a network with servers of its own, on which no machine is yet."""
    with ExitStack() as stack:
        if os.geteuid() != 0:
            postgres, redis = own_postgres(durable=False), own_redis()
            database = postgres.create_database()
            yield Network(postgres, database, lambda: _Linked(stack, postgres.url(database), redis.url))
            return
        router, servers = _Namespace(stack), _Namespace(stack)
        router.shell("echo 1 > /proc/sys/net/ipv4/ip_forward")
        _connect(router, servers, "servers", "10.200.0")
        with servers.inside():
            postgres = own_postgres(durable=False, settings=_open_to_machines(stack))
            redis = own_redis()
            redis.command('CONFIG SET bind "*"', "CONFIG SET protected-mode no")
        database = postgres.create_database()
        urls = [url.replace("127.0.0.1", _SERVERS) for url in (postgres.url(database), redis.url)]
        made: list[Machine] = []

        def join() -> Machine:
            made.append(_Separate(stack, router, len(made) + 1, *urls))
            return made[-1]

        yield Network(postgres, database, join)


class _Namespace:
    """A network namespace that lives as long as the stack."""

    def __init__(self, stack: ExitStack) -> None:
        unshare, sleep = shutil.which("unshare"), shutil.which("sleep")
        assert unshare, "the tests of networks need unshare, of Debian's util-linux"
        assert sleep
        assert shutil.which("ip"), "the tests of networks need ip, of Debian's iproute2"
        process = stack.enter_context(guarded([unshare, "--net", "--", sleep, "infinity"]))
        self._file = Path(f"/proc/{process.pid}/ns/net")
        self.pid = process.pid
        wait_until(
            lambda: process.poll() is not None or self._file.readlink() != _HERE.readlink(),
            describing="a network namespace",
        )
        assert process.returncode is None, "this machine gives root no network namespaces (unshare --net)"
        self.shell("ip link set lo up")

    def shell(self, line: str) -> None:
        """Run a command in this namespace."""
        with guarded(["nsenter", f"--net={self._file}", "sh", "-ec", line]) as process:
            assert process.wait(30) == 0, f"this machine refuses in a network namespace: {line}"

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Have what this thread opens and starts in the block live in this namespace."""
        with _HERE.open() as before, self._file.open() as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())


class _Separate:
    """A machine in a namespace of its own."""

    def __init__(
        self, stack: ExitStack, router: _Namespace, number: int, database_url: str, redis_url: str
    ) -> None:
        self.database_url, self.redis_url = database_url, redis_url
        self._router = router
        self._namespace = _Namespace(stack)
        self._cable, self._address = f"machine{number}", f"10.201.{number}.2"
        _connect(router, self._namespace, self._cable, f"10.201.{number}")
        self._rules: list[str] = []
        self._plugged = True

    def inside(self) -> AbstractContextManager[None]:
        return self._namespace.inside()

    def cut(self, *directions: Direction) -> None:
        for direction in directions or BOTH:
            way = "from" if direction == "to the server" else "to"
            self._rules.append(f"{way} {self._address} blackhole")
            self._router.shell(f"ip rule add {self._rules[-1]}")

    def unplug(self) -> None:
        self._plugged = False
        self._router.shell(f"ip link set {self._cable} down")

    def mend(self) -> None:
        while self._rules:
            self._router.shell(f"ip rule del {self._rules.pop()}")
        if not self._plugged:
            self._plugged = True
            self._router.shell(f"ip link set {self._cable} up")


class _Linked:
    """A machine that is this one, but for the links that lead to the servers."""

    def __init__(self, stack: ExitStack, *urls: str) -> None:
        self._links = []
        led = []
        for url in urls:
            port = url.partition("127.0.0.1:")[2].partition("/")[0]
            link = stack.enter_context(Link(int(port)))
            self._links.append(link)
            led.append(url.replace(f"127.0.0.1:{port}", f"127.0.0.1:{link.port}"))
        self.database_url, self.redis_url = led

    def inside(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def cut(self, *directions: Direction) -> None:
        for link in self._links:
            link.freeze(*directions)

    def unplug(self) -> None:
        self.cut()

    def mend(self) -> None:
        for link in self._links:
            link.thaw()


def _connect(router: _Namespace, other: _Namespace, cable: str, net: str) -> None:
    """Lay a cable between the router and another namespace, which has address 2 on it."""
    router.shell(
        f"ip link add {cable} type veth peer name eth0 netns {other.pid}"
        f"; ip address add {net}.1/24 dev {cable}; ip link set {cable} up"
    )
    other.shell(f"ip address add {net}.2/24 dev eth0; ip link set eth0 up; ip route add default via {net}.1")


def _open_to_machines(stack: ExitStack) -> dict[str, str]:
    """Return PostgreSQL's settings for a server that machines of this network may use."""
    folder = guard.new_folder()
    stack.callback(guard.remove_folder, folder)
    folder.chmod(0o755)
    rules = folder / "pg_hba.conf"
    rules.write_text(
        "local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all 10.201.0.0/16 trust\n"
    )
    return {"listen_addresses": "*", "hba_file": str(rules)}


def _enter(namespace: int) -> None:
    """Move this thread into a network namespace, given as an open file."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newnet = 0x40000000
    if libc.setns(namespace, clone_newnet):
        raise OSError(ctypes.get_errno(), "this machine does not let root enter a network namespace")
