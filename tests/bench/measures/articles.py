"""How fast real pages become stored articles, beside a loop that fetches and extracts and keeps nothing.

The pages come from the bundled sample site in a process of its own. Both sides are warm: their
parsers are loaded and each worker has handled pages before the clock starts.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from importlib.resources import files
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from queuectl.store.database import Database
from tests.bench.daemon import Daemon
from tests.bench.figures import Bound, Figure, figure, ratio
from tests.bench.stage import KINDS, Place, Stage

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

_NETWORK = "127.0.0.0/8"
_LOOPS = 2
_WORKERS = 4  # while one waits for the disk, another one extracts; the loop never waits for a disk
_WARMING = 24
_BOUND = Bound(0.7, at_least=True)
_PATIENCE = 180
_SPAWN = multiprocessing.get_context("spawn")


def run(stage: Stage) -> list[Figure]:
    """Measure the bare loop and each kind of installation, round after round."""
    pages = stage.size(500, 20)
    bare: list[float] = []
    speeds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with _site() as address:
        for _ in stage.rounds("articles"):
            bare.append(pages / _bare_seconds(_urls(address, pages)))
            for kind in KINDS:
                extra = f'workers = {_WORKERS}\nfetch_allow_networks = ["{_NETWORK}"]'
                with stage.place(kind, extra) as place:
                    speeds[kind].append(pages / _seconds(place, address, pages))
    return [
        figure(f"bare loop of {_LOOPS} processes, {pages} pages", bare, "pages/s"),
        *(figure(f"{kind}: {_WORKERS} workers", speeds[kind], "pages/s") for kind in KINDS),
        *(ratio(f"{kind} against the bare loop", speeds[kind], bare, _BOUND) for kind in KINDS),
    ]


def _seconds(place: Place, address: str, pages: int) -> float:
    """Return the time from the first start to the last end of the measured tasks."""
    with place.manager() as manager, Daemon(place) as daemon:
        manager.submit_batch(_urls(address, _WARMING))
        daemon.wait_until_done(_WARMING, within=_PATIENCE)
        manager.submit_batch(_urls(address, pages))
        daemon.wait_until_done(_WARMING + pages, within=_PATIENCE)
    database = Database(place.settings.database_url)
    with contextlib.closing(database), database.reading() as transaction:
        rows = transaction.rows(
            "SELECT MIN(started_at), MAX(finished_at), COUNT(*) FROM tasks WHERE id > %s", (_WARMING,)
        )
        stored = transaction.rows("SELECT COUNT(*) FROM articles")[0][0]
    first, last, count = rows[0]
    assert (count, stored) == (pages, _WARMING + pages), f"{stored} articles of {count} tasks are stored"
    return float(last - first) / 1000


def _urls(address: str, count: int) -> list[str]:
    """Return different addresses of the sample pages, each page as often as every other."""
    pages = files("queuectl.samples").joinpath("pages").iterdir()
    names = sorted(page.name for page in pages if page.name.endswith(".html"))
    return [f"{address}/articles/{names[number % len(names)]}?copy={number}" for number in range(count)]


@contextlib.contextmanager
def _site() -> Iterator[str]:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join(10)
        process.kill()


def _serve(connection: Connection) -> None:
    """Serve the sample pages until the other end of the connection is closed."""
    from queuectl.samples.site import SampleSite

    with SampleSite() as site:
        connection.send(site.address)
        with contextlib.suppress(EOFError):
            connection.recv()


def _bare_seconds(urls: list[str]) -> float:
    barrier = _SPAWN.Barrier(_LOOPS + 1)
    shares = [urls[number::_LOOPS] for number in range(_LOOPS)]
    processes = [_SPAWN.Process(target=_loop, args=(share, barrier), daemon=True) for share in shares]
    for process in processes:
        process.start()
    barrier.wait(60)
    start = time.monotonic()
    barrier.wait(_PATIENCE)
    seconds = time.monotonic() - start
    for process in processes:
        process.join(30)
    return seconds


def _loop(urls: list[str], barrier: Barrier) -> None:
    """Fetch and extract with the handler's own functions."""
    from queuectl.handlers.article.extract import extract
    from queuectl.handlers.article.fetch import Fetcher

    with contextlib.closing(Fetcher(allow_networks=(_NETWORK,))) as fetcher:
        for url in urls[: _WARMING // _LOOPS]:
            extract(fetcher.get(url))
        barrier.wait(60)
        for url in urls:
            extract(fetcher.get(url))
        barrier.wait(_PATIENCE)
