"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("security.md", "upgrading.md", "operations.md", "scaling.md", "webhook.md", "reliability.md")


def test_every_test_that_the_security_page_names_is_there() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:unit|integration|faults|e2e)/[\w/.]+)`", text)
    assert len(named) > 25
    assert [each for each in named if not (ROOT / "tests" / each).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    file = ROOT / "docs" / page
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", file.read_text(encoding="utf-8")):
        found = file.parent / target if target else file
        assert found.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in titles}, (
                anchor
            )
