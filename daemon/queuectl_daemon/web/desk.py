"""What answers have at hand: the verbs, on one database, the same as every other user of queuectl has."""

from __future__ import annotations

from queuectl.operations.audit import AuditTrail
from queuectl.operations.manager import QueueManager
from queuectl.operations.monitor import Monitor
from queuectl.operations.scheduler import Scheduler
from queuectl.operations.web_tokens import TokenControl
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl_daemon.metrics import Metrics
from queuectl_daemon.web.kept import Kept
from queuectl_daemon.web.live import Live
from queuectl_daemon.web.notes import Notes
from queuectl_daemon.web.work import Workers

_HOUR_SECONDS = 5.0
_READINESS_SECONDS = 1.0


class Desk:
    """The verbs by their nouns, and the threads to use them in."""

    def __init__(self, settings: Settings, database: Database, metrics: Metrics) -> None:
        self.metrics = metrics
        self.database = database
        self.adopt(settings)
        self.tokens = TokenControl(settings, database)
        self.workers = Workers(database)
        self.live = Live(self.monitor, self.workers)
        self.notes = Notes()
        self.hour: Kept[list[list[tuple[str, float]]]] = Kept(_HOUR_SECONDS)
        self.readiness: Kept[str] = Kept(_READINESS_SECONDS)

    def adopt(self, settings: Settings) -> None:
        """Let the verbs go by these settings from the next answer on."""
        self.settings = settings
        self.manager = QueueManager(settings, self.database)
        self.scheduler = Scheduler(settings, self.database)
        self.monitor = Monitor(settings, self.database)
        self.audit = AuditTrail(settings, self.database)

    def close(self) -> None:
        """Begin nothing more."""
        self.workers.close()
        self.metrics.close()
