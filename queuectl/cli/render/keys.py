"""What a terminal sends when a key is pressed, as names: ``up``, ``enter``, ``escape``, or the character itself."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;<=>?]*[ -/]*[@-~]|O[A-Za-z])")
_UNFINISHED = re.compile(r"\x1b(?:[\[O][0-9;<=>?]*)?\Z")

_SEQUENCES: Mapping[str, str] = MappingProxyType(
    {
        "A": "up",
        "B": "down",
        "C": "right",
        "D": "left",
        "H": "home",
        "F": "end",
        "Z": "back tab",
        "1~": "home",
        "4~": "end",
        "5~": "page up",
        "6~": "page down",
        "7~": "home",
        "8~": "end",
    }
)
_CONTROLS: Mapping[str, str] = MappingProxyType(
    {"\r": "enter", "\n": "enter", "\t": "tab", "\x7f": "backspace", "\x08": "backspace", "\x03": "ctrl-c"}
)


class KeyReader:
    """Turns bytes into names of keys, also where a character or a sequence comes in pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    @property
    def unfinished(self) -> bool:
        """Whether an escape was read that may be the key itself or the beginning of a sequence."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[str]:
        """Return the keys that are complete with these bytes; sequences of unknown keys are dropped."""
        text = self._rest + self._decoder.decode(data)
        found = _UNFINISHED.search(text)
        self._rest = found[0] if found else ""
        return list(_keys(text.removesuffix(self._rest)))

    def finish(self) -> list[str]:
        """Return the keys of a sequence that does not go on."""
        rest, self._rest = self._rest, ""
        return ["escape"] if rest else []


def _keys(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        sequence = _SEQUENCE.match(text, place)
        if sequence:
            name = _SEQUENCES.get(sequence[0][2:])
            if name:
                yield name
            place = sequence.end()
            continue
        mark = text[place]
        place += 1
        if mark == "\x1b":
            yield "escape"
        elif mark in _CONTROLS:
            yield _CONTROLS[mark]
        elif mark.isprintable():
            yield mark
