"""The wheel and the source archive as somebody else gets them: built, installed apart from this folder, and at work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def done(*words: str | Path, folder: Path, environ: Mapping[str, str] | None = None) -> str:
    """Run a program in a folder with an environment of its own, and return what it wrote."""
    kept = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    result = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=kept | dict(environ or {}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, f"{words}\n{result.stdout}\n{result.stderr}"
    return result.stdout


pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the unpacked source archive."""
    folder = tmp_path_factory.mktemp("source")
    done(Path(sys.executable).parent / "hatchling", "build", "-t", "sdist", "-d", folder, folder=ROOT)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (unpacked,) = [each for each in folder.iterdir() if each.is_dir()]
    return unpacked


@pytest.fixture(scope="module")
def installed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the programs of an environment in which the wheel, built from the source archive, is installed."""
    folder = tmp_path_factory.mktemp("installed")
    done(Path(sys.executable).parent / "hatchling", "build", "-t", "wheel", "-d", folder, folder=source)
    (wheel,) = folder.glob("*.whl")
    environment = folder / "venv"
    done(sys.executable, "-m", "venv", "--without-pip", environment, folder=folder)
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin/python")
    done(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, folder=folder)
    return environment / "bin"


@pytest.fixture
def libraries() -> dict[str, str]:
    """Give what lets an environment use this one's libraries: without this folder, which is there by a .pth file."""
    return {"PYTHONPATH": sysconfig.get_path("purelib")}


def test_the_archive_has_what_it_takes_to_build_test_and_run(source: Path) -> None:
    for name in (
        "LICENSE",
        "Makefile",
        "config/.env.example",
        "requirements/runtime.txt",
        "tests/conftest.py",
    ):
        assert (source / name).exists(), name
    assert (source / "systemd/queuectl.service").read_text() == (
        ROOT / "systemd/queuectl.service"
    ).read_text()


def test_it_works_where_this_folder_is_not(
    installed: Path, libraries: dict[str, str], tmp_path: Path
) -> None:
    where = "import queuectl, queuectl_daemon; print(queuectl.__file__, queuectl_daemon.__file__)"
    for file in done(installed / "python", "-P", "-c", where, folder=tmp_path, environ=libraries).split():
        assert Path(file).is_relative_to(installed.parent)
    shown = done(installed / "queuectl", "demo", "--json", folder=tmp_path, environ=libraries)
    assert json.loads(shown.splitlines()[-1])["version"] == 1
    assert str(ROOT) not in shown
    units = json.loads(
        done(
            installed / "queuectl",
            "systemd",
            "install",
            "--user",
            "--dry-run",
            "--json",
            folder=tmp_path,
            environ=libraries,
        )
    )
    assert f"ExecStart={installed}/python -P -m queuectl_daemon" in units["files"][0]["text"]
    for form in ("html", "json"):
        report = tmp_path / f"report.{form}"
        words = ("report", "daily", "--format", form, "--output", report)
        done(installed / "queuectl", *words, folder=tmp_path, environ=libraries)
        assert report.stat().st_size > 100
    assert done(installed / "queuectld", "--version", folder=tmp_path, environ=libraries).strip()
