"""Thousands of broken variants of the sample pages: each ends in an article, clean, or in a refusal with a reason."""

from __future__ import annotations

import random
import re
from importlib.resources import files

import pytest

from queuectl.errors import PermanentError, RetryableError
from queuectl.handlers.article.extract import extract
from queuectl.handlers.article.fetch import Page

URL = "https://www.example.com/2024/06/page"
PAGES = [
    files("queuectl.samples").joinpath("pages", f"{name}.html").read_bytes()
    for name in (
        "lighthouse-lens",
        "hub-bearings",
        "contour-lines",
        "wechat-rain-garden",
        "wechat-photo-script",
    )
]
# Beginnings without an end and ends without a beginning, and what parsers are known to differ about.
PIECES = [
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
        b"<li<li>",
        b"&#&#0;27;",
        b"&#0;&#x1b;",
        b"\xff\xfe",
        b"<img src=x>",
        b"<svg><style>",
        b"<!--",
        b"]]>",
        b"<br>",
    ),
    *(
        b"<math>",
        b"<template>",
        b"<select>",
        b"<th colspan=99>",
        b"<dl><dt>",
        b"<caption>",
        b"<frameset>",
        b"<xmp>",
    ),
    *(
        b"<body id=js_content>",
        b"<html lang=x>",
        b"<base href=x>",
        b"<time datetime=9999-99-99>",
        b"<a href=//x>",
    ),
]


def mutated(page: bytes, chance: random.Random) -> bytes:
    """Return a page with up to 25 insertions, deletions, changed bytes and copies of its own parts."""
    body = bytearray(page)
    for _ in range(chance.randint(1, 25)):
        place = chance.randrange(len(body))
        match chance.randrange(5):
            case 0:
                body[place:place] = chance.choice(PIECES)
            case 1:
                del body[place : place + chance.randint(1, 40)]
            case 2:
                body[place] = chance.randrange(256)
            case 3:
                start = chance.randrange(len(body))
                body[place:place] = body[start : start + chance.randint(1, 300)]
            case _:
                body[place:place] = chance.choice(PIECES) * chance.randint(1, 300)
    return bytes(body)


@pytest.mark.parametrize("seed", range(8))
def test_a_mutated_page_is_an_article_or_refused(seed):
    chance = random.Random(seed)
    for _ in range(25):
        charset = chance.choice([None, "utf-8", "gbk", "big5"])
        page = Page(URL, URL, "text/html", charset, mutated(chance.choice(PAGES), chance))
        try:
            found = extract(page)
        except (PermanentError, RetryableError):
            continue
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", found.html + found.markdown + found.title)
        assert not re.search(r"<(?:script|style|iframe|svg|object|form)|\son\w+=|javascript:", found.html)
