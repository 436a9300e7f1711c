"""What the end-to-end tests share."""

from __future__ import annotations

from tests.support.cli import cli as cli
