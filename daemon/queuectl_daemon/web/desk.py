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
        self.settings = settings
        self.metrics = metrics
        self.database = database
        self.manager = QueueManager(settings, database)
        self.scheduler = Scheduler(settings, database)
        self.monitor = Monitor(settings, database)
        self.audit = AuditTrail(settings, database)
        self.tokens = TokenControl(settings, database)
        self.workers = Workers(database)
        self.live = Live(self.monitor, self.workers)
        self.notes = Notes()
        self.hour: Kept[list[list[tuple[str, float]]]] = Kept(_HOUR_SECONDS)
        self.readiness: Kept[str] = Kept(_READINESS_SECONDS)

    def close(self) -> None:
        """Begin nothing more."""
        self.workers.close()
