"""The screen of ``status``: what it warns of, and that it fits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from queuectl.cli.render.safe import width
from queuectl.cli.render.status import Screen, pace_words, plain_status, progress_text, rich_status
from queuectl.domain.admission import Block, Reason
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import QUEUES
from queuectl.domain.status import NodeStatus, Pace, QueueStatus, RealtimeStatus, RunningTask
from queuectl.domain.task import Task

AT = 1_795_485_600_000
NODE = NodeStatus(
    id="n",
    host="vm",
    pid=42,
    version="1",
    started_at=AT - 7_200_000,
    heartbeat_at=AT - 1000,
    workers=8,
    running=3,
    transport="redis",
    transport_up=True,
    per_minute=120.4,
    alive=True,
)
QUIET = RealtimeStatus(
    at=AT,
    queues=tuple(QueueStatus(name, paused=False) for name in QUEUES),
    nodes=(NODE,),
    database="sqlite:////home/me/queuectl.db",
    transport="redis",
)


def task(number: int, url: str) -> RunningTask:
    made = Task(
        id=number, url=url, handler="article", queue="high_priority", priority_score=8, state=State.RUNNING, fence=1,
        attempt=1, max_retries=None, timeout=None, memory_limit=None, batch_id=None, metadata={}, created_at=AT,
        run_at=None, due_at=AT, started_at=AT - 7000, finished_at=None, cancel_requested=False, error=None, result=None,
    )  # fmt: skip
    return RunningTask(made, 7000, 0.5, "提取正文")


def alerts(status: RealtimeStatus) -> list[str]:
    return [f"{alert.message}: {alert.hint}" for alert in Screen(status, [], "UTC").alerts()]


def test_with_a_daemon_and_nothing_wrong_there_is_no_alert() -> None:
    assert alerts(QUIET) == []


def test_each_alert_says_what_to_type() -> None:
    queues = list(QUIET.queues)
    queues[3] = QueueStatus("low_priority", paused=True, queued=2, dead=3)
    troubled = replace(
        QUIET,
        queues=tuple(queues),
        dead_letters=3,
        nodes=(
            replace(NODE, transport_up=False),
            replace(NODE, host="gone", pid=7, alive=False, heartbeat_at=AT - 120_000),
        ),
    )
    assert alerts(troubled) == [
        "the daemon on gone (pid 7) is silent since 2 min: queuectl doctor",
        "Redis does not answer; the daemon goes on without it: queuectl doctor",
        "low is paused with 2 tasks: queuectl queue resume low",
        "3 dead letters wait for a decision: queuectl dead list --group",
    ]


def test_dead_letters_are_not_counted_without_end() -> None:
    (alert,) = alerts(replace(QUIET, dead_letters=10_001))
    assert alert.startswith("more than 10,000 dead letters wait")


def test_without_a_daemon_the_waiting_tasks_are_counted() -> None:
    assert alerts(replace(QUIET, nodes=())) == ["no daemon is running: queuectl daemon start"]
    queues = (QueueStatus("high_priority", paused=False, queued=1),)
    waiting = replace(QUIET, nodes=(), queues=queues)
    assert alerts(waiting) == ["no daemon is running and 1 task waits: queuectl daemon start"]


def test_daemons_that_all_do_the_same_half_are_told_of() -> None:
    assert alerts(replace(QUIET, nodes=(replace(NODE, role="worker"),))) == [
        "only workers run, so no schedule fires: queuectl daemon start --role scheduler"
    ]
    assert alerts(replace(QUIET, nodes=(replace(NODE, role="scheduler", workers=0),))) == [
        "only schedulers run, so no task starts: queuectl daemon start --role worker"
    ]


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (200, 60)])
def test_the_screen_fits(columns: int, lines: int) -> None:
    running = [task(number, f"https://example.com/{'x' * 300}") for number in range(100)]
    console = Console(width=columns, height=lines, color_system=None, markup=False)
    with console.capture() as captured:
        console.print(rich_status(Screen(QUIET, running, "Asia/Shanghai"), columns, lines=lines))
    drawn = captured.get().splitlines()
    assert len(drawn) <= lines
    assert max(width(line.rstrip()) for line in drawn) <= columns
    assert "2026-11-24 10:00:00 +08:00" in drawn[0]
    assert "8 workers" in captured.get()


def test_on_a_live_screen_alerts_and_the_last_line_are_always_seen() -> None:
    paused = tuple(replace(queue, paused=True) for queue in QUIET.queues)
    running = [task(number, "https://example.com/") for number in range(100)]
    screen = Screen(replace(QUIET, queues=paused, dead_letters=3), running, "UTC", trouble="gone")
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(rich_status(screen, 80, lines=30))
    lines = captured.get().splitlines()
    assert len(lines) == 30
    assert lines[-1] == "q leaves"
    assert "! gone" in lines
    assert sum(line.startswith("! ") for line in lines) == 7


def test_the_pace_is_told_with_what_it_was_measured_over() -> None:
    def words(pace: Pace, waiting: int = 0) -> str:
        queues = (QueueStatus("high_priority", paused=False, queued=waiting),)
        return pace_words(replace(QUIET, pace=pace, queues=queues))

    assert words(Pace(0, 0, 0, 0, 0)) == ""
    assert words(Pace(300, 3, 300, 60, 900_000)) == "60 runs/min, 20.0 over 15 min, 1.0% failed"
    assert words(Pace(300, 0, 150, 60, 900_000), 90).endswith("drained in about 3 min")
    assert words(Pace(300, 0, 0, 0, 900_000), 90) == "0 runs/min, 20.0 over 15 min, 0.0% failed"
    # So many runs that the last 1,000 took six seconds: nothing is said of 15 minutes.
    assert words(Pace(1_000, 0, 1_000, 1_000, 6_000), 1_000_000) == (
        "10,000 runs/min, 0.0% failed, drained in about 1 h"
    )
    assert words(Pace(1_000, 0, 1_000, 400, 120_000)) == "400 runs/min, 0.0% failed"


def test_a_pipe_gets_no_signs_and_whole_urls() -> None:
    text = "\n".join(plain_status(Screen(QUIET, [task(1, "https://example.com/" + "x" * 300)], "UTC")))
    assert "x" * 300 in text
    assert "50% 提取正文" in text
    assert "▰" not in text


def test_progress_is_drawn_within_its_bounds() -> None:
    assert progress_text(None, None) == ""
    assert progress_text(None, "fetching") == "fetching"
    assert progress_text(1.7, None) == "▰▰▰▰▰▰▰▰▰▰ 100%"
    assert progress_text(-1, "x\x1b" * 40).startswith("▱▱▱▱▱▱▱▱▱▱   0% x\\x1bx")


def test_what_holds_a_queue_back_is_said_in_a_short_word_and_only_where_something_does() -> None:
    blocks = {
        "high_priority": Block(Reason.RATE_LIMIT, AT + 30 * 60_000),
        "low_priority": Block(Reason.CONCURRENCY),
        "medium_priority": Block(Reason.RATE_LIMIT, AT + 5_000),
        "background_priority": Block(Reason.PAUSED),
    }
    queues = tuple(
        QueueStatus(name, paused=name.startswith("background"), block=blocks.get(name)) for name in QUEUES
    )
    lines = plain_status(Screen(replace(QUIET, queues=queues), [], "UTC"))
    shown = {line.split()[0]: line for line in lines if line}
    assert shown["high"].endswith(f"rate limit until {time_of(AT + 30 * 60_000)[:5]}")
    assert shown["medium"].endswith(f"rate limit until {time_of(AT + 5_000)}")
    assert shown["low"].endswith("concurrency")
    assert shown["background"].endswith("paused")
    assert not any("HELD" in line for line in plain_status(Screen(QUIET, [], "UTC")))
    narrow = drawn(Screen(replace(QUIET, queues=queues), [], "UTC"), 80)
    assert "HELD" not in narrow
    assert f"held back: high by rate limit until {time_of(AT + 30 * 60_000)[:5]}, medium by" in narrow
    assert "held back" not in drawn(Screen(QUIET, [], "UTC"), 80)


def drawn(screen: Screen, columns: int) -> str:
    console = Console(width=columns, color_system=None)
    with console.capture() as capture:
        console.print(rich_status(screen, columns))
    return capture.get()


def time_of(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M:%S")
