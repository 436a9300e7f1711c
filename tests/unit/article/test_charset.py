"""Which charset a page is read in, with and without declarations, right and wrong ones."""

from __future__ import annotations

import codecs

import pytest

from queuectl.handlers.article.charset import decode

CHINESE = "今天天气很好，我们去公园散步，看见许多人在放风筝。"
TRADITIONAL = "今天天氣很好，我們去公園散步，看見許多人在放風箏。"
JAPANESE = "今日は天気がいいので、公園を散歩して凧を見ました。"
KOREAN = "오늘은 날씨가 좋아서 공원을 산책하며 연을 보았습니다."
GERMAN = "Größe, Straße, naïve Café – „schön“"
RUSSIAN = "Сегодня хорошая погода, мы гуляем в парке и видим змеев."

WRITTEN = [
    (CHINESE, "gb18030", "gb18030"),
    (CHINESE, "gbk", "GBK"),
    (CHINESE, "gbk", "gb2312"),
    (CHINESE + "㐀𠀀镕", "gb18030", "gb2312"),
    (CHINESE, "utf-8", "UTF8"),
    (TRADITIONAL, "big5", "Big5"),
    (TRADITIONAL, "big5hkscs", "big5-hkscs"),
    (JAPANESE, "shift_jis", "Shift_JIS"),
    (JAPANESE + "①㈱", "cp932", "shift-jis"),
    (JAPANESE, "euc_jp", "EUC-JP"),
    (JAPANESE, "iso2022_jp", "ISO-2022-JP"),
    (KOREAN, "cp949", "euc-kr"),
    (GERMAN, "cp1252", "iso-8859-1"),
    (GERMAN, "cp1252", "windows-1252"),
    (RUSSIAN, "cp1251", "windows-1251"),
    (RUSSIAN, "koi8_r", "KOI8-R"),
]


def page(text: str) -> str:
    return f"<html><head><title>t</title></head><body><p>{text}</p></body></html>"


@pytest.mark.parametrize(("text", "codec", "label"), WRITTEN)
def test_the_header_names_the_charset(text, codec, label):
    assert text in decode(page(text).encode(codec), label)


@pytest.mark.parametrize(("text", "codec", "label"), WRITTEN)
@pytest.mark.parametrize(
    "declaration",
    [
        '<meta charset="{}">',
        "<META CHARSET={}>",
        '<meta http-equiv="Content-Type" content="text/html; charset={}">',
        '<?xml version="1.0" encoding="{}"?>',
    ],
)
def test_the_page_names_its_charset(text, codec, label, declaration):
    assert text in decode((declaration.format(label) + page(text)).encode(codec), None)


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (CHINESE * 3, "gb18030"),
        (TRADITIONAL * 3, "big5"),
        (JAPANESE * 3, "shift_jis"),
        (JAPANESE * 3, "euc_jp"),
        (KOREAN * 3, "cp949"),
        (RUSSIAN * 3, "cp1251"),
        (CHINESE, "utf-8"),
    ],
)
def test_an_undeclared_charset_is_detected(text, codec):
    assert text in decode(page(text).encode(codec), None)


@pytest.mark.parametrize(
    ("mark", "codec"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
)
def test_a_byte_order_mark_outweighs_every_declaration_and_is_not_part_of_the_text(mark, codec):
    text = page('<meta charset="big5">' + CHINESE)
    assert decode(mark + text.encode(codec), "gb2312") == text


@pytest.mark.parametrize(
    "wrong", ["iso-8859-1", "latin1", "us-ascii", "gb2312", "big5", "shift_jis", "euc-jp"]
)
def test_utf8_is_read_as_such_whatever_the_header_says(wrong):
    assert CHINESE * 20 in decode(page(CHINESE * 20).encode(), wrong)


def test_a_wrong_header_gives_way_to_the_page():
    assert CHINESE in decode(b'<meta charset="gbk">' + page(CHINESE).encode("gbk"), "utf-8")


def test_a_declaration_of_utf16_that_could_be_read_is_not_believed():
    assert CHINESE in decode(b'<meta charset="utf-16">' + page(CHINESE).encode(), None)


@pytest.mark.parametrize(
    "label", ["base64", "zlib", "rot13", "utf-7", "idna", "unicode_escape", "x" * 500, "\x00"]
)
def test_what_is_no_charset_of_the_web_is_not_used_as_one(label):
    assert CHINESE in decode(page(CHINESE).encode(), label)


def test_a_few_broken_bytes_cost_only_themselves():
    body = page(CHINESE * 20).encode()
    text = decode(body[:200] + b"\xff\xfe" + body[200:], "utf-8")
    assert text.count("\ufffd") <= 6
    assert text.count(CHINESE) >= 18


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"\x00" * 100, bytes(range(256)) * 10, b"<meta charset=" * 5000]
)
def test_any_bytes_become_some_text(body):
    assert isinstance(decode(body, None), str)
    assert isinstance(decode(body, "utf-8"), str)
