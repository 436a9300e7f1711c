"""``queuectl schedule``: decide when tasks start."""

from __future__ import annotations

from queuectl.cli.help import command, group
from queuectl.cli.schedule_optimize import optimize

app = group("Decide when tasks start.")


@app.callback()
def schedule() -> None:
    """Decide when tasks start."""


command(app)(optimize)
