"""Put the sources together, check everything, and build the settings or report every mistake at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from queuectl.errors import ConfigurationError
from queuectl.settings import sources
from queuectl.settings.model import Settings
from queuectl.settings.reading import Reading, nearest
from queuectl.settings.rules import PORT, RULES, TABLES, Rule
from queuectl.settings.secret_files import SECRETS, with_secrets
from queuectl.settings.secrets import ADDRESSES, without_password
from queuectl.settings.sources import Found

_OWN_VARIABLES = {sources.PREFIX + name.upper(): name for name in RULES if name not in ADDRESSES}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and what a person may want to know about them.

    ``origins`` says for each setting where its value came from (``queues.high_priority.max_retries``
    for one inside a table). ``warnings`` are not mistakes, but worth a look. ``looked_at`` are the
    places of a configuration file in order, ``file`` the one that was read.
    """

    settings: Settings
    origins: dict[str, str]
    warnings: list[str]
    file: Path | None
    looked_at: tuple[Path, ...]


def load(
    *,
    home: Path | None = None,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Loaded:
    """Read the settings: defaults, then the file, then .env files and environment, then ``overrides``.

    ``home`` and ``config`` are what the command line said; ``environ`` replaces the environment.
    An override of None counts as not given.

    Raises:
        ConfigurationError: with every mistake that was found, not only the first.
    """
    environ = os.environ if environ is None else environ
    reading = Reading()
    variables = with_secrets(_variables(environ, reading.warnings), environ, reading)
    first = _first_home(home, environ, variables)
    path, looked_at = sources.config_file(config, environ, variables, first.value)
    table: Mapping[str, Any] = {}
    if path is not None:
        table = sources.table_of_file(path, reading.problems)
        reading.lines = sources.lines_of_file(path) if table else {}
    final = _final_home(first, path, table, reading)
    _add_env_file(final.value / ".env", variables, reading)
    reading.keep("home", final)
    _keep_file(table, path, reading)
    _keep_variables(variables, reading)
    for name, value in (overrides or {}).items():
        if value is not None:
            reading.keep(name, Found(value, "command line"))
    settings = _built(reading)
    _warn_of_open_files(reading)
    return Loaded(settings, reading.origins, reading.warnings, path, tuple(looked_at))


def _variables(environ: Mapping[str, str], warnings: list[str]) -> dict[str, Found]:
    here = sources.working_directory()
    ambient = sources.env_file_variables(here / ".env", warnings) if here is not None else {}
    return ambient | sources.environment_variables(environ)


def _first_home(option: Path | None, environ: Mapping[str, str], variables: Mapping[str, Found]) -> Found:
    named = variables.get("QUEUECTL_HOME")
    if option is not None:
        found = Found(option, "command line")
    elif named is not None:
        found = Found(Path(named.value), named.origin, named.file)
    else:
        found = sources.default_home(environ)
    return replace(found, value=sources.absolute(found.value))


def _final_home(first: Found, path: Path | None, table: Mapping[str, Any], reading: Reading) -> Found:
    """Return the home: the configuration file's counts where neither option nor variable named one."""
    if path is None or "home" not in table or not _is_fallback(first):
        return first
    found = Found(table["home"], str(path), path)
    named = reading.check("home", RULES["home"], found)
    return first if named is None else replace(found, value=sources.absolute(path.parent / named))


def _is_fallback(home: Found) -> bool:
    return home.origin == "default" or home.origin.startswith(sources.FALLBACK_HOMES)


def _add_env_file(path: Path, variables: dict[str, Found], reading: Reading) -> None:
    """Add the home's .env: it wins over the one in the working directory, which may be another project's."""
    in_file = with_secrets(sources.env_file_variables(path, reading.warnings), {}, reading)
    for name, found in in_file.items():
        if name not in variables or variables[name].file is not None:
            variables[name] = found


def _keep_file(table: Mapping[str, Any], path: Path | None, reading: Reading) -> None:
    for name, value in table.items():
        found = Found(value, str(path), path)
        if name in TABLES:
            reading.keep_tables(name, found)
        elif name != "home":
            reading.keep(name, found)


def _keep_variables(variables: Mapping[str, Found], reading: Reading) -> None:
    for variable, found in sorted(variables.items()):
        name = _OWN_VARIABLES.get(variable)
        if name is not None and name != "home":
            reading.keep(name, replace(found, value=_from_text(found.value, RULES[name])))
        elif name is None and variable != "QUEUECTL_CONFIG" and variable not in sources.PLAIN_VARIABLES:
            known = [*_OWN_VARIABLES, *sources.PLAIN_VARIABLES, *(f"{each}_FILE" for each in SECRETS)]
            reading.warnings.append(
                f"{found.origin} is not a setting and is ignored{nearest(variable, known)}"
            )
    if "DATABASE_URL" in variables:
        reading.keep("database_url", variables["DATABASE_URL"])
    _keep_redis(variables, reading)


def _keep_redis(variables: Mapping[str, Found], reading: Reading) -> None:
    url, host = variables.get("REDIS_URL"), variables.get("REDIS_HOST")
    port, password = variables.get("REDIS_PORT"), variables.get("REDIS_PASSWORD")
    if url is not None and (host is None or host.file is not None or url.file is None):
        reading.keep("redis_url", url)
    elif host is not None:
        number = 6379 if port is None else reading.check("REDIS_PORT", PORT, port)
        reading.origins.pop("REDIS_PORT", None)
        reading.keep("redis_url", replace(host, value=_redis_url(host.value, number, password)))
        if password is not None and password.file is not None:
            reading.files["redis_url"] = password.file
    else:
        reading.warnings.extend(
            f"{stray.origin} is ignored because REDIS_HOST is not set"
            for stray in (port, password)
            if stray is not None
        )


def _redis_url(host: str, port: int | None, password: Found | None) -> str:
    secret = "" if password is None else f":{quote(password.value, safe='')}@"
    name = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
    return f"redis://{secret}{name}:{port or 6379}/0"


def _from_text(text: str, rule: Rule) -> object:
    """Read a variable's text as the kind of value that a file would hold there."""
    if rule.is_list:
        return [part.strip() for part in text.split(",") if part.strip()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _built(reading: Reading) -> Settings:
    values, home = reading.values, reading.values["home"]
    values.setdefault("database_url", "sqlite:///queuectl.db")
    if values["database_url"].startswith("sqlite:///"):
        # The daemon and every command have to mean the same file wherever they are started.
        values["database_url"] = f"sqlite:///{home / values['database_url'].removeprefix('sqlite:///')}"
    for each in fields(Settings):
        reading.origins.setdefault(each.name, "default")
        if each.default is not MISSING:
            values.setdefault(each.name, each.default)
    if values["retry_backoff_max"] < values["retry_backoff"]:
        reading.problems.append(
            f"retry_backoff_max is {values['retry_backoff_max']:g} ({reading.origins['retry_backoff_max']}); "
            f"accepted is a number not below retry_backoff, which is {values['retry_backoff']:g} "
            f"({reading.origins['retry_backoff']})"
        )
    if (values.get("web_tls_cert") is None) != (values.get("web_tls_key") is None):
        reading.problems.append("web_tls_cert and web_tls_key belong together, and only one of them is set")
    if values["webhook_secret"] is None and any(each.webhook for each in values["report_schedule"]):
        reading.problems.append(
            f"report_schedule has a webhook ({reading.origins['report_schedule']}), and webhook_secret, which signs"
            " what is sent there, is not set"
        )
    if values["webhook_secret"] is None and values["publish_webhook"] is not None:
        reading.problems.append(
            f"publish_webhook is set ({reading.origins['publish_webhook']}), and webhook_secret, which signs what is"
            " sent there, is not"
        )
    if values["role"] != "all" and values["database_url"].startswith("sqlite:"):
        reading.problems.append(
            f"role is '{values['role']}' ({reading.origins['role']}), which needs a database that several daemons "
            "share; set DATABASE_URL to a PostgreSQL one"
        )
    if reading.problems:
        raise ConfigurationError(reading.problems, hint="correct this, then see: queuectl config check")
    return Settings(**values)


def _warn_of_open_files(reading: Reading) -> None:
    for name in (*ADDRESSES, "web_auth"):
        value, file = reading.values.get(name), reading.files.get(name)
        if not value or file is None or (name in ADDRESSES and value == without_password(value)):
            continue
        if sources.readable_by_everybody(file):
            reading.warnings.append(
                f"{file} holds a password and every user of this machine may read it; run: chmod 600 {file}"
            )
