"""The screen of ``health``: the score, and each check with the points that it costs and the command that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.safe import safe
from queuectl.cli.render.style import BAD, CAREFUL, FAINT, GOOD, STRONG
from queuectl.domain.health import Health, HealthCheck, Level
from queuectl.times import shown

if TYPE_CHECKING:
    from rich.console import RenderableType

_SIGNS = {Level.OK: ("✓", GOOD), Level.WARNING: ("!", CAREFUL), Level.CRITICAL: ("✗", BAD)}


def plain_health(health: Health) -> list[str]:
    """Return one line for the score, one for each check, and one for each that costs points with its mend."""
    lines = [f"health  {health.score} of 100, {health.level.value}", *_checks(health).plain()]
    return lines + [f"mend    {check.name}: {check.mend}" for check in health.penalties if check.mend]


def rich_health(health: Health, zone: str, room: int) -> RenderableType:
    """Return the same for a terminal with so many columns of characters; times are shown in ``zone``."""
    from rich.console import Group
    from rich.text import Text

    _, style = _SIGNS[health.level]
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append("health", style=STRONG).append("  ")
    head.append(f"{health.score} of 100, {health.level.value}", style=style)
    head.append(f"  {shown(health.at, zone)}", style=FAINT)
    parts: list[RenderableType] = [head, Text(), _checks(health).rich(room)]
    mends = [(check.name, check.mend) for check in health.penalties if check.mend]
    if mends:
        columns = max(len(name) for name, _ in mends)
        parts.append(Text())
        parts += [Text(f"mend {name.ljust(columns)}  {safe(mend)}") for name, mend in mends]
    return Group(*parts)


def _checks(health: Health) -> Grid:
    columns = (Column("CHECK"), Column("POINTS", "right"), Column("MEASURED", flexible=True, wraps=True))
    return Grid(columns, [_row(check) for check in health.checks])


def _row(check: HealthCheck) -> list[Cell]:
    sign, style = _SIGNS[check.level]
    limits = _limits(check) if check.points else ""
    points = Styled(f"-{check.points}" if check.points else "0", style if check.points else FAINT)
    return [Styled(check.name, style, sign), points, f"{check.detail}{limits}"]


def _limits(check: HealthCheck) -> str:
    """Return from where on it is a warning and critical, where that is a matter of degree."""
    if check.warning is None or check.critical is None or check.warning == check.critical:
        return ""
    word = "below" if check.unit == "bytes" else "from"
    warning, critical = (_value(each, check.unit) for each in (check.warning, check.critical))
    return f" (warning {word} {warning}, critical {word} {critical})"


def _value(value: float, unit: str | None) -> str:
    if unit == "ms":
        seconds = value / 1000
        return f"{seconds / 60:g} min" if seconds >= 60 and not seconds % 60 else f"{seconds:g} s"
    if unit == "share":
        return f"{value:.0%}"
    if unit == "bytes":
        return f"{value / 1024**2:,.0f} MiB"
    return f"{value:,.0f}"
