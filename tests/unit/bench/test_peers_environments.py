"""What the peers' environments are made of, and what is said where one cannot be made. None is made here."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.bench.peers import environments
from tests.bench.peers.contenders import PEERS, QUEUECTL
from tests.bench.peers.environments import HERE, NODE_PEER, MissingEnvironmentError, environment, pins

PYTHON_PEERS = [peer for peer in PEERS if peer not in {QUEUECTL, NODE_PEER}]


@pytest.mark.parametrize("peer", PYTHON_PEERS)
def test_every_package_of_a_peer_has_a_version_and_hashes_and_no_address(peer: str) -> None:
    lines = (HERE / f"{peer}.txt").read_text().replace("\\\n", " ").splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(
            r"[a-z0-9-]+==[^ ;]+( ; [^/]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", line.strip()
        ), line


@pytest.mark.parametrize("peer", PYTHON_PEERS)
def test_what_is_asked_for_is_pinned(peer: str) -> None:
    asked = re.findall(r"(?m)^[a-z0-9-]+", (HERE / f"{peer}.in").read_text())
    assert peer in asked
    assert set(asked) <= set(pins(peer))


@pytest.mark.parametrize("peer", PYTHON_PEERS)
def test_every_peer_has_its_adapter(peer: str) -> None:
    assert (HERE / "adapters" / f"{peer}.py").is_file()


def test_the_packages_of_node_are_exact() -> None:
    versions = re.findall(r'"(?:bullmq|ioredis)": "([^"]+)"', (HERE / "package.json").read_text())
    assert len(versions) == 2
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", each) for each in versions)


def test_the_project_itself_needs_no_environment() -> None:
    assert environment(QUEUECTL).command[0] == sys.executable


def test_a_missing_node_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingEnvironmentError) as raised:
        environment(NODE_PEER)
    assert str(raised.value) == "needs node and npm on the PATH, and there is none"


def test_what_cannot_be_installed_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environments, "BUILT", tmp_path / "built")
    monkeypatch.setattr(environments, "HERE", tmp_path)
    (tmp_path / "celery.in").write_text("celery\n")
    # A file of hashes that names a package without one is refused before anything is looked for.
    (tmp_path / "celery.txt").write_text("celery==5.0.0\n")
    with pytest.raises(MissingEnvironmentError, match=r"celery could not be installed: ERROR: [^\n]+"):
        environment("celery")
    assert not list((tmp_path / "built").rglob(".ready"))


def test_other_versions_have_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pinned = tmp_path / "celery.txt"
    pinned.write_text("celery==1\n")
    before = environments._folder("celery", pinned)
    pinned.write_text("celery==2\n")
    assert environments._folder("celery", pinned) != before
