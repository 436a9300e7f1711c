"""The pictures of the sample articles, drawn on request: flat shapes that carry the article's name."""

from __future__ import annotations

from html import escape
from zlib import crc32

_WIDTH, _HEIGHT = 480, 240


def picture(name: str) -> str:
    """Return an SVG picture for a name; the same name always gives the same picture."""
    seed = crc32(name.encode())
    hue = seed % 360
    circles = "".join(
        f'<circle cx="{40 + (seed >> shift) % 400}" cy="{40 + (seed >> (shift + 3)) % 160}" '
        f'r="{18 + (seed >> (shift + 5)) % 50}" fill="hsl({(hue + 40 * shift) % 360} 45% 60%)" opacity="0.6"/>'
        for shift in range(2, 14, 3)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}">'
        f'<rect width="100%" height="100%" fill="hsl({hue} 35% 88%)"/>{circles}'
        f'<text x="20" y="{_HEIGHT - 20}" font-family="sans-serif" font-size="18" fill="#333">{escape(name)}</text>'
        "</svg>"
    )
