"""Commands that are killed: submit, batch, cancel, import, migrate and backup, each wholly done or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import time
from unittest import mock

from queuectl.clock import now_ms
from queuectl.domain.urls import key_of
from queuectl.operations.administration import repair_counts
from queuectl.store import migrate as migrations
from queuectl.store.database import Database
from queuectl.store.migrate import STEPS, migrate
from tests.faults.crash_points.scenario import CommandScenario, Props, Stage
from tests.support import exports

_TASK = re.compile(r"\btask_(\d+)\b")


def _numbers(out: str) -> list[int]:
    return [int(each) for each in _TASK.findall(out)]


class Submit(CommandScenario):
    """Three addresses in one command."""

    name = "submit"

    def words(self, stage: Stage) -> list[str]:
        """Name three addresses."""
        urls = [f"http://stage.test/{number}" for number in range(3)]
        stage.known["keys"] = {url: stage.client.invoke("submit", urls=[url]) for url in urls}
        meta = f"witness={stage.site.witness.path}"
        return ["submit", *urls, "--handler", "work", "--meta", meta, "--quiet"]

    def judge_command(self, stage: Stage, out: str, *, killed: bool) -> None:
        """Whatever was printed has been promised."""
        told = _numbers(out)
        assert killed or len(told) == 3, out
        for place, key in enumerate(stage.known["keys"].values()):
            if place < len(told):
                stage.client.ok(key, told[place : place + 1])
            else:
                stage.client.unknown(key)


class Batch(CommandScenario):
    """A file of twenty addresses."""

    name = "batch"

    def words(self, stage: Stage) -> list[str]:
        """Write the file."""
        urls = [f"http://stage.test/{number}" for number in range(20)]
        facts = {"handler": "work", "metadata": {"witness": str(stage.site.witness.path)}}
        file = stage.site.home / "urls.jsonl"
        file.write_text("".join(json.dumps({"url": url} | facts) + "\n" for url in urls))
        stage.known["key"] = stage.client.invoke("submit", urls=urls)
        return ["batch", str(file), "--json"]

    def judge_command(self, stage: Stage, out: str, *, killed: bool) -> None:
        """All of the batch is there, or nothing."""
        count = stage.count("tasks")
        assert count in (0, 20), f"{count} of 20 tasks are there"
        if '"batch_id"' in out:
            assert count == 20, "the batch was promised"
            rows = stage.site.rows("SELECT id FROM tasks ORDER BY id")
            stage.client.ok(stage.known["key"], [number for (number,) in rows])
        else:
            assert killed, out
            stage.client.unknown(stage.known["key"])


class Cancel(CommandScenario):
    """Five of eight waiting tasks are cancelled."""

    name = "cancel"

    def prepare(self, stage: Stage) -> None:
        """Submit eight."""
        stage.known["tasks"] = stage.submit(8)

    def words(self, stage: Stage) -> list[str]:
        """Name five."""
        chosen = stage.known["tasks"][:5]
        stage.known["key"] = stage.client.invoke("cancel", ids=chosen)
        return ["cancel", *(f"task_{each}" for each in chosen), "--yes", "--json"]

    def judge_command(self, stage: Stage, out: str, *, killed: bool) -> None:
        """The five are cancelled together, and if it was told they are."""
        states = stage.site.states()
        chosen = {states[each] for each in stage.known["tasks"][:5]}
        assert len(chosen) == 1, f"some are cancelled and some are not: {states}"
        assert {states[each] for each in stage.known["tasks"][5:]} == {"queued"}
        if out.strip():
            assert chosen == {"cancelled"}, out
            stage.client.ok(stage.known["key"], stage.known["tasks"][:5])
        else:
            assert killed
            stage.client.unknown(stage.known["key"])


class Import(CommandScenario):
    """A file of two batches and thirty tasks; the import is repeated afterwards."""

    name = "import"

    def words(self, stage: Stage) -> list[str]:
        """Write the file."""
        when = "2026-11-25T10:00:00.000Z"
        batches = [{"batch": {"id": number, "created_at": when, "name": "b"}} for number in (1, 2)]
        facts = {"handler": "work", "created_at": when, "metadata": {"witness": str(stage.site.witness.path)}}
        tasks = [exports.task(number, batch=1 + number % 2, **facts) for number in range(1, 31)]
        stage.known["urls"] = [each["task"]["url"] for each in tasks]
        stage.known["key"] = stage.client.invoke("import", urls=stage.known["urls"])
        file = exports.put(stage.site.home, exports.a_file([*batches, *tasks]))
        stage.known["words"] = ["import", str(file), "--yes", "--on-conflict", "skip"]
        return [*stage.known["words"]]

    def judge_command(self, stage: Stage, out: str, *, killed: bool) -> None:
        """All of it is there, or nothing; a second import makes it whole."""
        counts = stage.count("tasks"), stage.count("batches")
        assert counts in ((0, 0), (30, 2)), f"{counts} tasks and batches are there"
        assert killed or counts == (30, 2), out
        self.done_again(stage, stage.known["words"])
        assert stage.count("tasks") == 30
        stage.client.ok(stage.known["key"], self._numbers_of_urls(stage))

    @staticmethod
    def _numbers_of_urls(stage: Stage) -> list[int]:
        numbers = dict(stage.site.rows("SELECT url, id FROM tasks"))
        return [numbers[url] for url in stage.known["urls"]]


class Migrate(CommandScenario):
    """A database of an older queuectl with six waiting tasks gets the present schema."""

    name = "migrate"
    old = 5

    def build(self, props: Props) -> Stage:
        """Make the old database."""
        stage = Stage.built(props, migrated=False)
        database = Database(stage.site.settings.database_url)
        with mock.patch.object(migrations, "STEPS", STEPS[: self.old]):
            migrate(database)
        now = now_ms()
        columns = "id, url, url_key, host, handler, queue, priority_score, rank, state, due_at, created_at, metadata"
        with database.writing() as transaction:
            for number in range(1, 7):
                url = f"http://stage.test/{number}"
                facts = json.dumps({"witness": str(stage.site.witness.path)})
                transaction.execute(
                    f"INSERT INTO tasks ({columns}) VALUES"
                    " (%s, %s, %s, 'stage.test', 'work', 'medium_priority', 5, -5, 'queued', %s, %s, %s)",
                    (number, url, key_of(url), now, now, facts),
                )
                transaction.execute(
                    "INSERT INTO task_urls (url_key, task_id) VALUES (%s, %s)", (key_of(url), number)
                )
                stage.client.ok(stage.client.invoke("submit", urls=[url]), [number])
        database.close()
        return stage

    def words(self, stage: Stage) -> list[str]:
        """Ask for the present schema."""
        return ["db", "migrate"]

    def judge_command(self, stage: Stage, out: str, *, killed: bool) -> None:
        """Whatever was done, a second call does the rest, and a third finds nothing to do."""
        steps = stage.count("migrations")
        assert self.old <= steps <= len(STEPS)
        assert killed or steps == len(STEPS), out
        self.done_again(stage, ["db", "migrate"])
        assert stage.count("migrations") == len(STEPS)
        repair_counts(stage.site.settings)  # the old tasks were put there by hand, and nobody counted them


class Backup(CommandScenario):
    """Eight waiting tasks are backed up, to a file that holds an older backup already."""

    name = "backup"

    def prepare(self, stage: Stage) -> None:
        """Submit three, make the older backup, submit five more."""
        stage.submit(3)
        stage.known["file"] = stage.site.home / "kept" / "copy.backup"
        stage.known["file"].parent.mkdir()
        stage.known["words"] = ["backup", str(stage.known["file"]), "--yes"]
        self.done_again(stage, stage.known["words"])
        stage.submit(5)

    def words(self, stage: Stage) -> list[str]:
        """Ask for a backup."""
        return [*stage.known["words"]]

    def judge_command(self, stage: Stage, out: str, *, killed: bool) -> None:
        """The file is whole: the older backup or the new one; the database is as it was."""
        held = _tasks_in(stage)
        assert held in (3, 8), f"the backup holds {held} tasks"
        assert killed or held == 8, out
        assert stage.count("tasks") == 8
        folder = stage.known["file"].parent
        long_ago = time.time() - 2 * 24 * 3600
        for each in folder.iterdir():
            os.utime(each, (long_ago, long_ago))
        self.done_again(stage, stage.known["words"])
        assert _tasks_in(stage) == 8
        left = [each.name for each in folder.iterdir() if each != stage.known["file"]]
        assert not left, f"killed backups leave more and more behind: {left}"


def _tasks_in(stage: Stage) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{stage.known['file']}?mode=ro", uri=True)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ((count,),) = copy.execute("SELECT COUNT(*) FROM tasks").fetchall()
        return int(count)
