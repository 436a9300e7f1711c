"""The real SQL on an SQLite database in memory, shared by all nodes of a run, behind which calls go wrong.

A call fails before, is undone, did it and says that it failed, is slow, or is the last that its process makes.
Nothing else acts during a transaction, so transactions are serial, as the rows' locks make them on PostgreSQL.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import peewee

from queuectl.errors import ConflictError, DatabaseUnreachableError
from queuectl.store.connecting import add_functions
from queuectl.store.database import Database, Transaction
from queuectl.store.migrate import migrate
from tests.faults.recording import record_moves
from tests.simulation.weather import Weather
from tests.simulation.world import World

_CLOCK = "virtual_now()"
_URL = "sqlite:///:memory:"


class SimulatedDatabase(Database):
    """One process's way to the shared database.

    ``cut`` tells whether it alone, ``down`` whether everybody is cut off; ``die`` kills the process.
    """

    def __init__(
        self,
        shared: peewee.SqliteDatabase,
        world: World,
        weather: Weather,
        *,
        share: float = 1.0,
        die: Callable[[], None] | None = None,
        down: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(_URL)
        self.peewee = shared
        self.cut = False
        self._world = world
        self._weather = weather
        self._share = share
        self._die = die
        self._shared_down = down
        self._breaks_at = -1
        self._chance = weather.stream("store")

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Write, and let it go wrong."""
        self._world.check()
        kinds = ["refused", "undone", "unheard", "slow", "conflict"] + ["killed"] * (self._die is not None)
        fault = self._strike(*kinds)
        if fault == "killed" and self._chance.random() < 0.5:
            self._kill("before it wrote")
        self._breaks_at = self._chance.randrange(12) if fault == "undone" else -1
        try:
            with super().writing() as transaction:
                yield transaction
                if fault == "conflict":
                    raise ConflictError("another writer was in the way", hint="try again")
                if fault == "undone" and self._breaks_at >= 0:  # or it broke at a statement already
                    self._fail("undone")
        finally:
            self._breaks_at = -1
        self._world.now += 100_000
        if fault == "unheard":
            self._fail("done and unheard")
        if fault == "killed":
            self._kill("after it wrote")
        if fault == "slow":
            self._world.sleep(self._chance.choice([0.02, 0.3, 2.0, 7.0]))

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Read, and let it go wrong."""
        self._world.check()
        self._strike("refused", "slow")
        with super().reading() as transaction:
            yield transaction

    def run(self, sql: str, params: Sequence[object] = ()) -> Any:
        """Run a statement, unless the connection breaks at this one."""
        if not self._breaks_at:
            self._breaks_at = -1
            self._fail("broken off")
        self._breaks_at -= 1
        return super().run(sql, params)

    def clock(self) -> str:
        """Return the SQL of the one clock that all share; ``seams`` has the same told to transactions."""
        return _CLOCK

    def close(self) -> None:
        """Keep the connection, which is everybody's."""

    def reach(self) -> None:
        """Fail where the server is out of reach."""
        if self.cut or self._shared_down():
            self._world.sleep(0.01)
            self._fail("cut off")

    def _strike(self, *kinds: str) -> str | None:
        self.reach()
        fault = self._weather.strikes(self._world.monotonic(), *kinds, share=self._share)
        if fault == "slow":
            self._world.sleep(self._chance.choice([0.005, 0.05, 0.5, 3.0]))
        if fault == "refused":
            self._fail("refused")
        return fault

    def _fail(self, how: str) -> None:
        self._world.tell(f"database: {how}")
        raise DatabaseUnreachableError(f"the database does not answer: {how}", hint="wait")

    def _kill(self, when: str) -> None:
        self._world.tell(f"killed {when}")
        if self._die is not None:
            self._die()
        self._world.check()


@functools.cache
def _template() -> peewee.SqliteDatabase:
    """Return a migrated database whose copies are quick to make."""
    template = _opened()
    database = Database(_URL)
    database.peewee = template
    _tell_time(template, lambda: 0)
    migrate(database)
    record_moves(database, clock=_CLOCK)
    return template


def shared_database(world: World) -> peewee.SqliteDatabase:
    """Return an empty database with the present schema, in which every change of a state is kept."""
    database = _opened()
    _template().connection().backup(database.connection())
    _tell_time(database, world.true_ms)
    return database


def _opened() -> peewee.SqliteDatabase:
    database = peewee.SqliteDatabase(":memory:", pragmas={"foreign_keys": 1}, autoconnect=False)
    database.connect()
    add_functions(database.connection())
    return database


def _tell_time(database: peewee.SqliteDatabase, clock: Callable[[], int]) -> None:
    database.connection().create_function("virtual_now", 0, clock)
