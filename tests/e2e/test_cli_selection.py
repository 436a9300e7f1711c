"""The selectors on every verb, and the manner of those that change many tasks: show, ask, do, report."""

from __future__ import annotations

import contextlib
import json
import signal
from collections import Counter

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import CommandLine
from tests.support.full_disk import no_room
from tests.support.terminal import terminal
from tests.support.waiting import wait_until

VERBS = (["cancel"], ["retry"], ["reprioritize", "--score", "7"])


@pytest.fixture
def stocked(cli: CommandLine) -> CommandLine:
    """Give a home with six waiting tasks on two hosts in three queues."""
    lines = [
        {"url": f"https://{host}.test/{number}", "priority": priority}
        for number, (host, priority) in enumerate(
            [("a", "low"), ("b", "low"), ("a", "high"), ("b", "medium"), ("a", "medium"), ("a", "low")]
        )
    ]
    cli("batch", "-", given="\n".join(map(json.dumps, lines))).ok()
    return cli


def cancelled(cli: CommandLine) -> list[int]:
    return [place for place, state in enumerate(cli.states(), 1) if state == "cancelled"]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_no_verb_takes_everything_by_accident(stocked: CommandLine, verb: list[str]) -> None:
    assert "not said which tasks" in stocked(*verb, "--yes").error(ExitCode.USAGE)
    assert "not said which tasks" in stocked(*verb, "--limit", "3", "--yes").error(ExitCode.USAGE)
    assert "contradict" in stocked(*verb, "--all", "--host", "a.test", "--yes").error(ExitCode.USAGE)
    assert cancelled(stocked) == []


def test_everything_on_purpose(stocked: CommandLine) -> None:
    assert len(stocked("cancel", "--all", "--yes").ok().ids) == 6
    assert len(stocked("retry", "--all", "--limit", "2", "--yes").ok().ids) == 2
    assert Counter(stocked.states()) == {"queued": 2, "cancelled": 4}


def test_a_batch_is_cancelled_as_a_whole_and_nothing_else(stocked: CommandLine) -> None:
    stocked("batch", "-", given="https://a.test/x\nhttps://a.test/y\n").ok()
    stocked("submit", "https://a.test/alone").ok()
    assert stocked("cancel", "--batch", "batch_1", "--yes").ok().ids == [
        f"task_{each}" for each in range(1, 7)
    ]
    assert cancelled(stocked) == [1, 2, 3, 4, 5, 6]
    of = {each["batch_id"]: each for each in stocked("batches", "--json").ok().document["batches"]}
    assert (of["batch_1"]["cancelled"], of["batch_1"]["open"]) == (6, 0)
    assert (of["batch_2"]["cancelled"], of["batch_2"]["open"]) == (0, 2)
    assert "no task that can be cancelled matches" in stocked("cancel", "--batch", "1", "--yes").ok().err
    assert len(stocked("retry", "--batch", "batch_1", "--yes").ok().ids) == 6
    assert stocked("batch-status", "1", "--json").ok().document["open"] == 6
    assert "counts" in stocked("db", "check").ok().out


def test_ids_and_filters_must_hold_together(stocked: CommandLine) -> None:
    arguments = ["--queue", "low,medium", "--host", "a.test", "--yes"]
    assert stocked("cancel", "1", "2", "3", "5", *arguments).ok().ids == ["task_1", "task_5"]
    assert cancelled(stocked) == [1, 5]


def test_several_ask_and_where_nobody_can_be_asked_they_say_how(stocked: CommandLine) -> None:
    for arguments in (["1", "2"], ["--batch", "batch_1"], ["1", "--queue", "low"]):
        said = stocked("cancel", *arguments).error(ExitCode.USAGE)
        assert "nobody can be asked" in said
        assert "--yes" in said
    assert stocked("cancel", "1", "2", "--json").code == ExitCode.USAGE
    assert cancelled(stocked) == []
    assert stocked("cancel", "1").ok().ids == ["task_1"]


def test_a_dry_run_shows_and_changes_nothing(stocked: CommandLine) -> None:
    shown = stocked("cancel", "--batch", "1", "--dry-run").ok()
    assert shown.out == ""
    lines = [line.split() for line in shown.err.splitlines()]
    assert lines[0] == ["ID", "STATE", "QUEUE", "SCORE", "URL"]
    assert lines[1] == ["task_1", "queued", "low", "3", "https://a.test/0"]
    assert [line[0] for line in lines[1:6]] == [f"task_{number}" for number in range(1, 6)]
    assert shown.err.splitlines()[6:] == [
        "... and 1 more",
        "6 of them wait and end at once",
        "nothing was changed",
    ]
    document = stocked("cancel", "1", "--dry-run", "--json").ok().document
    assert (document["matched"], document["done"], document["dry_run"]) == (1, 0, True)
    assert cancelled(stocked) == []


