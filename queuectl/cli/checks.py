"""How the findings of ``doctor`` and ``db check`` are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from queuectl.cli.invocation import Invocation

if TYPE_CHECKING:
    from queuectl.operations.administration import Check


def show_checks(run: Invocation, checks: Sequence[Check], **facts: object) -> None:
    """Show each check, then for each failure and warning what mends it; ``facts`` go into the JSON document."""
    from queuectl.cli.render.tables import check_grid
    from queuectl.shapes.checks import check_shape

    failed = [check for check in checks if not check.ok]
    run.output.show(
        lambda: {"ok": not failed, **facts, "checks": [check_shape(check) for check in checks]},
        lambda: check_grid(checks),
        [check.name for check in failed],
    )
    for check in [*failed, *(check for check in checks if check.ok and check.warning)]:
        if check.hint:
            run.output.say(f"{check.name}: {check.hint}")
