"""Draw ``status``, ``explain``, ``top`` and the web page into ``docs/pictures``; ``make pictures``.

The commands are real and so is their home; only times and the place of the database are steadied, so that the
pictures change with the screens alone. They name no font and no address from elsewhere.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME
from rich.text import Text

from tests.pictures.web import take_pictures
from tests.support.cli import CommandLine
from tests.support.sample_home import sample_home, steady
from tests.support.terminal import terminal

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
COLUMNS, LINES = 100, 30
THEMES = {"dark": SVG_EXPORT_THEME, "light": DEFAULT_TERMINAL_THEME}
COMMANDS = ("status", "explain 7", "top")

_ROW = re.compile(r"\x1b\[(\d+);1H(.*?)(?:\x1b\[K)?(?=\x1b\[\d+;1H|\x1b\[\?2026l)", re.DOTALL)
_FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def main() -> None:
    """Draw every picture, light and dark."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    take_pictures(FOLDER)
    with sample_home() as cli:
        for command in COMMANDS:
            lines = _screen(cli, command)
            for name, theme in THEMES.items():
                console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
                for line in lines:
                    console.print(Text.from_ansi(line), no_wrap=True, overflow="ellipsis")
                word = command.split()[0]
                svg = console.export_svg(title=f"queuectl {command}", theme=theme, unique_id=f"{word}-{name}")
                svg = "\n".join(line.rstrip() for line in _FONTS.sub("", svg).split("\n"))
                (FOLDER / f"{word}-{name}.svg").write_text(svg.rstrip() + "\n", encoding="utf-8")


def _screen(cli: CommandLine, command: str) -> list[str]:
    """Return the lines that a command shows on a terminal, with their colours."""
    with terminal(cli, *command.split(), columns=COLUMNS, lines=LINES) as screen:
        if command == "top":
            screen.shows("q quit")
            screen.type("\t\t")
            screen.shows("5, next first")
            screen.type("q")
        screen.end()
        written = screen.raw.decode()
    if command == "top":
        rows = {int(row): line for row, line in _ROW.findall(written)}
        lines = [rows[row] for row in sorted(rows)]
    else:
        lines = written.replace("\r", "").rstrip("\n").split("\n")
    place = "sqlite:///~/.local/share/queuectl/queuectl.db"
    return [steady(line, place) for line in lines]


if __name__ == "__main__":
    main()
