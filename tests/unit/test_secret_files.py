"""Secrets in files of their own: named by variables, or handed over by systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from queuectl.errors import ConfigurationError
from queuectl.settings import Loaded, load

ADDRESS = "postgresql://user:secret@db.example/queue"


def read(home: Path, **environ: str) -> Loaded:
    return load(home=home, environ=environ)


def kept(home: Path, name: str, text: str, mode: int = 0o600) -> str:
    file = home / name
    file.write_text(text)
    file.chmod(mode)
    return str(file)


def test_a_variable_may_name_a_file_that_has_the_value(home: Path) -> None:
    database = kept(home, "database", f"{ADDRESS}\n")
    password = kept(home, "password", "p@ss/word\n")
    loaded = read(home, DATABASE_URL_FILE=database, REDIS_HOST="r.example", REDIS_PASSWORD_FILE=password)
    assert loaded.settings.database_url == ADDRESS
    assert loaded.settings.redis_url == "redis://:p%40ss%2Fword@r.example:6379/0"
    assert loaded.origins["database_url"] == "DATABASE_URL_FILE in the environment"
    assert loaded.warnings == []


def test_systemd_credentials_win_over_variables(home: Path) -> None:
    folder = home / "credentials"
    folder.mkdir()
    kept(folder, "database_url", ADDRESS)
    kept(folder, "redis_url", "rediss://r.example/0\n")
    kept(folder, "something_else", "unused")
    loaded = read(home, CREDENTIALS_DIRECTORY=str(folder), DATABASE_URL="sqlite:///other.db")
    assert loaded.settings.database_url == ADDRESS
    assert loaded.settings.redis_url == "rediss://r.example/0"
    assert loaded.origins["database_url"] == "the credential database_url"


def test_the_environment_wins_over_what_an_env_file_says_of_files(home: Path) -> None:
    kept(home, ".env", f"DATABASE_URL_FILE={kept(home, 'database', ADDRESS)}\n")
    assert read(home).settings.database_url == ADDRESS
    assert read(home, DATABASE_URL="sqlite:////x.db").settings.database_url == "sqlite:////x.db"
    kept(home, ".env", "DATABASE_URL=sqlite:////y.db\n")
    other = kept(home, "other", "sqlite:////z.db")
    assert read(home, DATABASE_URL_FILE=other).settings.database_url == "sqlite:////z.db"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read: No such file"), ("", "is empty"), ("  \n", "is empty")]
)
def test_a_file_without_a_secret_is_a_mistake(home: Path, content: str | None, said: str) -> None:
    file = str(home / "missing") if content is None else kept(home, "file", content)
    with pytest.raises(ConfigurationError) as caught:
        read(home, REDIS_URL_FILE=file)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{file} (REDIS_URL_FILE in the environment) ")
    assert said in problem


def test_a_value_and_a_file_for_it_contradict_each_other(home: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(home, DATABASE_URL=ADDRESS, DATABASE_URL_FILE=kept(home, "database", ADDRESS))
    (problem,) = caught.value.problems
    assert "keep one of them" in problem
    assert "secret" not in problem


def test_a_file_that_everybody_may_read_is_worth_a_warning(home: Path) -> None:
    file = kept(home, "database", ADDRESS, 0o644)
    (warning,) = read(home, DATABASE_URL_FILE=file).warnings
    assert warning.endswith(f"run: chmod 600 {file}")


def test_a_mistake_in_a_secret_is_told_without_the_secret(home: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(home, DATABASE_URL_FILE=kept(home, "database", "mysql://user:secret@db"))
    assert "secret" not in caught.value.message
