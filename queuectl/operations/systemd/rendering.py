"""The text of queuectl's units for one installation, made of the files in ``units`` and this Python's paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

MARK = "# Written by: queuectl systemd install"
"""The beginning of the first line of each file, by which it is known as ours."""

SYSTEM_HOME = Path("/var/lib/queuectl")

UNITS = (
    "queuectl.service",
    "queuectl@.service",
    "queuectl-backup.service",
    "queuectl-backup.timer",
    "queuectl-cleanup.service",
    "queuectl-cleanup.timer",
)

_ORDER = """\
Wants=network-online.target
After=network-online.target postgresql.service redis.service redis-server.service valkey.service
"""
_FOR_A_PERSON = """\
# Files are for their owner alone, and a program it starts cannot gain rights.
UMask=0077
NoNewPrivileges=yes"""


@dataclass(frozen=True, slots=True)
class Installation:
    """Which Python the units run, and for whom: the whole machine, or the person who has this home."""

    python: Path
    home: Path = SYSTEM_HOME
    config: Path | None = None
    is_system: bool = True


def rendered(installation: Installation) -> dict[str, str]:
    """Return the text of each unit by its name."""
    return {name: _unit(name, installation) for name in UNITS}


def account_file() -> str:
    """Return what has systemd make the account of the system's services."""
    return f"{MARK} --system\n{_part('sysusers.conf')}"


def _unit(name: str, installation: Installation) -> str:
    scope = "--system" if installation.is_system else "--user"
    text = f"{MARK} {scope}\n{_part(name)}"
    if not installation.is_system:
        text = text.replace(_ORDER, "")
    for word, value in _values(name, installation).items():
        text = text.replace(f"@{word}@", value)
    return text


def _values(name: str, installation: Installation) -> dict[str, str]:
    """Return what stands for each word; those whose value has words of its own come first."""
    if installation.is_system:
        account, hardening = _part("account.conf").strip(), _part("hardening.conf").strip()
        instance = account.replace("@STATE@", "queuectl-%i")
    else:
        account = instance = _FOR_A_PERSON
        hardening = ""
    config = ["--config", str(installation.config)] if installation.config is not None else []
    home = [] if installation.is_system else ["--home", str(installation.home)]
    its_home = [] if installation.is_system else ["--home", f"{installation.home}-%i"]
    return {
        "ACCOUNT": account.replace("@STATE@", "queuectl"),
        "INSTANCE_ACCOUNT": instance,
        "HARDENING": hardening,
        "EXAMPLE": name,
        "PYTHON": _words([str(installation.python)]).strip(),
        "OPTIONS": _words([*home, *config]),
        "INSTANCE_OPTIONS": _words([*its_home, *config], keeps_instance=True),
        "HOME": _words([str(installation.home)]).strip(),
        "TARGET": "multi-user.target" if installation.is_system else "default.target",
    }


def _words(words: Sequence[str], *, keeps_instance: bool = False) -> str:
    """Return words as they stand in a command of a unit, each after a space."""
    text = ""
    for word in words:
        escaped = word.replace("%", "%%").replace("$", "$$").replace("\\", "\\\\").replace('"', '\\"')
        if keeps_instance:
            escaped = escaped.removesuffix("%%i") + "%i" if escaped.endswith("%%i") else escaped
        text += f' "{escaped}"' if any(mark in escaped for mark in " \t'\"\\;") else f" {escaped}"
    return text


def _part(name: str) -> str:
    return (files(__package__) / "units" / name).read_text(encoding="utf-8")
