"""Streams that end early or were never there: the work is done all the same, and nothing falls apart."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import termios
from array import array
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import PROGRAMS, CommandLine
from tests.support.waiting import wait_until

URL = "https://example.com/"
QUEUECTL = str(PROGRAMS / "queuectl")


def in_shell(cli: CommandLine, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script of bash, in which $Q is the command."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        env=cli.environment() | {"Q": QUEUECTL},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("messages", ["", "2>&1"], ids=["ids only", "messages too"])
def test_a_bulk_verb_whose_ids_nobody_reads_any_more_ends_its_work(cli: CommandLine, messages: str) -> None:
    lines = "".join(f"{URL}{number}\n" for number in range(9_000))
    cli("batch", "-", "-q", given=lines).ok()
    done = in_shell(cli, f'"$Q" cancel --all --yes {messages} | head -n 1')
    assert (done.returncode, done.stdout) == (0, "task_1\n")
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr
    assert cli.states() == ["cancelled"] * 9_000


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize(
    "words", [["submit", URL], ["status"], ["list", "--json"], ["cancel", "1", "2", "--yes"], ["--help"]]
)
def test_a_closed_stream_is_no_error(cli: CommandLine, closed: str, words: list[str]) -> None:
    cli("submit", URL, URL + "2").ok()
    done = in_shell(cli, f'"$Q" {shlex.join(words)} {closed}')
    assert done.returncode == 0, done
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    if words[0] == "submit":
        assert cli.states() == ["queued"] * 3


def test_an_error_with_closed_streams_keeps_its_code(cli: CommandLine) -> None:
    assert in_shell(cli, '"$Q" show 99 >&- 2>&- <&-').returncode == 4
    assert in_shell(cli, '"$Q" clear-queue low <&-').returncode == 0


@contextmanager
def unread() -> Iterator[int]:
    """Give the end of a pipe to write to, of which the other end is closed."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


def unread_bytes(pipe: int) -> int:
    """Return how much of what was written to a pipe is still in it."""
    (number,) = array("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    return number


@pytest.mark.parametrize("words", [[], ["--json"], ["--debug"], ["--json", "--debug"]])
def test_an_error_that_nobody_reads_keeps_its_code(cli: CommandLine, words: list[str]) -> None:
    cli("submit", URL).ok()
    with unread() as writer, cli.running("show", "99", *words, stderr=writer) as process:
        assert process.wait(30) == ExitCode.NOT_FOUND


def test_an_interruption_that_nobody_reads_keeps_its_code(cli: CommandLine) -> None:
    with (
        unread() as writer,
        cli.running("batch", "-", "--json", stdin=subprocess.PIPE, stderr=writer) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(f"{URL}\n".encode())
        process.stdin.flush()
        left = process.stdin.fileno()
        wait_until(lambda: unread_bytes(left) == 0, within=30, describing="the command to read")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == ExitCode.INTERRUPTED


BUFFERED = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


@BUFFERED
def test_messages_for_a_full_disk_change_nothing_of_the_work(cli: CommandLine, unbuffered: str) -> None:
    cli.variables["PYTHONUNBUFFERED"] = unbuffered
    submitted = in_shell(cli, f'"$Q" submit {URL} 2>/dev/full')
    assert (submitted.returncode, submitted.stdout) == (0, "task_1\n")
    assert in_shell(cli, '"$Q" show 99 2>/dev/full').returncode == ExitCode.NOT_FOUND
    assert in_shell(cli, '"$Q" show 99 --json --debug 2>/dev/full').returncode == ExitCode.NOT_FOUND
    assert in_shell(cli, '"$Q" cancel 1 2>/dev/full').returncode == 0
    assert cli.states() == ["cancelled"]


@BUFFERED
@pytest.mark.parametrize("words", ["", "--json", "-q"])
def test_results_for_a_full_disk_do_not_make_what_is_done_look_undone(
    cli: CommandLine, unbuffered: str, words: str
) -> None:
    cli.variables["PYTHONUNBUFFERED"] = unbuffered
    submitted = in_shell(cli, f'"$Q" submit {URL} {URL}2 {words} >/dev/full')
    assert submitted.returncode == ExitCode.PARTLY_DONE
    said = "standard output cannot be written: No space left on device"
    assert f"2 tasks, task_1 to task_2, are submitted, but {said}" in submitted.stderr
    cancelled = in_shell(cli, f'"$Q" cancel 1 {words} >/dev/full')
    assert cancelled.returncode == ExitCode.PARTLY_DONE
    assert f"operation 1 has changed something, but {said}" in cancelled.stderr
    listed = in_shell(cli, f'"$Q" list {words} >/dev/full')
    assert listed.returncode == ExitCode.UNREACHABLE
    assert said in listed.stderr
    assert "done" not in listed.stderr
    assert "Traceback" not in submitted.stderr + cancelled.stderr + listed.stderr


def test_a_file_or_a_daemon_that_cannot_be_told_of_is_there_all_the_same(cli: CommandLine) -> None:
    cli("submit", URL).ok()
    said = "but standard output cannot be written: No space left on device"
    for words in ("backup one.backup", "export --output one.jsonl", "report daily --output one.html"):
        written = in_shell(cli, f'cd "$QUEUECTL_HOME" && "$Q" {words} >/dev/full')
        file = words.rpartition(" ")[2]
        assert written.returncode == ExitCode.PARTLY_DONE
        assert f"{file} is written, {said}" in written.stderr
        assert f"{file}\n" in written.stderr.partition("do not do it again; see: ls -l ")[2]
        assert (cli.home / file).is_file()
    started = in_shell(cli, '"$Q" daemon start >/dev/full')
    assert started.returncode == ExitCode.PARTLY_DONE
    assert f"the daemon is started, {said}" in started.stderr
    cli("daemon", "stop").ok()


def test_a_bulk_verb_whose_ids_find_no_room_ends_its_work(cli: CommandLine) -> None:
    cli("batch", "-", "-q", given="".join(f"{URL}{number}\n" for number in range(2_100))).ok()
    done = in_shell(cli, '"$Q" cancel --all --yes >/dev/full')
    assert done.returncode == ExitCode.PARTLY_DONE
    assert "2,100 tasks cancelled" in done.stderr
    assert "standard output cannot be written: No space left on device" in done.stderr
    assert cli.states() == ["cancelled"] * 2_100
