"""Say so when nothing will happen because no daemon runs."""

from __future__ import annotations

from queuectl.cli.invocation import Invocation


def say_if_none_runs(run: Invocation) -> None:
    """Tell on standard error that tasks wait for a daemon, if none is alive anywhere."""
    if run.output.quiet or run.output.json:
        return
    nodes = [node for node in run.monitor.get_realtime_status().nodes if node.alive]
    if not nodes:
        run.output.say("no daemon is running; one picks up what waits once you run: queuectl daemon start")
    elif not any(node.transport_up for node in nodes):
        run.output.say("Redis does not answer; the daemon picks up what waits without it")
