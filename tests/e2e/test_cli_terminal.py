"""What a person sees on a terminal: screens that fit, colours that can be left out, questions that can be declined."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Callable

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import PROGRAMS, CommandLine
from tests.support.postgres import PostgresServer
from tests.support.terminal import terminal
from tests.support.waiting import wait_until

URL = "https://example.com/article"


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """Give a home with tasks of nasty and of Chinese titles."""
    lines = [
        {"url": "https://example.com/文章/雨水花园", "priority": "urgent"},
        {"url": "https://example.com/" + "long/" * 60, "priority": "low"},
        {"url": URL, "metadata": {"title": "\x1b]0;owned\x07\x9b31m\u202e[/red]"}},
    ]
    cli("batch", "-", given="\n".join(json.dumps(line) for line in lines)).ok()
    cli("queue", "pause", "background").ok()
    return cli


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (200, 60)])
def test_status_fits_the_screen(filled: CommandLine, columns: int, lines: int) -> None:
    with terminal(filled, "status", columns=columns, lines=lines) as screen:
        assert screen.end() == 0
        text = screen.text
    assert "urgent" in text
    assert "! no daemon is running and 3 tasks wait: queuectl daemon start" in text
    assert "! background is paused" in text
    heads = next(line for line in text.splitlines() if line.startswith("QUEUE"))
    assert heads.split() == [
        "QUEUE", "WAITING", "SCHEDULED", "RUNNING", "SUCCEEDED", "DEAD", "CANCELLED", "OLDEST",
    ]  # fmt: skip


def test_a_list_cuts_urls_only_and_shows_foreign_letters(filled: CommandLine) -> None:
    with terminal(filled, "list") as screen:
        assert screen.end() == 0
        text = screen.text
    rows = [line for line in text.splitlines() if line.startswith("task_")]
    assert len(rows) == 3, "no row takes two lines"
    assert "https://example.com/文章/雨水" in text
    assert rows[1].endswith("…")


def test_hostile_text_leaves_title_and_colours_alone(filled: CommandLine) -> None:
    with terminal(filled, "show", "3") as screen:
        assert screen.end() == 0
        assert "owned" in screen.text
        assert screen.screen.title == ""
    assert b"\x9b31m" not in screen.raw
    assert b"]0;owned\x07" not in screen.raw


@pytest.mark.parametrize("how", ["--no-color", "NO_COLOR"])
def test_colours_can_be_left_out(filled: CommandLine, how: str) -> None:
    if how == "NO_COLOR":
        filled.variables["NO_COLOR"] = "1"
    with terminal(filled, "status", *([how] if how == "--no-color" else [])) as screen:
        screen.end()
    assert b"\x1b[3" not in screen.raw


@pytest.mark.parametrize("key", ["q", "\x03"], ids=["q", "ctrl-c"])
def test_the_live_status_follows_and_leaves_on_a_key(filled: CommandLine, key: str) -> None:
    with terminal(filled, "status", "--watch") as screen:
        screen.shows("3 tasks wait")
        filled("submit", URL + "2").ok()
        screen.shows("4 tasks wait")
        screen.type(key)
        assert screen.end() == 0
        assert screen.raw.endswith(b"\x1b[?25h") or b"\x1b[?1049l" in screen.raw, "the screen is given back"
    assert "Traceback" not in screen.raw.decode(errors="replace")


def test_the_live_status_follows_the_size_and_draws_only_what_differs(filled: CommandLine) -> None:
    with terminal(filled, "status", "--watch") as screen:
        screen.shows("q leaves")

        def headings() -> int:
            """Return how often the headings have been written until now."""
            _ = screen.text
            return screen.raw.count(b"SCHEDULED")

        def resize(columns: int, lines: int) -> None:
            before = headings()
            screen.resize(columns, lines)
            wait_until(lambda: headings() > before, describing="a new drawing")

        resize(120, 40)
        resize(40, 10)
        resize(80, 24)
        before = headings()
        filled("submit", URL + "2").ok()
        screen.shows("4 tasks wait")
        assert headings() == before, "headings that stay are not written again"
        screen.send(signal.SIGTERM)
        assert screen.end() == -signal.SIGTERM
        assert screen.raw.endswith(b"\x1b[?25h\x1b[?1049l")


def test_the_live_status_keeps_its_last_picture_while_the_database_is_away(
    cli: CommandLine, own_postgres: Callable[..., PostgresServer]
) -> None:
    server = own_postgres(durable=True)
    cli.variables["DATABASE_URL"] = server.url(server.create_database())
    cli("submit", URL).ok()
    with terminal(cli, "status", "--watch", columns=120) as screen:
        screen.shows("1 task waits")
        server.stop("immediate")
        screen.shows("! what you see is")
        assert "1 task waits" in screen.text
        server.start()
        wait_until(lambda: "what you see" not in screen.text, within=30, describing="the database to be back")
        screen.type("q")
        assert screen.end() == 0


def test_clearing_a_queue_asks_for_its_name(filled: CommandLine) -> None:
    with terminal(filled, "clear-queue", "low") as screen:
        screen.shows("Type low_priority to go on:")
        screen.type("yes\n")
        assert screen.end() == ExitCode.REFUSED
        assert "nothing was changed" in screen.text
    assert "cancelled" not in filled.states()
    with terminal(filled, "clear-queue", "low") as screen:
        screen.shows("Type low_priority to go on:")
        screen.type("low_priority\n")
        assert screen.end() == 0
    assert filled.states().count("cancelled") == 1


def test_json_on_a_terminal_is_indented_and_still_one_document(filled: CommandLine) -> None:
    with terminal(filled, "show", "1", "--json", columns=200, lines=60) as screen:
        assert screen.end() == 0
    document = json.loads(screen.raw.decode())
    assert document["id"] == "task_1"
    assert screen.raw.count(b"\n") > 10


def test_the_demonstration_moves(cli: CommandLine) -> None:
    with terminal(cli, "demo", "--home", str(cli.home / "trial"), columns=100, lines=60) as screen:
        screen.shows("of 15 articles done")
        assert screen.end() == 0
        text = screen.text
    assert "15 of 15 articles done" in text
    assert "Look around:" in text


def test_a_program_that_reads_json_is_not_asked_for_a_name(filled: CommandLine) -> None:
    with terminal(filled, "clear-queue", "low", "--json", columns=200) as screen:
        assert screen.end() == ExitCode.USAGE
        assert "nobody can be asked" in screen.text
    assert filled.states() == ["queued"] * 3


def test_a_person_reads_each_result_once(filled: CommandLine) -> None:
    for words, said in (
        (["cancel", "1"], "task_1 is cancelled; undo it with: queuectl undo 3"),
        (["wait", "1"], "task_1 cancelled"),
        (["undo", "3"], "1 task put back; undo it with: queuectl undo 4"),
        (["clear-queue", "low", "--yes"], "1 task cancelled in low_priority; undo it with: queuectl undo 5"),
        (["queue", "resume", "background"], "background_priority is open; undo it with: queuectl undo 6"),
        (["cleanup", "--days", "30"], "no task ended more than 30 days ago"),
        (["dead", "purge", "--days", "30"], "no dead letter is older than 30 days"),
    ):
        with terminal(filled, *words, columns=100) as screen:
            screen.end()
            lines = [line for line in screen.text.splitlines() if not line.startswith("no daemon is running")]
        assert lines == [said]
        assert not any(line.strip().isdigit() for line in lines)


def test_a_list_of_batches_keeps_its_end_where_it_is_narrow(filled: CommandLine) -> None:
    filled("batch", "-", "--name", "每日文章 of this morning", given=URL + "/9").ok()
    filled("cancel", "--batch", "1", "--limit", "1", "--yes").ok()
    filled("cancel", "--batch", "2", "--yes").ok()
    for columns, has_start in ((80, False), (120, True)):
        with terminal(filled, "batches", columns=columns) as screen:
            assert screen.end() == 0
            heads = screen.text.splitlines()[0].split()
        assert heads[-1] == "END"
        assert ("STARTED" in heads) == has_start


def test_ids_go_to_their_file_while_a_bar_is_on_the_terminal(cli: CommandLine) -> None:
    lines = "".join(f"{URL}{number}\n" for number in range(6_000))
    cli("batch", "-", "-q", given=lines).ok()
    file = cli.home / "ids.txt"
    script = (
        f"{shlex.quote(str(PROGRAMS / 'queuectl'))} cancel --state queued --yes > {shlex.quote(str(file))}"
    )
    with terminal(cli, "-c", script, program="bash") as screen:
        assert screen.end() == 0
    assert file.read_text().split() == [f"task_{number}" for number in range(1, 6_001)]
    assert b"6000/6000" in screen.raw, "a bar was there"
    assert b"task_17" not in screen.raw
