"""``queuectl report`` as a person uses it: files of every kind, pipes, and one clear line for what cannot be."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader

from queuectl.errors import ExitCode
from tests.support.cli import UNREACHABLE_PORT, CommandLine, obey_permissions

URL = "https://example.com/article"


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    cli("submit", URL, URL + "2", "--priority", "high").ok()
    cli("cancel", "2").ok()
    return cli


def test_a_report_is_a_file_whose_name_is_printed(filled: CommandLine) -> None:
    result = filled("report", "daily").ok()
    (path,) = result.out.splitlines()
    assert Path(path).parent == filled.home / "reports"
    assert "Tasks ended: 1 – 0 succeeded, 0 given up, 1 cancelled." in result.err
    assert "The period is not over" in result.err
    assert Path(path).read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    "kind", [("daily",), ("weekly",), ("monthly",), ("custom", "--from", "yesterday", "--to", "today")]
)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_kind_is_made_in_every_format(filled: CommandLine, kind: tuple[str, ...], lang: str) -> None:
    word = {"en": "Submitted", "zh": "提交"}[lang]
    for form in ("html", "md", "csv", "json", "pdf"):
        target = filled.home / f"report.{form}"
        filled("report", *kind, "--output", target, "--lang", lang).ok()
        content = target.read_bytes()
        if form == "pdf":
            text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
        else:
            text = content.decode("utf-8-sig")
        assert word in "".join(text.split()), form


def test_a_report_goes_through_a_pipe(filled: CommandLine) -> None:
    found = json.loads(filled("report", "daily", "-f", "json", "-o", "-").ok().out)
    figures = found["sections"]["summary"]["tables"][0]["rows"]
    assert {row["figure"]: row["value"] for row in figures}["cancelled"] == 1
    status = filled("status", "--json").ok().document
    assert sum(queue["cancelled"] for queue in status["queues"]) == 1
    rows = list(csv.reader(io.StringIO(filled("report", "daily", "-f", "csv", "-o", "-").ok().out)))
    assert ["Cancelled", "1", ""] in rows
    assert not (filled.home / "reports").exists()


def test_the_receipt_says_what_was_written(filled: CommandLine) -> None:
    found = (
        filled("report", "monthly", "--year", "2024", "--month", "2", "--json", "--lang", "zh").ok().document
    )
    assert found["path"] == str(filled.home / "reports" / "monthly-2024-02.zh.html")
    assert found["bytes"] == Path(found["path"]).stat().st_size
    assert (found["kind"], found["format"], found["lang"]) == ("monthly", "html", "zh")
    assert (found["start"], found["end"]) == ("2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z")


def test_a_moment_is_read_in_the_configured_zone(filled: CommandLine) -> None:
    filled.configure('timezone = "Asia/Shanghai"\n')
    words = ("--from", "2024-12-25 08:00", "--to", "2024-12-25 09:30", "--metrics", "summary", "--json")
    found = filled("report", "custom", *words).ok().document
    assert (found["start"], found["end"]) == ("2024-12-25T00:00:00.000Z", "2024-12-25T01:30:00.000Z")
    assert found["metrics"] == ["summary"]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("monthly --month 13", "there is no month 13", "1 to 12"),
        ("monthly --year 2999 --month 1", "still to come", "has begun"),
        ("monthly --year 2024", "a year without a month", "both"),
        ("daily --day 2999-01-01", "still to come", "has begun"),
        ("daily --day 0001-01-01", "no report on the year 1", "in full"),
        ("daily --day 9999-12-31", "beyond the calendar", "in full"),
        ("weekly --until 0001-01-03", "beyond the calendar", "in full"),
        ("daily --day someday", "'someday' is not a time", "2027-01-31"),
        ("daily --lang fr", "language 'fr'", "zh (Chinese)"),
        ("daily --format word", "format 'word'", "html, pdf, md, csv, json"),
        ("daily --output missing/report.html", "there is no folder", "exists"),
        ("daily --output .", "is a folder", "exists"),
        ("custom --from 2024-02-01 --to 2024-01-01", "the period is empty", "earlier time first"),
        ("custom --from 2024-02-01", "missing option '--to'", "--help"),
        (
            "custom --from 2024-01-01 --to 2024-01-02 --metrics sumary",
            "no metric 'sumary'",
            "did you mean summary?",
        ),
        ("custom --from 2024-01-01 --to 2024-01-02 --metrics ,", "no metric ''", "summary"),
        ("custom --from 1990-01-01 --to 2024-01-02", "longer than ten years", "shorter"),
        ("yearly", "there is no command 'yearly'", "--help"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(filled: CommandLine, words: str, message: str, hint: str) -> None:
    before = sorted(filled.home.iterdir())
    error = filled("report", *words.split()).error(ExitCode.USAGE)
    assert message in error.lower()
    assert hint in error
    assert sorted(filled.home.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--format word", "format 'word'"),
        ("--lang fr", "language 'fr'"),
        ("--json --output -", "standard output"),
    ],
)
@pytest.mark.parametrize("kind", ["daily", "weekly", "monthly", "custom --from 2024-01-01 --to 2024-01-02"])
def test_what_cannot_be_written_is_refused_before_anything_is_read(
    cli: CommandLine, kind: str, words: str, message: str
) -> None:
    cli.variables["DATABASE_URL"] = f"postgresql://nobody@127.0.0.1:{UNREACHABLE_PORT}/none"
    result = cli("report", *kind.split(), *words.split())
    assert result.code == ExitCode.USAGE
    assert message in result.err


def test_a_pipe_cannot_take_the_report_and_the_receipt(filled: CommandLine) -> None:
    result = filled("report", "daily", "--output", "-", "--json")
    assert (result.code, result.out) == (ExitCode.USAGE, "")
    assert "both want standard output" in json.loads(result.err)["error"]["message"]


def test_a_folder_that_cannot_be_written_is_named(filled: CommandLine) -> None:
    folder = filled.home / "locked"
    folder.mkdir(mode=0o500)
    result = filled("report", "daily", "--output", folder / "report.html", before=obey_permissions)
    assert "cannot be written" in result.error(ExitCode.UNREACHABLE)
    assert list(folder.iterdir()) == []


def test_without_its_package_a_pdf_is_refused_and_nothing_is_written(filled: CommandLine) -> None:
    hidden = filled.home / "hidden" / "typst.py"
    hidden.parent.mkdir()
    hidden.write_text("raise ImportError('not here', name='typst')\n")
    filled.variables["PYTHONPATH"] = str(hidden.parent)
    error = filled("report", "daily", "--output", "report.pdf").error(ExitCode.FAILED)
    assert "needs the package typst" in error
    assert "queuectl[pdf]" in error
    assert not (filled.home / "report.pdf").exists()


def test_the_plan_is_listed_with_what_comes_next(filled: CommandLine) -> None:
    assert "no reports are planned" in filled("report", "deliveries").ok().err
    filled.configure(
        'webhook_secret = "a long and secret text"\n'
        'report_schedule = [{kind = "weekly", at = "08:00", format = "pdf", folder = "/srv/reports"},'
        ' {kind = "daily", lang = "zh", webhook = "https://a.test/hook?key=canary"}]\n'
    )
    shown = filled("report", "deliveries").ok().out
    assert "/srv/reports" in shown
    assert "https://a.test/…" in shown
    weekly, daily = filled("report", "deliveries", "--json").ok().document["deliveries"]
    assert (weekly["cron"], weekly["to"], weekly["delivered_at"]) == ("0 8 * * 1", "/srv/reports", None)
    assert (daily["lang"], daily["problem"]) == ("zh", None)
    told = shown + filled("config", "show").ok().out + filled("config", "show", "--json").ok().out
    assert "canary" not in told
    assert "a long and secret text" not in told


def test_a_report_in_html_does_not_load_what_sets_pages(filled: CommandLine) -> None:
    program = (
        "import sys; from queuectl.cli.app import main; main(['report', 'daily']);"
        " print(sorted({'typst', 'fontTools', 'pydantic', 'lxml', 'dramatiq'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=filled.environment() | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[]"
