"""The words of the pages: one file for each language, and how the language is chosen.

What the core says of the health and of waiting tasks is in English there already, so only the others have it here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from queuectl.domain.sentence import PATTERNS, filled

LANGUAGES = {"en": "English", "zh": "中文"}
_HERE = Path(__file__).parent.parent / "words"


class Words:
    """Patterns of sentences by their keys; ``queuectl.domain.sentence.filled`` says what may be in them."""

    def __init__(self, language: str, sentences: Mapping[str, str]) -> None:
        self.language = language
        self.tag = "zh-CN" if language == "zh" else language
        self._sentences = sentences

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence with this key; ``n`` is the number of things that it is about."""
        return filled(self._sentences[key], values)

    def has(self, key: str) -> bool:
        """Tell whether there is a sentence with this key."""
        return key in self._sentences

    def unit(self, name: str, value: object) -> str:
        """Return a number with a unit of time."""
        return self(f"unit.{name}", value=str(value))

    def keys(self) -> set[str]:
        """Return all keys."""
        return set(self._sentences)


@cache
def words_of(language: str) -> Words:
    """Return the words of a language."""
    table = tomllib.loads((_HERE / f"{language}.toml").read_text(encoding="utf-8"))
    said = {f"said.{key}": pattern for key, pattern in PATTERNS.items()} if language == "en" else {}
    return Words(language, said | dict(_flat(table)))


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", str(value)))
    return found


def chosen_language(header: str) -> str:
    """Return the language that an ``Accept-Language`` header likes best among those that there are."""
    wishes: list[tuple[float, str]] = []
    for part in header[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        quality = parameter.strip().removeprefix("q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        wishes.append((weight, tag.strip().lower().partition("-")[0]))
    for _, language in sorted(wishes, key=lambda wish: -wish[0]):
        if language in LANGUAGES:
            return language
    return "en"
