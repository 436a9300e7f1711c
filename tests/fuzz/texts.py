"""Parsers of what people type: addresses, cron expressions and the words of a command."""

from __future__ import annotations

import io
import random
import shlex
from contextlib import redirect_stdout
from datetime import datetime
from itertools import islice, pairwise
from typing import Any

import typer

from queuectl.cli.app import SECTIONS, app
from queuectl.cli.help import UsageError, built, usage_failure
from queuectl.cli.invocation import Invocation
from queuectl.cli.options import take_global_options
from queuectl.domain import cron
from queuectl.domain.urls import LENGTH_LIMIT, accept
from queuectl.operations.selectors import Selectors
from queuectl.times import parse_duration, parse_moment
from tests.fuzz.mutation import from_samples, mutated
from tests.fuzz.trial import Parser

_URLS = (
    b"https://example.com/", b"http://example.com:8080/a/b?c=d&e=%20#f",
    b"https://mp.weixin.qq.com/s/abc?x=1&y=2", "https://例え.test/文章?q=茶".encode(),
    b"http://[2001:db8::1]:443/", b"http://192.0.2.1/", b"HTTP://A.B./x", b"https://user:pw@example.com/",
    b"https://xn--fiq228c.example/", b"http://0x7f.1/", b"http://2130706433/",
)  # fmt: skip
_URL_WORDS = (
    b"http://", b"https://", b"//", b"@", b":", b"[", b"]", b"%", b"?", b"#", b".", b"..", b"xn--",
    b"::ffff:", b"%25", b"example", b"com", b"127.0.0.1", b"0x", b"0177", b"/", b"\\", b"file:", b"-", b"_",
    b"localhost", b":0", b":65536", "。".encode(), "．".encode(), "ß".encode(), "İ".encode(), "\xad".encode(),
    "①".encode(), "ﷺ".encode(),
)  # fmt: skip
_CRONS = (
    b"0 10 * * *", b"*/5 9-17 * * MON-FRI", b"0 0 L * *", b"0 0 LW * *", b"30 4 1,15 * 5", b"0 0 * * 1#2",
    b"@daily", b"0 22 * JAN,MAR 5L", b"15-45/10 */2 29 2 *", b"0 0 31 4 *", b"5 4 * * SUN", b"@hourly",
    b"0 0 29 2 1#5",
)  # fmt: skip
_CRON_WORDS = (
    b"*", b"*/", b"/", b"-", b",", b"L", b"LW", b"#", b"#5", b"@", b"?", b" ", b"  ", b"0", b"59", b"23",
    b"31", b"12", b"7", b"60", b"MON", b"SUN-SAT", b"JAN-DEC", b"5L", b"W", b"1#2", b"0-0", b"~",
    "١".encode(), b"\t", b"@yearly",
)  # fmt: skip
_FIELDS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ("L", "LW")),
    (1, 12, ("FEB", "JAN-DEC")),
    (0, 7, ("5L", "1#2", "SUN", "SAT-SUN", "MON-FRI")),
)
_TIMES = (
    b"2027-01-31 10:00", b"tomorrow 10:00", b"in 2h30m", b"90m", b"yesterday", b"2027-01-31T10:00:00+08:00",
    b"1d", "明天上午10点".encode(), "2小时".encode(), "2027年1月31日".encode(), b"next monday", b"01/02/2027",
    b"0001-01-01", b"9999-12-31 23:59", b"2027-03-28 02:30 Europe/Berlin", b"now", b"last week",
    b"3 days ago",
)  # fmt: skip
_TIME_WORDS = (
    b"in ", b"2h", b"30m", b"10:00", b"tomorrow", b"monday", b" ", b"+14:00", b"Z", b"T", b"-", b"/",
    b"ago", b"am", b"1e9", "下午".encode(), "点".encode(), "半".encode(), "周".encode(), b"99999999999999w",
    b"12:60", b"0000-00-00", b"UTC+",
)  # fmt: skip
_OPTIONS = (
    "--json", "-q", "--home", "--config=", "--", "-", "--help", "--priority", "--score", "--meta", "--in",
    "--unique", "--state", "--queue", "--since", "--until", "--limit", "--timeout", "--max-retries",
    "--yes", "--all", "--dry-run", "--format", "--lang", "--from", "--to", "--day", "--interval", "--name",
    "--rate", "--zone", "--id", "-p", "-n",
)  # fmt: skip
_ARGUMENTS = (
    "https://example.com/", "task_1", "1", "1-20", "low", "high_priority", "batch_3", "urls.txt", "/x", "",
    " ", "0", "-1", "1.5", "1e400", "nan", "9" * 30, "author=Ann", "=", "a=b=c", "2027-01-31", "\udcff",
    "\x00", "*", "%", "例え",
)  # fmt: skip


