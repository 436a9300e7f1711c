"""The daemon's log: plain lines or JSON lines on stderr, in which nothing untrusted can forge a line."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from queuectl.domain.visible import visible
from queuectl.settings import Settings
from queuectl_daemon.log_file import LogFile

logger = logging.getLogger("queuectl.daemon")

_FACTS = ("action", "task_id", "queue", "attempt", "node", "duration_ms")
_URGENCY = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Levels and what they are called where a line begins with such a number in angle brackets."""


def set_up(settings: Settings, file: Path | None = None) -> None:
    """Send the daemon's log to stderr in the configured form and level; may be called again.

    ``file`` is what stderr was opened on by whoever started a detached daemon; it is kept from growing for ever.
    The journal gets each plain line with its priority and without a time, which it adds itself.
    """
    handler = logging.StreamHandler(sys.stderr) if file is None else LogFile(file)
    handler.setFormatter(_form(settings))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("queuectl").setLevel(settings.log_level.upper())
    for name in ("dramatiq", "apscheduler"):
        # Their reports of single failures would say a second time what the daemon says already.
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _form(settings: Settings) -> logging.Formatter:
    if settings.log_format == "json":
        return _JsonLines()
    return _JournalLines() if _writes_to_journal() else _PlainLines()


def _writes_to_journal() -> bool:
    """Tell whether stderr leads to the journal: systemd names the device and inode of that stream."""
    try:
        stream = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"


class _PlainLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        line = f"{moment}Z {record.levelname.lower():8} {visible(record.getMessage())}"
        return "\n".join([line, *_traceback(self, record)])


class _JournalLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        urgency = next((number for level, number in _URGENCY if record.levelno >= level), 7)
        lines = [visible(record.getMessage()), *_traceback(self, record)]
        return "\n".join(f"<{urgency}>{line}" for line in lines)


def _traceback(form: logging.Formatter, record: logging.LogRecord) -> list[str]:
    if not record.exc_info:
        return []
    return [f"    {visible(each)}" for each in form.formatException(record.exc_info).splitlines()]


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
