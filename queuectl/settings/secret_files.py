"""Secrets that are kept in files of their own: named by a variable that ends in _FILE, or handed over by systemd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from queuectl.settings.reading import Reading
from queuectl.settings.rules import RULES
from queuectl.settings.sources import PREFIX, Found, absolute, readable_by_everybody

_LONGEST = 64 * 1024

SECRETS = (
    "DATABASE_URL",
    "REDIS_URL",
    "REDIS_PASSWORD",
    *(
        PREFIX + name.upper()
        for name, rule in RULES.items()
        if rule.secret and name not in ("database_url", "redis_url")
    ),
)
"""The variables whose value may be in a file."""

CREDENTIALS = {variable.removeprefix(PREFIX).lower(): variable for variable in SECRETS}
"""The names of systemd credentials, and the variables that they stand for."""


def with_secrets(
    variables: Mapping[str, Found], environ: Mapping[str, str], reading: Reading
) -> dict[str, Found]:
    """Return the variables with those whose value is in a file; what cannot be read becomes a problem.

    A credential wins over a variable of the environment, and both over what a .env file says.
    """
    found = dict(variables)
    for variable in SECRETS:
        named = found.pop(f"{variable}_FILE", None)
        if named is None:
            continue
        present = found.get(variable)
        if present is not None and (present.file is None) == (named.file is None):
            reading.problems.append(
                f"{present.origin} and {named.origin} say the same thing; keep one of them"
            )
        elif present is None or named.file is None:
            _keep(found, variable, replace(named, value=absolute(Path(named.value))), reading)
    folder = environ.get("CREDENTIALS_DIRECTORY")
    for credential, variable in CREDENTIALS.items():
        if folder and (file := Path(folder) / credential).is_file():
            _keep(found, variable, Found(file, f"the credential {credential}"), reading)
    return found


def _keep(found: dict[str, Found], variable: str, named: Found, reading: Reading) -> None:
    """Read the file that ``named`` has as its value; what is in it comes from where that was said."""
    file: Path = named.value
    try:
        with file.open(encoding="utf-8") as source:
            value = source.read(_LONGEST).strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        reading.problems.append(f"{file} ({named.origin}) cannot be read: {reason}")
        return
    if readable_by_everybody(file):
        reading.warnings.append(
            f"{file} holds a password and every user of this machine may read it; run: chmod 600 {file}"
        )
    if value:
        found[variable] = replace(named, value=value)
    else:
        reading.problems.append(f"{file} ({named.origin}) is empty")
