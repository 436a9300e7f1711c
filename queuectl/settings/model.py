"""The settings of one process as plain data; read once, checked as a whole, and passed down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from queuectl.domain.report_delivery import ReportDelivery

Isolation = Literal["process", "thread", "async"]
Role = Literal["all", "worker", "scheduler"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class HandlerSettings:
    """How tasks of one handler run; ``timeout`` in seconds, ``memory_limit`` in megabytes."""

    callable: str | None = None
    command: tuple[str, ...] | None = None
    isolation: Isolation = "process"
    timeout: float | None = None
    memory_limit: int | None = None
    max_retries: int | None = None


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Defaults for the tasks of one queue; ``retry_backoff`` is the first back-off in seconds."""

    task_timeout: float | None = None
    memory_limit: int | None = None
    max_retries: int | None = None
    retry_backoff: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective settings of one process; built by ``load``, never changed afterwards."""

    home: Path
    database_url: str = field(repr=False)  # these two may hold a password
    redis_url: str | None = field(default=None, repr=False)
    redis_namespace: str = "queuectl"
    role: Role = "all"
    workers: int = 8
    workers_process: int | None = None
    workers_thread: int | None = None
    workers_async: int | None = None
    grace_period: float = 30.0
    timezone: str = "UTC"
    log_level: str = "info"
    log_format: Literal["plain", "json"] = "plain"
    fetch_allow_networks: tuple[str, ...] = ()
    fetch_timeout: float = 30.0
    fetch_max_bytes: int = 10 * 1024 * 1024
    source_folders: tuple[Path, ...] = ()
    source_max_bytes: int = 10 * 1024 * 1024
    import_max_bytes: int = 1024 * 1024 * 1024
    task_timeout: float = 300.0
    max_retries: int = 3
    retry_backoff: float = 10.0
    retry_backoff_max: float = 3600.0
    priority_aging: float | None = None
    dead_letter_days: float = 30.0
    retention_days: float = 90.0
    audit_key_file: Path | None = None
    undo_days: float = 7.0
    statistics_minute_days: float = 2.0
    statistics_hour_days: float = 90.0
    statistics_day_days: float = 0.0
    statistics_hosts: int = 100
    report_schedule: tuple[ReportDelivery, ...] = ()
    publish_webhook: str | None = field(default=None, repr=False)
    publish_webhook_text: bool = False
    webhook_secret: str | None = field(default=None, repr=False)
    web_host: str = "127.0.0.1"
    web_port: int = 5555
    web_required: bool = False
    web_auth: str | None = field(default=None, repr=False)
    web_allow: tuple[str, ...] = ()
    web_names: tuple[str, ...] = ()
    web_trusted_proxies: tuple[str, ...] = ()
    web_tls_cert: Path | None = None
    web_tls_key: Path | None = None
    web_without_tls: bool = False
    health_wait: float = 600.0
    health_failure_rate: float = 0.1
    health_dead_letters: int = 100
    health_schedule_lag: float = 60.0
    health_disk: float = 1024.0
    queues: dict[str, QueueSettings] = field(default_factory=dict)
    handlers: dict[str, HandlerSettings] = field(default_factory=dict)

    @property
    def caps_of_kinds(self) -> dict[Isolation, int]:
        """How many tasks of each kind of work run at a time, where that is bounded."""
        caps: dict[Isolation, int | None] = {
            "process": self.workers_process,
            "thread": self.workers_thread,
            "async": self.workers_async,
        }
        return {kind: cap for kind, cap in caps.items() if cap is not None}
