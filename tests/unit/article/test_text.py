"""Plain text: control characters, single lines, counts, and the language guessed from letters."""

from __future__ import annotations

import pytest

from queuectl.handlers.article.language import language_of
from queuectl.handlers.article.text import (
    count_characters,
    count_words,
    single_line,
    weight,
    without_controls,
)


def test_control_characters_go_and_line_ends_become_one_kind():
    every_control = "".join(map(chr, [*range(32), *range(0x7F, 0xA0)])) + "\ud800\udfff\ufeff\ufffe\uffff"
    assert without_controls(f"a{every_control}b") == "a\t\n\nb"
    assert without_controls("a\r\nb\rc\n") == "a\nb\nc\n"
    assert without_controls("表情 👨‍👩‍👧 e\u0301") == "表情 👨‍👩‍👧 e\u0301"


def test_a_single_line_has_no_breaks_no_tricks_and_an_end():
    assert single_line(" a\n\tb\u3000c ") == "a b c"
    assert single_line("safe\u202egnp.exe\u200b") == "safegnp.exe"
    assert single_line("x" * 400) == "x" * 299 + "…"
    assert single_line(None) == single_line("") == single_line(" \n") == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("one two, three.", 3),
        ("don't re-read it", 3),
        ("今天天气很好。", 6),
        ("用 Python3 写40行code", 6),
        ("日本語テキスト", 7),
        ("한국어 글", 4),
        ("— … !", 0),
    ],
)
def test_words_are_counted_a_wide_character_as_one(text, words):
    assert count_words(text) == words


def test_characters_are_counted_without_spaces_and_weighed_by_what_they_say():
    assert count_characters("a b\n中 文") == 4
    assert weight("ab, c!") == 3
    assert weight("中文 a") == 7


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        ("今天天气很好，我们去公园散步。", None, "zh"),
        ("今天天气很好，我们去公园散步。", "en", "zh"),
        ("用 Python 整理照片 with pathlib and a loop，非常简单好用又可靠", "en", "zh"),
        ("今日は天気がいいので、公園を散歩しました。", None, "ja"),
        ("今日は天気がいいので、公園を散歩しました。", "zh", "ja"),
        ("店名叫“なごみ”，老板是中国人，开了很多年，味道一直没有变化，大家都喜欢。", None, "zh"),
        ("오늘은 날씨가 좋아서 공원을 산책했습니다.", None, "ko"),
        ("The quick brown fox jumps over the lazy dog and it is in the garden.", None, "en"),
        ("The quick brown fox jumps over the lazy dog.", "de-DE", "de"),
        ("Der Hund liegt im Garten.", "de", "de"),
        ("Der Hund liegt im Garten.", "zh-CN", None),
        ("Der Hund liegt im Garten.", None, None),
        ("Сегодня хорошая погода.", "ru_RU", "ru"),
        ("Only a word 中 in English text that is long and of the usual kind for this.", None, "en"),
        ("", None, None),
        ("", "x-default; DROP", None),
        ("12345", "fr", "fr"),
    ],
)
def test_the_language_is_judged_by_its_letters_first(text, declared, language):
    assert language_of(text, declared) == language
