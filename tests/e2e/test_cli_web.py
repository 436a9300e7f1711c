"""``queuectl web`` and ``queuectl token``: passwords and tokens are shown once, and only their hashes are kept."""

from __future__ import annotations

import signal
import stat

from queuectl.errors import ExitCode
from queuectl.operations.web_password import matches
from tests.support.cli import CommandLine
from tests.support.guard import guard
from tests.support.ports import free_port


def everything(cli: CommandLine) -> bytes:
    """Return the content of all files of the home."""
    return b"".join(file.read_bytes() for file in cli.home.rglob("*") if file.is_file())


def test_a_password_is_shown_and_only_its_hash_is_kept(cli: CommandLine) -> None:
    password = cli("web", "password", "--user", "ann").ok().out.strip()
    file = cli.home / "web.password"
    user, _, secret = file.read_text().strip().partition(":")
    assert user == "ann"
    assert matches(password.encode(), secret)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert password.encode() not in everything(cli)
    again = cli("web", "password", "--json").ok().document
    assert again["user"] == "queuectl"
    assert not matches(password.encode(), file.read_text().partition(":")[2].strip())


def test_a_password_may_come_from_elsewhere(cli: CommandLine) -> None:
    result = cli("web", "password", "--stdin", given="correct horse 电池\n").ok()
    assert "horse" not in result.out + result.err
    assert matches(
        "correct horse 电池".encode(), (cli.home / "web.password").read_text().strip().partition(":")[2]
    )
    cli("web", "password", "--stdin", given="short\n").error(ExitCode.USAGE)
    for verb in ("password", "hash"):
        for words, given in ((("--user", "a:b"), "correct horse"), (("--user", ""), "correct horse"),
                             (("--user", "ann"), "x" * 1_025)):  # fmt: skip
            cli("web", verb, *words, "--stdin", given=f"{given}\n").error(ExitCode.USAGE)
    assert [file.name for file in cli.home.glob("web.password*")] == ["web.password"]


def test_a_hash_can_be_put_into_the_settings_which_then_win(cli: CommandLine) -> None:
    line = cli("web", "hash", "--user", "ann", "--stdin", given="correct horse\n").ok().out.strip()
    assert line.startswith("ann:scrypt$")
    cli.configure(f'web_auth = "{line}"\n')
    assert "web_auth is set" in cli("web", "password").error(ExitCode.USAGE)
    shown = cli("config", "show", "--json").ok()
    assert shown.document["settings"]["web_auth"] == "ann:***"
    assert "scrypt" not in shown.out


def test_no_password_of_the_settings_is_ever_repeated(cli: CommandLine) -> None:
    cli.variables["QUEUECTL_WEB_AUTH"] = "canary-without-a-colon"
    result = cli("config", "check")
    assert result.code == ExitCode.BAD_CONFIGURATION
    assert "canary" not in result.err + result.out
    cli.variables["QUEUECTL_WEB_AUTH"] = "ann:canary-password"
    for words in (
        ["config", "show"],
        ["config", "show", "--json"],
        ["doctor"],
        ["config", "check", "--debug"],
    ):
        result = cli(*words)
        assert "canary" not in result.err + result.out, words


def test_a_token_is_shown_once_and_revoked(cli: CommandLine) -> None:
    made = cli("token", "create", "publisher", "--role", "operate", "--days", "30", "--json").ok().document
    assert (made["name"], made["role"]) == ("publisher", "operate")
    assert made["expires_at"] > made["created_at"]
    secret = made["token"].split("_", 2)[2]
    assert len(secret) >= 40
    assert secret.encode() not in everything(cli)
    assert "there is a token" in cli("token", "create", "publisher").error(ExitCode.REFUSED)
    cli("token", "create", "x", "--role", "root").error(ExitCode.USAGE)
    listed = cli("token", "list", "--json").ok()
    assert "token" not in listed.document["tokens"][0]
    assert secret not in cli("token", "list").ok().out
    cli("token", "revoke", "publisher").ok()
    cli("token", "revoke", "publisher").error(ExitCode.NOT_FOUND)
    assert cli("token", "create", "publisher", "-q").ok().out.startswith("queuectl_")
    verbs = [each["verb"] for each in cli("audit", "list", "--json").ok().document["operations"]]
    assert verbs == ["token create", "token revoke", "token create"]


def test_starting_the_daemon_says_where_its_page_is_and_the_first_password_once(cli: CommandLine) -> None:
    port = free_port()
    cli.variables["QUEUECTL_WEB_PORT"] = str(port)
    started = cli("daemon", "start").ok()
    guard.watch(int(cli("daemon", "status", "-q").ok().out), signal.SIGTERM)
    try:
        assert f"the web page is at http://localhost:{port}/" in started.err
        assert started.err.count("password") == 2  # the sentence names the command for another one
        again = cli("daemon", "restart").ok()
        assert "asks for user" not in again.err
        assert again.err.count("the web page is at") == 1
        assert f"http://localhost:{port}/" in again.err
        looked = {each["name"]: each for each in cli("doctor", "--json").document["checks"]}
        assert looked["web page"]["detail"] == f"answers at 127.0.0.1:{port}"
    finally:
        cli.stop_daemon()