def test_the_exit_code_says_how_much_was_done(stocked: CommandLine) -> None:
    stocked("cancel", "1", "2", "--yes").ok()
    assert stocked("cancel", "1", "2", "--yes").error(ExitCode.REFUSED).count("cancelled") >= 2
    assert "98" in stocked("cancel", "98", "99", "--yes").error(ExitCode.NOT_FOUND)
    partly = stocked("cancel", "1", "3", "99", "--yes")
    assert "1 of 3 tasks cancelled" in partly.error(ExitCode.PARTLY_DONE)
    assert partly.ids == ["task_3"]
    assert "not a task id" in stocked("cancel", "4", "x4", "--yes").error(ExitCode.NOT_FOUND)
    nothing = stocked("cancel", "--host", "c.test", "--yes").ok()
    assert nothing.err.strip() == "no task that can be cancelled matches; nothing was changed"
    nothing = stocked("cancel", "--host", "a.test", "--state", "running", "--yes").ok()
    assert nothing.err.strip() == "no task matches; nothing was changed"
    assert cancelled(stocked) == [1, 2, 3]


def test_json_accounts_for_every_task(stocked: CommandLine) -> None:
    stocked("cancel", "2").ok()
    result = stocked("cancel", "1", "2", "99", "--yes", "--json")
    assert result.code == ExitCode.PARTLY_DONE
    document = result.document
    assert [(task["id"], task["state"]) for task in document["tasks"]] == [("task_1", "cancelled")]
    assert {key: value for key, value in document["outcomes"].items() if value} == {
        "done": 1, "wrong_state": 1, "missing": 1,
    }  # fmt: skip
    assert [(each["id"], each["outcome"]) for each in document["failed"]] == [
        ("task_2", "wrong_state"),
        ("task_99", "missing"),
    ]


def test_an_error_after_the_first_group_leaves_what_is_done_told(cli: CommandLine, postgres_url: str) -> None:
    cli.variables["DATABASE_URL"] = postgres_url
    cli("batch", "-", given="".join(f"https://example.com/{number}\n" for number in range(2_100))).ok()
    with no_room(postgres_url, "tasks", "UPDATE", "NEW.id > 2000 AND NEW.state = 'cancelled'"):
        ended = cli("cancel", "--queue", "medium", "--yes", "--json")
    assert ended.code == ExitCode.PARTLY_DONE
    document = ended.document
    assert (document["done"], document["stopped"], len(document["tasks"])) == (2_000, True, 1_000)
    assert "No space left" in document["reason"]
    undo = f"undo it with: queuectl undo {document['operation']}"
    message = json.loads(ended.err)["error"]["message"]
    assert message.startswith("2,000 tasks cancelled before it ended: the database ")
    assert message.endswith(undo)
    assert cli("count", "--state", "cancelled").ok().out.strip() == "2000"
    with no_room(postgres_url, "tasks", "UPDATE", "NEW.id > 2000"):
        said = cli("reprioritize", "--queue", "medium", "-p", "low", "--yes").error(ExitCode.UNREACHABLE)
    assert "before it ended" not in said
    cli("undo", str(document["operation"]), "--yes").ok()


