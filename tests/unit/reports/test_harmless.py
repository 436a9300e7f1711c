"""Whatever titles, errors, hosts and addresses hold, every form of a report shows it and none obeys it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt
from pypdf import PdfReader

from queuectl.domain.report import Cell, Kind, Report, Section, Table, text
from queuectl.domain.visible import visible
from queuectl.reports import pdf
from queuectl.reports.data import csv_text, json_document
from queuectl.reports.html import html
from queuectl.reports.markdown import markdown
from tests.support.payloads import PAYLOADS
from tests.support.reports import sample_report

PLAIN = "plain"
EMOJI = "😀 family 👨‍👩‍👧 𠮷 café ½ ﬁ"


class Seen(HTMLParser):
    """What a page is made of: its elements in order, their attributes, and the words between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.comments = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.words.append(data)

    def handle_comment(self, data):
        self.comments += 1

    @property
    def links(self):
        return [
            value
            for name, value in self.attributes
            if name in {"href", "src", "action", "data", "xlink:href"}
        ]


def filled(payload: str, url: str = "https://example.com/a") -> Report:
    report = sample_report(title=payload, error=payload, host=payload, url=url)
    from_outside = {"error_analysis", "publishing"}
    return replace(report, sections=tuple(each for each in report.sections if each.metric in from_outside))


def with_all_payloads() -> Report:
    """Return a report with a table of all payloads, as texts and as addresses."""
    rows = tuple((text(each), Cell(Kind.LINK, each)) for each in PAYLOADS)
    return replace(
        sample_report(),
        sections=(Section("publishing", (Table(("title", "page"), rows, "newest_articles"),)),),
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_payload_adds_nothing_to_the_page_but_its_own_words(language):
    harmless = Seen(html(filled(PLAIN), language))
    for payload in PAYLOADS:
        seen = Seen(html(filled(payload), language))
        assert seen.elements == harmless.elements, payload
        assert Counter(name for name, _ in seen.attributes) == Counter(
            name for name, _ in harmless.attributes
        ), payload
        assert not [name for name, _ in seen.attributes if name.startswith("on") or name == "style"]
        assert seen.comments == 0
        assert seen.links == harmless.links
        assert visible(payload, 160) in seen.words


def test_a_page_links_to_nothing_but_http_whatever_an_address_holds():
    harmless = Seen(html(filled(PLAIN), "en")).elements
    for payload in PAYLOADS:
        seen = Seen(html(filled(PLAIN, url=payload), "en"))
        assert [each for each in seen.elements if each != "a"] == [each for each in harmless if each != "a"]
        assert all(urlsplit(link).scheme in {"http", "https"} for link in seen.links), payload


def test_a_page_has_no_script_and_asks_for_nothing():
    seen = Seen(html(filled("x"), "en"))
    assert not {"script", "link", "img", "iframe", "object", "embed", "form"} & set(seen.elements)
    policy = dict(seen.attributes)["content"]
    assert "default-src 'none'" in " ".join(value for name, value in seen.attributes if name == "content")
    assert policy is not None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_markdown_is_read_as_the_words_of_a_payload_and_nothing_else(language):
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    harmless = Counter(Seen(reader.render(markdown(filled(PLAIN), language))).elements)
    for payload in PAYLOADS:
        seen = Seen(reader.render(markdown(filled(payload), language)))
        assert Counter(seen.elements) == harmless, payload
        assert seen.comments == 0
        shown = " ".join(visible(payload, 160).split())
        assert shown in [" ".join(words.split()) for words in seen.words], payload


@pytest.mark.parametrize("address", ["www.evil.example", "(WWW.evil.example", "*Www.evil.example/a?b=c"])
def test_markdown_makes_no_link_of_a_name_that_begins_with_www(address):
    made = markdown(filled(address), "en")
    assert not re.search(r"www\.", made, re.IGNORECASE), "GitHub makes a link of it"
    seen = Seen(MarkdownIt("commonmark").enable(["table"]).render(made))
    assert address in seen.words


def test_markdown_links_to_nothing_but_http():
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for payload in PAYLOADS:
        seen = Seen(reader.render(markdown(filled(PLAIN, url=payload), "en")))
        assert all(urlsplit(link).scheme in {"http", "https"} for link in seen.links), payload
        assert set(seen.elements) <= {
            "h1",
            "h2",
            "h3",
            "p",
            "a",
            "hr",
            "blockquote",
            *("table", "thead", "tbody"),
            "tr",
            "th",
            "td",
        }


def test_no_cell_of_a_spreadsheet_is_a_formula():
    for language in ("en", "zh"):
        rows = list(csv.reader(io.StringIO(csv_text(with_all_payloads(), language).removeprefix("\ufeff"))))
        for cell in (cell for row in rows for cell in row):
            start = cell.lstrip(" ")[:1]
            assert start not in {"=", "+", "@", "\t", "\r", "＝", "＋", "－", "＠"}
            assert not cell.startswith("-")
        assert len([row for row in rows if len(row) == 2]) == len(PAYLOADS) + 1


def test_json_gives_each_payload_back_unchanged_and_hides_nothing():
    made = json_document(with_all_payloads(), "zh")
    rows = json.loads(made)["sections"]["publishing"]["tables"][0]["rows"]
    assert [row["title"] for row in rows] == list(PAYLOADS)
    assert "\u202e" not in made
    assert "\x1b" not in made


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_pdf_shows_all_payloads_and_does_nothing(language):
    made = pdf.pdf(with_all_payloads(), language)
    reader = PdfReader(io.BytesIO(made))
    words = "".join(page.extract_text() for page in reader.pages)
    shown = "".join(words.replace("\u200b", "").split())
    for payload in PAYLOADS:
        # The tail of a page may come between the parts of a long text, so each is looked for by its beginning.
        wanted = "".join(pdf.legible(visible(payload, 160)).replace("\u200b", "").split())[:12]
        assert wanted in shown, payload
    for marker in (b"/JavaScript", b"/JS", b"/Launch", b"/OpenAction", b"/EmbeddedFile", b"/SubmitForm"):
        assert marker not in made
    links = [
        str(note.get_object()["/A"]["/URI"]) for page in reader.pages for note in page.get("/Annots", [])
    ]
    assert all(urlsplit(link).scheme in {"http", "https"} for link in links)


def test_what_the_font_of_a_pdf_lacks_is_named():
    assert pdf.legible("مرحبا بك 好") == "[5 × arabic] [arabic letter beh][arabic letter kaf] 好"
    made = pdf.pdf(filled(EMOJI), "en")
    reader = PdfReader(io.BytesIO(made))
    words = " ".join(" ".join(page.extract_text() for page in reader.pages).replace("\u200b", "").split())
    assert "[grinning face]" in words
    assert "[U+20BB7]" in words
    assert "café" in words
    assert {font.rpartition("+")[2] for page in reader.pages for font in fonts_of(page)} == {
        "NotoSansSC-Regular"
    }


def fonts_of(page):
    found = page["/Resources"]["/Font"].values()
    return [str(font.get_object()["/BaseFont"]).removesuffix("-Identity-H") for font in found]
