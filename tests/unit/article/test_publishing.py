"""Names and contents of the published files; writing them is tested with a disk."""

from __future__ import annotations

import json
import re

import lxml.html
import pytest

from queuectl.handlers.article.extract import Extracted
from queuectl.handlers.article.publish import html_file, markdown_file, slug_of

NASTY = [
    "../../etc/passwd",
    "..",
    ".",
    "/",
    "/etc/passwd",
    "C:\\Windows\\x",
    "a/b\\c",
    "\x00",
    "a\x00b",
    "con",
    "-rf *",
    "$(reboot)`id`;|&<>\"'",
    "   ",
    "",
    "...hidden",
    "\u202egnp.exe",
    "\ud800",
    "🦊🦊🦊",
    "x" * 10_000,
    "中" * 10_000,
    "𠀀" * 10_000,
    "e\u0301" * 5_000,
    "%2e%2e%2f",
    "~root",
    "file.html?x#y",
    "line\nbreak\ttab",
]


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("The Lamp That Learned to Reach", "the-lamp-that-learned-to-reach"),
        ("一杯绿茶的三分钟", "一杯绿茶的三分钟"),
        ("Ｆｕｌｌ　Ｗｉｄｔｈ！", "full-width"),
        ("  C++ & Rust: 2024年  ", "c-rust-2024年"),
        ("हिन्दी", "हिन्दी"),
        ("!!!", "article"),
        ("x" * 100, "x" * 60),
    ],
)
def test_a_slug_keeps_letters_and_digits_of_every_script(title, slug):
    assert slug_of(title) == slug


@pytest.mark.parametrize("title", NASTY)
def test_a_slug_is_one_harmless_part_of_a_path(title):
    slug = slug_of(title)
    assert slug
    assert re.fullmatch(r"[^/\\.\x00-\x20*?\"<>|:~$`;&%#-][^/\\.\x00-\x20*?\"<>|:~$`;&%#]*", slug)
    assert len(slug) <= 60
    assert len(f"{slug}-9223372036854775807.html".encode()) <= 255


def article(**facts):
    standard = {
        "title": "Title",
        "author": None,
        "account": None,
        "published_at": 1_700_000_000_000,
        "language": "en",
        "markdown": "Text.",
        "html": "<p>Text.</p>",
        "images": (),
        "words": 1,
        "characters": 5,
    }
    return Extracted(**{**standard, **facts})


def test_the_markdown_file_has_its_facts_in_front():
    text = markdown_file(
        article(author="Ann", account="站点"), source="https://a.example/x", task_id="task_7"
    )
    assert text == (
        '---\ntitle: "Title"\nauthor: "Ann"\naccount: "站点"\npublished: "2023-11-14T22:13:20Z"\n'
        'source: "https://a.example/x"\nlanguage: "en"\ntask: "task_7"\n---\n\n# Title\n\nText.\n'
    )


@pytest.mark.parametrize(
    "value", ['"', "\\", "a: b # c", "---", "x\n---\ny: 1", "!!python/object", "\u2028", "{}", "yes"]
)
def test_a_fact_cannot_leave_its_line(value):
    text = markdown_file(article(title=value, author=value), source="https://a.example/", task_id="task_7")
    lines = text.split("\n")
    end = lines.index("---", 1)
    front = dict(line.split(": ", 1) for line in lines[1:end])
    assert json.loads(front["title"]) == value
    assert json.loads(front["author"]) == value
    assert list(front) == ["title", "author", "published", "source", "language", "task"]


@pytest.mark.parametrize(
    "value", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title><script>", "&lt;b&gt;"]
)
def test_the_page_escapes_every_fact(value):
    html = html_file(
        article(title=value, author=value, account=value), source=f"https://a.example/?{value}", task_id=value
    )
    root = lxml.html.fromstring(html)
    assert root.findtext(".//title") == value
    assert root.findtext(".//h1") == value
    assert root.find(".//script") is None
    assert root.find(".//img") is None
    expected = "a article body br footer h1 head header html meta p style title"
    assert " ".join(sorted({element.tag for element in root.iter()})) == expected


def test_the_page_declares_language_charset_and_a_policy_without_scripts():
    root = lxml.html.fromstring(
        html_file(article(language="zh"), source="https://a.example/", task_id="task_7")
    )
    assert root.get("lang") == "zh"
    assert root.find(".//meta[@charset]").get("charset") == "utf-8"
    policy = root.find(".//meta[@http-equiv]").get("content")
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy


def test_a_language_that_is_none_is_not_written_into_the_page():
    assert '<html lang="und">' in html_file(
        article(language='x" onload="y'), source="https://a.example/", task_id="task_7"
    )
