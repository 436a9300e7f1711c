"""The page on operations: its commands, typed one after the other as somebody does who follows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from queuectl.samples.site import SampleSite
from tests.support.guides import Step, chapters
from tests.support.reader import Reader

DATABASE = "postgresql://queuectl@db.example:5432/articles"

REFUSED_HERE = {
    "queuectl top",
    "queuectl daemon start",
    "queuectl db vacuum",
    "queuectl articles deliver --failed",
}
"""What needs a terminal, a daemon that is not there, another engine or a webhook."""


@pytest.mark.timeout(400)
def test_every_command_of_the_page_does_its_work(home: Path, postgres_url: str) -> None:
    with SampleSite() as site:
        person = Reader(home, site.address, [(DATABASE, postgres_url)])
        try:
            for command in (
                "queuectl daemon start --no-web",
                "queuectl submit https://example.com/articles/rain-gauge.html --wait",
                "queuectl submit https://example.com/articles/green-tea.html --in 1d",
            ):
                person.type(Step(command, "", ""))
            typed = [
                step
                for chapter in chapters("operations.md")
                for step in chapter.parts
                if isinstance(step, Step)
            ]
            assert len(typed) > 15
            for step in typed:
                code, shown = person.type(step)
                assert code == step.code, f"$ {step.command}\n{shown}"
            code, shown = person.type(Step("queuectl count --json", "", ""))
            assert code == 0
            assert '"count": 2' in shown or '"total": 2' in shown, shown
        finally:
            person.close()


@pytest.mark.timeout(400)
def test_every_command_by_which_a_symptom_is_looked_at_works(home: Path) -> None:
    with SampleSite() as site:
        person = Reader(home, site.address, [])
        try:
            assert person.type(Step("queuectl daemon start --no-web", "", ""))[0] == 0
            commands = {
                row
                for each in chapters("operations.md")
                if each.title == "Troubleshooting"
                for row in each.in_tables
            }
            looked = {each for each in commands if not {"NAME", "ID"} & set(each.replace("=", " ").split())}
            assert len(looked) > 8
            for command in sorted(looked - REFUSED_HERE):
                words = f"{command} --yes" if "cleanup" in command else command
                if "resurrect" in words:
                    continue  # it wants a filter
                code, shown = person.type(Step(words, "", ""))
                assert code in (0, 1), f"$ {words}\n{shown}"
        finally:
            person.close()
