"""The three forms of a source: what is read, what is reported, and what hostile ones cannot do."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.batch import Entry
from queuectl.domain.task import ArticleTask
from queuectl.errors import BadInputFileError
from queuectl.operations.sources.json_array import MEMBER_LIMIT, members
from queuectl.operations.sources.reading import Reading, SourceReader
from queuectl.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a folder to put sources in."""
    return tmp_path


def read(home: Path, content: bytes | str, **settings: int) -> Reading:
    """Read content that lies in a file of the home."""
    (home / "source").write_bytes(content.encode() if isinstance(content, str) else content)
    reader = SourceReader(Settings(home=home, database_url="sqlite:///x", **settings))  # type: ignore[arg-type]
    return reader.read("file://source")


def entries(home: Path, content: bytes | str) -> list[Entry]:
    return list(read(home, content).entries())


def urls(found: list[Entry]) -> list[str]:
    return [each.task.url for each in found if each.task is not None]


def problems(found: list[Entry]) -> list[tuple[int, str | None]]:
    return [(each.line, each.problem) for each in found if each.task is None]


def refusal(home: Path, content: bytes | str) -> str:
    with pytest.raises(BadInputFileError) as caught:
        entries(home, content)
    assert caught.value.hint
    return caught.value.message


# Lists.


def test_a_list_has_comments_and_its_bad_lines_have_numbers(home: Path) -> None:
    found = entries(
        home, '# today\nhttps://a.test/1  # why\n\n{"url": 5}\n' + "x" * 70_000 + "\nhttps://a.test/2\n"
    )
    assert urls(found) == ["https://a.test/1", "https://a.test/2"]
    assert problems(found) == [(4, "the field 'url' is not a text"), (5, "the line is longer than 64 KiB")]
    assert read(home, "https://a.test/1").unit == "line"


def test_an_entry_may_choose_priority_and_metadata_and_nothing_else(home: Path) -> None:
    fields = {
        "url": "https://a.test/",
        "priority": "high",
        "metadata": {"a": 1},
        "handler": "rm",
        "timeout": 1,
        "x": 2,
    }
    expected = ArticleTask("https://a.test/", priority="high", metadata={"a": 1})
    for text in (json.dumps(fields), json.dumps([fields])):
        (found,) = entries(home, text)
        assert found.task == expected


def test_text_in_another_encoding_and_no_text_are_refused(home: Path) -> None:
    assert "line 2 has the byte" in refusal(home, "https://a.test/\n# 文章\n".encode("gb18030"))
    assert "not a text file" in refusal(home, b"\x7fELF\0\0")
    assert "is empty" in refusal(home, b"")


# JSON arrays.


def test_an_array_has_texts_and_objects_and_its_bad_items_have_numbers(home: Path) -> None:
    found = entries(
        home,
        ' [ "https://a.test/1" , {"url":"https://a.test/2","score":15,"title":"x"}, 7, {"prio": 1},[] ]\n',
    )
    assert urls(found) == ["https://a.test/1", "https://a.test/2"]
    assert [each.task.priority_score for each in found if each.task] == [None, 15]
    neither = "neither a text nor an object"
    assert problems(found) == [(3, neither), (4, "the field 'url' is missing"), (5, neither)]
    assert read(home, "[]").unit == "item"
    assert entries(home, "\ufeff[]") == []


BROKEN = {
    "[": "line 1, column 2",
    '["a"': "a comma or ] was expected in line 1, column 5",
    '["a"\n "b"]': "a comma or ] was expected in line 2, column 2",
    '["a",]': "line 1, column 6",
    "[NaNa]": "a comma or ] was expected",
    '["a"] x': "something follows the array",
    "[" * 100_000: "nested too deeply",
    "[" + '{"a":' * 5_000: "is no valid JSON array",
    f'["{"x" * (MEMBER_LIMIT + 10)}"]': "a member is longer than 64 KiB",
    "[" + "[" + "[]," * 200_000 + "[]]]": "a member is longer than 64 KiB",
    "[" + "1" * 5_000 + "]": "too many digits",
}


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_array_is_refused_with_the_place(home: Path, text: str) -> None:
    assert BROKEN[text] in refusal(home, text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.lists(values, max_size=20), st.sampled_from([None, 0, 3]))
def test_members_are_those_that_the_json_module_finds(array: list[object], indent: int | None) -> None:
    assert list(members("it", json.dumps(array, indent=indent))) == array


def test_a_window_that_ends_anywhere_loses_nothing() -> None:
    array = ["x" * (number * 7 % 1000) for number in range(2_000)] + [123456789] * 20_000
    assert list(members("it", json.dumps(array))) == array


# Feeds.

