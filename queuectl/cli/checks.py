"""How the findings of ``doctor`` and ``db check`` are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from queuectl.cli.invocation import Invocation

if TYPE_CHECKING:
    from queuectl.operations.administration import Check


def show_checks(run: Invocation, checks: Sequence[Check]) -> None:
    """Show each check, then for each failure what mends it."""
    from queuectl.cli.render.tables import check_grid

    failed = [check for check in checks if not check.ok]
    run.output.show(
        lambda: {"ok": not failed, "checks": [asdict(check) for check in checks]},
        lambda: check_grid(checks),
        [check.name for check in failed],
    )
    for check in failed:
        if check.hint:
            run.output.say(f"{check.name}: {check.hint}")
