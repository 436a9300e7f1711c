"""The disasters, of which nothing is timed, and then the rounds: everybody in turn, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from tests.bench.machine import facts
from tests.bench.others import Others, wait_for_quiet
from tests.bench.peers.arithmetic import Losses
from tests.bench.peers.contenders import Contender
from tests.bench.peers.disasters import FLUSH, KILL, can_flush, strike
from tests.bench.peers.environments import Environment, MissingEnvironmentError, environment
from tests.bench.peers.results import Record, Results
from tests.bench.peers.servers import Servers
from tests.bench.peers.sizes import Sizes
from tests.bench.peers.turn import Turn
from tests.support.guard import guard
from tests.support.redis import Fsync

_DISASTERS = {KILL, FLUSH}
_AT_ONCE = 10  # disasters, which mostly wait
EVERYTHING = ""
"""In a record's failures: what kept the contender from everything."""

Say = Callable[[str], None]


def prepared(contenders: Sequence[Contender], say: Say) -> tuple[dict[str, Environment], dict[str, str]]:
    """Make the environments; return them, and why some could not be made, by the tool's short name."""
    made: dict[str, Environment] = {}
    missing: dict[str, str] = {}
    for peer in dict.fromkeys(each.peer for each in contenders):
        say(f"preparing {peer}")
        try:
            made[peer] = environment(peer)
        except MissingEnvironmentError as error:
            missing[peer] = str(error)
    return made, missing


class Run:
    """One run over some contenders and measures."""

    def __init__(
        self,
        contenders: Sequence[Contender],
        environments: Mapping[str, Environment],
        missing: Mapping[str, str],
        sizes: Sizes,
        wanted: Collection[str],
    ) -> None:
        self._environments = environments
        self._sizes = sizes
        self._wanted = set(wanted)
        self._records = {
            each: Record.of(each, environments[each.peer].versions if each.peer in environments else "")
            for each in contenders
        }
        for contender, record in self._records.items():
            if contender.peer in missing:
                record.failures[EVERYTHING] = missing[contender.peer]
        self._able = [each for each in contenders if each.peer in environments]
        # A tool has one command, whatever its settings are.
        self._commands = {each.peer: each for each in reversed(self._able)}

    def measure(
        self, *, rounds: int, minutes: float, appendfsync: Fsync, patience: float, say: Say, called: str
    ) -> Results:
        """Measure, and return what came out: so many rounds, or fewer where another would not end in these minutes."""
        deadline = time.monotonic() + minutes * 60
        others: dict[str, float] = {}
        folder = guard.new_folder()
        with Servers(appendfsync) as servers:
            machine: dict[str, Any] = facts(folder) | {
                "called": called,
                "rounds": 0,
                "lost_after": self._sizes.back_seconds,
                "settings": servers.described(),
                "others": others,
            }
            guard.remove_folder(folder)
            servers.start(self._able)
            self._strike(servers, say)
            longest = 0.0
            for number in range(1, rounds + 1) if self._wanted - _DISASTERS else ():
                if patience:
                    say(f"waiting for a quiet machine before round {number}")
                    wait_for_quiet(patience)
                began, meanwhile = time.monotonic(), Others()
                if longest and began + longest > deadline:
                    break
                self._round(number, rounds, servers, say)
                longest = max(longest, time.monotonic() - began)
                others[f"round {number}"] = round(meanwhile.share(), 3)
                machine["rounds"] = number
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Results(now, machine, list(self._records.values()))

    def _round(self, number: int, rounds: int, servers: Servers, say: Say) -> None:
        # Each round begins with another one, so that nobody is always first or always after the same.
        first = (number - 1) * len(self._able) // rounds
        for contender in [*self._able[first:], *self._able[:first]]:
            say(f"round {number} of {rounds}: {contender.name}")
            wanted = self._wanted - _DISASTERS
            if self._commands[contender.peer] is not contender:
                wanted -= {"startup"}
            environment = self._environments[contender.peer]
            turn = Turn(contender, environment, servers, self._sizes, wanted).run()
            record = self._records[contender]
            record.note_round(turn.samples)
            record.cannot |= turn.cannot
            record.failures |= turn.failures

    def _strike(self, servers: Servers, say: Say) -> None:
        """Let the disasters happen, several at once: each has workers and a place of its own."""
        struck = []
        for which in sorted(self._wanted & _DISASTERS):
            for contender in self._able:
                if which == FLUSH and not can_flush(contender):
                    self._records[contender].cannot[which] = "has nothing in Redis"
                else:
                    struck.append((which, contender))
        if not struck:
            return
        say(f"{len(struck)} disasters")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            futures = [
                (which, contender, pool.submit(self._losses, which, contender, servers))
                for which, contender in struck
            ]
            for which, contender, future in futures:
                try:
                    self._records[contender].disasters[which] = future.result()
                except Exception as error:  # noqa: BLE001  one contender's failure must not cost the others
                    self._records[contender].failures[which] = f"{type(error).__name__}: {error}"

    def _losses(self, which: str, contender: Contender, servers: Servers) -> Losses:
        return strike(which, contender, self._environments[contender.peer], servers, self._sizes)
