"""Units for systemd: written, judged by systemd itself, removed, and never in the place of somebody else's."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from queuectl.errors import ExitCode
from queuectl.operations.local_daemon import local_daemon
from queuectl.samples.site import SampleSite
from tests.support import hardened
from tests.support.cli import CommandLine
from tests.support.processes import end, start_server
from tests.support.waiting import wait_until

EXPOSURE = 15
"""Tenths; systemd's judgement of a service, from 0 to 100. A service without any hardening has 96."""

SERVICES = ("queuectl.service", "queuectl@.service", "queuectl-backup.service", "queuectl-cleanup.service")
TIMERS = ("queuectl-backup.timer", "queuectl-cleanup.timer")


def judged(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ
        | {"XDG_RUNTIME_DIR": tempfile.gettempdir()},  # without one it knows of no persons' units
    )


@pytest.fixture
def units(cli: CommandLine, tmp_path: Path) -> Path:
    """Give a folder with the system's units."""
    cli.variables["QUEUECTL_HOME"] = ""
    cli("systemd", "install", "--system", "--root", tmp_path).ok()
    return tmp_path / "etc/systemd/system"


@pytest.mark.parametrize("name", [*SERVICES, *TIMERS])
def test_systemd_finds_no_fault_with_a_unit(units: Path, name: str) -> None:
    found = judged("verify", "--man=no", units / name)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_little_is_left_open_to_a_service(units: Path, name: str) -> None:
    found = judged("security", "--offline=true", f"--threshold={EXPOSURE}", units / name)
    assert found.returncode == 0, found.stdout
    exposure = re.search(r"Overall exposure level for \S+: (\S+)", found.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE / 10


def test_a_bare_service_would_be_judged_harshly(tmp_path: Path) -> None:
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    assert judged("security", "--offline=true", f"--threshold={EXPOSURE}", bare).returncode != 0


def test_units_are_written_once_and_say_what_to_type_next(cli: CommandLine) -> None:
    written = cli("systemd", "install", "--user", "--json").ok().document
    folder = cli.home / "config/systemd/user"
    assert {Path(each["path"]).name for each in written["files"]} == {*SERVICES, *TIMERS}
    assert {each["deed"] for each in written["files"]} == {"written"}
    assert written["next"][0] == "systemctl --user daemon-reload"
    unit = (folder / "queuectl.service").read_text()
    assert f"ExecStart={sys.executable} -P -m queuectl_daemon --home {cli.home}\n" in unit
    assert "\nUser=" not in unit
    assert f"--home {cli.home}-%i --role worker\n" in (folder / "queuectl@.service").read_text()
    assert (folder / "queuectl.service").stat().st_mode & 0o777 == 0o644
    again = cli("systemd", "install", "--user")
    assert "queuectl.service is unchanged" in again.ok().err
    assert "  systemctl --user enable --now queuectl.service" in again.err
    for name in (*SERVICES, *TIMERS):
        found = judged("verify", "--user", "--man=no", folder / name)
        assert (found.returncode, found.stderr) == (0, ""), name


def test_a_changed_unit_of_ours_is_replaced_and_a_configuration_is_named(cli: CommandLine) -> None:
    cli("systemd", "install", "--user").ok()
    config = cli.home / 'a "strange" 100% file.toml'
    config.write_text("workers = 2\n")
    changed = cli("systemd", "install", "--user", "--config", config, "--json").ok().document
    deeds = {Path(each["path"]).name: each["deed"] for each in changed["files"]}
    assert (deeds["queuectl.service"], deeds["queuectl-backup.timer"]) == ("replaced", "unchanged")
    unit = cli.home / "config/systemd/user/queuectl.service"
    assert '--config "' in unit.read_text()
    assert '\\"strange\\" 100%% file.toml"\n' in unit.read_text()
    assert judged("verify", "--user", "--man=no", unit).stderr == ""


def test_a_unit_of_somebody_else_is_never_touched(cli: CommandLine) -> None:
    folder = cli.home / "config/systemd/user"
    folder.mkdir(parents=True)
    (folder / "queuectl-backup.timer").write_text("[Timer]\nOnCalendar=daily\n")
    refused = cli("systemd", "install", "--user").error(ExitCode.REFUSED)
    assert "queuectl-backup.timer is there already and was not written by queuectl" in refused
    assert [each.name for each in folder.iterdir()] == ["queuectl-backup.timer"]
    (folder / "queuectl-backup.timer").unlink()
    (folder / "queuectl.service").symlink_to(cli.home / "elsewhere")
    assert "was not written by queuectl" in cli("systemd", "install", "--user").error(ExitCode.REFUSED)
    (folder / "queuectl.service").unlink()
    cli("systemd", "install", "--user").ok()
    (folder / "queuectl-cleanup.timer").write_text("[Timer]\nOnCalendar=daily\n")
    removed = cli("systemd", "uninstall", "--user", "--json").ok().document
    assert len(removed["files"]) == len(SERVICES) + len(TIMERS) - 1
    assert [each.name for each in folder.iterdir()] == ["queuectl-cleanup.timer"]


def test_what_is_enabled_is_not_removed(cli: CommandLine) -> None:
    cli("systemd", "install", "--user").ok()
    folder = cli.home / "config/systemd/user"
    wants = folder / "default.target.wants"
    wants.mkdir()
    (wants / "queuectl.service").symlink_to(folder / "queuectl.service")
    refused = cli("systemd", "uninstall", "--user").error(ExitCode.REFUSED)
    assert "systemctl --user disable --now queuectl.service" in refused
    assert (folder / "queuectl.service").exists()
    (wants / "queuectl.service").unlink()
    cli("systemd", "uninstall", "--user").ok()
    assert list(folder.glob("queuectl*")) == []
    assert "there is nothing to remove" in cli("systemd", "uninstall", "--user").ok().err


def test_a_dry_run_shows_everything_and_changes_nothing(cli: CommandLine, tmp_path: Path) -> None:
    cli.variables["QUEUECTL_HOME"] = ""
    shown = cli("systemd", "install", "--system", "--root", tmp_path, "--dry-run").ok()
    assert "    MemoryDenyWriteExecute=yes\n" in shown.out
    assert "queuectl.service would be written" in shown.err
    assert list(tmp_path.iterdir()) == []
    cli("systemd", "install", "--system", "--root", tmp_path).ok()
    assert (tmp_path / "etc/sysusers.d/queuectl.conf").exists()
    assert "would be removed" in cli("systemd", "uninstall", "--system", "--root", tmp_path, "--dry-run").err
    assert (tmp_path / "etc/systemd/system/queuectl.service").exists()
    cli("systemd", "uninstall", "--system", "--root", tmp_path).ok()
    assert not (tmp_path / "etc/sysusers.d/queuectl.conf").exists()


def test_what_cannot_be_meant_is_refused(cli: CommandLine, tmp_path: Path) -> None:
    assert "--system" in cli("systemd", "install").error(ExitCode.USAGE)
    assert "--system" in cli("systemd", "install", "--user", "--system").error(ExitCode.USAGE)
    assert "--root" in cli("systemd", "uninstall", "--user", "--root", tmp_path).error(ExitCode.USAGE)
    words = ("systemd", "install", "--system", "--root", tmp_path)
    assert "/var/lib/queuectl" in cli(*words, "--home", tmp_path / "home").error(ExitCode.USAGE)
    (tmp_path / "etc").touch()
    assert "cannot be written" in cli(*words).error(ExitCode.UNREACHABLE)


def test_a_daemon_works_within_what_its_unit_allows(cli: CommandLine, units: Path) -> None:
    cli.variables["QUEUECTL_HOME"] = str(cli.home)
    cli.configure(
        'web_port = 0\nfetch_allow_networks = ["127.0.0.0/8"]\n'
        '[handlers.echo]\ncommand = ["/bin/echo", "--", "{url}"]\n'
        '[handlers.small]\ncallable = "tests.support.sample_handlers:echo"\nmemory_limit = 256\n'
    )
    words = [sys.executable, "-m", "queuectl_daemon", "--home", str(cli.home)]
    confined: list[str | Path] = [sys.executable, str(hardened.__file__), units / "queuectl.service", *words]
    process = start_server(confined, folder=cli.home)
    wait_until(lambda: local_daemon(cli.home), within=60, describing="the daemon to be ready")
    status = Path(f"/proc/{process.pid}/status").read_text()
    assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
    with SampleSite() as site:
        page = f"{site.address}/articles/rain-gauge.html"
        for handler in ("article", "echo", "small"):
            cli("submit", page, "--handler", handler, "--wait", "--max-retries", "0", within=90).ok()
    end(process, signal.SIGTERM)


def test_the_confinement_is_one(tmp_path: Path) -> None:
    unit = tmp_path / "some.service"
    unit.write_text("[Service]\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources\n")
    words = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)"
    tried = subprocess.run(
        [sys.executable, hardened.__file__, str(unit), sys.executable, "-c", words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert tried.returncode == 1
    assert "PermissionError" in tried.stderr
