"""Where settings come from, which source wins, and how mistakes in them are reported."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from queuectl.errors import ConfigurationError, ExitCode
from queuectl.settings import HandlerSettings, Loaded, QueueSettings, Settings, load, shown, without_password
from queuectl.settings.rules import HANDLER_RULES, QUEUE_RULES, RULES, TABLES
from queuectl.settings.secret_files import SECRETS
from queuectl.settings.sources import PLAIN_VARIABLES

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where no .env lies about."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give an empty home."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def from_toml(home: Path, text: str, **variables: str) -> Loaded:
    (home / "queuectl.toml").write_text(text, encoding="utf-8")
    return load(home=home, environ=variables)


def problems_of(home: Path, text: str = "", **variables: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        from_toml(home, text, **variables)
    assert caught.value.exit_code is ExitCode.BAD_CONFIGURATION
    return caught.value.problems


# Order of the sources.


def test_without_any_source_the_defaults_hold(place: Path) -> None:
    loaded = load(home=place, environ={})
    assert loaded.settings == Settings(home=place, database_url=f"sqlite:///{place}/queuectl.db")
    assert loaded.origins["workers"] == "default"
    assert loaded.origins["home"] == "command line"
    assert loaded.warnings == []


def test_each_later_source_wins_over_the_earlier_ones(place: Path) -> None:
    (place / ".env").write_text("QUEUECTL_MAX_RETRIES=3\nQUEUECTL_GRACE_PERIOD=3\nQUEUECTL_WORKERS=3\n")
    (place / "queuectl.toml").write_text("task_timeout=2\nmax_retries=2\ngrace_period=2\nworkers=2\n")
    environ = {"QUEUECTL_GRACE_PERIOD": "4", "QUEUECTL_WORKERS": "4"}
    loaded = load(home=place, environ=environ, overrides={"workers": 5, "timezone": None})
    found = loaded.settings
    assert (found.task_timeout, found.max_retries, found.grace_period, found.workers) == (2, 3, 4, 5)
    assert loaded.origins["task_timeout"] == str(place / "queuectl.toml")
    assert loaded.origins["max_retries"] == f"QUEUECTL_MAX_RETRIES in {place / '.env'}"
    assert loaded.origins["grace_period"] == "QUEUECTL_GRACE_PERIOD in the environment"
    assert loaded.origins["workers"] == "command line"


def test_the_homes_own_env_file_wins_over_that_of_the_working_directory(place: Path) -> None:
    Path(".env").write_text("DATABASE_URL=postgresql://other/project\nQUEUECTL_WORKERS=2\n")
    (place / ".env").write_text("DATABASE_URL=postgresql://ours/queue\n")
    found = load(home=place, environ={}).settings
    assert found.database_url == "postgresql://ours/queue"
    assert found.workers == 2


def test_an_env_file_may_quote_comment_and_export(place: Path) -> None:
    (place / ".env").write_text(
        "# a comment\nexport QUEUECTL_WORKERS = 3 # three\nQUEUECTL_TIMEZONE='Asia/Shanghai'\n"
        'QUEUECTL_REDIS_NAMESPACE="a.b" # quoted\nREDIS_PASSWORD=\nOTHER=1\nnonsense\n'
    )
    loaded = load(home=place, environ={})
    assert loaded.settings.workers == 3
    assert loaded.settings.timezone == "Asia/Shanghai"
    assert loaded.settings.redis_namespace == "a.b"
    assert loaded.warnings == []


def test_an_empty_variable_counts_as_absent(place: Path) -> None:
    found = load(home=place, environ={"DATABASE_URL": "", "QUEUECTL_WORKERS": " ", "REDIS_URL": ""}).settings
    assert found.database_url.startswith("sqlite:///")
    assert found.redis_url is None


# The home and the file.


def test_the_home_is_found_in_the_documented_order(tmp_path: Path) -> None:
    environ = {
        "QUEUECTL_HOME": str(tmp_path / "variable"),
        "STATE_DIRECTORY": f"{tmp_path}/state:{tmp_path}/second",
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    assert load(home=tmp_path / "option", environ=environ).settings.home == tmp_path / "option"
    assert load(environ=environ).settings.home == tmp_path / "variable"
    del environ["QUEUECTL_HOME"]
    assert load(environ=environ).settings.home == tmp_path / "state"
    del environ["STATE_DIRECTORY"]
    assert load(environ=environ).settings.home == tmp_path / "data" / "queuectl"


def test_a_relative_home_is_made_absolute() -> None:
    assert load(home=Path("here"), environ={}).settings.home == Path.cwd() / "here"


def test_a_file_may_name_the_home_where_nothing_else_does(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('home = "kept"\n')
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / ".env").write_text("QUEUECTL_WORKERS=3\n")
    loaded = load(config=file, environ={})
    assert loaded.settings.home == tmp_path / "kept"
    assert loaded.settings.workers == 3
    assert load(home=tmp_path, config=file, environ={}).settings.home == tmp_path


def test_the_first_configuration_file_that_exists_is_read(tmp_path: Path, place: Path) -> None:
    config_home = tmp_path / "config"
    (config_home / "queuectl").mkdir(parents=True)
    (config_home / "queuectl" / "queuectl.toml").write_text("workers = 2")
    environ = {"XDG_CONFIG_HOME": str(config_home)}
    assert load(home=place, environ=environ).settings.workers == 2
    (place / "queuectl.toml").write_text("workers = 3")
    assert load(home=place, environ=environ).settings.workers == 3
    (tmp_path / "v.toml").write_text("workers = 4")
    environ["QUEUECTL_CONFIG"] = str(tmp_path / "v.toml")
    assert load(home=place, environ=environ).settings.workers == 4
    (tmp_path / "o.toml").write_text("workers = 5")
    loaded = load(home=place, config=tmp_path / "o.toml", environ=environ)
    assert (loaded.settings.workers, loaded.file) == (5, tmp_path / "o.toml")


def test_without_a_file_the_places_looked_at_are_known(place: Path) -> None:
    loaded = load(home=place, environ={})
    assert loaded.file is None
    assert loaded.looked_at[0] == place / "queuectl.toml"


# Values.


def test_a_relative_database_file_lies_below_the_home(place: Path) -> None:
    found = load(home=place, environ={"DATABASE_URL": "sqlite:///data/q.db"}).settings
    assert found.database_url == f"sqlite:///{place}/data/q.db"


def test_redis_may_be_given_in_parts(place: Path) -> None:
    environ = {"REDIS_HOST": "cache", "REDIS_PORT": "7000", "REDIS_PASSWORD": "a b@/"}
    found = load(home=place, environ=environ)
    assert found.settings.redis_url == "redis://:a%20b%40%2F@cache:7000/0"
    assert load(home=place, environ={"REDIS_HOST": "::1"}).settings.redis_url == "redis://[::1]:6379/0"


def test_a_redis_address_wins_over_parts_of_the_same_source_only(place: Path) -> None:
    both = {"REDIS_URL": "redis://whole/1", "REDIS_HOST": "parts"}
    assert load(home=place, environ=both).settings.redis_url == "redis://whole/1"
    (place / ".env").write_text("REDIS_URL=redis://whole/1\n")
    assert load(home=place, environ={"REDIS_HOST": "parts"}).settings.redis_url == "redis://parts:6379/0"


def test_a_port_without_a_host_is_ignored_with_a_warning(place: Path) -> None:
    loaded = load(home=place, environ={"REDIS_PORT": "tcp://10.0.0.1:6379"})
    assert loaded.settings.redis_url is None
    assert "REDIS_PORT" in loaded.warnings[0]


def test_networks_are_read_from_a_list_or_from_commas(place: Path) -> None:
    loaded = from_toml(place, 'fetch_allow_networks = ["10.0.0.1/8", "::1"]')
    assert loaded.settings.fetch_allow_networks == ("10.0.0.0/8", "::1/128")
    found = load(home=place, environ={"QUEUECTL_FETCH_ALLOW_NETWORKS": "127.0.0.0/8, ::1/128,"}).settings
    assert found.fetch_allow_networks == ("127.0.0.0/8", "::1/128")


def test_queues_and_handlers_are_read_from_tables(place: Path) -> None:
    loaded = from_toml(
        place,
        "[queues.low]\nmax_retries = 1\n[queues.urgent_priority]\ntask_timeout = 5\n"
        '[handlers.mine]\ncallable = "my.module:run"\nisolation = "thread"\ntimeout = 60\n'
        '[handlers.shell]\ncommand = ["prog", "--", "{url}"]\nmemory_limit = 64\n'
        "[handlers.article]\nmax_retries = 9\n",
    )
    assert loaded.settings.queues == {
        "low_priority": QueueSettings(max_retries=1),
        "urgent_priority": QueueSettings(task_timeout=5.0),
    }
    assert loaded.settings.handlers == {
        "mine": HandlerSettings(callable="my.module:run", isolation="thread", timeout=60.0),
        "shell": HandlerSettings(command=("prog", "--", "{url}"), memory_limit=64),
        "article": HandlerSettings(max_retries=9),
    }
    assert loaded.origins["queues.low_priority.max_retries"] == str(place / "queuectl.toml")


# Mistakes.

MISTAKES = [
    ("workers = 0", "workers is 0", "from 1 to 512"),
    ("workers = true", "workers is True", "a whole number"),
    ("workers = 8.0", "workers is 8.0", "a whole number"),
    ('workers = "8"', "workers is '8'", "a whole number"),
    ("grace_period = -1", "grace_period is -1", "seconds from 0"),
    ("grace_period = nan", "grace_period is nan", "a number of seconds"),
    ("task_timeout = inf", "task_timeout is inf", "a number of seconds"),
    ("retry_backoff = false", "retry_backoff is False", "a number of seconds"),
    ("max_retries = 1_000_000", "max_retries is 1000000", "from 0 to 1000"),
    ('timezone = "Mars/Phobos"', "timezone is 'Mars/Phobos'", "Asia/Shanghai"),
    ('timezone = "../etc/passwd"', "timezone is", "a time zone"),
    ('log_level = "loud"', "log_level is 'loud'", "one of debug, info"),
    ('log_format = "xml"', "log_format is 'xml'", "plain, json"),
    ('fetch_allow_networks = ["10.0.0.0/99"]', "fetch_allow_networks", "127.0.0.0/8"),
    ('fetch_allow_networks = "10.0.0.0/8"', "fetch_allow_networks", "networks"),
    ('database_url = "mysql://a/b"', "database_url", "postgresql://"),
    ('database_url = "sqlite:///:memory:"', "database_url", "sqlite:///file"),
    ('database_url = "postgresql://h:99999/b"', "database_url", "postgresql://"),
    ('redis_url = "http://a"', "redis_url", "redis://"),
    ('redis_namespace = "a b"', "redis_namespace is 'a b'", "letters"),
    ("retry_backoff = 10\nretry_backoff_max = 5", "retry_backoff_max is 5", "not below retry_backoff"),
    ("worker = 8", "'worker'", "did you mean workers?"),
    ("[queues.hihg]\nmax_retries=1", "no queue 'hihg'", "did you mean high?"),
    ("[queues.high]\nmax_retry=1", "'queues.high_priority.max_retry'", "did you mean max_retries?"),
    ("[queues.high]\n[queues.high_priority]", "queues.high_priority", "twice"),
    ("queues = 3", "queues", "[queues.NAME]"),
    ("[handlers.x]\ntimeout = 5", "handlers.x", "exactly one of callable and command"),
    ('[handlers.x]\ncallable="a:b"\ncommand=["c"]', "handlers.x", "exactly one of callable and command"),
    ('[handlers.x]\ncallable="not a path"', "handlers.x.callable", "package.module:function"),
    ('[handlers.x]\ncommand="rm -rf"', "handlers.x.command", "a list"),
    ("[handlers.x]\ncommand=[]", "handlers.x.command", "a list"),
    ('[handlers.x]\ncallable="a:b"\nisolation="gevent"', "handlers.x.isolation", "process, thread, async"),
    ('[handlers.x]\ncommand=["c"]\nisolation="async"', "handlers.x.isolation", "an async def function"),
    ('[handlers.article]\nisolation="async"', "handlers.article.isolation", "an async def function"),
    ("workers_process = 0", "workers_process is 0", "from 1 to 512"),
    ('[handlers.article]\ncommand=["x"]', "handlers.article", "built in"),
    ('[handlers."a b"]\ncommand=["x"]', "'a b'", "letters"),
    ("workers = ", "not valid TOML", "Invalid value"),
]


@pytest.mark.parametrize(("text", "named", "accepted"), MISTAKES, ids=[text for text, _, _ in MISTAKES])
def test_a_mistake_names_the_setting_its_file_and_what_is_accepted(
    place: Path, text: str, named: str, accepted: str
) -> None:
    (problem,) = problems_of(place, text)
    assert named in problem
    assert accepted in problem
    assert str(place / "queuectl.toml") in problem


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("QUEUECTL_WORKERS", "eight"),
        ("QUEUECTL_WORKERS", "9" * 5000),
        ("QUEUECTL_GRACE_PERIOD", "1e999"),
        ("QUEUECTL_TIMEZONE", "Nowhere"),
        ("DATABASE_URL", "hello"),
        ("REDIS_URL", "redis://[::1"),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(place: Path, variable: str, value: str) -> None:
    (problem,) = problems_of(place, **{variable: value})
    assert f"{variable} in the environment" in problem
    assert len(problem) < 300


def test_all_mistakes_are_reported_together(place: Path) -> None:
    found = problems_of(
        place, 'workers = "x"\ntimezon = "UTC"\n', QUEUECTL_LOG_LEVEL="loud", REDIS_HOST="h", REDIS_PORT="0"
    )
    assert len(found) == 4
    assert {re.split(r"[ ']", each.lstrip("'"))[0] for each in found} == {
        "workers",
        "timezon",
        "log_level",
        "REDIS_PORT",
    }


def test_a_missing_file_that_was_asked_for_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no configuration file"):
        load(config=tmp_path / "none.toml", environ={})


def test_a_file_that_cannot_be_read_as_text_is_a_mistake(place: Path) -> None:
    (place / "queuectl.toml").write_bytes(b"timezone = '\xb5\xc4'")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load(home=place, environ={})


def test_an_unknown_variable_is_a_warning_with_the_nearest_name(place: Path) -> None:
    loaded = load(home=place, environ={"QUEUECTL_WORKER": "3", "QUEUECTL_DATABASE_URL": "sqlite:///x"})
    assert len(loaded.warnings) == 2
    assert "did you mean DATABASE_URL?" in loaded.warnings[0]
    assert "did you mean QUEUECTL_WORKERS?" in loaded.warnings[1]


# Secrets.


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("postgresql://me:canary@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://host/db?user=a&password=canary", "postgresql://host/db?***"),
        ("redis://:canary@host:6379/0", "redis://:***@host:6379/0"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:canary@[broken", "redis://***"),
        ("canary@host", "***"),
        ("sqlite:////a/b:c@d.db", "sqlite:////a/b:c@d.db"),
    ],
)
def test_a_shown_address_has_no_password(url: str, hidden: str) -> None:
    assert without_password(url) == hidden


def test_no_password_is_in_what_is_shown_or_represented(place: Path) -> None:
    environ = {"DATABASE_URL": "postgresql://me:canary@h/d", "REDIS_HOST": "r", "REDIS_PASSWORD": "canary"}
    loaded = load(home=place, environ=environ)
    assert "canary" in loaded.settings.database_url
    assert "canary" not in repr(loaded) + str(shown(loaded.settings))


def test_no_password_is_in_the_report_of_a_mistake(place: Path) -> None:
    found = problems_of(
        place,
        DATABASE_URL="postgres//me:canary@h/d",
        REDIS_URL="redis://:canary@h:port/0",
        QUEUECTL_WORKERS="0",
    )
    assert len(found) == 3
    assert "canary" not in " ".join(found)


def test_a_password_in_a_file_that_everybody_may_read_is_a_warning(place: Path) -> None:
    file = place / ".env"
    file.write_text("DATABASE_URL=postgresql://me:secret@h/d\n")
    file.chmod(0o644)
    assert "chmod 600" in load(home=place, environ={}).warnings[0]
    file.chmod(0o600)
    assert load(home=place, environ={}).warnings == []


# The examples.


def uncommented(text: str) -> str:
    """Return an example with the "#" of every line that is a setting removed."""
    return "\n".join(
        line[2:] if re.match(r"# ([a-z_]+ = |\[\w+\.\w+\])", line) else line for line in text.splitlines()
    )


def test_the_example_names_every_setting_with_its_default() -> None:
    text = (CONFIG / "queuectl.example.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text) == {}, "as it is, the example changes nothing"
    found = tomllib.loads(uncommented(text.replace("# callable", "#: callable")))
    assert list(found) == [*RULES, *TABLES]
    defaults: dict[str, Any] = {each.name: each.default for each in fields(Settings)}
    for name in RULES:
        if name in {"home", "database_url", "redis_url"} or defaults[name] is None:
            continue  # these have no fixed default
        expected = list(defaults[name]) if isinstance(defaults[name], tuple) else defaults[name]
        assert found[name] == expected, name
    assert set(found["queues"]["low"]) == set(QUEUE_RULES)
    assert set(found["handlers"]["thumbnail"]) | {"callable"} == set(HANDLER_RULES)


def test_the_example_can_be_loaded_with_everything_in_it(place: Path) -> None:
    text = (CONFIG / "queuectl.example.toml").read_text(encoding="utf-8")
    loaded = from_toml(place, uncommented(text.replace("# callable", "#: callable")))
    assert loaded.settings.queues["low_priority"].memory_limit == 512
    assert loaded.settings.handlers["thumbnail"].command is not None


def test_each_setting_of_the_example_has_a_sentence_before_it() -> None:
    lines = (CONFIG / "queuectl.example.toml").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if re.match(r"# \w+ = ", line) and "[" not in lines[number - 1] and lines[number - 1].strip():
            assert re.fullmatch(r"# (.*\.|\w+ = .*)", lines[number - 1]), line


def test_the_example_of_the_environment_names_every_variable(place: Path) -> None:
    text = (CONFIG / ".env.example").read_text(encoding="utf-8")
    named = re.findall(r"(?m)^# ([A-Z_]+)=", text)
    own = [f"QUEUECTL_{name.upper()}" for name in RULES if name not in {"database_url", "redis_url"}]
    in_files = [f"{secret}_FILE" for secret in SECRETS]
    assert sorted(named) == sorted([*own, *PLAIN_VARIABLES, *in_files, "QUEUECTL_CONFIG"])
    values = {
        name: value
        for name, value in re.findall(r"(?m)^# ([A-Z_]+)=(.+)$", text)
        if name not in {"QUEUECTL_HOME", "QUEUECTL_CONFIG", "REDIS_HOST", *in_files}
    }
    (place / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    (place / ".env").chmod(0o600)
    assert load(home=place, environ={"REDIS_HOST": "localhost"}).warnings == []


def test_every_setting_has_a_rule() -> None:
    assert {each.name for each in fields(Settings)} == {*RULES, *TABLES}
    assert {each.name for each in fields(QueueSettings)} == set(QUEUE_RULES)
    assert {each.name for each in fields(HandlerSettings)} == set(HANDLER_RULES)
