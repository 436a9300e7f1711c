"""One call of the command: its global options, settings and output; subcommands get it as ``ctx.obj``."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from queuectl.cli.options import GlobalOptions
from queuectl.cli.render.output import Output

if TYPE_CHECKING:
    from queuectl.operations.audit import AuditTrail
    from queuectl.operations.manager import QueueManager
    from queuectl.operations.monitor import Monitor
    from queuectl.operations.reporter import Reporter
    from queuectl.operations.scheduler import Scheduler
    from queuectl.settings import Loaded, Settings


class Invocation:
    """What all subcommands need; settings are read and the database is opened on first use."""

    def __init__(self, options: GlobalOptions) -> None:
        self.options = options
        self.output = Output(json=options.json, quiet=options.quiet, color=not options.no_color)

    @cached_property
    def loaded(self) -> Loaded:
        """The settings with their origins; what is worth a look is said on standard error."""
        from queuectl.settings import load

        loaded = load(home=self.options.home, config=self.options.config)
        for warning in loaded.warnings:
            self.output.warn(warning)
        return loaded

    @property
    def settings(self) -> Settings:
        """The effective settings."""
        return self.loaded.settings

    @cached_property
    def manager(self) -> QueueManager:
        """The verbs on tasks and queues."""
        from queuectl.operations.manager import QueueManager

        return QueueManager(self.settings)

    @cached_property
    def audit(self) -> AuditTrail:
        """What people did."""
        from queuectl.operations.audit import AuditTrail

        return AuditTrail(self.settings)

    @cached_property
    def monitor(self) -> Monitor:
        """What is going on."""
        from queuectl.operations.monitor import Monitor

        return Monitor(self.settings)

    @cached_property
    def reporter(self) -> Reporter:
        """The verbs that make reports."""
        from queuectl.operations.reporter import Reporter

        return Reporter(self.settings)

    @cached_property
    def scheduler(self) -> Scheduler:
        """The verbs on schedules, and on when tasks start."""
        from queuectl.operations.scheduler import Scheduler

        return Scheduler(self.settings)
