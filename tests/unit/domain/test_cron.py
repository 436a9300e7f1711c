"""Cron expressions: what is understood, and how each mistake is named."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

import pytest

from queuectl.domain.cron import parse
from queuectl.errors import ExitCode, InvalidInputError

START = datetime(2026, 11, 25, 12, 0)  # noqa: DTZ001  a Wednesday on the wall of any zone

FIRST = {
    "0 10 * * *": "2026-11-26 10:00",
    "  0   10 * * * ": "2026-11-26 10:00",
    "*/15 * * * *": "2026-11-25 12:00",
    "1-59/20 * * * *": "2026-11-25 12:01",
    "5,35 9-17 * * MON-FRI": "2026-11-25 12:05",
    "0 0 * * 0": "2026-11-29 00:00",
    "0 0 * * 7": "2026-11-29 00:00",
    "0 0 * * sun": "2026-11-29 00:00",
    "0 0 * * 1": "2026-11-30 00:00",
    "0 0 * * SAT-SUN": "2026-11-28 00:00",
    "0 0 * * SUN-SUN": "2026-11-29 00:00",
    "0 0 * * 6#1": "2026-12-05 00:00",
    "0 0 * * 5L": "2026-11-27 00:00",
    "0 0 * * friL": "2026-11-27 00:00",
    "0 0 L * *": "2026-11-30 00:00",
    "0 0 LW 1 *": "2027-01-29 00:00",
    "0 0 29 2 *": "2028-02-29 00:00",
    "0 0 1 jan-mar *": "2027-01-01 00:00",
    "0 0 13 * FRI": "2026-11-27 00:00",  # either, as in every cron
    "0 0 */2 * MON": "2026-12-07 00:00",  # both, as in Debian's
    "@hourly": "2026-11-25 12:00",
    "@Daily": "2026-11-26 00:00",
    "@weekly": "2026-11-29 00:00",
    "@monthly": "2026-12-01 00:00",
    "@yearly": "2027-01-01 00:00",
}


@pytest.mark.parametrize("text", FIRST)
def test_the_first_match_is_where_the_calendar_has_it(text: str) -> None:
    assert f"{next(parse(text).matches(START)):%Y-%m-%d %H:%M}" == FIRST[text]


def test_matches_go_both_ways_and_include_their_start() -> None:
    cron = parse("0 */6 * * *")
    forwards = [found.hour for found in islice(cron.matches(START), 3)]
    backwards = [found.hour for found in islice(cron.matches(START, backwards=True), 3)]
    assert (forwards, backwards) == ([12, 18, 0], [12, 6, 0])


@pytest.mark.parametrize(
    ("text", "interval"),
    {
        "*/15 * * * *": True,
        "0 * * * *": True,
        "5 0-23 * * *": True,
        "*/15 2 * * *": False,
        "0 */2 * * *": False,
    }.items(),
)
def test_an_expression_for_every_hour_means_an_interval(text: str, interval: bool) -> None:
    assert parse(text).every_hour is interval


def test_an_expression_can_be_said_in_words() -> None:
    assert parse("0 10 * * *").in_words() == "at 10:00 every day"
    assert parse("@hourly").in_words()


MISTAKES = {
    "61 10 * * *": "minute 61 is not between 0 and 59",
    "0 24 * * *": "hour 24 is not between 0 and 23",
    "0 0 0 * *": "day of month 0 is not between 1 and 31",
    "0 0 32 * *": "day of month 32 is not between 1 and 31",
    "0 0 * 13 *": "month 13 is not between 1 and 12",
    "0 0 * * 8": "weekday 8 is not between 0 and 7",
    "0 0 * * Monday": "the weekday 'MONDAY', which is not a number or a name such as SUN",
    "0 0 * noon *": "the month 'NOON', which is not a number or a name such as JAN",
    "x 0 * * *": "the minute 'X', which is not a number",
    "-1 0 * * *": "the minute '', which is not a number",
    "0 17-9 * * *": "the hour '17-9', whose end lies before its beginning",
    "*/90 * * * *": "the step '90' of its minute is not between 1 and 59",
    "*/0 * * * *": "the step '0' of its minute is not between 1 and 59",
    "*/x * * * *": "the step 'X' of its minute",
    "1,,2 * * * *": "an empty minute",
    "0 0 * * 1#6": "after # comes a number from 1 to 5",
    "0 0 W * *": "the day of month 'W'",
    "0 0 ? * *": "the day of month '?'",
    "0 0 30 2 *": "never comes",
    "0 0 31 4,6 *": "never comes",
    "0 10 * *": "has 4 fields and not 5",
    "0 0 10 * * *": "has 6 fields and not 5",
    "daily": "has 1 field and not 5",
    "@reboot": "is none of @yearly",
    "@every 5m": "is none of @yearly",
    "": "is empty",
    "\x1b[2J * * * *": "\\x1b",
    "1" * 300 + " * * * *": "longer than 200 characters",
    "٣ * * * *": "which is not a number",
    "99999999999 * * * *": "which is not a number",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_names_the_field_and_what_is_wrong(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(text)
    assert MISTAKES[text] in caught.value.message
    assert caught.value.message.isprintable()
    assert caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="is not a text"):
        parse(None)
