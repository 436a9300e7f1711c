"""Columns of text: drawn by Rich on a terminal, plainly aligned anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from queuectl.cli.render.safe import safe, width
from queuectl.cli.render.style import HEADING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading; a ``flexible`` one gives way when a terminal is too narrow for all."""

    title: str
    align: Literal["left", "right"] = "left"
    flexible: bool = False


class Styled(NamedTuple):
    """A text with its Rich style, and a sign that is drawn before it on a terminal only."""

    text: str
    style: str = ""
    sign: str = ""


Cell: TypeAlias = str | Styled
"""Texts need not be safe yet."""


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
            table.add_row(*(rich_cell(cell) for cell in row))
        return table

    def _line(self, row: list[str], widths: list[int]) -> str:
        parts = []
        for column, text, columns in zip(self.columns, row, widths, strict=True):
            padding = " " * (columns - width(text))
            parts.append(padding + text if column.align == "right" else text + padding)
        return GAP.join(parts).rstrip()


def cell_text(cell: Cell) -> str:
    """Return a cell's text, safe to show."""
    return safe(cell if isinstance(cell, str) else cell.text)


def rich_cell(cell: Cell) -> Text:
    """Return a cell as Rich draws it; never as a plain string, in which Rich would look for markup."""
    from rich.text import Text

    if isinstance(cell, str):
        return Text(safe(cell))
    text = safe(cell.text)
    return Text(f"{cell.sign} {text}" if cell.sign else text, style=cell.style)