def texts() -> tuple[Parser, ...]:
    """Return these parsers."""
    return (
        Parser("url", 150, from_samples(_URLS, _URL_WORDS), _read_url),
        Parser("cron expression", 140, _cron, _read_cron),
        Parser("CLI arguments", 50, _command_line, _read_command_line),
    )


def _text(data: bytes) -> str:
    """Return what a program gets as an argument: bytes that are no UTF-8 become halves of pairs."""
    return data.decode("utf-8", "surrogateescape")


def _read_url(data: bytes) -> None:
    found = accept(_text(data))
    assert found.url.isascii()
    assert found.url.startswith(("http://", "https://"))
    assert len(found.url) <= LENGTH_LIMIT
    assert accept(found.url) == found, "what is normal stays as it is"


def _cron(chance: random.Random) -> bytes:
    """Return an expression that was changed, or five fields of a right form, whose numbers are mostly possible."""
    if chance.random() < 0.5:
        return mutated(chance, _CRONS, _CRON_WORDS)
    return " ".join(_field(chance, *field) for field in _FIELDS).encode()


def _field(chance: random.Random, least: int, most: int, own: tuple[str, ...]) -> str:
    if chance.random() < 0.3:
        return "*"
    first, last = sorted(chance.randint(least, most) for _ in range(2))
    step = chance.randint(0 if chance.random() < 0.05 else 1, most - least)
    if chance.random() < 0.03:
        first, last = last + 1, first
    forms = (f"{first}", f"{first}-{last}", f"{first}-{last}/{step}", f"*/{step}", f"{first},{last}", *own)
    return ",".join(chance.choice(forms) for _ in range(1 + (chance.random() < 0.2)))


def _read_cron(data: bytes) -> None:
    found = cron.parse(_text(data))
    assert cron.parse(found.fields).fields == found.fields
    assert found.in_words()
    matches = list(islice(found.matches(datetime(2027, 1, 1)), 3))  # noqa: DTZ001  local times are what they are
    assert matches
    assert all(first < second for first, second in pairwise(matches))


def _command_line(chance: random.Random) -> bytes:
    """Return words as a shell would read them: a command, and options and arguments that it may not have."""
    if chance.random() < 0.15:
        return b"\x01" + mutated(chance, _TIMES, _TIME_WORDS)
    names = [entry.name for _, entries in SECTIONS for entry in entries]
    words = [chance.choice(names)]
    if words[0] in (
        "schedule",
        "queue",
        "dead",
        "daemon",
        "db",
        "report",
        "config",
        "audit",
        "token",
        "systemd",
    ):
        words.append(
            chance.choice(
                ("add", "list", "show", "set", "remove", "custom", "daily", "run", "check", "group")
            )
        )
    for _ in range(chance.randrange(7)):
        words.append(chance.choice((*_OPTIONS, *_ARGUMENTS)))
        if chance.random() < 0.1:
            words[-1] = mutated(chance, [words[-1].encode("utf-8", "surrogateescape")], ()).decode(
                "utf-8", "replace"
            )
    return shlex.join(words).encode("utf-8", "surrogateescape")


def _read_command_line(data: bytes) -> None:
    """Read the words as ``main`` does, and stop before the command itself would run."""
    if data.startswith(b"\x01"):
        _read_time(_text(data[1:]))
        return
    if b"\0" in data:
        return  # no argument of a program can hold it
    try:
        words = shlex.split(_text(data))
    except ValueError:
        return  # a shell would not have begun anything
    options, words = take_global_options(words)
    try:
        with redirect_stdout(io.StringIO()):
            _parsed(built(app), "queuectl", words, obj=Invocation(options))
    except UsageError as error:
        raise usage_failure(error) from error
    except (typer.Exit, typer.Abort):
        return


def _parsed(command: Any, name: str, words: list[str], **options: Any) -> None:
    with command.make_context(name, words, **options) as context:
        rest = [*context._protected_args, *context.args]
        if hasattr(command, "commands") and rest:
            inner_name, inner, left = command.resolve_command(context, rest)
            _parsed(inner, inner_name, left, parent=context)
            return
    since = context.params.get("since")
    if isinstance(since, str):
        Selectors(since=since).selection("Asia/Shanghai")


def _read_time(text: str) -> None:
    moment = parse_moment(text, "Asia/Shanghai")
    assert moment.tzinfo is not None
    parse_duration(text)
