"""Where settings are found: the configuration file, the .env files, the environment and the home folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "QUEUECTL_"
FILE_NAME = "queuectl.toml"
ENV_FILE_LIMIT = 256 * 1024

FALLBACK_HOMES = ("STATE_DIRECTORY", "XDG_DATA_HOME")
"""Variables that decide on the home where nothing names one for queuectl itself."""

PLAIN_VARIABLES = ("DATABASE_URL", "REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD")
"""Variables that are read under the names the rest of the world gives them."""

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_HEADING = re.compile(r"\s*\[([^\[\]]+)\]")
_KEY = re.compile(r"""\s*([\w.\-"' ]+?)\s*=""")
_QUOTED = re.compile(r"""(["'])(.*?)\1\s*(?:#.*)?""")


@dataclass(frozen=True, slots=True)
class Found:
    """A value as its source gives it, the words that say which source that is, and its file if it has one."""

    value: Any
    origin: str
    file: Path | None = None


def config_file(
    option: Path | None, environ: Mapping[str, str], variables: Mapping[str, Found], home: Path
) -> tuple[Path | None, list[Path]]:
    """Return the configuration file to read, or None, and the places that were looked at in order.

    A file that is named by option or variable is returned whether it exists or not.
    """
    if option is not None:
        return absolute(option), [absolute(option)]
    named = variables.get("QUEUECTL_CONFIG")
    if named is not None:
        path = absolute(Path(named.value))
        return path, [path]
    places = [
        home / FILE_NAME,
        absolute(Path(environ.get("XDG_CONFIG_HOME") or "~/.config")) / "queuectl" / FILE_NAME,
        Path("/etc/queuectl") / FILE_NAME,
    ]
    return next((place for place in places if _may_be_there(place)), None), places


def _may_be_there(place: Path) -> bool:
    """Tell whether a file is there; one that may not be looked at counts, so that reading it says why it cannot be."""
    try:
        return place.is_file()
    except OSError:
        return True


def default_home(environ: Mapping[str, str]) -> Found:
    """Return the home that holds when nobody names one."""
    state, data = (environ.get(name, "") for name in FALLBACK_HOMES)
    if state:
        # systemd sets it to a list where a unit has several.
        return Found(Path(state.partition(":")[0]), "STATE_DIRECTORY in the environment")
    if data:
        return Found(Path(data) / "queuectl", "XDG_DATA_HOME in the environment")
    return Found(Path("~/.local/share/queuectl"), "default")


def absolute(path: Path) -> Path:
    """Return ``path`` from the root, with ``~`` replaced; as far as user and working directory are known."""
    try:
        return path.expanduser().absolute()
    except (RuntimeError, OSError):
        return path


def environment_variables(environ: Mapping[str, str]) -> dict[str, Found]:
    """Return the variables that are meant for queuectl; empty ones count as absent."""
    return {
        name: Found(value, f"{name} in the environment")
        for name, value in environ.items()
        if value.strip() and is_ours(name)
    }


def is_ours(variable: str) -> bool:
    """Tell whether a variable's name says that it is meant for queuectl."""
    return variable.startswith(PREFIX) or variable.removesuffix("_FILE") in PLAIN_VARIABLES


def working_directory() -> Path | None:
    """Return the working directory, or None when it was removed under our feet."""
    try:
        return Path.cwd()
    except OSError:
        return None


def env_file_variables(path: Path, warnings: list[str]) -> dict[str, Found]:
    """Return queuectl's variables from a .env file; a missing file has none, an unreadable one a warning."""
    try:
        if not path.is_file():
            return {}
        if path.stat().st_size > ENV_FILE_LIMIT:
            warnings.append(f"{path} is too large for a .env file and was not read")
            return {}
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        warnings.append(f"{path} cannot be read: {error.strerror}")
        return {}
    found = {}
    for line in text.splitlines():
        match = _ASSIGNMENT.fullmatch(line)
        if match is not None and is_ours(match[1]):
            value = _unquoted(match[2].strip())
            if value.strip():
                found[match[1]] = Found(value, f"{match[1]} in {path}", path)
    return found


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return quoted[2]
    return re.sub(r"(^|\s+)#.*$", "", text)


def lines_of_file(path: Path) -> dict[str, int]:
    """Return in which line the configuration file names which setting or table; nothing for one that is unreadable."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return {}
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if heading := _HEADING.match(line):
            table = _bare(heading[1])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault(f"{table}.{_bare(key[1])}" if table else _bare(key[1]), number)
    return lines


def _bare(name: str) -> str:
    return "".join(name.split()).replace('"', "").replace("'", "")


def table_of_file(path: Path, problems: list[str]) -> dict[str, Any]:
    """Return what the configuration file says; whatever keeps it from being read becomes a problem."""
    import tomllib  # most installations have no file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        problems.append(f"there is no configuration file {path}")
    except UnicodeDecodeError:
        problems.append(f"{path} is not UTF-8 text")
    except RecursionError:
        problems.append(f"{path} is nested too deeply")
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{path} is not valid TOML: {error}")
    except ValueError:  # the one that its parser lets pass
        problems.append(f"{path} has a number with too many digits")
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}")
    return {}


def readable_by_everybody(path: Path) -> bool:
    """Tell whether any user of this machine may read the file."""
    try:
        return bool(path.stat().st_mode & 0o004)
    except OSError:
        return False
