"""Local times and what becomes of them where the clocks are changed: some are skipped, some come twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo


def passes(naive: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    """Return the moments at which the clocks of a zone show a local time: none, one, or both in their order."""
    first, second = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    found = [each for each in (first, second) if _wall(each, zone) == naive.replace(fold=0)]
    if len(found) == 2 and first.utcoffset() == second.utcoffset():
        return (first,)
    return tuple(found)


def localised(naive: datetime, zone: tzinfo) -> datetime:
    """Place a local time in its zone: skipped, it moves to the end of the gap; doubled, its ``fold`` chooses."""
    found = passes(naive, zone)
    return found[naive.fold if len(found) == 2 else 0] if found else end_of_gap(naive, zone)


def end_of_gap(naive: datetime, zone: tzinfo) -> datetime:
    """Return the first moment after the gap in which a skipped local time lies."""
    # Read with the offset of the other side, a skipped time falls before the change, and with
    # this side's after it; the change lies where the offset flips between the two.
    before, after = (naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0))
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0).astimezone(zone)


def change_note(naive: datetime, zone: tzinfo) -> str | None:
    """Return what the clocks do to a local time and what is made of it; None for an ordinary one."""
    found = passes(naive, zone)
    if len(found) == 1:
        return None
    said = f"{naive:%Y-%m-%d %H:%M}"
    if not found:
        return f"{said} does not exist: the clocks skip it, so {end_of_gap(naive, zone):%H:%M} is meant"
    return f"{said} comes twice that day; the first time is meant"


def _wall(moment: datetime, zone: tzinfo) -> datetime:
    """Return what the clocks really show at a moment that was put together from a local time."""
    return moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)
