"""The chain of the audit: whatever is done to its lines is found, and nothing is found where nothing was done."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.audit import (
    BEGINNING,
    CONTENT,
    AuditLine,
    Head,
    examine,
    hashed,
    key_name,
    link_of,
    sealed,
)

KEY = b"a key that only the test knows"
OTHER = b"the key of another machine, so to say"
NUMBERS = ("number", "operation", "at", "things", "undoes")


def line(number: int, previous: str, *, key: bytes = KEY, **fields: Any) -> AuditLine:
    """Return a line that follows another one."""
    made = AuditLine(
        number=number,
        operation=number,
        at=1_800_000_000_000 + number,
        who="ann",
        host="vm",
        verb="cancel",
        target=f"task_{number}",
        things=1,
        before='{"queued":1}',
        after='{"cancelled":1}',
        undoes=None,
        key=key_name(key),
        hash="",
        seal="",
    )
    made = replace(made, **fields)
    linked = link_of(previous, made)
    return replace(made, hash=hashed(linked), seal=sealed(key, linked))


def chain(length: int, *, key: bytes = KEY) -> tuple[list[AuditLine], Head]:
    """Return lines that follow each other, and their head."""
    lines: list[AuditLine] = []
    for number in range(1, length + 1):
        lines.append(line(number, lines[-1].hash if lines else BEGINNING, key=key))
    return lines, Head.of(lines[-1], key) if lines else Head()


def rechained(lines: list[AuditLine], start: int) -> list[AuditLine]:
    """Return the lines with all hashes from a place on made anew, as somebody would who has no key."""
    made = lines[:start]
    for each in lines[start:]:
        previous = made[-1].hash if made else BEGINNING
        made.append(replace(each, hash=hashed(link_of(previous, each))))
    return made


@pytest.mark.parametrize("length", [0, 1, 2, 40])
def test_nothing_is_found_where_nothing_was_done(length: int) -> None:
    lines, head = chain(length)
    verdict = examine(lines, head, KEY)
    assert (verdict.sound, verdict.lines, verdict.unchecked) == (True, length, {})
    assert examine(lines, head, None).sound


def edited(lines: list[AuditLine], choose: random.Random) -> list[AuditLine]:
    place = choose.randrange(len(lines))
    name = choose.choice([*CONTENT, "hash", "seal"])
    value = getattr(lines[place], name)
    new: Any = (value or 0) + choose.choice([-1, 1, 10**6]) if name in NUMBERS else f"{value or ''}x"
    fields: dict[str, Any] = {name: new}
    return [*lines[:place], replace(lines[place], **fields), *lines[place + 1 :]]


def deleted(lines: list[AuditLine], choose: random.Random) -> list[AuditLine]:
    first = choose.randrange(len(lines))
    return lines[:first] + lines[first + choose.randint(1, 3) :]


def swapped(lines: list[AuditLine], choose: random.Random) -> list[AuditLine]:
    """Exchange what two lines say; their numbers stay, or the order of reading would undo it."""
    one, two = sorted(choose.sample(range(len(lines)), 2))
    changed = list(lines)
    changed[one] = replace(lines[two], number=lines[one].number)
    changed[two] = replace(lines[one], number=lines[two].number)
    return changed


def inserted(lines: list[AuditLine], choose: random.Random) -> list[AuditLine]:
    place = choose.randint(0, len(lines))
    previous = lines[place - 1].hash if place else BEGINNING
    forged = replace(line(place + 1, previous, key=OTHER), key=key_name(KEY))
    later = [replace(each, number=each.number + 1) for each in lines[place:]]
    return rechained([*lines[:place], forged, *later], place)


def truncated(lines: list[AuditLine], choose: random.Random) -> list[AuditLine]:
    return lines[: choose.randrange(len(lines))]


def rewritten(lines: list[AuditLine], choose: random.Random) -> list[AuditLine]:
    place = choose.randrange(len(lines))
    changed = [*lines[:place], replace(lines[place], who="nobody"), *lines[place + 1 :]]
    return rechained(changed, place)


def forged(head: Head, lines: list[AuditLine]) -> Head:
    """Return the best note of the end that somebody without the key could make for these lines."""
    last = lines[-1] if lines else None
    return replace(head, number=last.number if last else 0, hash=last.hash if last else BEGINNING)


DEEDS = (edited, deleted, swapped, inserted, truncated, rewritten)


@given(seed=st.integers(0, 2**32), length=st.integers(3, 30))
def test_every_edit_deletion_exchange_insertion_and_truncation_is_found(seed: int, length: int) -> None:
    choose = random.Random(seed)
    lines, head = chain(length)
    for deed in DEEDS:
        changed = deed(lines, choose)
        assert changed != lines
        assert not examine(changed, head, KEY).sound, deed.__name__
        assert not examine(changed, forged(head, changed), KEY).sound, deed.__name__


def test_ten_thousand_deeds_are_found() -> None:
    choose = random.Random(20261125)
    lines, head = chain(12)
    for _ in range(10_000 // len(DEEDS) + 1):
        for deed in DEEDS:
            assert not examine(deed(lines, choose), head, KEY).sound, deed.__name__


def test_without_the_key_plain_changes_are_found_and_forgeries_are_left_open() -> None:
    lines, _ = chain(9)
    changed = [*lines[:4], replace(lines[4], who="nobody"), *lines[5:]]
    assert examine(changed, Head.of(changed[-1], KEY), None).faults == [
        "line 5 was changed, or does not follow the line before it"
    ]
    anew = rechained(changed, 4)
    verdict = examine(anew, Head.of(anew[-1], KEY), None)
    assert verdict.sound
    assert verdict.unchecked == {key_name(KEY): 9}
    assert not examine(anew, Head.of(anew[-1], KEY), KEY).sound


def test_lines_of_another_machines_key_are_counted_and_not_called_wrong() -> None:
    lines, _ = chain(3)
    lines.append(line(4, lines[-1].hash, key=OTHER))
    head = Head.of(lines[-1], OTHER)
    verdict = examine(lines, head, KEY)
    assert verdict.sound
    assert verdict.unchecked == {key_name(OTHER): 1}


def test_a_head_that_was_moved_back_with_the_lines_is_found_by_its_seal() -> None:
    lines, _ = chain(9)
    cut = lines[:5]
    moved = Head(5, cut[-1].hash, key_name(KEY), "0" * 64)
    assert examine(cut, moved, KEY).faults == [
        "the note of where the record ends was not written with the key that it names"
    ]


def test_an_old_head_with_its_old_lines_is_found_by_an_anchor_alone() -> None:
    lines, _ = chain(9)
    cut, old = lines[:5], Head.of(lines[4], KEY)
    assert examine(cut, old, KEY).sound
    assert examine(cut, old, KEY, (9, lines[8].hash)).faults == [
        "lines up to 9 were written down, and the record ends at 5"
    ]
    other, head = chain(9, key=KEY)
    other[8] = line(9, other[7].hash, who="bob")
    assert (
        "line 9 is not the one" in examine(other, Head.of(other[8], KEY), KEY, (9, lines[8].hash)).faults[0]
    )
    assert examine(lines, head, KEY, (7, lines[6].hash)).sound


@pytest.mark.parametrize(
    "text", [None, "", "1", "1:2:3", "x:a:b:c", "1:2:3:4:5", "٣:a:b:c", "9" * 30 + ":a:b:c"]
)
def test_what_is_no_head_is_found(text: str | None) -> None:
    assert Head.read(text) is None
    lines, _ = chain(2)
    assert examine(lines, Head.read(text), KEY).faults == [
        "the note of where the record ends is missing or was changed"
    ]


def test_a_head_survives_being_written_down() -> None:
    _, head = chain(4)
    assert Head.read(str(head)) == head
    assert Head.read(str(Head())) == Head()


def test_of_very_many_findings_the_first_are_named_and_all_are_counted() -> None:
    lines, head = chain(100)
    verdict = examine([replace(each, who="nobody") for each in lines], head, KEY)
    assert (verdict.faulty, len(verdict.faults)) == (100, 20)
