"""Who wrote a page and when, from what it declares."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from queuectl.handlers.article.metadata import read_metadata, time_in
from queuectl.handlers.article.tree import parse


def ms(year, month, day, hour=0, minute=0, second=0):
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp() * 1000)


def read(head="", body="<p>text</p>", lang=""):
    return read_metadata(parse(f"<html lang='{lang}'><head>{head}</head><body>{body}</body></html>"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-06-21T08:30:15Z", ms(2024, 6, 21, 8, 30, 15)),
        ("2024-06-21T08:30:15.123+08:00", ms(2024, 6, 21, 0, 30, 15)),
        ("2024-06-21T08:30:15-0530", ms(2024, 6, 21, 14, 0, 15)),
        ("2024-06-21 08:30", ms(2024, 6, 21, 8, 30)),
        ("2024/6/1", ms(2024, 6, 1)),
        ("2024年6月21日 08:30", ms(2024, 6, 21, 8, 30)),
        ("发布于 2024年6月1日", ms(2024, 6, 1)),
        ("2024-02-30", None),
        ("2024-13-01", None),
        ("2024-06-21 25:00", None),
        ("0001-01-01", None),
        ("9999-12-31T23:59:59Z", None),
        ("yesterday", None),
        ("", None),
        ("1" * 100_000, None),
    ],
)
def test_times_are_read_in_the_forms_that_pages_use(text, expected):
    assert time_in(text) == expected


def test_a_time_without_a_zone_is_read_at_the_given_offset():
    assert time_in("2024-06-21 08:30", zone_offset_hours=8) == ms(2024, 6, 21, 0, 30)
    assert time_in("2024-06-21T08:30Z", zone_offset_hours=8) == ms(2024, 6, 21, 8, 30)


def test_meta_elements_are_read():
    found = read(
        '<meta property="og:title" content=" A  title "><meta name="Author" content="Ann">'
        '<meta property="og:site_name" content="The Site"><title>A title | The Site</title>'
        '<meta property="article:published_time" content="2024-06-21T00:00:00Z">',
        lang="en-GB",
    )
    assert (found.title, found.author, found.site, found.language) == ("A title", "Ann", "The Site", "en-GB")
    assert found.published_at == ms(2024, 6, 21)


@pytest.mark.parametrize(
    "data",
    [
        '{"headline": "T", "author": {"name": "Ann"}, "datePublished": "2024-06-21"}',
        '[{"@type": "WebSite"}, {"headline": "T", "author": [{"name": "Ann"}], "datePublished": "2024-06-21"}]',
        '{"@graph": [{"@type": "Person"}, {"headline": "T", "author": "Ann", "datePublished": "2024-06-21"}]}',
    ],
)
def test_linked_data_is_read(data):
    found = read(f'<script type="application/ld+json">{data}</script>')
    assert (found.title, found.author, found.published_at) == ("T", "Ann", ms(2024, 6, 21))


@pytest.mark.parametrize(
    "data",
    [
        "{",
        "[" * 50_000,
        "null",
        '"x"',
        "1e999",
        '{"headline": 5, "author": 7, "datePublished": []}',
        '{"@graph": 3}',
    ],
)
def test_broken_linked_data_is_passed_over(data):
    found = read(f'<title>T</title><script type="application/ld+json">{data}</script>')
    assert (found.title, found.author, found.published_at) == ("T", None, None)


def test_an_only_heading_is_the_title_rather_than_the_window_title():
    assert read("<title>T - Site</title>", "<h1>T</h1>").title == "T"
    assert read("<title>T - Site</title>", "<h1>One</h1><h1>Two</h1>").title == "T - Site"


def test_an_address_is_no_author():
    assert read('<meta property="article:author" content="https://example.com/ann">').author is None


def test_a_time_element_dates_a_page_that_declares_nothing_else():
    assert read(body='<time datetime="2024-06-21T10:00:00+02:00">June</time>').published_at == ms(
        2024, 6, 21, 8
    )


def test_long_and_deceiving_facts_are_shortened_and_cleaned():
    found = read(
        f'<meta name="author" content="{"a" * 500}"><meta property="og:title" content="x&#x202e;y&#27;z">'
    )
    assert len(found.author or "") == 100
    assert found.title == "xy\ufffdz"
