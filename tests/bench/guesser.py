"""Somebody who guesses passwords, so many a second and each from another loopback address; or who refuses them.

``python -m tests.bench.guesser PORT RATE`` guesses until it gets a line, and then prints how many guesses were
answered in a second. With the rate 0 it listens on the port instead, and says no to everybody. As soon as it is at
work it prints an empty line.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import sys

_WITHIN = 30.0
_MOST_OPEN = 2_000
_NO = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Guesser:
    """Sends wrong logins at a steady pace, whether the ones before were answered or not."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answered = 0
        self.begun = asyncio.Event()

    async def run(self, rate: int, ended: asyncio.Event) -> None:
        """Guess until the event is set."""
        loop = asyncio.get_running_loop()
        began, open_ones = loop.time(), set[asyncio.Task[None]]()
        for number in itertools.count():
            if ended.is_set():
                break
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            if len(open_ones) < _MOST_OPEN:
                task = loop.create_task(self._guess(number))
                open_ones.add(task)
                task.add_done_callback(open_ones.discard)
        for task in open_ones:
            task.cancel()

    async def _guess(self, number: int) -> None:
        address = f"127.{1 + number // 65_000 % 250}.{number // 250 % 250}.{1 + number % 250}"
        login = base64.b64encode(f"user{number}:guess{number}".encode()).decode()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_WITHIN):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self._port, local_addr=(address, 0)
                )
                writer.write(
                    f"GET /api/v1/status HTTP/1.1\r\nHost: localhost:{self._port}\r\n"
                    f"Authorization: Basic {login}\r\nConnection: close\r\n\r\n".encode()
                )
                line = await reader.readline()
                self.answered += bool(line)
                self.begun.set()
                writer.close()


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_NO)
        await writer.drain()
    writer.close()


async def main(port: int, rate: int) -> None:
    """Guess, or refuse, until a line comes."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, ended.set)
    if not rate:
        async with await asyncio.start_server(_refuse, "127.0.0.1", port, backlog=1_000):
            _say("")
            await ended.wait()
        return
    guesser = Guesser(port)
    guessing = loop.create_task(guesser.run(rate, ended))
    await guesser.begun.wait()
    _say("")
    before, began = guesser.answered, loop.time()
    await guessing
    _say(f"{(guesser.answered - before) / (loop.time() - began):.1f}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
