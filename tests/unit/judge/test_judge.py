"""The judge believes an honest run and finds every kind of forged one."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.judge import Histories, judge, read_folder, sentence, write_folder
from tests.faults.judge.calendar import ticks
from tests.faults.judge.catalogue import INVARIANTS
from tests.unit.judge.histories import MS, START, attempt, honest, move, seen, task

JUDGE = Path(__file__).parents[2] / "faults" / "judge"
Forgery = Callable[[Histories], Any]


def _row(histories: Histories, table: str, place: int) -> dict[str, Any]:
    rows: Any = histories.tables[table]
    return rows[place]


def _change(table: str, place: int, **fields: Any) -> Forgery:
    return lambda histories: _row(histories, table, place).update(fields)


def _append(table: str, *rows: dict[str, Any]) -> Forgery:
    return lambda histories: histories.tables[table].extend(rows)  # type: ignore[attr-defined]


def _drop(table: str, place: int) -> Forgery:
    return lambda histories: histories.tables[table].pop(place)  # type: ignore[attr-defined]


def _see(*rows: dict[str, Any]) -> Forgery:
    return lambda histories: histories.witness.extend(rows)  # type: ignore[attr-defined]


def _call(*rows: dict[str, Any]) -> Forgery:
    return lambda histories: histories.client.extend(rows)  # type: ignore[attr-defined]


def _sample(**fields: Any) -> Forgery:
    return lambda histories: histories.samples.append(fields)  # type: ignore[attr-defined]


def _seen_at(place: int, at_ms: int) -> Forgery:
    def forge(histories: Histories) -> None:
        row: Any = histories.witness[place]
        row["at"] = at_ms * MS

    return forge


def _all(*forgeries: Forgery) -> Forgery:
    def forge(histories: Histories) -> None:
        for each in forgeries:
            each(histories)

    return forge


FORGERIES: dict[tuple[str, str], Forgery] = {
    ("I1", "an accepted task is gone"): _drop("tasks", 1),
    ("I1", "an accepted task never ended"): _change("tasks", 1, state="retrying", finished_at=None),
    ("I1", "a task has another address"): _change("tasks", 0, url="http://elsewhere.test/"),
    ("I1", "a task of a tick never ended"): _change("tasks", 3, state="queued", finished_at=None),
    ("I2", "a task that nobody submitted"): _append("tasks", task(9, "succeeded")),
    ("I2", "a refused task is there"): _append("tasks", task(9, "cancelled", url="http://x.test/refused")),
    ("I2", "an unknown submission twice"): _append("tasks", task(9, "cancelled", url="http://x.test/3")),
    ("I2", "a run of no task"): _see(seen(99, 1, "start", 300)),
    ("I3", "two successes"): _append("attempts", attempt(1, 3, "succeeded", "succeed")),
    ("I3", "a dead task without a letter"): _drop("dead_letters", 0),
    ("I3", "a run after the success"): _append("attempts", attempt(1, 3, "failed", "retry")),
    ("I3", "an end that looks open"): _change("tasks", 0, node="a"),
    ("I3", "a forbidden move"): _append("events", move(15, 1, "succeeded", "queued", 3, 300)),
    ("I3", "a move from elsewhere"): _change("events", 10, old="queued"),
    ("I3", "a revival by nobody"): _append("events", move(15, 2, "dead", "queued", 1, 300)),
    ("I3", "a state by no move"): _change("tasks", 2, state="succeeded"),
    ("I4", "too many tries"): _change("tasks", 1, attempt=5, max_retries=3),
    ("I4", "a claim that is not recorded"): _change("tasks", 2, attempt=1),
    ("I4", "more given back than claimed"): _change("tasks", 1, released=2),
    ("I4", "crashed for ever"): _append("attempts", *(attempt(2, n, "crashed", "release") for n in range(2, 6))),
    ("I4", "one attempt twice"): _append("attempts", attempt(2, 2, "failed", "retry", attempt=1)),
    ("I5", "a run that started twice"): _see(seen(1, 2, "start", 153)),
    ("I5", "two runs at once"): _seen_at(1, 160),
    ("I5", "a run that is not recorded"): _see(seen(2, 2, "start", 300)),
    ("I5", "a success that no handler came to"): lambda histories: histories.witness.pop(5),  # type: ignore[attr-defined]
    ("I5", "an older fence later"): _all(_seen_at(0, 300), _seen_at(1, 301)),
    ("I6", "the fence of another run"): _change("tasks", 0, fence=3),
    ("I6", "the result of another run"): _change("tasks", 0, result='{"fence": 1}'),
    ("I6", "an end under an old fence"): _change("events", 10, old_fence=1),
    ("I6", "one attempt claimed twice"): _change("events", 9, attempt=1),
    ("I7", "an urgent task left behind"): _all(
        _change("events", 1, score=10), _change("events", 4, at=30, seq=5), _change("events", 3, at=20)
    ),
    ("I8", "a later one of the same score first"): _all(_change("events", 3, at=30), _change("events", 4, at=20)),
    ("I9", "three starts in a window for two"): _seen_at(6, 108),
    ("I9", "three at a time"): _all(_seen_at(6, 12), _seen_at(7, 14)),
    ("I10", "a tick that is left out"): _change("ticks", 1, missed=0),
    ("I10", "a tick twice"): _append(
        "ticks",
        {
            "schedule_id": 1, "tick_at": START, "fired_at": START, "by_hand": 0, "missed": 0, "batch_id": None,
            "accepted": 0,
        },
    ),
    ("I10", "a tick at no time"): _change("ticks", 1, tick_at=START + 119_000),
    ("I10", "a tick too early"): _change("ticks", 1, fired_at=START),
    ("I10", "a batch that is not whole"): _change("ticks", 0, accepted=2),
    ("I11", "too early"): lambda histories: histories.client[1].update(due=100 * MS),  # type: ignore[attr-defined]
    ("I11", "too late"): lambda histories: histories.client[1].update(due=-1_000 * MS),  # type: ignore[attr-defined]
    ("I12", "again at once"): _seen_at(4, 60),
    ("I12", "again far too late"): _all(_seen_at(4, 900), _seen_at(5, 910)),
    ("I13", "far beyond its time"): _seen_at(7, 9_000),
    ("I13", "a process left behind"): _sample(kind="survivor", pid=7, task=1),
    ("I14", "too much memory"): _sample(kind="memory", who="a run", bytes=100 << 20, limit=64 << 20),
    ("I14", "a daemon that grows"): _sample(kind="memory", who="the daemon", bytes=400 << 20),
    ("I15", "a start after the cancellation"): _see(seen(3, 1, "start", 400)),
    ("I16", "a store that grows"): _sample(kind="store", name="Redis", value=17, limit=16),
    ("I17", "two answers to one key"): _call(
        {"event": "ok", "key": "k1", "ids": [1], "idempotency": "same", "at": 9},
        {"event": "ok", "key": "k2", "ids": [2], "idempotency": "same", "at": 9},
    ),
    ("I17", "two tasks of one key"): _append("tasks", task(9, "cancelled", url="http://x.test/3")),
    ("I18", "a count that is wrong"): _change("counters", 0, tasks=3),
    ("I18", "a count of a batch that is wrong"): _change("batch_counters", 0, tasks=2),
    ("I18", "a status that is wrong"): _sample(kind="books", source="metrics", succeeded=1),
    ("I19", "an import that is another"): _sample(kind="round_trip", what="it", before="x", after="y"),
    ("I20", "an answer before its commit"): _sample(kind="promise", what="it", durable_at=3, told_at=2),
    ("I20", "a run before its claim"): _change("events", 3, mono=11 * MS),
    ("I20", "a run without a claim"): _see(seen(2, 2, "start", 300)),
    ("I21", "a letter without a cause"): _change("dead_letters", 0, cause=""),
    ("I21", "a letter of another task"): _change("dead_letters", 0, url="http://elsewhere.test/"),
    ("I21", "a failure without an error"): _change("attempts", 2, error=None),
    ("I21", "a resurrection that is not there"): _change("dead_letters", 0, resurrected_as=77),
    ("I22", "a line that was changed"): _change("audit", 0, who="you"),
    ("I22", "a line that was removed"): _drop("audit", 0),
    ("I22", "a line that was cut off"): _drop("audit", 1),
}  # fmt: skip


def test_an_honest_run_is_believed() -> None:
    histories = honest()
    judgement = judge(histories)
    assert not judgement.breaches, sentence(judgement, histories)
    assert judgement.unjudged == ()


@pytest.mark.parametrize(("invariant", "forgery"), FORGERIES, ids=[" ".join(name) for name in FORGERIES])
def test_a_forged_run_is_found(invariant: str, forgery: str) -> None:
    histories = honest()
    FORGERIES[invariant, forgery](histories)
    found = judge(histories).breaches
    assert invariant in {each.invariant for each in found}, found


def test_there_is_a_forgery_of_every_invariant() -> None:
    assert {invariant for invariant, _ in FORGERIES} == {each.id for each in INVARIANTS}
    assert [each.id for each in INVARIANTS] == [f"I{number}" for number in range(1, 23)]


def test_what_has_no_history_is_not_judged() -> None:
    judgement = judge(Histories())
    assert judgement.judged == ()
    assert len(judgement.unjudged) == len(INVARIANTS)


def test_an_overlap_is_excused_only_where_a_lease_had_run_out() -> None:
    histories = honest()
    _seen_at(1, 180)(histories)  # the first run goes on until 180, and the second begins at 152 elsewhere
    histories.witness[4].update(node="b")  # type: ignore[attr-defined]
    histories.witness[5].update(node="b")  # type: ignore[attr-defined]
    away: Any = histories.facts
    away["away"] = [{"node": "a", "from": 20 * MS, "until": 150 * MS}]
    assert "I5" not in {each.invariant for each in judge(histories).breaches}
    away["away"] = [{"node": "a", "from": 100 * MS, "until": 150 * MS}]
    assert "I5" in {each.invariant for each in judge(histories).breaches}


def test_a_run_under_an_older_fence_is_excused_only_as_the_first_thing_after_a_halt() -> None:
    histories = honest()
    _all(_seen_at(0, 300), _seen_at(1, 301))(histories)
    late: Any = histories.witness[0]
    late["pid"] = 7
    facts: Any = histories.facts
    facts["thawed"] = [{"pid": late["pid"], "at": late["at"] - MS}]
    said = "was started under an older fence or attempt"
    assert said not in {each.says for each in judge(histories).breaches}
    for wrong in ({"pid": late["pid"] + 1}, {"at": late["at"] + MS}, {"at": late["at"] - 600 * MS}):
        facts["thawed"] = [{"pid": late["pid"], "at": late["at"] - MS} | wrong]
        assert said in {each.says for each in judge(histories).breaches}


def test_a_counter_example_tells_the_seed_and_the_contradicting_lines() -> None:
    histories = honest()
    _change("tasks", 0, fence=3)(histories)
    said = sentence(judge(histories), histories)
    assert "seed 17" in said
    assert "task_1 has not the fence and attempt of its last run" in said
    assert '"fence": 3' in said


def test_a_folder_is_judged_like_memory(tmp_path: Path) -> None:
    write_folder(honest(), tmp_path / "good")
    assert not judge(read_folder(tmp_path / "good")).breaches
    forged = honest()
    _drop("dead_letters", 0)(forged)
    write_folder(forged, tmp_path / "bad")
    command = [sys.executable, "-m", "tests.faults.judge"]
    good = subprocess.run(
        [*command, str(tmp_path / "good")], cwd=JUDGE.parents[2], capture_output=True, text=True
    )
    assert (good.returncode, good.stderr) == (0, "")
    bad = subprocess.run(
        [*command, str(tmp_path / "bad")], cwd=JUDGE.parents[2], capture_output=True, text=True
    )
    assert bad.returncode == 1
    assert "I3: task_2 is dead and has 0 dead letters" in bad.stdout


def test_a_half_line_of_a_killed_submitter_stands_for_nothing(tmp_path: Path) -> None:
    write_folder(honest(), tmp_path)
    with (tmp_path / "client.jsonl").open("a") as file:
        file.write('{"event": "ok", "ids": [99')
    assert not judge(read_folder(tmp_path)).breaches


def test_the_judge_knows_nothing_of_what_it_judges() -> None:
    imported = set()
    for file in JUDGE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    foreign = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith("tests.faults.judge")} == set()


def test_the_calendar_walks_through_the_changes_of_clocks() -> None:
    spring, autumn = (
        1_774_738_800_000,
        1_792_875_600_000,
    )  # 2026-03-29 and 2026-10-24, UTC+1 and UTC+2 in Berlin
    day = 86_400_000
    assert len(ticks("30 2 * * *", "Europe/Berlin", spring, spring + day)) == 1
    assert len(ticks("30 2 * * *", "Europe/Berlin", autumn, autumn + 2 * day)) == 2
    assert len(ticks("30 * * * *", "Europe/Berlin", autumn, autumn + 2 * day)) == 48
    assert len(ticks("*/15 8-17 * * 1-5", "UTC", spring, spring + 7 * day)) == 5 * 40
