"""The daemon's log: plain lines or JSON lines on stderr, in which nothing untrusted can forge a line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from queuectl.domain.visible import visible
from queuectl.settings import Settings

_FACTS = ("action", "task_id", "queue", "attempt", "node", "duration_ms")


def set_up(settings: Settings) -> None:
    """Send the daemon's log to stderr in the configured form and level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if settings.log_format == "json" else _PlainLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("queuectl").setLevel(settings.log_level.upper())
    for name in ("dramatiq", "apscheduler"):
        # Their reports of single failures would say a second time what the daemon says already.
        logging.getLogger(name).setLevel(logging.CRITICAL)


class _PlainLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        line = f"{moment}Z {record.levelname.lower():8} {visible(record.getMessage())}"
        if record.exc_info:
            line += "\n" + "\n".join(
                f"    {visible(each)}" for each in self.formatException(record.exc_info).splitlines()
            )
        return line


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": visible(record.getMessage()),
        }
        fields |= {name: getattr(record, name) for name in _FACTS if hasattr(record, name)}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)
