"""Charts as SVG, drawn on the server with classes for their colours, so that they need neither script nor style."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

_WIDTH, _HEIGHT = 600.0, 120.0
_LEFT, _BOTTOM, _TOP = 0.0, 22.0, 6.0


def bars(values: Sequence[Sequence[tuple[str, float]]], labels: Sequence[str], title: str) -> Markup:
    """Return stacked bars over time; each part of a bar is a class and a height, ``labels`` stand below some."""
    highest = max((sum(height for _, height in bar) for bar in values), default=0.0)
    top = _rounded(highest)
    room = _HEIGHT - _BOTTOM - _TOP
    step = (_WIDTH - _LEFT) / max(1, len(values))
    parts: list[Markup] = [_rule(top, top), _rule(top / 2, top), _rule(0, top)]
    for place, bar in enumerate(values):
        base = 0.0
        for name, height in bar:
            if height <= 0:
                continue
            size = max(1.0, room * height / top)
            y = _TOP + room - room * base / top - size
            parts.append(
                Markup(
                    '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="1"/>'
                ).format(name, _LEFT + place * step + step * 0.12, y, step * 0.76, size)
            )
            base += height
    return _svg(parts + _below(labels), title, top)


def lines(series: Sequence[tuple[str, Sequence[float]]], labels: Sequence[str], title: str) -> Markup:
    """Return lines over time; each has a class and its values from left to right."""
    highest = max((max(values, default=0.0) for _, values in series), default=0.0)
    top = _rounded(highest)
    parts: list[Markup] = [_rule(top, top), _rule(top / 2, top), _rule(0, top)]
    room = _HEIGHT - _BOTTOM - _TOP
    for name, values in series:
        if len(values) < 2:
            continue
        step = (_WIDTH - _LEFT) / (len(values) - 1)
        points = " ".join(
            f"{_LEFT + place * step:.1f},{_TOP + room - room * value / top:.1f}"
            for place, value in enumerate(values)
        )
        parts.append(Markup('<polyline class="{}" points="{}"/>').format(name, points))
    return _svg(parts + _below(labels), title, top)


def progress(parts: Sequence[tuple[str, float]], title: str) -> Markup:
    """Return one bar from left to right whose parts are classes and shares of it."""
    drawn: list[Markup] = []
    x = 0.0
    for name, share in parts:
        width = max(0.0, min(1.0, share)) * 100
        if width > 0:
            drawn.append(
                Markup('<rect class="{}" x="{:.2f}" y="0" width="{:.2f}" height="6"/>').format(name, x, width)
            )
            x += width
    return Markup(
        '<svg class="progress" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(title, Markup("").join(drawn))


def _svg(parts: Sequence[Markup], title: str, top: float) -> Markup:
    del top
    return Markup(
        '<svg class="chart" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}"><title>{}</title>{}</svg>'
    ).format(_WIDTH, _HEIGHT, title, title, Markup("").join(parts))


def _rule(value: float, top: float) -> Markup:
    y = _TOP + (_HEIGHT - _BOTTOM - _TOP) * (1 - value / top)
    text = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    label = (
        Markup('<text class="axis" x="2" y="{:.1f}">{}</text>').format(y - 2, text) if value else Markup("")
    )
    return Markup('<line class="rule" x1="{:.0f}" x2="{:.0f}" y1="{:.1f}" y2="{:.1f}"/>{}').format(
        _LEFT, _WIDTH, y, y, label
    )


def _below(labels: Sequence[str]) -> list[Markup]:
    if not labels:
        return []
    last = len(labels) - 1
    anchors = ["start", *["middle"] * max(0, last - 1), "end"]
    return [
        Markup('<text class="axis" x="{:.1f}" y="{:.0f}" text-anchor="{}">{}</text>').format(
            _LEFT + (_WIDTH - _LEFT) * place / max(1, last), _HEIGHT - 5, anchors[place], label
        )
        for place, label in enumerate(labels)
    ]


def _rounded(highest: float) -> float:
    """Return the end of the scale: the next 1, 2 or 5 times a power of ten."""
    size = 1.0
    while True:
        for factor in (1.0, 2.0, 5.0):
            if highest <= factor * size:
                return factor * size
        size *= 10
