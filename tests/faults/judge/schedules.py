"""I10: every schedule fires once for each tick of an independent calendar, by its rule for missed ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.judge.calendar import ticks
from tests.faults.judge.histories import Breach, Histories, Row


def once_a_tick(histories: Histories) -> Iterator[Breach]:
    """I10: the recorded ticks, and those they stand for, are the calendar's; each has one batch at the most.

    ``facts.ticks_until`` is the moment (UTC milliseconds) up to which every due tick must have been recorded.
    """
    recorded: dict[int, list[Row]] = defaultdict(list)
    for row in sorted(histories.rows("ticks"), key=lambda row: row["tick_at"]):
        if not row["by_hand"]:
            recorded[row["schedule_id"]].append(row)
    batches = Counter(row["batch_id"] for row in histories.rows("ticks") if row["batch_id"] is not None)
    for schedule in histories.rows("schedules"):
        yield from _judged(histories, schedule, recorded[schedule["id"]])
    members = Counter(row.get("batch_id") for row in histories.rows("tasks"))
    for rows in recorded.values():
        for row in rows:
            batch = row["batch_id"]
            if batch is not None and batches[batch] > 1:
                yield Breach("I10", None, f"batch_{batch} is of several ticks", (("ticks", row),))
            if (
                batch is not None
                and histories.facts.get("all_tasks", True)
                and members[batch] != row["accepted"]
            ):
                says = f"a tick accepted {row['accepted']} tasks, and batch_{batch} has {members[batch]}"
                yield Breach("I10", None, says, (("ticks", row),))


def _judged(histories: Histories, schedule: Row, rows: list[Row]) -> Iterator[Breach]:
    until = histories.facts["ticks_until"]
    name = schedule["name"]
    last = max([until, *(row["tick_at"] for row in rows)])
    calendar = ticks(schedule["cron"], schedule["zone"], schedule["created_at"], last)
    planned = set(calendar)
    times = Counter(row["tick_at"] for row in rows)
    for row in rows:
        lines = (("ticks", row), ("schedules", schedule))
        if row["tick_at"] not in planned:
            yield Breach("I10", None, f"{name} fired at a moment that is no tick", lines)
        if times[row["tick_at"]] > 1:
            yield Breach("I10", None, f"{name} fired {times[row['tick_at']]} times for one tick", lines)
        if row["fired_at"] < row["tick_at"] and not histories.facts.get("clock_steps"):
            yield Breach("I10", None, f"{name} fired before its tick", lines)
    if histories.facts.get("paused_schedules"):
        return
    expected = [at for at in calendar if at <= until]
    stood_for = sum(1 + row["missed"] for row in rows if row["tick_at"] <= until)
    later = sum(row["missed"] for row in rows if row["tick_at"] > until)
    if not stood_for <= len(expected) <= stood_for + later:
        says = f"{name} had {len(expected)} ticks, and {stood_for} are accounted for"
        yield Breach("I10", None, says, (("schedules", schedule),))
    if schedule["catch_up"] == "all" and any(row["missed"] for row in rows):
        row = next(row for row in rows if row["missed"])
        yield Breach("I10", None, f"{name} left out ticks that it should make up for", (("ticks", row),))
