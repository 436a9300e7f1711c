"""Columns of text: drawn by Rich on a terminal, plainly aligned anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from queuectl.cli.render.safe import safe, width
from queuectl.cli.render.style import HEADING

if TYPE_CHECKING:
    from rich.table import Table

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading; a ``flexible`` one gives way when a terminal is too narrow for all."""

    title: str
    align: Literal["left", "right"] = "left"
    flexible: bool = False


Cell: TypeAlias = str | tuple[str, str]
"""A text, or a text with its style. Texts need not be safe yet."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows under headings."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell]]

    def plain(self) -> list[str]:
        """Return the lines, headings first, for pipes and files: nothing is cut, nothing is coloured."""
        texts = [[column.title for column in self.columns]]
        texts.extend([cell_text(cell) for cell in row] for row in self.rows)
        widths = [max(width(row[place]) for row in texts) for place in range(len(self.columns))]
        return [self._line(row, widths) for row in texts]

    def rich(self) -> Table:
        """Return the same as a table that fits itself to the terminal."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style=HEADING)
        for column in self.columns:
            table.add_column(
                column.title,
                justify=column.align,
                no_wrap=True,
                overflow="ellipsis",
                ratio=None,
                min_width=8 if column.flexible else width(column.title),
            )
        for row in self.rows:
            # Cells are Text objects: a plain string would be searched for markup.
            table.add_row(*(Text(cell_text(cell), style=cell_style(cell)) for cell in row))
        return table

    def _line(self, row: list[str], widths: list[int]) -> str:
        parts = []
        for column, text, columns in zip(self.columns, row, widths, strict=True):
            padding = " " * (columns - width(text))
            parts.append(padding + text if column.align == "right" else text + padding)
        return GAP.join(parts).rstrip()


def cell_text(cell: Cell) -> str:
    """Return a cell's text, safe to show."""
    return safe(cell if isinstance(cell, str) else cell[0])


def cell_style(cell: Cell) -> str:
    """Return a cell's Rich style."""
    return "" if isinstance(cell, str) else cell[1]
