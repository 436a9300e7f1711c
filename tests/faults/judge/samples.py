"""I14, I16 and I19: memory, bounded stores and round trips, by what a sampler put beside the histories.

Rows: ``memory`` with who, bytes and limit; ``store`` with name, value and limit; ``round_trip`` with what, before,
after; ``survivor`` with pid and task; ``promise`` with what, durable_at, told_at; ``books`` with source and numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.judge.histories import Breach, Histories

_MIB = 1024 * 1024
_DAEMON_LIMIT = 300 * _MIB


def memory(histories: Histories) -> Iterator[Breach]:
    """I14: a run stays within its limit and a tenth or 16 MiB of it, the daemon below 300 MiB."""
    for sample in histories.samples:
        if sample["kind"] == "memory":
            given = sample.get("limit")
            limit = _DAEMON_LIMIT if given is None else max(given * 1.1, given + 16 * _MIB)
            if sample["bytes"] > limit:
                says = f"{sample['who']} had {sample['bytes'] / _MIB:.0f} MiB of {limit / _MIB:.0f} MiB"
                yield Breach("I14", sample.get("task"), says, (("samples", sample),))


def bounded_stores(histories: Histories) -> Iterator[Breach]:
    """I16: nothing that is kept grows without end."""
    for sample in histories.samples:
        if sample["kind"] == "store" and sample["value"] > sample["limit"]:
            says = f"{sample['name']} is {sample['value']}, {sample['limit']} at the most"
            yield Breach("I16", None, says, (("samples", sample),))


def round_trips(histories: Histories) -> Iterator[Breach]:
    """I19: what is exported, imported and exported again is the same."""
    for sample in histories.samples:
        if sample["kind"] == "round_trip" and sample["before"] != sample["after"]:
            yield Breach("I19", None, f"{sample['what']} came back as another", (("samples", sample),))