RSS = """<?xml version="1.0"?><!DOCTYPE rss SYSTEM "http://my.netscape.com/publish/formats/rss-0.91.dtd">
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>T&nbsp;x</title><link>https://a.test/</link>
<atom:link href="https://a.test/feed" rel="self"/>
<item><title>1</title><link> https://a.test/1 </link></item>
<item><guid>https://a.test/2</guid></item>
<item><guid isPermaLink="false">https://a.test/no</guid></item>
<item><description><![CDATA[<html><link>https://a.test/no</link>]]></description><link><![CDATA[https://a.test/3?a=1&b=2]]></link></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><link href="https://b.test/"/><id>https://b.test/</id>
<entry><link rel="edit" href="https://b.test/no"/><link rel="alternate" href="https://b.test/1"/><id>urn:1</id></entry>
<entry><id>https://b.test/2</id><content type="xhtml"><div><link href="https://b.test/no"/></div></content></entry>
<entry><link href="/3"/></entry></feed>"""
RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
<channel rdf:about="https://c.test/"><items><rdf:Seq><rdf:li resource="https://c.test/1"/></rdf:Seq></items></channel>
<item rdf:about="https://c.test/1"/></rdf:RDF>"""


def test_rss_has_links_and_permanent_identifiers(home: Path) -> None:
    found = entries(home, RSS)
    assert urls(found) == ["https://a.test/1", "https://a.test/2", "https://a.test/3?a=1&b=2"]
    assert problems(found) == [(3, "the item has no link")]


def test_atom_has_the_alternate_link_before_the_identifier(home: Path) -> None:
    assert urls(entries(home, ATOM)) == ["https://b.test/1", "https://b.test/2", "/3"]
    based = Reading("it", "feed", ATOM.encode(), base="https://b.test/feeds/all")
    assert urls(list(based.entries()))[2] == "https://b.test/3"


def test_the_old_rss_in_rdf_and_other_encodings_are_understood(home: Path) -> None:
    assert urls(entries(home, RDF)) == ["https://c.test/1"]
    utf16 = '<?xml version="1.0" encoding="utf-16"?><rss><item><link>https://a.test/文</link></item></rss>'
    assert urls(entries(home, utf16.encode("utf-16"))) == ["https://a.test/文"]


def test_a_feed_that_breaks_off_keeps_what_came(home: Path) -> None:
    assert urls(entries(home, RSS[: RSS.index("<item><guid>")])) == ["https://a.test/1"]


ENTITIES = "".join(f'<!ENTITY a{number} "{{}}">'.format(f"&a{number - 1};" * 10) for number in range(1, 10))
LAUGHS = (
    f'<!DOCTYPE rss [<!ENTITY a0 "ha">{ENTITIES}]><rss><item><link>https://a.test/&a9;</link></item></rss>'
)
OUTER = '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><item><link>&x;</link></item></rss>'
HOSTILE = {
    "<html><body>Login</body></html>": "is an HTML page and no feed",
    "<!DOCTYPE html>\n<HTML><p>Not found": "is an HTML page and no feed",
    "<svg xmlns='http://www.w3.org/2000/svg'/>": "neither RSS nor Atom: it begins with <svg>",
    "<": "is no feed that can be read",
    LAUGHS: "declares entities",
    OUTER: "declares entities",
    "<rss><item>" + "<a/>" * 20_000 + "</item></rss>": "too many elements",
}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_feed_or_a_hostile_one_is_refused(home: Path, text: str) -> None:
    assert HOSTILE[text] in refusal(home, text)


def test_a_deeply_nested_feed_is_refused(home: Path) -> None:
    text = "<rss>" + "<a>" * 5_000 + "<item><link>https://a.test/</link></item>" + "</a>" * 5_000 + "</rss>"
    assert "is no feed that can be read" in refusal(home, text)


def test_an_external_document_type_is_not_loaded(home: Path) -> None:
    (home / "secret.dtd").write_text('<!ENTITY x "https://a.test/secret">')
    text = f'<!DOCTYPE rss SYSTEM "{home}/secret.dtd"><rss><item><link>&x;</link></item></rss>'
    assert "secret" not in str(entries(home, text))


# Limits.


@pytest.mark.parametrize(
    "content",
    [
        "https://a.test/1\n" * 60_000,
        json.dumps(["https://a.test/1"] * 60_000),
        "<rss>" + "<item><link>https://a.test/1</link></item>" * 20_000 + "</rss>",
        "<rss>" + "<a/>" * 60_000 + "</rss>",
    ],
    ids=["list", "array", "feed", "elements that are no items"],
)
def test_reading_a_source_of_the_largest_size_takes_little_memory(home: Path, content: str) -> None:
    reading = read(home, content)
    tracemalloc.start()
    try:
        for each in reading.entries():
            del each
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(content) + 2_000_000


def test_a_million_lines_are_refused_by_their_size_with_the_setting_to_raise(home: Path) -> None:
    read(home, b"https://a.test/1\n")
    os.truncate(home / "source", 17 * 1_000_000)
    with pytest.raises(BadInputFileError, match="at most 10,485,760 are read") as caught:
        SourceReader(Settings(home=home, database_url="sqlite:///x")).read("file://source")
    assert "source_max_bytes" in str(caught.value.hint)
