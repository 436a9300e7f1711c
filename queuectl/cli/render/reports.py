"""How planned deliveries of reports are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.style import BAD
from queuectl.times import shown

if TYPE_CHECKING:
    from queuectl.operations.reporter_delivery import PlannedDelivery


def delivery_grid(found: Sequence[PlannedDelivery], zone: str) -> Grid:
    """Return the plan as columns."""
    columns = (
        Column("REPORT"),
        Column("FORM"),
        Column("NEXT"),
        Column("DELIVERED"),
        Column("TO", flexible=True),
        Column("PROBLEM", flexible=True),
    )
    rows: list[list[Cell]] = [
        [
            each.delivery.kind,
            f"{each.delivery.format} {each.delivery.lang}",
            shown(each.next_at, zone),
            shown(each.state.delivered_at if each.state else None, zone),
            each.delivery.shown_target,
            Styled(each.state.problem, BAD) if each.state and each.state.problem else "-",
        ]
        for each in found
    ]
    return Grid(columns, rows)
