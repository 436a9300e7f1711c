"""Put queuectl's units where systemd finds them, and take them away; files of others are never touched."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from queuectl.errors import InvalidInputError, RefusedError, StorageError
from queuectl.operations.systemd.rendering import MARK, SYSTEM_HOME, Installation, account_file, rendered
from queuectl.operations.whole_file import in_place_of

Deed = Literal["written", "replaced", "unchanged", "removed"]

_ENABLED = "queuectl.service queuectl-backup.timer"


@dataclass(frozen=True, slots=True)
class UnitFile:
    """One file, what it holds or held, and what was done, or would be done, with it."""

    path: Path
    text: str
    deed: Deed


@dataclass(frozen=True, slots=True)
class Places:
    """Where units and accounts are described, below ``root``; one person's units are in that person's folder."""

    root: Path
    is_system: bool

    @property
    def units(self) -> Path:
        """The folder of the units."""
        if self.is_system:
            return self.root / "etc/systemd/system"
        config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
        return Path(config).expanduser() / "systemd/user"

    @property
    def account(self) -> Path | None:
        """The file that describes the account, for the whole system."""
        return self.root / "etc/sysusers.d/queuectl.conf" if self.is_system else None


def install(
    places: Places, *, home: Path, config: Path | None, own_home: bool, dry_run: bool = False
) -> list[UnitFile]:
    """Write the units for this Python; ``own_home`` says that somebody chose the home.

    Raises:
        InvalidInputError: a home was chosen for the whole system, or a path cannot stand in a unit.
        RefusedError: a file is there that is not queuectl's; nothing was written.
        StorageError: a file cannot be written.
    """
    if places.is_system and own_home:
        raise InvalidInputError(
            f"the system's service has its home in {SYSTEM_HOME}, which systemd makes for its account",
            hint="leave out --home, or choose --user; where DATABASE_URL names a server, the home is of no weight",
        )
    installation = Installation(
        Path(sys.executable), SYSTEM_HOME if places.is_system else home, config, places.is_system
    )
    for path in (installation.python, installation.home, *([config] if config else [])):
        if any(not mark.isprintable() for mark in str(path)):
            raise InvalidInputError(
                f"{str(path)!r} cannot stand in a unit", hint="choose a path without line breaks and the like"
            )
    texts = {places.units / name: text for name, text in rendered(installation).items()}
    if places.account is not None:
        texts[places.account] = account_file()
    planned = [UnitFile(path, text, _deed(path, text)) for path, text in texts.items()]
    if not dry_run:
        for each in planned:
            if each.deed != "unchanged":
                _write(each)
    return planned


def out_of_sight() -> list[Path]:
    """Return the folders that the system's service needs and cannot see, because they belong to a person."""
    needed = {
        Path(sys.executable),
        Path(sys.executable).resolve(),
        Path(sys.prefix),
        Path(__file__).resolve(),
    }
    hidden = [Path(each) for each in ("/home", "/root", "/run/user")]
    return sorted({home for home in hidden for path in needed if path.is_relative_to(home)})


def uninstall(places: Places, *, dry_run: bool = False) -> list[UnitFile]:
    """Remove the units that ``install`` has written.

    Raises:
        RefusedError: one of them is still enabled; nothing was removed.
        StorageError: a file cannot be removed.
    """
    enabled = _enabled(places.units)
    if enabled:
        manager = "systemctl" if places.is_system else "systemctl --user"
        raise RefusedError(
            f"still enabled: {', '.join(enabled)}",
            hint=f"stop and disable them first: {manager} disable --now {' '.join(enabled)}",
        )
    folders = [places.units.glob("queuectl*.*")]
    if places.account is not None:
        folders.append(places.account.parent.glob(places.account.name))
    found = [path for folder in folders for path in sorted(folder) if path.is_file()]
    gone = [UnitFile(path, text, "removed") for path in found if (text := _ours(path)) is not None]
    if not dry_run:
        for each in gone:
            try:
                each.path.unlink()
            except OSError as error:
                raise _refused(each.path, "removed", error) from error
    return gone


def next_steps(places: Places, deed: Literal["install", "uninstall"]) -> list[str]:
    """Return what to type next, in order."""
    manager = "systemctl" if places.is_system else "systemctl --user"
    reload = f"{manager} daemon-reload"
    if places.is_system and places.root != Path("/"):
        return []  # an image, in which all of this happens when it starts
    if deed == "uninstall":
        return [reload]
    journal = "journalctl -u queuectl -f" if places.is_system else "journalctl --user -u queuectl -f"
    account = ["systemd-sysusers"] if places.is_system else []
    # A person's services end with the last session unless the person may linger.
    linger = [] if places.is_system else ["loginctl enable-linger"]
    return [*account, reload, f"{manager} enable --now {_ENABLED}", *linger, journal]


def _deed(path: Path, text: str) -> Deed:
    if not path.exists() and not path.is_symlink():
        return "written"
    present = _ours(path)
    if present is None:
        raise RefusedError(
            f"{path} is there already and was not written by queuectl; nothing was changed",
            hint="move it away, or keep it and see what would be written: --dry-run",
        )
    return "unchanged" if present == text else "replaced"


def _ours(path: Path) -> str | None:
    """Return the text of a file that ``install`` has written; None for any other, and for a link."""
    if path.is_symlink():
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return text if text.startswith(MARK) else None


def _write(file: UnitFile) -> None:
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with in_place_of(file.path) as draft:
            draft.write_text(file.text, encoding="utf-8")
            draft.chmod(0o644)
    except OSError as error:
        raise _refused(file.path, "written", error) from error


def _refused(path: Path, deed: str, error: OSError) -> StorageError:
    return StorageError(
        f"{path} cannot be {deed}: {error.strerror}", hint="run it as root, or for yourself: --user"
    )


def _enabled(folder: Path) -> list[str]:
    return sorted({link.name for link in folder.glob("*.wants/queuectl*") if link.is_symlink()})
