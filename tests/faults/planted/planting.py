"""Plant a bug: in this process, as modules are imported, or in a copy of the tree for what starts processes."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from tests.faults.planted.catalogue import Plant

ROOT = Path(__file__).parents[3]
_COPIED = ("queuectl", "daemon", "tests", "config", "pyproject.toml", "Makefile", "systemd", "docs")


def changed(plant: Plant, file: str, source: str) -> str:
    """Return a file's source with the bug in it.

    Raises:
        LookupError: what the bug replaces is not there, or is there several times.
    """
    for edit in plant.edits:
        if edit.file == file:
            if source.count(edit.old) != 1:
                raise LookupError(f"{plant.name}: {file} has {source.count(edit.old)} times {edit.old!r}")
            source = source.replace(edit.old, edit.new)
    return source


class Planter(importlib.abc.MetaPathFinder):
    """Finds the modules that a bug is in, and has them compiled with it; they must not be imported yet."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._files = {_module(edit.file): edit.file for edit in plant.edits}
        early = self._files.keys() & sys.modules.keys()
        if early:
            raise LookupError(f"{', '.join(early)} is imported already")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where to find one of the modules; nothing for all others."""
        file = self._files.get(fullname)
        if file is None:
            return None
        loader = _Loader(fullname, str(ROOT / file), self._plant, file)
        return importlib.util.spec_from_file_location(fullname, ROOT / file, loader=loader)


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, plant: Plant, file: str) -> None:
        super().__init__(fullname, path)
        self._plant, self._file = plant, file

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source with the bug; what is compiled already does not have it."""
        source = changed(self._plant, self._file, Path(self.path).read_text(encoding="utf-8"))
        return compile(source, self.path, "exec", dont_inherit=True)


def _module(file: str) -> str:
    return file.removeprefix("daemon/").removesuffix(".py").replace("/", ".")


def plant_here(plant: Plant) -> None:
    """Let this process import the bug."""
    sys.meta_path.insert(0, Planter(plant))


def tests_fail(plant: Plant, folder: Path) -> bool:
    """Tell whether the tests that a bug names fail with it, run in a copy of the tree in a folder."""
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    for file in {edit.file for edit in plant.edits}:
        target = folder / file
        target.write_text(changed(plant, file, target.read_text(encoding="utf-8")), encoding="utf-8")
    path = os.pathsep.join([str(folder), str(folder / "daemon")])
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(
        [*command, *plant.tests],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(
            f"{plant.name}: the tests could not be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done.returncode == 1
