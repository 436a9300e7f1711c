"""What tasks log is kept with them: by attempt, while they run, and no longer than it may be."""

from __future__ import annotations

import pytest

from tests.support.daemon import KINDS, POSTGRES, SQLITE, Installation, MakeInstallation
from tests.support.waiting import wait_until

SAMPLES = {
    f"{prefix}{name}": {"callable": f"tests.support.sample_handlers:{name}", "isolation": isolation}
    for prefix, isolation in (("", "thread"), ("p_", "process"))
    for name in ("log", "talk", "log_and_wait", "fail_until", "succeed")
}


def said(site: Installation, number: int) -> list[tuple[int, str]]:
    """Return the attempt and the text of every line that is kept of a task."""
    return [(part.attempt, line.text) for part in site.monitor.get_task_log(number) for line in part.lines]


@pytest.mark.parametrize("kind", KINDS)
def test_lines_are_there_when_the_task_has_ended(install: MakeInstallation, kind: str) -> None:
    site = install(kind, handlers=SAMPLES)
    site.daemon.start()
    thread = site.submit("log", lines=3, text="茶 \x1b[31m")
    process = site.submit("p_log", lines=2, text="[/red]")
    printed = site.submit("p_talk", lines=1)
    silent = site.submit("succeed")
    site.wait_for(thread, process, printed, silent)
    assert said(site, thread) == [(1, f"line {number} 茶 \\x1b[31m") for number in range(3)]
    assert said(site, process) == [(1, "line 0 [/red]"), (1, "line 1 [/red]")]
    assert [text.rstrip() for _, text in said(site, printed)] == ["line 0", "to stderr"]
    assert said(site, silent) == []
    assert site.rows("SELECT COUNT(DISTINCT task_id) FROM task_logs") == [(3,)]


@pytest.mark.parametrize("handler", ["log_and_wait", "p_log_and_wait"])
@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_lines_come_while_the_task_runs_and_each_once(
    install: MakeInstallation, kind: str, handler: str
) -> None:
    site = install(kind, handlers=SAMPLES)
    site.daemon.start()
    go_on = site.home / "go-on"
    number = site.submit(handler, until=str(go_on))
    wait_until(lambda: said(site, number) == [(1, "waiting")], describing="the first line")
    assert site.task(number).state == "running"
    go_on.touch()
    site.wait_for(number)
    assert said(site, number) == [(1, "waiting"), (1, "going on")]


def test_every_attempt_has_its_own_lines(install: MakeInstallation) -> None:
    site = install(handlers=SAMPLES)
    site.daemon.start()
    number = site.submit("p_log_and_wait", until=str(site.home), failing=2)
    site.wait_for(number)
    assert said(site, number) == [
        (attempt, text) for attempt in (1, 2, 3) for text in ("waiting", "going on")
    ]


def test_lines_of_a_daemon_that_was_killed_are_not_lost(install: MakeInstallation) -> None:
    site = install(handlers=SAMPLES)
    site.daemon.start()
    number = site.submit("log_and_wait", until=str(site.home / "go-on"))
    wait_until(lambda: said(site, number), describing="the first line")
    site.daemon.kill()
    (site.home / "go-on").touch()
    site.daemon.start()
    site.wait_for(number)
    assert said(site, number) == [(1, "waiting"), (2, "waiting"), (2, "going on")]


def test_of_a_talkative_task_the_beginning_and_the_end_are_kept(install: MakeInstallation) -> None:
    site = install(handlers=SAMPLES)
    site.daemon.start()
    number = site.submit("log", lines=400, text="x" * 1000)
    site.wait_for(number)
    lines = [text.split()[1] for _, text in said(site, number)]
    assert (lines[0], lines[-1]) == ("0", "399")
    assert 50 < len(lines) < 80
    ((size,),) = site.rows("SELECT SUM(LENGTH(lines)) FROM task_logs WHERE task_id = %s", number)
    assert size < 80_000
