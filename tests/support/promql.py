"""Which metrics and labels a PromQL expression names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_MATCHERS = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)?\s*\{([^}]*)\}")
_LABEL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*(?:=~|!~|!=|=)")
_RANGE = re.compile(r"\[[^\]]*\]")
_NAME = re.compile(r"\b([A-Za-z_:][A-Za-z0-9_:]*)\b(?!\s*\()")
_WORDS = frozenset({"and", "or", "unless", "by", "without", "on", "ignoring", "bool", "offset", "inf", "nan"})


@dataclass
class Named:
    """The metrics of an expression, and the labels by which it chooses and groups."""

    metrics: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)


def named(expression: str) -> Named:
    """Return what an expression names."""
    found = Named()
    text = _STRING.sub('""', expression)
    for match in _GROUPING.finditer(text):
        found.labels |= {each.strip() for each in match[1].split(",") if each.strip()}
    text = _GROUPING.sub(" ", text)
    for match in _MATCHERS.finditer(text):
        found.labels |= set(_LABEL.findall(match[2]))
    text = re.sub(r"\{[^}]*\}", " ", text)
    text = _RANGE.sub(" ", text)
    found.metrics = {name for name in _NAME.findall(text) if name.lower() not in _WORDS}
    return found
