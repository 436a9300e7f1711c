"""Submit, work, kill -9, again and again on SQLite: every so often all of it is drained and judged.

A cycle is as short as a start of the daemon allows. Submitters are killed as well, by turns.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import dataclass
from random import Random
from time import monotonic

from queuectl.domain.task import ArticleTask, task_number
from tests.conftest import pytest_configure
from tests.faults.chaos.stage import Arena
from tests.support.chance import let_pass
from tests.support.clients import ClientLog
from tests.support.daemon import Daemon, Installation
from tests.support.guard import guard
from tests.support.verdict import pronounce

_CYCLES_OF_A_HOME = 250
_LONGEST_LIFE = 0.15  # seconds between a daemon's start and its death
_HANDLERS = ("work", "work", "work", "p_work", "a_nap", "p_keep_article", "refuse")


@dataclass
class Tally:
    """What was seen: deaths of daemons and of submitters, tasks, and the runs of their handlers."""

    daemons: int = 0
    submitters: int = 0
    tasks: int = 0
    attempts: int = 0


class Cycles:
    """The cycles of one home, which end with a judgement."""

    def __init__(self, arena: Arena, seed: int, tally: Tally) -> None:
        self._arena = arena
        self._seed = seed
        self._tally = tally
        self._chance = Random(seed)
        self._client = ClientLog()
        self._site = Installation(guard.new_folder(), workers=4, grace_period=5, max_retries=20)
        (self._site.home / "queuectl.db").write_bytes(arena.pristine_file())
        self._site.daemon = Daemon(self._site, arena.forker)

    def run(self, cycles: int) -> None:
        """Go through so many cycles, recover, and judge.

        Raises:
            AssertionError: A promise was broken.
        """
        try:
            for number in range(cycles):
                if self._chance.random() < 0.25:
                    self._submit_and_die(number)
                else:
                    self._submit(number)
                self._work_and_die()
            self._site.daemon.start()
            self._site.wait_until_done(within=90)
            assert self._site.daemon.stop() == 0
            told = f"make kill-cycles CYCLES={cycles} SEED={self._seed}"
            found = pronounce(self._site, self._client, facts={}, told=told)
            self._tally.tasks += len(found.tasks)
            self._tally.attempts += len(found.rows("attempts"))
        finally:
            self._site.close()
            guard.remove_folder(self._site.home)

    def _submit(self, number: int) -> None:
        for place in range(self._chance.randint(1, 4)):
            url = f"http://cycle.test/{number}/{place}"
            facts = {"witness": str(self._site.witness.path)}
            if self._chance.random() < 0.1:
                facts |= {"failing": [1]}  # type: ignore[dict-item]
            key = self._client.invoke("submit", urls=[url])
            task = ArticleTask(url, handler=self._chance.choice(_HANDLERS), metadata=facts)
            self._client.ok(key, [task_number(self._site.manager.submit_task(task))])

    def _submit_and_die(self, number: int) -> None:
        """Kill a batch on its way; what it has printed has been promised."""
        home = self._site.home
        urls = [f"http://cycle.test/{number}/killed/{place}" for place in range(5)]
        facts = {"handler": "work", "metadata": {"witness": str(self._site.witness.path)}}
        (home / "urls.jsonl").write_text("".join(json.dumps({"url": url} | facts) + "\n" for url in urls))
        key = self._client.invoke("submit", urls=urls)
        out = home / "out"
        out.write_text("")
        words = ["batch", str(home / "urls.jsonl"), "--json", "--home", str(home)]
        process = self._arena.forker.command(home, words, out)
        let_pass(self._chance.uniform(0, 0.08))
        process.kill()
        self._tally.submitters += process.wait(10) == -signal.SIGKILL
        if '"batch_id"' in out.read_text():
            found = self._site.rows("SELECT id FROM tasks WHERE url LIKE %s ORDER BY id", urls[0][:-1] + "%")
            assert len(found) == 5, f"a batch of 5 was promised, and {len(found)} tasks of it are there"
            self._client.ok(key, [each for (each,) in found])
        else:
            self._client.unknown(key)

    def _work_and_die(self) -> None:
        self._site.daemon.start(ready=False)
        let_pass(self._chance.uniform(0, _LONGEST_LIFE))
        self._site.daemon.kill()
        self._tally.daemons += 1


def main() -> int:
    """Go through the cycles; the status is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make kill-cycles", description=__doc__)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pytest_configure()
    arena, tally, begun, broken = Arena(), Tally(), monotonic(), 0
    try:
        for place, first in enumerate(range(0, options.cycles, _CYCLES_OF_A_HOME)):
            cycles = min(_CYCLES_OF_A_HOME, options.cycles - first)
            try:
                Cycles(arena, options.seed + place, tally).run(cycles)
            except AssertionError as error:
                broken += 1
                sys.stdout.write(f"BROKEN {error}\n")
            sys.stdout.write(
                f"{first + cycles} cycles, {monotonic() - begun:.0f} s: {tally}, {broken} broken\n"
            )
            sys.stdout.flush()
    finally:
        arena.close()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
