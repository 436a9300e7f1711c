"""Files that are no export, damaged or hostile are refused with line and field, and nothing is changed."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from queuectl import QueueManager, Settings, get_monitor
from queuectl.errors import BadInputFileError
from queuectl.operations import transfer_format as form
from tests.support.engines import sqlite_url
from tests.support.exports import HEADER, a_file, resummed, task, whole

WHEN = "2026-11-25T10:00:00.000Z"
GOOD = [
    {"queue": {"name": "low_priority", "paused": True, "rate_limit": "5/s"}},
    {"batch": {"id": 7, "name": "每日文章", "created_at": WHEN, "interval_minutes": 30}},
    task(1, batch=7, score=15, metadata={"author": "作者名", "n": [1, 2.5, None]}, unique=True),
    task(4, batch=7, state="retrying", attempt=1, fence=2, due_at=WHEN, error="it failed"),
    {
        "attempt": {
            "task": 4, "fence": 1, "attempt": 1, "started_at": WHEN, "finished_at": WHEN, "outcome": "failed",
            "traceback": "line\nline", "node": "0af3",
        }
    },
    task(5, state="dead", finished_at=WHEN, attempt=4, fence=4),
    {"dead_letter": {"task": 5, "cause": "exhausted", "error": "x", "attempts": 4, "died_at": WHEN}},
    task(9, state="succeeded", finished_at=WHEN, result={"title": "茶"}),
    task(),
]  # fmt: skip


@pytest.fixture
def manager(home: Path, migrated_file: bytes) -> Iterator[QueueManager]:
    (home / "queuectl.db").write_bytes(migrated_file)
    with QueueManager(Settings(home=home, database_url=sqlite_url(home))) as manager:
        yield manager


def refused(manager: QueueManager, content: bytes) -> str:
    """Import a file that is to be refused, and return what is said about it."""
    with pytest.raises(BadInputFileError) as caught:
        manager.import_queue(io.BytesIO(content))
    assert manager.list_tasks() == []
    assert not any(queue.paused for queue in get_monitor(manager.settings).get_realtime_status().queues)
    return caught.value.message


def test_a_file_made_by_hand_is_imported(manager: QueueManager) -> None:
    receipt = manager.import_queue(io.BytesIO(a_file(GOOD)))
    assert (receipt.tasks, receipt.batches, receipt.attempts, receipt.dead_letters) == (5, 1, 1, 1)
    assert [(each.queue, each.key, each.before, each.after) for each in receipt.queue_changes] == [
        ("low_priority", "paused", "no", "yes"),
        ("low_priority", "rate_limit", "none", "5/s"),
    ]


def test_only_a_url_has_to_be_given(manager: QueueManager) -> None:
    manager.import_queue(io.BytesIO(a_file([{"task": {"url": "HTTPS://Example.com/a"}}])))
    (only,) = manager.list_tasks()
    assert (only.url, only.state, only.queue, only.priority_score) == (
        "https://example.com/a", "queued", "medium_priority", 5,
    )  # fmt: skip


def test_lines_may_end_as_on_windows(manager: QueueManager) -> None:
    content = a_file([json.dumps(each).encode() + b"\r\n" for each in GOOD])
    counts = {"queues": 1, "batches": 1, "tasks": 5, "attempts": 1, "dead_letters": 1}
    body = content[: content.rindex(b'{"end"')]
    assert manager.import_queue(io.BytesIO(whole(body, counts))).tasks == 5


def test_the_example_of_the_documentation_is_a_file(manager: QueueManager) -> None:
    text = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
    lines = text.partition("```json\n")[2].partition("```")[0].splitlines(keepends=True)
    counts = json.loads(lines[-1])["end"]["counts"]
    assert manager.import_queue(io.BytesIO(whole("".join(lines[:-1]).encode(), counts))).tasks == 2


def test_every_field_is_explained() -> None:
    text = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
    names = [*form.KINDS, *(name for record in form.KINDS.values() for name in record.__struct_fields__)]
    assert [name for name in names if f"`{name}`" not in text and f'"{name}"' not in text] == []


FOREIGN = {
    "empty": (b"", "is empty"),
    "gzip": (gzip.compress(a_file(GOOD)), "gzip"),
    "zip": (b"PK\x03\x04rest", "zip"),
    "binary": (bytes(range(256)), "not a text file"),
    "a database": (b"SQLite format 3\0" + bytes(100), "is a database"),
    "a list of addresses": (b"https://example.com/\n", "not an export"),
    "another format": (a_file([], {"format": "other", "version": 1}), "not an export"),
    "an array": (b"[1, 2]\n", "not an export"),
    "a newer version": (a_file([], HEADER | {"version": 2}), "the format 2"),
    "no such version": (a_file([], HEADER | {"version": 0}), "no format 0"),
    "a version that is none": (a_file([], HEADER | {"version": "1"}), "version: it is not a whole number"),
    "a header with more": (a_file([], HEADER | {"extra": 1}), "field extra: there is no such field"),
    "one endless line": (b"{" + b" " * (3 * 1024 * 1024), "not an export"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_export_is_refused_by_its_name(manager: QueueManager, name: str) -> None:
    content, words = FOREIGN[name]
    assert words in refused(manager, content)


def nested(levels: int) -> bytes:
    return (
        b'{"task": {"url": "https://e.org/", "metadata": '
        + b'{"a":' * levels
        + b"1"
        + b"}" * levels
        + b"}}\n"
    )


HOSTILE: dict[str, tuple[Any, str]] = {
    "a field twice": (b'{"task": {"url": "https://e.org/1", "url": "https://e.org/2"}}\n', "'url' twice"),
    "a field twice far inside": (
        b'{"task": {"url": "https://e.org/", "metadata": {"a": {"b": 1, "b": 2}}}}\n',
        "'b' twice",
    ),
    "no number": (b'{"task": {"url": "https://e.org/", "metadata": {"a": NaN}}}\n', "NaN"),
    "infinity": (b'{"task": {"url": "https://e.org/", "timeout": Infinity}}\n', "Infinity"),
    "a number without end": (b'{"task": {"url": "https://e.org/", "timeout": 1e999}}\n', "out of range"),
    "ten thousand digits": (
        b'{"task": {"url": "https://e.org/", "id": ' + b"9" * 10_000 + b"}}\n",
        "too many digits",
    ),
    "more than 64 bits": (task(2**70), "field task.id: it is not a whole number <= "),
    "a hundred thousand levels": (nested(100_000), "deeper than 256 levels"),
    "a thousand levels": (nested(1_000), "deeper than 256 levels"),
    "too long": (b'{"task": {"url": "https://e.org/' + b"a" * form.LINE_LIMIT + b'"}}\n', "longer than"),
    "no JSON": (b"{'task': 1}\n", "not JSON"),
    "half a line": (b'{"task": {"url": "https://e.org/\n', "not JSON"),
    "an empty line": (b"\n", "it is empty"),
    "other bytes": (b'{"task": {"url": "https://e.org/\xff"}}\n', "0xff at column 33 is not UTF-8"),
    "a bare value": (b"12\n", "an object with one field"),
    "two kinds": (b'{"task": {"url": "https://e.org/"}, "batch": {}}\n', "an object with one field"),
    "an unknown kind": ({"job": {}}, "field job: unknown kind"),
    "no object": ({"task": "https://e.org/"}, "field task: it is not an object"),
    "an unknown field": (task(1, colour="red"), "field task.colour: there is no such field"),
    "no URL": ({"task": {"id": 1}}, "field task.url: it is missing"),
    "a text for a number": (task(1, score="8"), "field task.score: it is not a whole number"),
    "true for a number": (task(1, attempt=True), "field task.attempt: it is not a whole number"),
    "a list for metadata": (task(1, metadata=[]), "field task.metadata: it is not an object"),
    "below zero": (task(1, fence=-1), "field task.fence: it is not a whole number >= 0"),
    "a URL of another kind": (task(1, url="file:///etc/passwd"), "field task.url: the URL 'file:"),
    "control characters": (task(1, url="https://e.org/\x1b[31m"), "control character"),
    "a state that cannot travel": (task(1, state="running"), "field task.state: it is not one of scheduled"),
    "an unknown state": (task(1, state="done"), "field task.state: it is not one of"),
    "an unknown queue": (task(1, queue="fast"), "field task.queue: unknown priority 'fast'"),
    "a score of another queue": (
        task(1, queue="low", score=10),
        "belongs to urgent_priority, not to low_priority",
    ),
    "a score out of range": (task(1, score=10**9), "field task.score"),
    "a handler that is no name": (task(1, handler="\x1b[2J"), "field task.handler: '\\x1b[2J' is not a name"),
    "a handler that is not here": (task(1, handler="thumbnail"), "there is no handler 'thumbnail' here"),
    "an end without time": (task(1, state="dead"), "field task.finished_at: it is missing"),
    "a time before the end": (task(1, finished_at=WHEN), "field task.finished_at: a queued task has no end"),
    "no time to wait for": (task(1, state="scheduled"), "field task.due_at: it is missing"),
    "a time without zone": (
        task(1, run_at="2027-01-01T10:00:00"),
        "field task.run_at: it is not a time with a zone",
    ),
    "a time as a number": (task(1, run_at=5), "field task.run_at: it is not a time with a zone"),
    "a time before all calendars": (task(1, run_at="0001-01-01T00:00:00+05:00"), "out of range"),
    "a timeout below zero": (task(1, timeout=-1), "timeout -1"),
    "a memory limit of a byte": (task(1, memory_limit=1), "memory limit 1"),
    "too much metadata": (task(1, metadata={"a": "x" * 70_000}), "field task.metadata: the metadata is"),
    "too large a result": (task(1, result="x" * 1_100_000), "field task.result: it is larger"),
    "a NUL in an error": (task(1, error="a\0b"), "field task.error"),
    "a surrogate in an error": (task(1, error="\ud800"), "field task.error"),
    "given back more than run": (task(1, attempt=1, fence=1, released=2), "field task.released"),
    "a batch from nowhere": (task(1, batch=99), "field task.batch: no line before it has the batch 99"),
    "a queue from nowhere": ({"queue": {"name": "fast"}}, "field queue.name: there is no queue 'fast'"),
    "a rate of no kind": (
        {"queue": {"name": "low", "rate_limit": "5/fortnight"}},
        "field queue.rate_limit: '5/fortnight' is not 5/s",
    ),
    "a gap below zero": ({"queue": {"name": "low", "host_gap": -1}}, "field queue.host_gap"),
    "a batch with a hidden name": (
        {"batch": {"id": 8, "created_at": WHEN, "name": "a\u202eb"}},
        "field batch.name: it is no text of at most 200 visible",
    ),
    "an attempt without task": (
        {
            "attempt": {
                "task": 1,
                "fence": 1,
                "attempt": 1,
                "started_at": WHEN,
                "finished_at": WHEN,
                "outcome": "failed",
            }
        },
        "does not follow its task 1",
    ),
    "a dead letter without task": (
        {"dead_letter": {"task": 1, "cause": "x", "attempts": 1, "died_at": WHEN}},
        "does not follow its task 1",
    ),
    "a schedule that never comes": (
        {"schedule": {"name": "a", "source": "https://e.org/", "cron": "0 0 31 2 *"}},
        "field schedule: the cron expression",
    ),
    "a source outside of the folders": (
        {"schedule": {"name": "a", "source": "file:///etc/passwd", "cron": "0 10 * * *"}},
        "field schedule: the source file:///etc/passwd lies outside",
    ),
    "a schedule with a hidden name": (
        {"schedule": {"name": "a\u202eb", "source": "https://e.org/", "cron": "0 10 * * *"}},
        "cannot name a schedule",
    ),
    "a schedule of a zone from nowhere": (
        {"schedule": {"name": "a", "source": "https://e.org/", "cron": "0 10 * * *", "zone": "Mars/North"}},
        "field schedule: there is no time zone 'Mars/North'",
    ),
    "a second line in a header": (
        {
            "schedule": {
                "name": "a",
                "source": "https://e.org/",
                "cron": "0 10 * * *",
                "etag": '"1"\r\nHost: other',
            }
        },
        "field schedule.etag: it has invisible characters",
    ),
    "what no source has had": ({"seen": {"schedule": "a", "keys": [1]}}, "field seen.schedule: it does not"),
    "a key of more than 64 bits": ({"seen": {"schedule": "a", "keys": [2**63]}}, "field seen.keys"),
    "a settings record that comes twice": (
        b'{"queue": {"name": "low"}}\n{"queue": {"name": "low"}}\n',
        "low_priority comes twice",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_line_is_named(manager: QueueManager, name: str) -> None:
    record, words = HOSTILE[name]
    said = refused(manager, a_file([GOOD[1], record]))
    line = 4 if name.endswith("twice") and "settings" in name else 3
    assert f"line {line}" in said
    assert words in said
    assert len(said) < 500


SCHEDULE = {"schedule": {"name": "daily", "source": "https://e.org/list", "cron": "0 10 * * *"}}


def seen(*keys: int) -> dict[str, Any]:
    """Return what the source of that schedule has had."""
    return {"seen": {"schedule": "daily", "keys": keys}}


BELONGING: dict[str, tuple[list[Any], str]] = {
    "ids that fall": ([task(2), task(1)], "line 3, field task.id: the ids of tasks have to rise"),
    "an id twice": ([task(2), task(2, url="https://e.org/")], "line 3, field task.id"),
    "batches that fall": (
        [{"batch": {"id": number, "created_at": WHEN}} for number in (2, 1)], "line 3, field batch.id"
    ),
    "a batch after a task": ([task(1), GOOD[1]], "line 3: queues, schedules and batches come before"),
    "an attempt of another task": ([task(1, fence=3), task(2), GOOD[4]], "line 4, field attempt.task"),
    "a fence above its task's": (
        [task(4, fence=2), {"attempt": {**GOOD[4]["attempt"], "fence": 3}}], "line 3, field attempt.fence"
    ),
    "a fence twice": ([task(4, fence=2), GOOD[4], GOOD[4]], "line 4, field attempt.fence"),
    "a dead letter of the living": ([task(5), GOOD[6]], "line 3, field dead_letter.task: its task is queued"),
    "a schedule twice": ([SCHEDULE, SCHEDULE], "line 3, field schedule.name: there is a schedule"),
    "keys that fall": (
        [SCHEDULE, seen(1, 7), seen(7)], "line 4, field seen.keys: the keys of a schedule have to rise"
    ),
    "keys of another schedule": (
        [SCHEDULE, {"seen": {"schedule": "other", "keys": []}}], "line 3, field seen.schedule"
    ),
    "too many keys in a line": ([SCHEDULE, seen(*range(form.SEEN_LIMIT + 1))], "line 3, field seen.keys"),
    "a schedule after a task": ([task(1), SCHEDULE], "line 3: queues, schedules and batches come before"),
    "a resurrection without a time": (
        [GOOD[5], {"dead_letter": {**GOOD[6]["dead_letter"], "resurrected_as": 9}}],
        "line 3, field dead_letter: resurrected_as and resurrected_at go together",
    ),
    "two unique ones": (
        [task(1, url="https://e.org/", unique=True), task(2, url="https://e.org/", unique=True)],
        "line 3, field task.unique",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BELONGING)
def test_records_that_do_not_fit_together_are_named(manager: QueueManager, name: str) -> None:
    records, words = BELONGING[name]
    assert words in refused(manager, a_file(records))


def test_unique_tasks_of_one_url_are_found_also_in_distant_parts_of_a_file(manager: QueueManager) -> None:
    many = [task(number) for number in range(2, 4_500)]
    twice = [task(number, url="https://e.org/", unique=True) for number in (1, 9_000)]
    assert "field task.unique" in refused(manager, a_file([twice[0], *many, twice[1]]))


@pytest.mark.parametrize("part", ["header", "queue", "batch", "task", "attempt", "end"])
def test_a_file_that_ends_early_is_refused(manager: QueueManager, part: str) -> None:
    lines = a_file(GOOD).splitlines(keepends=True)
    kept = {"header": 1, "queue": 2, "batch": 3, "task": 4, "attempt": 6, "end": 10}[part]
    assert "a part of it is missing" in refused(manager, b"".join(lines[:kept]))


def test_something_after_the_end_is_refused(manager: QueueManager) -> None:
    assert "after the end" in refused(manager, a_file(GOOD) + b"\n")


def test_a_changed_letter_is_found(manager: QueueManager) -> None:
    assert "the checksum does not fit" in refused(manager, a_file(GOOD).replace(b"it failed", b"it fooled"))


def test_wrong_counts_are_found(manager: QueueManager) -> None:
    body = b"".join(a_file(GOOD).splitlines(keepends=True)[:-1])
    assert "there are 1, not 0" in refused(manager, whole(body, {"tasks": 5}))
    counts = {"queues": 1, "batches": 1, "tasks": 5, "attempts": 1, "dead_letters": 1, "jobs": 1}
    assert "field end.counts.jobs" in refused(manager, whole(body, counts))


def test_the_nine_hundredth_line_keeps_the_others_out(manager: QueueManager) -> None:
    records = [task(number) for number in range(1, 1_000)]
    records[898] = task(899, score="high")
    assert "line 900, field task.score" in refused(manager, a_file(records))


def test_a_file_may_not_be_larger_than_the_setting(home: Path, migrated_file: bytes) -> None:
    (home / "queuectl.db").write_bytes(migrated_file)
    content = a_file(GOOD)
    for largest, fits in ((len(content), True), (len(content) - 1, False)):
        settings = Settings(home=home, database_url=sqlite_url(home), import_max_bytes=largest)
        with QueueManager(settings) as manager:
            if fits:
                assert manager.import_queue(io.BytesIO(content), dry_run=True).tasks == 5
            else:
                assert "is larger than" in refused(manager, content)


@pytest.mark.parametrize("kind", ["missing", "a folder", "an archive"])
def test_what_cannot_be_read_is_named(manager: QueueManager, home: Path, kind: str) -> None:
    path = home / "x"
    if kind == "a folder":
        path.mkdir()
    if kind == "an archive":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("export.jsonl", a_file(GOOD))
    with pytest.raises(BadInputFileError, match=r"no file|is a folder|zip archive"):
        manager.import_queue(path)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Return a file with a few damages: bytes changed, cut out, doubled or put in, lines swapped or dropped."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(data) + 1), chance.choice([1, 1, 2, 8, 40])
        piece = bytes(data[at : at + length])
        match chance.randrange(7):
            case 0:
                data[at : at + length] = chance.randbytes(length)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = piece * chance.choice([1, 2, 300])
            case 3:
                data[at:at] = chance.choice(BITS)
            case 4:
                data[at : at + 1] = chance.choice(BITS)
            case 5:
                lines = bytes(data).splitlines(keepends=True) or [b""]
                chance.shuffle(lines)
                data = bytearray(b"".join(lines))
            case _:
                lines = bytes(data).splitlines(keepends=True) or [b""]
                del lines[chance.randrange(len(lines))]
                data = bytearray(b"".join(lines))
    return bytes(data)


BITS = [
    b'"', b"\\", b"{", b"}", b"[" * 300, b"]", b",", b":", b"\0", b"\n", b"\r", b"\xff", b"\xed\xa0\x80", b"1e999",
    b"-0", b"9" * 400, b"9" * 5_000, b"NaN", b"null", b"true", b'"\\ud800"', b"\\u0000", b"1.5", b"{}", b"[]",
    b"\xef\xbb\xbf", "‮".encode(), b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59.999-23:59",
]  # fmt: skip


def test_thousands_of_damaged_files_are_refused_and_nothing_else_happens(manager: QueueManager) -> None:
    chance = random.Random(20261125)
    original = a_file(GOOD)
    refusals: list[str] = []
    for number in range(3_000):
        content = mutated(original, chance)
        if number % 3:
            content = resummed(content)  # so that the damage itself is met, and not only the checksum
        try:
            manager.import_queue(io.BytesIO(content), dry_run=True)
        except BadInputFileError as error:
            refusals.append(error.message)
        else:
            body = content[: content.rfind(b'{"end"')]
            assert number % 3 or original.startswith(body), f"this damage was not found: {content!r}"
    assert len(refusals) > 2_000
    assert [said for said in refusals if len(said) > 1_000 or not said.isprintable()] == []
    assert manager.list_tasks() == []


@examples(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=st.binary(max_size=200) | st.text(max_size=100).map(str.encode) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*form.KINDS, *form.Task.__struct_fields__]), inner, max_size=4),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_line_is_accepted_or_refused(manager: QueueManager, line: bytes) -> None:
    body = b"".join(a_file(GOOD).splitlines(keepends=True)[:-1])
    with suppress(BadInputFileError):
        manager.import_queue(io.BytesIO(whole(body + line + b"\n", {"tasks": 5})), dry_run=True)


def test_two_unique_tasks_of_one_url_are_found_however_far_apart(manager: QueueManager) -> None:
    twins = [task(1, url="https://e.org/", unique=True), task(9_000, url="https://e.org/", unique=True)]
    between = [task(number) for number in range(2, 4_500)]
    content = a_file([twins[0], *between, twins[1]])
    for dry_run in (True, False):
        with pytest.raises(BadInputFileError) as caught:
            manager.import_queue(io.BytesIO(content), dry_run=dry_run)
        assert "field task.unique: an open task before it has the same URL" in caught.value.message
        assert "line 4501" in caught.value.message
    assert manager.list_tasks() == []


def test_a_unique_task_that_has_ended_takes_no_place(manager: QueueManager) -> None:
    ended = task(1, url="https://e.org/", unique=True, state="succeeded", finished_at=WHEN)
    content = a_file([ended, task(2, url="https://e.org/", unique=True)])
    assert manager.import_queue(io.BytesIO(content)).tasks == 2
