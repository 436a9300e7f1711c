"""I22: the record of what people did is whole: each line's hash continues the line before, up to the kept head."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator

from tests.faults.judge.histories import Breach, Histories

_FIELDS = (
    "number", "operation", "at", "who", "host", "verb", "target", "things", "before", "after", "undoes", "key",
)  # fmt: skip
_BEGINNING = "0" * 64


def audit_verifies(histories: Histories) -> Iterator[Breach]:
    """I22: no line is missing, changed or added; with ``facts.audit_key`` (hex) the seals are looked at too."""
    previous, number = _BEGINNING, 0
    key = histories.facts.get("audit_key")
    for row in sorted(histories.rows("audit"), key=lambda row: row["number"]):
        number += 1
        if row["number"] != number:
            yield Breach("I22", None, f"line {number} of the audit is missing", (("audit", row),))
            return
        linked = json.dumps(
            [previous, *(row[name] for name in _FIELDS)], separators=(",", ":"), ensure_ascii=True
        ).encode()
        if hashlib.sha256(linked).hexdigest() != row["hash"]:
            says = f"line {number} of the audit was changed or does not follow the one before"
            yield Breach("I22", None, says, (("audit", row),))
        elif key and hmac.new(bytes.fromhex(key), linked, hashlib.sha256).hexdigest() != row["seal"]:
            yield Breach("I22", None, f"line {number} of the audit has a wrong seal", (("audit", row),))
        previous = row["hash"]
    heads = [row["value"] for row in histories.rows("facts") if row["name"] == "audit_head"]
    if heads and heads[0].split(":")[:2] != [str(number), previous]:
        yield Breach("I22", None, f"the audit ends at line {number}, its head says {heads[0][:20]}")
