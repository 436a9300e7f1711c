"""Contracts that keep the house in order: they read the files of the repository, and nothing else."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LONGEST = 350  # lines of a file in the packages; a longer one holds two things

# The parts are put together here, so that this file does not find itself.
_ABSOLUTE = re.compile(
    r"(?<![\w.~}>*/-])/(?:" + "|".join(["root", r"home/\w+", r"Users/\w+", "work"]) + r")/"
)
_REGISTRY = re.compile(r"\b(?:py" + r"pi\.org|python" + r"hosted\.org|npm" + r"js\.(?:com|org))\b")


def sources(*folders: str) -> list[Path]:
    """Return the Python files below the named folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tracked() -> list[Path]:
    """Return the files that git knows, or all where there is no checkout; what else lies about is nobody's business."""
    if not (ROOT / ".git").exists():
        return [path for path in sources("queuectl", "daemon", "tests") if path.is_file()]
    # The checkout may belong to another user than the one who runs the tests.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def named(paths: list[Path]) -> list[str]:
    """Return paths as they are named in the repository."""
    return [path.relative_to(ROOT).as_posix() for path in paths]


def test_no_file_of_the_packages_is_too_long() -> None:
    long = [path for path in sources("queuectl", "daemon") if len(path.read_text().splitlines()) > LONGEST]
    assert named(long) == []


def test_every_file_says_what_it_is_for() -> None:
    silent = [
        path
        for path in sources("queuectl", "daemon", "tests")
        if (text := path.read_text()).strip() and not ast.get_docstring(ast.parse(text))
    ]
    assert named(silent) == []


def test_only_the_screens_know_rich() -> None:
    knowing = [
        path
        for path in sources("queuectl")
        if re.search(r"^\s*(from|import) rich\b", path.read_text(), re.MULTILINE)
    ]
    assert knowing
    assert [name for name in named(knowing) if not name.startswith("queuectl/cli/render/")] == []


def test_every_folder_of_tests_is_a_package() -> None:
    # Two test files of the same name in different folders could not both be collected otherwise.
    folders = {path.parent for path in sources("tests")}
    assert named([folder for folder in folders if not (folder / "__init__.py").is_file()]) == []


def test_nothing_sleeps_but_the_waiting_of_the_tests() -> None:
    allowed = [ROOT / "tests" / folder for folder in ("support", "bench")]
    sleepers = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources("queuectl", "daemon", "tests")
        if not any(path.is_relative_to(folder) for folder in allowed)
        for line in sleeps(path.read_text())
    ]
    assert sleepers == []


def sleeps(source: str) -> Iterator[int]:
    """Yield the lines that get hold of time.sleep."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr="sleep"):
                yield node.lineno
            case ast.ImportFrom(module="time", names=names) if any(each.name == "sleep" for each in names):
                yield node.lineno
            case _:
                pass


@pytest.mark.parametrize("source", ["import time\ntime.sleep(1)", "from time import sleep", "f(time.sleep)"])
def test_a_sleep_is_found(source: str) -> None:
    assert list(sleeps(source))


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    assert offending(_ABSOLUTE) == []


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert offending(_REGISTRY) == []


def offending(pattern: re.Pattern[str]) -> list[str]:
    """Return the places in the repository's files where a pattern is found."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {found[0]}"
        for path in tracked()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if (found := pattern.search(line))
    ]


def test_places_and_hosts_would_be_found() -> None:
    assert _ABSOLUTE.search("see /" + "root/notes")
    assert _ABSOLUTE.search('"/' + 'home/me/queuectl"')
    assert not _ABSOLUTE.search("https://example.com/" + "work/1 and ~/" + "work/2")
    assert _REGISTRY.search("https://files.python" + "hosted.org/packages")


@pytest.mark.parametrize("name", ["build", "lint", "lock", "runtime", "test"])
def test_every_pinned_package_has_a_version_and_hashes_and_no_address(name: str) -> None:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ").splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(
            r"[a-z0-9-]+==[^ ;]+( ; [^/]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", line.strip()
        ), line


@pytest.mark.parametrize("name", ["build", "lint", "lock", "runtime", "test"])
def test_the_pins_satisfy_the_project(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["project"]["dependencies"] if name == "runtime" else project["dependency-groups"][name]
    pinned = {
        canonicalize_name(found[1]): found[2]
        for found in re.finditer(
            r"(?m)^([a-z0-9-]+)==(\S+)", (ROOT / "requirements" / f"{name}.txt").read_text()
        )
    }
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not pinned in requirements/{name}.txt: make lock"
        assert requirement.specifier.contains(version), f"{requirement} against {version}: make lock"
