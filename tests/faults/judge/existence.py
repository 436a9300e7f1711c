"""I1, I2, I17 and I18: what was accepted is there, nothing else is, a key counts once, and the books balance."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.judge.histories import FINAL, Breach, Histories, Row

_SUBMITS = ("submit", "import", "resurrect")


def no_loss(histories: Histories) -> Iterator[Breach]:
    """I1: every task whose submission was answered with ok exists as it was given, and has ended once it is quiet."""
    drained = histories.facts.get("drained", True)
    for call in histories.calls(*_SUBMITS, event="ok"):
        urls = call.get("urls") or [None] * len(call["ids"])
        for number, url in zip(call["ids"], urls, strict=False):
            row = histories.tasks.get(number)
            said = (("client", call),)
            if row is None:
                yield Breach("I1", number, "was accepted and is not in the database", said)
            elif url is not None and row["url"] != url:
                yield Breach("I1", number, "is not what was submitted", (*said, ("tasks", row)))
            elif drained and row["state"] not in FINAL:
                yield Breach("I1", number, f"has not ended: it is {row['state']}", (*said, ("tasks", row)))
    if drained:
        accepted = {number for call in histories.calls(*_SUBMITS, event="ok") for number in call["ids"]}
        for number, row in histories.tasks.items():
            if row["state"] not in FINAL and number not in accepted:
                yield Breach("I1", number, f"has not ended: it is {row['state']}", (("tasks", row),))


def no_invention(histories: Histories) -> Iterator[Breach]:
    """I2: every task stems from a submission, an import, a tick or a resurrection; what was refused is not there."""
    told = histories.told(*_SUBMITS)
    known = {number for call in histories.calls(*_SUBMITS, event="ok") for number in call["ids"]}
    known |= {row["resurrected_as"] for row in histories.rows("dead_letters") if row.get("resurrected_as")}
    batches = {row["batch_id"] for row in histories.rows("ticks") if row.get("batch_id") is not None}
    possible: Counter[str] = Counter()
    refused: dict[str, Row] = {}
    for key, call in _invoked(histories).items():
        end = told[key]
        if end["event"] == "fail":
            refused |= dict.fromkeys(call.get("urls", ()), end)
        elif end["event"] != "ok":
            possible.update(call.get("urls", ()))
    nameless = sum(call.get("count", 1) for call in told.values() if call["event"] in ("unknown", "invoke"))
    nameless -= possible.total()
    for number, row in sorted(histories.tasks.items()):
        if number in known or row.get("batch_id") in batches:
            continue
        if possible[row["url"]] > 0:
            possible[row["url"]] -= 1
        elif row["url"] in refused:
            lines = (("client", refused[row["url"]]), ("tasks", row))
            yield Breach("I2", number, "was refused and is in the database", lines)
        elif nameless > 0:
            nameless -= 1
        else:
            yield Breach("I2", number, "was never submitted", (("tasks", row),))
    for number in sorted(histories.starts.keys() - histories.tasks.keys()):
        seen = histories.starts[number][0]
        yield Breach("I2", number, "ran and is not in the database", (("witness", seen),))


def _invoked(histories: Histories) -> dict[str, Row]:
    """Return the first step of each submission, which has its addresses."""
    calls: dict[str, Row] = {}
    for row in histories.client:
        if row.get("verb", "submit") in _SUBMITS:
            calls.setdefault(str(row["key"]), row)
    return calls


def idempotent_submit(histories: Histories) -> Iterator[Breach]:
    """I17: submissions with one idempotency key name the same tasks, and made each of them once."""
    first: dict[str, Row] = {}
    urls: dict[str, set[str]] = defaultdict(set)
    for row in histories.client:
        key = row.get("idempotency")
        if key is None:
            continue
        urls[key].update(row.get("urls", ()))
        if row["event"] == "ok":
            before = first.setdefault(key, row)
            if before["ids"] != row["ids"]:
                both = (("client", before), ("client", row))
                yield Breach("I17", row["ids"][0], f"came of the key {key!r} a second time", both)
    rows = defaultdict(list)
    for row in histories.rows("tasks"):
        rows[row["url"]].append(row)
    heirs = Counter(
        url for call in histories.calls("resurrect", event="invoke") for url in call.get("urls", ())
    )
    for key, addresses in urls.items():
        for url in sorted(addresses):
            if len(rows[url]) > 1 + heirs[url]:
                lines = tuple(("tasks", row) for row in rows[url][:2])
                yield Breach("I17", rows[url][1]["id"], f"came of the key {key!r} once more", lines)


def books_balance(histories: Histories) -> Iterator[Breach]:
    """I18: kept counts, and what every other source says, are what counting says."""
    counted = Counter((row["queue"], row["state"]) for row in histories.rows("tasks"))
    kept: Counter[tuple[str, str]] = Counter()
    for row in histories.rows("counters"):
        kept[row["queue"], row["state"]] += row["tasks"]
    for queue, state in sorted(counted.keys() | kept.keys()):
        if histories.has("counters") and counted[queue, state] != kept[queue, state]:
            says = (
                f"{queue} has {counted[queue, state]} {state} tasks, and its count says {kept[queue, state]}"
            )
            yield Breach("I18", None, says)
    yield from _batches_balance(histories)
    states = Counter(row["state"] for row in histories.rows("tasks"))
    truth = {"submitted": states.total(), **{state: states[state] for state in FINAL}}
    truth["open"] = states.total() - sum(states[state] for state in FINAL)
    for sample in histories.samples:
        if sample["kind"] == "books":
            wrong = {name: sample[name] for name in truth if name in sample and sample[name] != truth[name]}
            if wrong:
                yield Breach("I18", None, f"{sample['source']} says {wrong}", (("samples", sample),))


def _batches_balance(histories: Histories) -> Iterator[Breach]:
    kept: Counter[tuple[int, str]] = Counter()
    for row in histories.rows("batch_counters"):
        kept[row["batch_id"], row["state"]] += row["tasks"]
    counted = Counter(
        (row["batch_id"], row["state"])
        for row in histories.rows("tasks")
        if row.get("batch_id") is not None and row["state"] in FINAL
    )
    if not histories.has("batch_counters"):
        return
    for batch, state in sorted(counted.keys() | kept.keys()):
        if counted[batch, state] != kept[batch, state]:
            says = f"batch_{batch} has {counted[batch, state]} {state} tasks, its count says {kept[batch, state]}"
            yield Breach("I18", None, says)
