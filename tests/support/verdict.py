"""The end of a faulted run: its histories are put before the judge, and kept where they tell of a breach."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from queuectl.domain.retry import CRASH_LIMIT
from queuectl.operations.administration import database_check
from queuectl.operations.audit_key import present_key
from queuectl.store.database import Database
from tests.faults.judge import Histories, judge, sentence, write_folder
from tests.faults.recording import read_tables, seen
from tests.support.clients import ClientLog
from tests.support.daemon import Installation


def pronounce(
    site: Installation,
    client: ClientLog,
    *,
    facts: Mapping[str, Any],
    samples: Sequence[Mapping[str, Any]] = (),
    told: str,
) -> Histories:
    """Judge a run that has come to rest, and return its histories; ``told`` is how it can be had again.

    Raises:
        AssertionError: A promise was broken, or the database is not in order; the histories are in a folder, and
            the message says in which.
    """
    __tracebackhide__ = True
    database = Database(site.settings.database_url)
    try:
        tables = read_tables(database)
    finally:
        database.close()
    known: dict[str, Any] = {
        "max_retries": site.settings.max_retries,
        "crash_limit": CRASH_LIMIT,
        "seed": told,
    }
    key = present_key(site.settings)
    if key is not None:
        known["audit_key"] = key.hex()
    histories = Histories(client.rows, seen(site.witness.sightings()), tables, known | dict(facts), samples)
    judgement = judge(histories)
    wrong = [sentence(judgement, histories)] if judgement.breaches else []
    wrong += [f"{check.name}: {check.detail}" for check in database_check(site.settings) if not check.ok]
    if wrong:
        folder = Path(tempfile.mkdtemp(prefix="queuectl-breach-"))
        write_folder(histories, folder)
        (folder / "daemon.log").write_text(site.daemon.log())
        raise AssertionError("\n".join([*wrong, f"again: {told}", f"its histories: {folder}"]))
    return histories
