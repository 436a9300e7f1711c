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
_NARROWEST = 10
"""Not even a flexible column gives way below this."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading; a ``flexible`` one gives way when a terminal is too narrow for all.

    What does not fit then is cut, or goes on in the next line where it ``wraps``. A ``spare`` one is left out
    where that is not enough.
    """

    title: str
    align: Literal["left", "right"] = "left"
    flexible: bool = False
    wraps: bool = False
    spare: bool = False


class Styled(NamedTuple):
    """A text with a Rich style. On a terminal a sign stands before it, and ``drawn`` in place of it."""

    text: str
    style: str = ""
    sign: str = ""
    drawn: str | None = None


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

    def rich(self, room: int) -> Table:
        """Return the same as a table for a terminal with so many columns of characters."""
        from rich.table import Table
        from rich.text import Text

        heads, drawn = self._drawn(room)
        table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style=HEADING)
        for column, columns in zip(heads, _widths(heads, drawn, room), strict=True):
            table.add_column(
                Text(column.title),
                justify=column.align,
                no_wrap=not column.wraps,
                overflow="fold" if column.wraps else "ellipsis",
                width=columns,
            )
        for row in drawn:
            table.add_row(*row)
        return table

    def lines(self, room: int) -> list[Text]:
        """Return the same as single lines, the headings first; for screens that move over them."""
        from rich.text import Text

        columns, drawn = self._drawn(room)
        widths = _widths(columns, drawn, room)
        heads = [Text(column.title, style=HEADING) for column in columns]
        return [_joined(columns, row, widths) for row in [heads, *drawn]]

    def _drawn(self, room: int) -> tuple[list[Column], list[list[Text]]]:
        """Return the columns and cells to be drawn: without the spare ones where there is no room for them."""
        drawn = [[rich_cell(cell) for cell in row] for row in self.rows]
        widths = _widths(self.columns, drawn, room)
        kept = list(range(len(self.columns)))
        for place in reversed(kept[:]):
            needed = sum(widths[each] for each in kept) + len(GAP) * (len(kept) - 1)
            if needed > room and self.columns[place].spare:
                kept.remove(place)
        return [self.columns[place] for place in kept], [[row[place] for place in kept] for row in drawn]

    def _line(self, row: list[str], widths: list[int]) -> str:
        parts = []
        for column, text, columns in zip(self.columns, row, widths, strict=True):
            padding = " " * (columns - width(text))
            parts.append(padding + text if column.align == "right" else text + padding)
        return GAP.join(parts).rstrip()


def _joined(columns: Sequence[Column], row: Sequence[Text], widths: Sequence[int]) -> Text:
    from rich.text import Text

    line = Text(no_wrap=True, overflow="ellipsis")
    for column, cell, room in zip(columns, row, widths, strict=True):
        if len(line):
            line.append(GAP)
        cell.truncate(room, overflow="ellipsis")
        padding = " " * (room - cell.cell_len)
        if column.align == "right":
            line.append(padding)
        line.append_text(cell)
        if column.align == "left":
            line.append(padding)
    return line


def _widths(columns: Sequence[Column], drawn: Sequence[Sequence[Text]], room: int) -> list[int]:
    """Return the width of each column; what does not fit is taken from the widest flexible ones."""
    widths = [
        max([width(column.title), *(row[place].cell_len for row in drawn)])
        for place, column in enumerate(columns)
    ]
    flexible = [place for place, column in enumerate(columns) if column.flexible]
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - room
    while excess > 0 and flexible:
        widest = max(flexible, key=lambda place: widths[place])
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
        excess -= 1
    return widths


def cell_text(cell: Cell) -> str:
    """Return a cell's text, safe to show."""
    return safe(cell if isinstance(cell, str) else cell.text)


def rich_cell(cell: Cell) -> Text:
    """Return a cell as Rich draws it; never as a plain string, in which Rich would look for markup."""
    from rich.text import Text

    if isinstance(cell, str):
        return Text(safe(cell))
    text = safe(cell.text if cell.drawn is None else cell.drawn)
    return Text(f"{cell.sign} {text}" if cell.sign else text, style=cell.style)


def plain_row(cells: Sequence[Cell], widths: Sequence[int]) -> str:
    """Return a single row whose cells are at least so wide; the last one takes what it needs."""
    texts = [cell_text(cell) for cell in cells]
    padded = [text + " " * (columns - width(text)) for text, columns in zip(texts, widths, strict=False)]
    return GAP.join([*padded, *texts[len(widths) :]]).rstrip()


def rich_row(cells: Sequence[Cell], widths: Sequence[int]) -> Text:
    """Return the same for a terminal."""
    from rich.text import Text

    row = Text()
    for place, cell in enumerate(cells):
        drawn = rich_cell(cell)
        row.append_text(drawn)
        if place < len(widths):
            row.append(" " * max(0, widths[place] - width(drawn.plain)))
        if place < len(cells) - 1:
            row.append(GAP)
    return row
