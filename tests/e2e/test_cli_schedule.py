"""Schedules from the command line: what is written, what is asked, and what bad input comes to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import CommandLine, words
from tests.support.fake_site import FakeSite
from tests.support.terminal import terminal

URL = "https://example.com/article"


@pytest.fixture
def daily(cli: CommandLine) -> CommandLine:
    """Give a command line in Berlin with a list in its home and a schedule that reads it."""
    cli.variables["QUEUECTL_TIMEZONE"] = "Europe/Berlin"
    (cli.home / "urls.txt").write_text(f"{URL}/1\n{URL}/2\n")
    cli("schedule", "add", "file://urls.txt", "--cron", "0 10 * * *", "--name", "daily").ok()
    return cli


def test_add_says_what_the_source_holds_and_when_it_is_next(daily: CommandLine) -> None:
    result = daily("schedule", "add", "file://urls.txt", "--cron", "30 2 * * *", "-p", "high").ok()
    assert result.ids == ["urls"]
    said = result.err.splitlines()
    assert said[0] == "the source is a list of 2 entries"
    assert [line.startswith("next: ") and "02:30 Europe/Berlin (+0" in line for line in said[1:4]] == [
        True
    ] * 3
    assert said[4].startswith("no daemon is running")
    document = daily("schedule", "add", "file://urls.txt", "--cron", "@daily", "--json").ok().document
    assert (document["name"], document["zone"], len(document["next_ticks"])) == ("urls-2", "Europe/Berlin", 3)


def test_list_and_show_have_the_same_facts_for_people_and_programs(daily: CommandLine) -> None:
    (row,) = words(daily("schedule", "list").ok())
    assert row[:2] == ["daily", "on"]
    (found,) = daily("schedule", "list", "--json").ok().document["schedules"]
    assert set(found) >= {
        "name", "source", "cron", "zone", "priority_score", "queue", "handler", "metadata", "only_new", "catch_up",
        "overlap", "paused", "created_at", "next_tick_at", "good_entries", "problem", "problem_since", "last_tick",
    }  # fmt: skip
    assert found["last_tick"] is None
    assert daily("schedule", "list", "-q").ok().ids == ["daily"]
    shown = daily("schedule", "show", "daily").ok().out
    assert "0 10 * * * (at 10:00 every day)" in shown
    assert shown.count("10:00 Europe/Berlin") == 3
    document = daily("schedule", "show", "daily", "--json").ok().document
    assert (document["ticks"], len(document["next_ticks"])) == ([], 3)
    assert document["next_ticks"][0]["at"] == document["next_tick_at"] == found["next_tick_at"]


def test_without_schedules_the_list_says_how_to_add_one(cli: CommandLine) -> None:
    result = cli("schedule", "list").ok()
    assert result.out == ""
    assert "queuectl schedule add" in result.err
    assert cli("schedule", "list", "--json").ok().document["schedules"] == []


def test_run_now_submits_and_shows_the_tick(daily: CommandLine) -> None:
    result = daily("schedule", "run-now", "daily").ok()
    assert result.ids == ["batch_1"]
    assert "2 tasks submitted, 0 known, 0 duplicates, 0 invalid" in result.err
    assert daily.states() == ["queued", "queued"]
    (daily.home / "urls.txt").write_text(f"{URL}/3\nfoo\n")
    partly = daily("schedule", "run-now", "daily", "--json")
    assert (partly.code, partly.document["outcome"], partly.document["batch_id"]) == (
        6,
        "submitted",
        "batch_2",
    )
    shown = daily("schedule", "show", "daily").ok().out
    assert "by hand; 1 invalid; line 2: the URL 'foo' does not start" in shown
    assert daily("schedule", "show", "daily", "--json").document["ticks"][0]["invalid"] == 1


def test_a_failing_source_is_told_by_run_now_status_doctor_and_show(daily: CommandLine) -> None:
    (daily.home / "urls.txt").unlink()
    text = daily("schedule", "run-now", "daily").error(ExitCode.UNREACHABLE)
    assert f"there is no file {daily.home}/urls.txt" in text
    alerts = daily("status", "--json").ok().document["alerts"]
    message = f"schedule daily: there is no file {daily.home}/urls.txt"
    assert {"message": message, "hint": "queuectl schedule show daily"} in alerts
    findings = {each["name"]: each for each in daily("doctor", "--json").document["checks"]}
    assert not findings["schedule daily"]["ok"]
    assert findings["schedule daily"]["hint"] == "see: queuectl schedule show daily"
    assert "problem" in daily("schedule", "list").ok().out
    assert "there is no file" in daily("schedule", "show", "daily").ok().out


def test_pause_and_resume_say_what_comes_next(daily: CommandLine) -> None:
    paused = daily("schedule", "pause", "daily").ok()
    assert (paused.ids, paused.err) == (
        ["daily"],
        "daily is paused; undo it with: queuectl undo 2\n",
    )
    assert "is paused already" in daily("schedule", "pause", "daily").ok().err
    assert words(daily("schedule", "list"))[0][1:3] == ["paused", "-"]
    assert "daily is on; next: " in daily("schedule", "resume", "daily").ok().err
    assert daily("schedule", "resume", "daily", "--json").ok().document["changed"] is False


def test_remove_asks_and_does_nothing_unasked(daily: CommandLine) -> None:
    assert "--yes" in daily("schedule", "remove", "daily").error(ExitCode.USAGE)
    with terminal(daily, "schedule", "remove", "daily") as screen:
        screen.shows("[y/N]")
        screen.type("n\r")
        screen.shows("nothing was changed")
        assert screen.end() == ExitCode.REFUSED
    assert daily("schedule", "list", "-q").ids == ["daily"]
    assert daily("schedule", "remove", "daily", "--yes", "--json").ok().document["removed"] is True
    assert daily("schedule", "list", "-q").ids == []


def test_preview_marks_what_the_clocks_do(daily: CommandLine) -> None:
    out = daily("schedule", "preview", "--cron", "30 2 * * *", "--next", "400").ok().out
    assert out.count("02:30 is skipped by the clocks; it comes at the first moment after the gap") == 1
    assert out.count("02:30 comes twice; only the first time counts") == 1
    found = daily("schedule", "preview", "daily", "--next", "2", "--json").ok().document
    assert (found["cron"], found["zone"], len(found["ticks"])) == ("0 10 * * *", "Europe/Berlin", 2)
    quiet = daily("schedule", "preview", "--cron", "0 0 * * *", "--zone", "UTC", "-q", "--next", "1").ok()
    assert quiet.out.endswith("T00:00:00.000Z\n")


def test_an_only_new_schedule_says_so(daily: CommandLine) -> None:
    (daily.home / "feed.xml").write_text(f"<rss><item><link>{URL}</link></item></rss>")
    said = daily("schedule", "add", "file://feed.xml", "--cron", "@hourly").ok().err
    assert "a feed of 1 entry; each is submitted once" in said
    note = daily("schedule", "add", "file://urls.txt", "--cron", "@hourly", "--catch-up", "all").ok().err
    assert "skip that find tasks of the last one open" in note


# Bad input.


def write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def link_out(path: Path) -> None:
    path.symlink_to("/etc/hostname")


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "is a folder"),
    "pipe": (os.mkfifo, "is a pipe"),
    "link out": (link_out, "is a symbolic link"),
    "binary": (write(b"\x7fELF\0\0\1"), "is not a text file"),
    "other encoding": (write("https://a.test/\n# 文章".encode("gb18030")), "line 2 has the byte"),
    "empty": (write(b""), "is empty"),
    "page": (write(b"<!DOCTYPE html><html><body>404</body></html>"), "is an HTML page"),
    "nothing acceptable": (write(b"foo\nbar\n"), "no line of"),
    "a million lines": (write(b"https://a.test/1\n" * 1_000_000), "at most 10,485,760 are read"),
    "deep JSON": (write(b"[" * 100_000), "nested too deeply"),
    "entities": (write(b'<!DOCTYPE rss [<!ENTITY a "b">]><rss/>'), "declares entities"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_source_that_cannot_be_used_adds_no_schedule(cli: CommandLine, name: str) -> None:
    make, said = FILES[name]
    make(cli.home / "odd")
    result = cli("schedule", "add", "file://odd", "--cron", "@daily")
    text = result.error(ExitCode.BAD_INPUT_FILE)
    assert said in text
    assert f"{cli.home}/odd" in text
    assert (result.out, cli("schedule", "list", "-q").out) == ("", "")


ARGUMENTS: dict[str, tuple[list[str], ExitCode, str]] = {
    "unknown zone": (["file://a", "--cron", "@daily", "--zone", "Mars/Base"], ExitCode.USAGE, "'Mars/Base'"),
    "61 minutes": (["file://a", "--cron", "61 * * * *"], ExitCode.USAGE, "minute 61 is not between 0 and 59"),
    "no cron": (["file://a"], ExitCode.USAGE, "--cron"),
    "no source": (["--cron", "@daily"], ExitCode.USAGE, "SOURCE"),
    "no address": (["a.txt", "--cron", "@daily"], ExitCode.USAGE, "'a.txt' is no address"),
    "other scheme": (["ftp://a.test/", "--cron", "@daily"], ExitCode.USAGE, "ftp://a.test/"),
    "outside": (
        ["file:///etc/passwd", "--cron", "@daily"],
        ExitCode.BAD_INPUT_FILE,
        "outside of the folders",
    ),
    "upwards": (["file://../x", "--cron", "@daily"], ExitCode.BAD_INPUT_FILE, "outside of the folders"),
    "private address": (["http://10.0.0.1/", "--cron", "@daily"], ExitCode.BAD_INPUT_FILE, "is private"),
    "catch up": (["file://a", "--cron", "@daily", "--catch-up", "some"], ExitCode.USAGE, "--catch-up"),
    "metadata": (["file://a", "--cron", "@daily", "--meta", "x"], ExitCode.USAGE, "'x' is not KEY=VALUE"),
    "name taken": (["file://a", "--cron", "@daily", "--name", "taken"], ExitCode.REFUSED, "'taken' already"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_mistake_is_one_line_with_the_right_code(cli: CommandLine, name: str) -> None:
    if name == "name taken":
        cli("schedule", "add", "file://a", "--cron", "@daily", "--name", "taken").ok()
    before = cli("schedule", "list", "-q").ids
    arguments, code, said = ARGUMENTS[name]
    assert said in cli("schedule", "add", *arguments).error(code)
    assert cli("schedule", "list", "-q").ids == before


def test_a_source_that_is_not_there_yet_is_worth_a_warning(cli: CommandLine) -> None:
    for source in ("file://none.txt", "http://127.0.0.1:1/urls"):
        cli.variables["QUEUECTL_FETCH_ALLOW_NETWORKS"] = "127.0.0.0/8"
        result = cli("schedule", "add", source, "--cron", "@daily").ok()
        assert result.err.startswith("warning: ")
        assert "next: " in result.err


def test_a_redirect_into_a_private_network_is_refused(cli: CommandLine) -> None:
    cli.variables["QUEUECTL_FETCH_ALLOW_NETWORKS"] = "127.0.0.0/8"
    with FakeSite() as site:
        source = site.redirect("/urls", "http://192.168.1.1/urls")
        text = cli("schedule", "add", source, "--cron", "@daily").error(ExitCode.BAD_INPUT_FILE)
    assert "192.168.1.1: the address is private" in text


@pytest.mark.parametrize("verb", ["show", "pause", "resume", "remove", "run-now", "preview"])
def test_a_schedule_that_is_not_there_is_named(cli: CommandLine, verb: str) -> None:
    extra = ["--yes"] if verb == "remove" else []
    assert "there is no schedule 'nope'" in cli("schedule", verb, "nope", *extra).error(ExitCode.NOT_FOUND)


def test_preview_needs_one_thing_to_preview(daily: CommandLine) -> None:
    assert "either" in daily("schedule", "preview").error(ExitCode.USAGE)
    assert "either" in daily("schedule", "preview", "daily", "--cron", "@daily").error(ExitCode.USAGE)
    assert "0 ticks" in daily("schedule", "preview", "daily", "--next", "0").error(ExitCode.USAGE)


def test_a_time_in_the_gap_is_told(cli: CommandLine) -> None:
    cli.variables["QUEUECTL_TIMEZONE"] = "Europe/Berlin"
    said = cli("submit", URL, "--schedule", "2027-03-28 02:30").ok().err
    assert "2027-03-28 02:30 does not exist: the clocks skip it, so 03:00 is meant" in said
    assert "for 2027-03-28 03:00:00 +02:00" in said
    said = cli("submit", URL, "--schedule", "2027-10-31 02:30").ok().err
    assert "2027-10-31 02:30 comes twice that day; the first time is meant" in said


def test_hostile_names_and_contents_cannot_steer_the_terminal(cli: CommandLine) -> None:
    (cli.home / "urls.txt").write_text(f"{URL}\n\x1b[31m\x07evil\u202e\n")
    result = cli("schedule", "add", "file://urls.txt", "--cron", "@daily").ok()
    cli("schedule", "run-now", "urls")
    for each in (
        result.err,
        cli("schedule", "show", "urls").out,
        cli("schedule", "show", "urls", "--json").out,
    ):
        assert not {"\x1b", "\x07", "\u202e"} & set(each)
