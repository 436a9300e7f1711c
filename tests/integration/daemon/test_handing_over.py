"""Claimed tasks that could not be handed to the workers go back, and are run by whoever takes them then."""

from __future__ import annotations

import pytest

from tests.support.daemon import POSTGRES_REDIS, SQLITE, MakeInstallation


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_an_error_while_tasks_are_handed_over_keeps_none_of_them_for_ever(
    install: MakeInstallation, kind: str
) -> None:
    site = install(kind, workers=4)
    tasks = site.submit_many(10)
    site.daemon.module = ("tests.support.hand_over_fails",)
    site.daemon.start()
    assert {each.state for each in site.wait_for(*tasks)} == {"succeeded"}
    assert site.daemon.log().count("a tick has failed") == 1
    assert len(site.witness.starts()) == len(tasks), "none has run twice"
    site.check()
