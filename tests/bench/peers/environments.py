"""An environment for each tool, with pinned versions and nothing else in it, made once below build/."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers.contenders import QUEUECTL
from tests.bench.stage import ROOT

HERE = Path(__file__).parent
BUILT = ROOT / "build" / "peers"
NODE_PEER = "bullmq"
_PATIENCE = 300


class MissingEnvironmentError(Exception):
    """A tool cannot be set up here; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Environment:
    """How a tool's adapter is run, and which versions that means."""

    command: Sequence[str]
    versions: str


def environment(peer: str) -> Environment:
    """Make the environment of a tool, or find it made.

    Raises:
        MissingEnvironmentError: It could not be made.
    """
    if peer == QUEUECTL:
        return Environment([sys.executable, "-m", f"tests.bench.peers.adapters.{peer}"], "this checkout")
    return _of_node() if peer == NODE_PEER else _of_python(peer)


def pins(peer: str) -> dict[str, str]:
    """Return the versions that a tool's file of pinned packages names."""
    text = (HERE / f"{peer}.txt").read_text()
    return dict(re.findall(r"(?m)^([a-z0-9-]+)==([^\s;\\]+)", text))


def _of_python(peer: str) -> Environment:
    pinned = HERE / f"{peer}.txt"
    folder = _folder(peer, pinned)
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", folder], peer)
        install = ("-m", "pip", "install", "--quiet", "--require-virtualenv", "--require-hashes")
        _run([python, *install, "--requirement", pinned], peer)
        (folder / ".ready").touch()
    asked = re.findall(r"(?m)^[a-z0-9-]+", (HERE / f"{peer}.in").read_text())
    versions = ", ".join(f"{name} {pins(peer)[name]}" for name in asked)
    return Environment([str(python), "-m", f"tests.bench.peers.adapters.{peer}"], versions)


def _of_node() -> Environment:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise MissingEnvironmentError("needs node and npm on the PATH, and there is none")
    folder = _folder(NODE_PEER, HERE / "package.json")
    if not (folder / ".ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(HERE / "package.json", folder)
        quiet = ("--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
        _run([npm, "install", *quiet], NODE_PEER, folder)
        (folder / ".ready").touch()
    # Node looks for packages beside the file that asks for them.
    adapter = shutil.copy(HERE / "adapters" / "bullmq.mjs", folder)
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    asked = re.findall(r'"(bullmq|ioredis)": "([^"]+)"', (HERE / "package.json").read_text())
    versions = ", ".join([*(" ".join(pair) for pair in asked), f"Node {said.removeprefix('v')}"])
    return Environment([node, str(adapter)], versions)


def _folder(peer: str, pinned: Path) -> Path:
    """Return the folder for what is pinned and for this Python: with other versions it is another one."""
    key = hashlib.sha256(pinned.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return BUILT / f"{peer}-{key}"


def _run(command: Sequence[str | Path], peer: str, folder: Path | None = None) -> None:
    words = [str(word) for word in command]
    (folder or BUILT).mkdir(parents=True, exist_ok=True)
    ambient = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(
            words, cwd=folder, env=ambient, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise MissingEnvironmentError(f"{peer} was not installed within {_PATIENCE} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        errors = [line for line in said if "ERROR" in line or "npm error" in line] or said
        raise MissingEnvironmentError(f"{peer} could not be installed: {errors[0]}")
