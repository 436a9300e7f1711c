"""Which handler a name stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from queuectl.errors import PermanentError, RetryableError
from queuectl.handlers import function, registry
from queuectl.settings import HandlerSettings, Settings
from tests.support import sample_handlers

SETTINGS = Settings(
    home=Path("/home/queue"),
    database_url="",
    handlers={
        "sample": HandlerSettings(callable="tests.support.sample_handlers:succeed", timeout=3),
        "program": HandlerSettings(command=("true",), isolation="thread"),
        "article": HandlerSettings(timeout=60),
    },
)


def test_the_names_are_the_built_in_one_and_the_configured_ones():
    assert registry.names(SETTINGS) == ("article", "program", "sample")
    assert registry.names(Settings(home=Path("/"), database_url="")) == ("article",)


def test_a_specification_is_what_is_configured_and_a_command_always_runs_in_a_process():
    assert registry.specification("sample", SETTINGS).timeout == 3
    assert registry.specification("article", SETTINGS) == HandlerSettings(timeout=60)
    assert registry.specification("program", SETTINGS).isolation == "process"


def test_a_function_is_loaded_by_its_path():
    assert registry.load("sample", SETTINGS) is sample_handlers.succeed


@pytest.mark.parametrize("look", [registry.specification, registry.load])
def test_an_unknown_name_can_never_succeed(look):
    with pytest.raises(PermanentError, match="'sampel'") as caught:
        look("sampel", SETTINGS)
    assert "article, program, sample" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "path",
    [
        "no_such_package_at_all:run",
        "tests.support.sample_handlers:nothing",
        "tests.support.sample_handlers:UNFIT",
        "tests.unit.runner.exits_when_imported:run",
        "",
        ":",
        "...:x",
    ],
)
def test_what_cannot_be_loaded_may_be_mended(path):
    with pytest.raises(RetryableError, match="handler"):
        function.load(path)
