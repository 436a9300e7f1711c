"""Named values below each other: the screen of one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from queuectl.cli.render.grid import GAP, Cell, cell_text, rich_cell
from queuectl.cli.render.safe import width
from queuectl.cli.render.style import FAINT

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    rows: Sequence[tuple[str, Cell]]

    def plain(self) -> list[str]:
        """Return one line for each fact."""
        columns = max(width(name) for name, _ in self.rows)
        return [f"{name.ljust(columns)}{GAP}{cell_text(cell)}".rstrip() for name, cell in self.rows]

    def rich(self, _room: int) -> Table:
        """Return the same for a terminal, long values folded."""
        from rich.table import Table

        table = Table.grid(padding=(0, len(GAP), 0, 0))
        table.add_column(no_wrap=True, style=FAINT)
        table.add_column(overflow="fold")
        for name, cell in self.rows:
            table.add_row(name, rich_cell(cell))
        return table
