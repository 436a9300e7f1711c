"""Parsers of files: exports, sources of schedules, spreadsheets, settings and pages."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from queuectl.domain.batch import Entry
from queuectl.domain.report import Cell, Kind, Report, Section, Table, text
from queuectl.domain.urls import accept
from queuectl.errors import InvalidURLError
from queuectl.handlers.article.extract import extract
from queuectl.handlers.article.fetch import Page
from queuectl.operations.import_file import ImportFile
from queuectl.operations.import_storing import PutAside
from queuectl.operations.importing import _read
from queuectl.operations.incoming import Incoming
from queuectl.operations.incoming_schedules import SeenUrls
from queuectl.operations.sources.lines import line_entries, looked_through, task_maker
from queuectl.operations.sources.reading import Reading, _form
from queuectl.operations.spool import Spool
from queuectl.reports.data import csv_text
from queuectl.settings import Settings, load
from queuectl.settings.rules import RULES
from queuectl.store.transfer import StoredBatch
from queuectl.times import parse_moment
from tests.fuzz.mutation import changed_json, from_samples, mutated
from tests.fuzz.trial import Parser
from tests.support.exports import HEADER, a_file, resummed, task
from tests.support.payloads import PAYLOADS
from tests.support.reports import DAY, ZONE

_PAGES = [
    package_files("queuectl.samples").joinpath("pages", f"{name}.html").read_bytes()
    for name in ("lighthouse-lens", "contour-lines", "wechat-rain-garden", "wechat-photo-script")
]
_PAGES += [page[:2_000] + page[-1_000:] for page in _PAGES]  # what is short is quick, and has it all as well
_MARKUP = (
    *(
        b"<table><tr><td>",
        b"</div>",
        b"<pre><code>",
        b"<p><section>",
        b"</p>",
        b"<ul><li>",
        b"<h1>",
        b"<blockquote>",
    ),
    *(
        b"&#0;&#x1b;",
        b"\xff\xfe",
        b"<img src=x>",
        b"<svg><style>",
        b"<!--",
        b"]]>",
        b"<math>",
        b"<template>",
        b"<select>",
    ),
    *(
        b"<body id=js_content>",
        b"<html lang=x>",
        b"<base href=//[>",
        b"<time datetime=9999-99-99>",
        b"<a href=//[x>",
    ),
    *(
        b'<meta charset="utf-7">',
        b'<meta charset="gbk">',
        b"var ct = '99999999999999';",
        b"<img data-src='http://['>",
    ),
    *(
        b'<script type="application/ld+json">{"@type":"Article","datePublished":"x"}</script>',
        b"<frameset>",
        b"<xmp>",
    ),
)
_WHEN = "2026-11-25T10:00:00.000Z"
_RECORDS = (
    {"queue": {"name": "low_priority", "paused": True, "rate_limit": "5/s", "max_size": 9, "host_gap": 1.5}},
    {"schedule": {"name": "daily", "source": "file://urls.txt", "cron": "0 10 * * *", "zone": "Asia/Shanghai",
                  "next_tick_at": _WHEN}},
    {"seen": {"schedule": "daily", "keys": [-5, 1, 7]}},
    {"batch": {"id": 7, "name": "每日文章", "created_at": _WHEN, "interval_minutes": 30}},
    task(1, batch=7, score=15, metadata={"author": "作者名", "n": [1, 2.5, None]}, unique=True),
    task(4, state="retrying", attempt=1, fence=2, due_at=_WHEN, error="it failed"),
    {"attempt": {"task": 4, "fence": 1, "attempt": 1, "started_at": _WHEN, "finished_at": _WHEN, "outcome": "failed"}},
    task(5, state="dead", finished_at=_WHEN, attempt=4, fence=4),
    {"dead_letter": {"task": 5, "cause": "exhausted", "error": "x", "attempts": 4, "died_at": _WHEN}},
    task(9, state="succeeded", finished_at=_WHEN, result={"title": "茶"}),
)  # fmt: skip
_EXPORT_WORDS = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\n", b'{"task":', b'{"end":', b"null", b"\\ud800",
    b"\\u0000",
)  # fmt: skip
_LINES = (
    b"https://example.com/1\n# a comment\nhttps://example.com/2  # another\n",
    b'{"url": "https://example.com/3", "priority": "high", "metadata": {"a": [1, 2]}, "schedule": "tomorrow 10:00"}\n',
    b'["https://example.com/4", {"url": "https://example.com/5", "score": 3}, {"title": "none"}]',
    b'<?xml version="1.0"?><rss><channel><item><title>t</title><link>https://example.com/6</link></item>'
    b"<item><guid>https://example.com/7</guid></item></channel></rss>",
    b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>https://example.com/8</id><link rel="alternate" '
    b'href="/9"/></entry></feed>',
    "\ufeffhttps://例え.test/茶\n".encode(),
)
_LINE_WORDS = (
    b"<item>", b"</item>", b"<link>", b"<entry/>", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"&#0;",
    b"<![CDATA[", b"]]>", b"[", b"]", b"{", b"}", b",", b'"', b"\\u0000", b"\\ud800", b"\n", b"#",
    b"<html>", b"xml:base='//['", b"xmlns:x='y'", b'"url":', b"https://[", b"\xff\xfe<\x00", b"http://",
    b'x' * 70000,
)  # fmt: skip
_TOML = (
    b'timezone = "Asia/Shanghai"\nworkers = 4\nretry_backoff = 1.5\nredis_url = "redis://:secret@localhost:6379/0"\n',
    b'[queues.low_priority]\nmax_retries = 2\nretry_backoff = 3.5\n[handlers.work]\ncommand = ["echo", "{url}"]\n',
    b'[handlers.f]\ncallable = "json:dumps"\nisolation = "thread"\ntimeout = 3\nmemory_limit = 100\n',
    b'report_schedule = [{kind = "daily", at = "07:30", format = "pdf", lang = "zh", folder = "/srv/reports"}]\n',
    b'webhook_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"\nfetch_allow_networks = ["10.0.0.0/8", "::1"]\n',
    b'database_url = "postgresql://user:secret@host:5432/name"\nrole = "worker"\nweb_auth = "ann:password"\n',
    b'source_folders = ["/srv/lists"]\nlog_level = "debug"\nhealth_disk = 1e3\nhome = "here"\nweb_port = 0\n',
)
_TOML_WORDS = (
    b"=", b"[", b"]", b"[[", b'"', b"'''", b"{", b"}", b".", b"#", b"\n", b"inf", b"-nan", b"true",
    b"1979-05-27", b"07:32:00", b"queues.", b"handlers.", b"workers = ", b"[queues]", b"[queues.urgent]",
    b'"\\u0000"', b'"\\ud800"', b"0x", b"1e999", b"report_schedule = ", b"home = ", b'"~nobody/x"',
    b'kind = "monthly"', b'at = "', b"redis_url = ", b'"redis://["',
)  # fmt: skip
_TOML_VALUES = (
    "0", "1", "-1", "8", "1.5", "1e3", "inf", "nan", "1e999", "9223372036854775808", "true", '""', '" "', '"x"', "[]",
    '["x"]', "[1]", '["10.0.0.0/8"]', '["/srv"]', "{}", '{kind = "daily"}', '[{kind = "daily", folder = "/srv"}]',
    "1979-05-27", "07:32:00", "[[[]]]", '"\\u0000"', '"Asia/Shanghai"', '"../../etc/passwd"', '"http://[::1"', '"~x"',
    '"postgresql://a:b@h/n"', '"redis://h:99999/x"', '"a:b:c"', '"99:99"', '"0 9 1 * *"', '"*"', "'\\'",
)  # fmt: skip
_TOML_TABLES = (
    "queues.low_priority",
    "queues.urgent",
    "queues.x",
    "handlers.work",
    'handlers."a b"',
    "x",
    "queues",
)
_TOML_KEYS = (
    "max_retries",
    "retry_backoff",
    "command",
    "callable",
    "isolation",
    "timeout",
    "memory_limit",
    "x",
)
_CSV_WORDS = (
    b"=", b"+", b"@", b"-", b"\t", b"\r", b",", b'"', b"\n", b";", "＝".encode(), b"\x00", b"'", b" =",
    b"\xe2\x80\x8b=",
)  # fmt: skip
_FORMULA = {"=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"}


def files(settings: Settings) -> tuple[Parser, ...]:
    """Return these parsers; what they read as a file is written into the home of the settings."""
    payloads = [each.encode("utf-8", "surrogatepass") for each in PAYLOADS]
    return (
        Parser("import JSON Lines", 100, _export, _reader_of_exports(settings)),
        Parser("cron source file", 100, from_samples(_LINES, _LINE_WORDS), _read_source),
        Parser("CSV", 40, from_samples(payloads, _CSV_WORDS), _read_spreadsheet),
        Parser("config", 30, _settings, _reader_of_settings(settings.home)),
        Parser("HTML page", 20, from_samples(_PAGES, _MARKUP), _read_page),
    )


def _export(chance: random.Random) -> bytes:
    """Return an export of which one record is odd, or in another place, or missing; mostly with a sum that fits."""
    records: list[Any] = list(_RECORDS)
    place = chance.randrange(len(records))
    kind, odd = next(iter(records.pop(place).items()))
    if chance.random() < 0.95:
        line = b'{"%s": %s}\n' % (kind.encode(), changed_json(chance, odd))
        made_there = place if chance.random() < 0.9 else chance.randrange(len(records))
        records.insert(made_there, line if chance.random() < 0.9 else {kind: odd})
    made = resummed(a_file(records, HEADER | {}))
    if chance.random() < 0.3:
        made = mutated(chance, [made], _EXPORT_WORDS)
    return resummed(made) if chance.random() < 0.5 else made


def _reader_of_exports(settings: Settings) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        with ExitStack() as stack:
            spools = (stack.enter_context(Spool(kind)) for kind in (StoredBatch, Incoming, SeenUrls))
            aside = PutAside(*spools)  # type: ignore[arg-type]  # each kind has its place
            _read(ImportFile(io.BytesIO(data), "export.jsonl", largest=2**30), settings, aside, None)

    return read


def _read_source(data: bytes) -> None:
    """Take the entries of a source, and of a file that is submitted as a batch, as far as they are acceptable.

    A source is read by a thread of its own, as in the daemon: names that lxml meets stay for as long as the thread.
    """
    with ThreadPoolExecutor(1) as alone:
        alone.submit(_take, Reading("source", _form(data), data, "https://example.com/feed")).result()
    stream = io.BytesIO(data)
    looked_through("urls.txt", stream)
    for entry in line_entries(stream, task_maker(lambda text: parse_moment(text, "UTC"))):
        _accepted(entry)


def _take(reading: Reading) -> None:
    for entry in reading.entries():
        _accepted(entry)


def _accepted(entry: Entry) -> None:
    assert (entry.task is None) == (entry.problem is not None)
    if entry.task is not None:
        try:
            accept(entry.task.url)
        except InvalidURLError:
            return


def _read_spreadsheet(data: bytes) -> None:
    """Write a text into a spreadsheet, and read it as a program does that believes in formulas."""
    word = data.decode("utf-8", "surrogatepass" if data.isascii() else "replace")
    cells = (text(word), Cell(Kind.LINK, word), text(f"x{word}"))
    table = Table(("title", "page", "account"), (cells, cells))
    written = csv_text(Report(DAY, ZONE, (Section("publishing", (table,)),)), "en")
    rows = list(csv.reader(io.StringIO(written.removeprefix("\ufeff")), strict=True))
    assert len([row for row in rows if len(row) == len(cells)]) == 3, "its head and two rows"
    for cell in (cell for row in rows for cell in row):
        assert cell.strip(" ")[:1] not in _FORMULA, cell
    written.encode()


def _settings(chance: random.Random) -> bytes:
    """Return a file that was changed, or one that gives some settings values of which few are right."""
    if chance.random() < 0.5:
        return mutated(chance, _TOML, _TOML_WORDS)
    names = chance.sample(sorted(RULES), chance.randint(1, 4))
    lines = [f"{name} = {chance.choice(_TOML_VALUES)}" for name in names]
    if chance.random() < 0.3:
        lines += [
            f"[{chance.choice(_TOML_TABLES)}]",
            f"{chance.choice(_TOML_KEYS)} = {chance.choice(_TOML_VALUES)}",
        ]
    return "\n".join(lines).encode()


def _reader_of_settings(home: Path) -> Callable[[bytes], None]:
    path, variables = home / "fuzz.toml", home / ".env"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        variables.write_bytes(data[:200] if len(data) % 5 == 0 else b"")
        tail = data[-20:].decode("utf-8", "surrogateescape") if len(data) % 7 == 0 else ""
        load(home=home, config=path, environ={"QUEUECTL_LOG_LEVEL": tail})

    return read


def _read_page(data: bytes) -> None:
    url = "https://mp.weixin.qq.com/s/x" if len(data) % 2 else "https://www.example.com/2024/06/page"
    found = extract(Page(url, url, "text/html", None, data))
    for each in (found.title, found.markdown, found.html):
        each.encode()
        assert "\0" not in each
