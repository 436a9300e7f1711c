"""How deliveries of articles to the webhook are shown."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.cli.render.facts import Facts
from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.style import BAD, CAREFUL, GOOD
from queuectl.domain.article_delivery import ArticleDelivery, DeliveryState
from queuectl.domain.task import task_name
from queuectl.times import shown

_STYLES = {DeliveryState.WAITING: CAREFUL, DeliveryState.DELIVERED: GOOD, DeliveryState.GIVEN_UP: BAD}


def delivery_grid(found: Sequence[ArticleDelivery], zone: str) -> Grid:
    """Return deliveries as columns."""
    columns = (
        Column("TASK"),
        Column("STATE"),
        Column("TRIES", "right"),
        Column("SINCE"),
        Column("NEXT TRY"),
        Column("PROBLEM", flexible=True),
    )
    return Grid(
        columns,
        [
            [
                task_name(each.task_id),
                _state(each),
                str(each.tries),
                shown(each.begun_at, zone),
                shown(each.next_try_at, zone),
                Styled(each.problem, BAD) if each.problem else "-",
            ]
            for each in found
        ],
    )


def delivery_facts(delivery: ArticleDelivery, target: str | None, zone: str) -> Facts:
    """Return how far the delivery of one article is."""
    waits = delivery.state is DeliveryState.WAITING
    rows: list[tuple[str, Cell | None]] = [
        ("webhook", target or "none is configured here"),
        ("delivery", _state(delivery)),
        ("delivered", shown(delivery.delivered_at, zone) if delivery.delivered_at is not None else None),
        ("tries", str(delivery.tries) if delivery.tries else None),
        ("problem", Styled(delivery.problem, BAD) if delivery.problem else None),
        ("next try", shown(delivery.next_try_at, zone) if waits and delivery.tries else None),
    ]
    return Facts([(name, cell) for name, cell in rows if cell is not None])


def _state(delivery: ArticleDelivery) -> Cell:
    return Styled(delivery.state.value.replace("_", " "), _STYLES[delivery.state])