def test_another_priority_is_another_place(stocked: CommandLine) -> None:
    assert "score 10" in stocked("reprioritize", "1", "--priority", "urgent").ok().err
    assert stocked("reprioritize", "--queue", "low", "--score", "9", "--yes").ok().ids == ["task_2", "task_6"]
    order = stocked("list", "--sort", "score", "-q").ok().ids
    assert order == ["task_1", "task_2", "task_6", "task_3", "task_4", "task_5"]
    for arguments in ([], ["-p", "high", "--score", "1"], ["-p", "hgih"], ["--score", "9999999"]):
        stocked("reprioritize", "1", *arguments).error(ExitCode.USAGE)
    stocked("cancel", "4").ok()
    assert "it is cancelled" in stocked("reprioritize", "4", "-p", "low").error(ExitCode.REFUSED)
    assert "counts" in stocked("db", "check").ok().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--state", "done"], "there is no state 'done'"),
        (["--state", "dead,done"], "there is no state 'done'"),
        (["--queue", "lwo"], "there is no queue 'lwo'"),
        (["--priority", "lwo"], "unknown priority"),
        (["--queue", "low", "--priority", "high"], "exclude each other"),
        (["--batch", "x"], "not a batch id"),
        (["--batch", "批次"], "not a batch id"),
        (["--since", "gestern"], "not a time"),
        (["--older-than", "long"], "'long' is not"),
        (["--limit", "0"], "0 is not in the range"),
        (["--after", "here"], "not a place"),
        (["--sort", "due", "--after", "created:3"], "sorted by created"),
        (["--fields", "id,nothing"], "there is no field 'nothing'"),
        (["--fields", ","], "no field"),
        (["--fields", "when", "--json"], "there is no field 'when'"),
        (["--sort", "size"], "size"),
        (["task_x"], "not a task id"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_in_a_selection_is_named(cli: CommandLine, arguments: list[str], said: str) -> None:
    result = cli("list", *arguments)
    text = result.err
    assert said in text
    assert result.code in {ExitCode.USAGE, ExitCode.NOT_FOUND}
    assert result.out == ""
    assert "hint" in text


def test_a_person_is_shown_what_will_happen_and_asked(stocked: CommandLine) -> None:
    with terminal(stocked, "cancel", "--host", "a.test") as screen:
        screen.shows("Cancel 4 tasks? [y/N]")
        assert "4 of them wait and end at once" in screen.text
        screen.type("\n")
        assert screen.end() == ExitCode.REFUSED
    assert cancelled(stocked) == []
    with terminal(stocked, "cancel", "--host", "a.test") as screen:
        screen.shows("Cancel 4 tasks? [y/N]")
        screen.type("y\n")
        assert screen.end() == 0
        assert "4 tasks cancelled" in screen.text
    assert cancelled(stocked) == [1, 3, 5, 6]


def test_many_go_in_groups_and_ctrl_c_stops_between_two(cli: CommandLine) -> None:
    cli("batch", "-", "-q", given="".join(f"https://a.test/{number}\n" for number in range(40_000))).ok()
    with cli.running(
        *("cancel", "--batch", "batch_1", "--yes"),
        variables={"PYTHONUNBUFFERED": "1"},
        bufsize=0,  # or what is read ahead with the first line would be lost to the count
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"task_1\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    done = cli.states().count("cancelled")
    assert 0 < done < 40_000
    assert out.count(b"\n") + 1 == done
    said = f"interrupted: {done:,} tasks cancelled; the rest is as it was; undo it with: queuectl undo 2"
    assert err.decode().strip() == said
    assert "counts" in cli("db", "check").ok().out


def test_a_long_list_goes_on_page_by_page_and_streams(stocked: CommandLine) -> None:
    seen: list[str] = []
    arguments: list[str] = []
    while True:
        page = stocked("list", "--limit", "2", "--json", *arguments).ok().document
        seen += [task["id"] for task in page["tasks"]]
        if page["next"] is None:
            break
        arguments = ["--after", page["next"]]
    assert seen == [f"task_{number}" for number in range(6, 0, -1)]
    assert "--after created:5" in stocked("list", "--limit", "2").ok().err
    lines = stocked("list", "--ndjson", "--host", "a.test").ok().out.splitlines()
    documents = [json.loads(line) for line in lines]
    assert [document["id"] for document in documents] == ["task_6", "task_5", "task_3", "task_1"]
    assert {document["version"] for document in documents} == {1}
    chosen = stocked("list", "2", "--json", "--fields", "url,score").ok().document["tasks"]
    assert chosen == [{"url": "https://b.test/1", "priority_score": 3}]


def test_counting(stocked: CommandLine) -> None:
    stocked("cancel", "1").ok()
    assert stocked("count").ok().out == "6\n"
    assert stocked("count", "--state", "queued", "--json").ok().document == {"version": 1, "count": 5}
    assert stocked("count", "--host", "a.test", "--state", "queued").ok().out == "3\n"
    by = stocked("count", "--by", "host", "--json").ok().document
    assert by["counts"] == [{"host": "a.test", "count": 4}, {"host": "b.test", "count": 2}]
    assert stocked("count", "--by", "batch", "-q").ok().out == "batch_1 6\n"
    table = stocked("count", "--by", "queue").ok().out.splitlines()
    assert [line.split() for line in table] == [
        ["QUEUE", "TASKS"],
        ["low", "3"],
        ["medium", "2"],
        ["high", "1"],
    ]


def test_two_operators_share_the_work_and_each_is_told(stocked: CommandLine) -> None:
    with contextlib.ExitStack() as running:
        commands = [
            running.enter_context(stocked.running("cancel", "--batch", "1", "--yes")) for _ in range(2)
        ]
        lines = [command.communicate(timeout=60)[0].decode().split() for command in commands]
    assert sorted(lines[0] + lines[1]) == [f"task_{number}" for number in range(1, 7)]
    assert all(command.returncode in {0, ExitCode.PARTLY_DONE, ExitCode.REFUSED} for command in commands)
    wait_until(lambda: cancelled(stocked) == [1, 2, 3, 4, 5, 6])
