"""``queuectl top`` on a real terminal: what it shows, what its keys do, and that the terminal is given back."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import PROGRAMS, CommandLine
from tests.support.postgres import PostgresServer
from tests.support.terminal import Terminal, terminal
from tests.support.waiting import wait_until

URL = "https://example.com/article"
HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e[/red]" + "x" * 10_000
CONFIG = """
[handlers.fail]
callable = "tests.support.sample_handlers:fail"
isolation = "thread"
max_retries = 0
[handlers.patient]
callable = "tests.support.fault_handlers:patient"
isolation = "thread"
"""


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """Give a home with a task in every waiting state, and titles of every kind; no daemon runs."""
    lines = [
        {"url": f"{URL}/1", "priority": "urgent", "metadata": {"title": "雨水花园的第一年 🌧️"}},
        {"url": f"{URL}/2", "priority": "high", "metadata": {"title": HOSTILE}},
        {"url": f"{URL}/3", "priority": "high"},
        {"url": f"{URL}/4", "priority": "low", "schedule": "in 119 minutes"},
    ]
    cli("batch", "-", given="\n".join(json.dumps(line) for line in lines)).ok()
    return cli


@contextmanager
def top(cli: CommandLine, *arguments: str, columns: int = 100, lines: int = 30) -> Iterator[Terminal]:
    """Run ``top`` until its lists are on the screen, and make sure that the terminal is as it was in the end."""
    with terminal(cli, "top", *arguments, columns=columns, lines=lines) as screen:
        screen.shows("ENDED")
        yield screen
        screen.type("\x1bq\x03")
        assert screen.end() == 0
        assert screen.raw.endswith(b"\x1b[?25h\x1b[?1049l")
        assert b"internal error" not in screen.raw


def row(screen: Terminal, begin: str) -> str:
    """Return the line that begins so."""
    return next((line for line in screen.text.splitlines() if line.startswith(begin)), "")


def test_it_shows_queues_and_tasks_and_says_on_top_that_no_daemon_runs(filled: CommandLine) -> None:
    filled("cancel", "3").ok()
    with top(filled) as screen:
        lines = screen.text.splitlines()
        assert lines[0].startswith("queuectl top  20")
        assert lines[1] == "! no daemon is running and 2 tasks wait: queuectl daemon start"
        assert row(screen, "urgent").split()[:5] == ["urgent", "open", "1", "0", "0"]
        assert "▫ queued" in row(screen, "task_1")
        assert "雨水花园的第一年" in row(screen, "task_1")
        assert "◷ scheduled" in row(screen, "task_4")
        assert "⊘ cancelled" in row(screen, "task_3")
        assert lines[-1].startswith("? help  q quit  Tab list")


def test_columns_stay_aligned_beside_chinese_and_emoji(filled: CommandLine) -> None:
    with top(filled, columns=80) as screen:
        rows = screen.text.splitlines()
        head = next(number for number, line in enumerate(rows) if line.startswith("WAITING"))
        # pyte keeps an empty cell behind a wide character, as a terminal does.
        place = rows[head].index("TITLE OR URL")
        for name in ("task_1", "task_2", "task_3", "task_4"):
            line = row(screen, name)
            assert line[place - 1] == " "
            assert line[place] != " "


def test_hostile_titles_neither_steer_the_terminal_nor_break_a_line(filled: CommandLine) -> None:
    with top(filled, columns=80) as screen:
        assert "\\x1b]0;owned\\x07\\x9b31m" in row(screen, "task_2")
        screen.type("\t\t")
        screen.type("j\r")
        screen.shows("[/red]xxx")
        assert screen.screen.title == ""
        assert b"]0;owned\x07" not in screen.raw
        assert "\u202e".encode() not in screen.raw


def test_a_queue_is_paused_and_resumed_after_a_question(filled: CommandLine) -> None:
    with top(filled) as screen:
        screen.type("jp")
        screen.shows("pause high? those of its tasks at work go on  y yes, any other key no")
        screen.type("n")
        screen.shows("nothing was changed")
        screen.type("py")
        screen.shows("high_priority is paused; undo it with: queuectl undo")
        assert filled("queue", "show", "high", "--json").ok().document["paused"] is True
        assert "paused" in row(screen, "high")
        screen.type("p")
        screen.shows("resume high, so that its tasks start again?")
        screen.type("y")
        screen.shows("high_priority is open")
        assert filled("queue", "show", "high", "--json").ok().document["paused"] is False


def test_a_task_is_cancelled_and_retried_after_a_question(filled: CommandLine) -> None:
    with top(filled) as screen:
        screen.type("c")
        screen.shows("no task is chosen: Tab goes on to the lists of tasks")
        screen.type("\t\tjc")
        screen.shows("cancel task_2? it waits and ends at once")
        screen.type("y")
        screen.shows("task_2 is cancelled")
        assert filled.states() == ["queued", "cancelled", "queued", "scheduled"]
        screen.type("\tr")
        screen.shows("retry task_2? it has all its attempts before it again")
        screen.type("y")
        screen.shows("task_2 is queued again in high_priority")
        assert filled.states() == ["queued", "queued", "queued", "scheduled"]


def test_a_refusal_is_told_in_the_last_line(filled: CommandLine) -> None:
    with top(filled) as screen:
        screen.type("\t\tr")
        screen.shows("task_1 cannot be retried: it is queued; only retrying, cancelled and dead tasks can")
        screen.type("c")
        screen.shows("cancel task_1?")
        filled("cancel", "task_1").ok()  # somebody is faster than the answer
        screen.type("y")
        screen.shows("task_1 has ended already: it is cancelled")


def test_readonly_changes_nothing(filled: CommandLine) -> None:
    with top(filled, "--readonly") as screen:
        assert "read only" in screen.text
        assert "cancel" not in screen.text.splitlines()[-1]
        for keys in ("p", "\t\tc"):
            screen.type(keys)
            screen.shows("nothing is changed here: top was called with --readonly")
            screen.type("y")
            screen.shows("? help")
    assert set(filled.states()) == {"queued", "scheduled"}
    assert filled("queue", "show", "urgent", "--json").ok().document["paused"] is False


@pytest.mark.parametrize("arguments", [["top"], ["top", "--json"], ["top", "--readonly"]])
def test_without_a_terminal_it_says_so(filled: CommandLine, arguments: list[str]) -> None:
    told = filled(*arguments)
    assert told.code == ExitCode.USAGE
    assert "top needs a terminal" in told.err
    assert "queuectl status --json" in told.err
    assert not told.out or told.document["error"]


def test_a_terminal_that_cannot_place_text_is_refused(filled: CommandLine) -> None:
    filled.variables["TERM"] = "dumb"
    with terminal(filled, "top") as screen:
        assert screen.end() == ExitCode.USAGE
        assert "top needs a terminal that can place text" in screen.text


def test_lists_are_filtered_and_sorted(filled: CommandLine) -> None:
    with top(filled) as screen:
        screen.type("/第一")
        screen.shows("filter: 第一")
        wait_until(lambda: not row(screen, "task_2"), describing="the other tasks to be hidden")
        assert row(screen, "task_1")
        assert '1 with "第一" of 4, next first' in screen.text
        screen.type("\x1b")
        wait_until(lambda: bool(row(screen, "task_2")), describing="the other tasks to be back")
        screen.type("\t\tss")
        screen.shows("4, newest first")
        shown = [line.split()[0] for line in screen.text.splitlines() if line.startswith("task_")]
        assert shown == ["task_4", "task_3", "task_2", "task_1"]


def test_help_details_and_an_explanation_lie_over_the_lists(filled: CommandLine) -> None:
    with top(filled) as screen:
        screen.type("?")
        screen.shows("what the keys do")
        screen.type("\x1b")
        screen.shows("ENDED")
        screen.type("\r")
        screen.shows("queue urgent")
        screen.shows("oldest wait")
        screen.type("q\t\t\r")
        screen.shows("submitted")
        assert "no daemon" in screen.text
        screen.type("e")
        screen.shows("explain task_1")
        screen.shows("1. no daemon is running")


@pytest.mark.parametrize("keys", ["", "\t\t\r", "?"], ids=["lists", "details", "help"])
def test_it_follows_the_size_of_the_terminal(filled: CommandLine, keys: str) -> None:
    last = "Esc back" if keys else "? help  q quit"
    with top(filled, columns=80, lines=24) as screen:
        screen.type(keys)
        screen.shows(last)
        for columns, lines in ((200, 60), (100, 12), (40, 8), (20, 4), (1, 1), (80, 24)):
            drawn = len(screen.raw)
            screen.resize(columns, lines)
            screen.draws(beyond=drawn)
            if columns > 1:
                screen.shows(last)
        screen.shows("queuectl top")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_given_back_when_the_command_is_ended(
    filled: CommandLine, number: signal.Signals
) -> None:
    with terminal(filled, "top") as screen:
        screen.shows("ENDED")
        assert not screen.is_as_usual
        screen.send(number)
        assert screen.end() == -number
        assert screen.raw.endswith(b"\x1b[?25h\x1b[?1049l")


def test_the_terminal_is_given_back_after_ctrl_c_and_after_a_crash(filled: CommandLine) -> None:
    with terminal(filled, "top") as screen:
        screen.shows("ENDED")
        screen.type("\x03")
        assert screen.end() == 0
        assert screen.raw.endswith(b"\x1b[?25h\x1b[?1049l")
    crash = (
        "from queuectl.cli.render.fullscreen import FullScreen\n"
        "with FullScreen() as screen:\n screen.show(['here'])\n raise ValueError('crashed')"
    )
    with terminal(
        filled, "-ic", f'{PROGRAMS}/python -c "{crash}"; stty -a; sleep 60', program="bash"
    ) as shell:
        shell.shows("ValueError: crashed")
        shell.shows(" echo ")
        assert shell.is_as_usual


def test_it_is_suspended_and_goes_on(filled: CommandLine) -> None:
    with terminal(filled, "--norc", "--noediting", "-i", program="bash") as shell:
        shell.type(f"PS1='ready> '; {PROGRAMS}/queuectl top\n")
        shell.shows("ENDED")
        assert not shell.is_as_usual
        shell.type("\x1a")
        wait_until(lambda: shell.is_as_usual, describing="the shell to be back")
        shell.type("fg\n")
        wait_until(lambda: not shell.is_as_usual, describing="top to be back")
        shell.shows("? help  q quit")
        filled("cancel", "1").ok()
        shell.shows("⊘ cancelled")
        shell.type("q")
        wait_until(lambda: shell.is_as_usual, describing="the shell to be back")


def test_a_stop_that_nobody_announces_does_no_harm(filled: CommandLine) -> None:
    # A shell that restores nothing by itself.
    with terminal(filled, "-c", f"{PROGRAMS}/queuectl top; stty -a; sleep 60", program="bash") as shell:
        shell.shows("ENDED")
        shell.to_child(signal.SIGSTOP)
        shell.to_child(signal.SIGCONT)
        wait_until(lambda: shell.text and shell.raw.count(b"\x1b[?1049h") == 2, describing="a new drawing")
        shell.type("q")
        shell.shows(" echo ")
        assert shell.is_as_usual


def test_running_tasks_and_failures_are_followed(cli: CommandLine) -> None:
    cli.configure(CONFIG)
    cli.start_daemon()
    cli("submit", f"{URL}/1", "--handler", "patient").ok()
    cli("submit", f"{URL}/2", "--handler", "fail", "--wait")
    with top(cli) as screen:
        screen.shows("✓ daemon  pid")
        screen.shows("▰▰▰▰▰▱▱▱▱▱  50% half way")
        assert "✗ dead" in screen.text
        screen.type("\tc")
        screen.shows("cancel task_1? it runs and is asked to stop")
        screen.type("y")  # what it answers to that is soon overtaken by what comes of it
        screen.shows("⊘ cancelled")
        screen.type("\t\tG\r")
        screen.shows("the last traceback")


def test_a_database_that_goes_away_is_told_and_its_return_too(
    cli: CommandLine, own_postgres: Callable[..., PostgresServer]
) -> None:
    server = own_postgres(durable=True)
    cli.variables["DATABASE_URL"] = server.url(server.create_database())
    cli("submit", URL).ok()
    with top(cli) as screen:
        server.stop("immediate")
        screen.shows("what you see is")
        assert "task_1" in screen.text
        screen.type("?")
        screen.shows("what the keys do")
        screen.type("\x1b\t\tcy")
        screen.shows("the database")
        server.start()
        wait_until(
            lambda: "what you see is" not in screen.text, within=30, describing="the database to be back"
        )
        screen.type("cy")
        screen.shows("task_1 is cancelled")
