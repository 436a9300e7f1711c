"""What the operating system refuses is told as that, with the file where there is one, and never as a bug."""

from __future__ import annotations

import resource
from functools import partial

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import CommandLine, obey_permissions

MIB = 1024 * 1024


def write_small_files_only() -> None:
    """Let this process write no file that is larger than a MiB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))


def test_no_room_for_the_lines_of_a_batch(cli: CommandLine) -> None:
    cli("submit", "https://example.com/").ok()
    file = (
        cli.home / "urls.txt"
    )  # so many that they do not wait in memory for the lock, but in a temporary file
    file.write_text("".join(f"https://example.com/{number}/{'x' * 1_900}\n" for number in range(20_000)))
    said = cli("batch", file, before=write_small_files_only).error(ExitCode.UNREACHABLE)
    assert "queuectl: the system refuses: File too large" in said
    assert "ulimit -f" in said
    assert cli.states() == ["queued"]


def test_a_log_that_may_not_be_written(cli: CommandLine) -> None:
    cli("submit", "https://example.com/").ok()
    log = cli.home / "logs" / "queuectld.log"
    log.parent.mkdir(exist_ok=True)
    log.touch(mode=0)
    said = cli("daemon", "start", before=obey_permissions).error(ExitCode.UNREACHABLE)
    assert f"queuectl: the system refuses: Permission denied: {log}" in said
    assert "ls -ld" in said


@pytest.mark.parametrize("verb", [["status"], ["submit", "https://example.com/"], ["config", "check"]])
def test_a_place_of_the_configuration_that_may_not_be_looked_at(cli: CommandLine, verb: list[str]) -> None:
    folder = cli.home / "config"
    folder.mkdir(mode=0)
    said = cli(*verb, before=obey_permissions).error(ExitCode.BAD_CONFIGURATION)
    assert f"{folder}/queuectl/queuectl.toml cannot be read: Permission denied" in said


def test_however_few_files_may_be_open_it_is_no_bug_and_what_is_done_is_said(cli: CommandLine) -> None:
    limits = range(5, 9)  # with fewer not even Python starts in order, with more everything works
    cli("submit", *(f"https://example.com/{limit}" for limit in limits)).ok()
    codes = []
    for number, limit in enumerate(limits, 1):
        ended = cli(
            "cancel", str(number), before=partial(resource.setrlimit, resource.RLIMIT_NOFILE, (limit, limit))
        )
        assert "internal error" not in ended.err
        assert "Traceback" not in ended.err
        assert (cli.states()[number - 1] == "cancelled") == (ended.code in {0, 6}), ended
        codes.append(ended.code)
    assert set(codes) <= {ExitCode.UNREACHABLE, ExitCode.PARTLY_DONE, ExitCode.DONE}
    assert codes[0] == ExitCode.UNREACHABLE
