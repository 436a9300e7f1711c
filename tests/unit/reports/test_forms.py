"""The same report is the same file, in the form and language asked for, and reads as it should."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pypdf import PdfReader

from queuectl import __version__
from queuectl.domain.report import METRICS, Cell, Kind, checked_metrics
from queuectl.errors import InvalidInputError, MissingDependencyError
from queuectl.reports.forms import FORMS, content, form_for, form_named
from queuectl.reports.sentences import SENTENCES
from queuectl.reports.wording import Wording, language
from queuectl.reports.words import WORDS
from tests.support.reports import sample_report

GOLDEN = Path(__file__).parent / "golden"
RENEW = "RENEW_GOLDEN"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", ["html", "md", "csv", "json"])
def test_a_report_looks_as_it_is_kept(name, lang):
    made = content(sample_report(), form_named(name), language(lang)).decode()
    made = made.replace(f"queuectl {__version__}", "queuectl 0.0.0")
    kept = GOLDEN / f"report.{lang}.{name}"
    if os.environ.get(RENEW):
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(made.encode())
    assert made.encode() == kept.read_bytes()


@pytest.mark.parametrize("name", FORMS)
def test_the_same_report_is_the_same_bytes_in_another_process(name):
    program = (
        "import sys; from tests.support.reports import sample_report;"
        " from queuectl.reports.forms import content, form_named;"
        f" sys.stdout.buffer.write(content(sample_report(), form_named({name!r}), 'zh'))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "77", "TZ": "America/New_York", "LC_ALL": "C"}
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env=environment, timeout=60
    ).stdout
    assert other == content(sample_report(), form_named(name), "zh")


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        (
            "en",
            [
                "Daily report",
                "28 November 2025",
                "Success rate 97.5%",
                "mp.weixin.qq.com",
                "Published articles",
            ],
        ),
        (
            "zh",
            ["日报", "2025年11月28日", "成功率97.5%", "为什么大模型需要更长的上下文", "发布的文章", "量子位"],
        ),
    ],
)
def test_a_pdf_can_be_read_and_searched(lang, words):
    reader = PdfReader(io.BytesIO(content(sample_report(), FORMS["pdf"], language(lang))))
    read = "".join(page.extract_text() for page in reader.pages).replace("\u200b", "")
    shown = "".join(read.split())
    for each in words:
        assert "".join(each.split()) in shown
    assert f"1/{len(reader.pages)}" in shown
    assert reader.metadata is not None
    assert reader.metadata.author == "queuectl"


def test_json_has_plain_values_beside_the_words_of_the_language():
    made = json.loads(content(sample_report(), FORMS["json"], "zh"))
    assert made["version"] == 1
    assert made["period"]["start"] == "2025-11-27T16:00:00.000Z"
    table = made["sections"]["wait_times"]["tables"][0]
    assert table["columns"][2] == {"name": "half", "title": "一半不超过", "kind": "duration"}
    assert table["rows"][0] == {"queue": "urgent_priority", "attempts": 123, "half": 150, "p95": 4000}
    assert made["sections"]["throughput"]["charts"][0]["series"]["dead"][:3] == [0, 1, 2]


def test_without_its_package_a_pdf_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(MissingDependencyError, match="needs the package typst") as caught:
        content(sample_report(), FORMS["pdf"], "en")
    assert "queuectl[pdf]" in str(caught.value.hint)


def test_every_word_and_sentence_of_a_report_is_there_in_both_languages():
    for pair in (*WORDS.values(), *SENTENCES.values()):
        assert len(pair) == 2
        assert all(pair)
    assert set(METRICS) <= set(WORDS) & set(SENTENCES)
    for english, chinese in SENTENCES.values():
        assert _blanks(english) == _blanks(chinese)


def _blanks(sentence: str) -> set[str]:
    return {part.partition("}")[0] for part in sentence.split("{")[1:]}


def test_a_form_is_known_by_its_name_or_by_the_end_of_a_file():
    assert form_for(Path("a.PDF"), None).name == "pdf"
    assert form_for(Path("a.markdown"), None).name == "md"
    assert form_for(Path("report.2027-01"), None).name == form_for(Path("report"), None).name == "html"
    with pytest.raises(InvalidInputError, match="format 'docx'"):
        form_for(Path("a.docx"), None)
    assert form_for(Path("a.pdf"), "csv").name == "csv"
    with pytest.raises(InvalidInputError, match="format 'htlm'") as caught:
        form_named("htlm")
    assert "did you mean html?" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "wanted"), [("EN", "en"), ("zh-CN", "zh"), ("zh_Hans", "zh"), ("en-GB", "en")]
)
def test_a_language_is_known_by_its_short_name(name, wanted):
    assert language(name) == wanted


def test_an_unknown_language_or_metric_is_refused_with_a_proposal():
    with pytest.raises(InvalidInputError, match="language 'klingon'") as caught:
        language("klingon")
    assert "en (English), zh (Chinese)" in str(caught.value.hint)
    with pytest.raises(InvalidInputError, match="metric 'sumary'") as caught:
        checked_metrics(["summary", "sumary"])
    assert "did you mean summary?" in str(caught.value.hint)
    with pytest.raises(InvalidInputError, match="no metric"):
        checked_metrics([])
    assert checked_metrics("hosts,summary, hosts") == ("hosts", "summary")


@pytest.mark.parametrize(
    ("kind", "value", "english", "chinese"),
    [
        (Kind.COUNT, 1_234_567, "1,234,567", "1,234,567"),
        (Kind.COUNT, None, "–", "–"),
        (Kind.NUMBER, 0.04, "0.04", "0.04"),
        (Kind.NUMBER, 0.0004, "<0.01", "<0.01"),
        (Kind.NUMBER, 7.25, "7.2", "7.2"),
        (Kind.NUMBER, 1234.5, "1,234", "1,234"),
        (Kind.SHARE, 0.99999, "99.9%", "99.9%"),
        (Kind.SHARE, 1.0, "100%", "100%"),
        (Kind.SHARE, 0.0, "0.0%", "0.0%"),
        (Kind.SHARE, 0.0001, "<0.1%", "<0.1%"),
        (Kind.CHANGE, 12.3, "+1,230%", "+1,230%"),
        (Kind.CHANGE, -0.5, "−50.0%", "−50.0%"),
        (Kind.CHANGE, 0.0, "±0.0%", "±0.0%"),
        (Kind.POINTS, -0.0153, "−1.5 pp", "−1.5 个百分点"),
        (Kind.DURATION, 0, "0 ms", "0 毫秒"),
        (Kind.DURATION, 999, "999 ms", "999 毫秒"),
        (Kind.DURATION, 59_940, "59.9 s", "59.9 秒"),
        (Kind.DURATION, 59_960, "1 min", "1 分"),
        (Kind.DURATION, 61_400, "1 min 1 s", "1 分 1 秒"),
        (Kind.DURATION, 3_599_900, "1 h", "1 小时"),
        (Kind.DURATION, 3_660_000, "1 h 1 min", "1 小时 1 分"),
        (Kind.DURATION, 86_399_000, "1 d", "1 天"),
        (Kind.DURATION, 183_600_000, "2 d 3 h", "2 天 3 小时"),
        (Kind.MOMENT, 1_764_259_200_000, "28 Nov 2025 00:00", "2025年11月28日 00:00"),
        (Kind.DATE, 1_764_259_200_000, "28 November 2025", "2025年11月28日"),
        (Kind.HOUR, 1_764_262_800_000, "28 Nov 01:00", "11月28日 01:00"),
        (Kind.CLOCK, 1_764_262_800_000, "01:00", "01:00"),
        (Kind.WORD, "urgent_priority", "urgent", "紧急"),
        (Kind.TEXT, "a\u202eb", "a\\u202eb", "a\\u202eb"),
    ],
)
def test_a_value_is_said_as_people_read_it(kind, value, english, chinese):
    cell = Cell(kind, value)
    assert Wording("en", "Asia/Shanghai").said(cell) == english
    assert Wording("zh", "Asia/Shanghai").said(cell) == chinese


def test_a_report_without_anything_is_a_report():
    for form in FORMS.values():
        assert content(replace(sample_report(), sections=(), notes=()), form, "en")
