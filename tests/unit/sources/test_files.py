"""Which files may be a source: regular ones below the allowed folders, reached without any link."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from queuectl.errors import (
    BadInputFileError,
    ExitCode,
    InvalidInputError,
    QueuectlError,
    SourceUnavailableError,
)
from queuectl.operations.sources.location import FileSource, WebSource, locate
from queuectl.operations.sources.reading import SourceReader
from queuectl.settings import Settings

CONTENT = b"https://a.test/1\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a home with a source in it, in its folder for sources, and outside."""
    home = tmp_path / "home"
    for folder in (
        home,
        home / "sources",
        home / "sources" / "deep",
        tmp_path / "lists",
        tmp_path / "homeless",
    ):
        folder.mkdir()
        (folder / "urls.txt").write_bytes(CONTENT)
    (home / "文章 a.txt").write_bytes(CONTENT)
    return home


def settings(home: Path, **values: Any) -> Settings:
    return Settings(home=home, database_url="sqlite:///x", **values)


def read(home: Path, source: str, **values: Any) -> bytes:
    return SourceReader(settings(home, **values)).read(source).data


@pytest.mark.parametrize(
    "source",
    [
        "file://urls.txt",
        "FILE://urls.txt",
        "file://./sources/../urls.txt",
        "file://sources/deep/urls.txt",
        "file://文章 a.txt",
        "file://%E6%96%87%E7%AB%A0%20a.txt",
        "file://{home}/urls.txt",
        "file://{home}/sources/urls.txt",
    ],
)
def test_a_file_in_the_home_is_read(home: Path, source: str) -> None:
    assert read(home, source.replace("{home}", str(home))) == CONTENT


def test_a_file_in_an_allowed_folder_is_read(home: Path) -> None:
    lists = home.parent / "lists"
    assert read(home, f"file://{lists}/urls.txt", source_folders=(lists,)) == CONTENT
    assert read(home, "file://../lists/urls.txt", source_folders=(lists,)) == CONTENT


OUTSIDE = [
    "file://../urls.txt",
    "file://../homeless/urls.txt",
    "file://sources/../../lists/urls.txt",
    "file://%2e%2e/lists/urls.txt",
    "file://{home}/../lists/urls.txt",
    "file://{home}less/urls.txt",
    "file:///etc/passwd",
    "file:////etc/passwd",
    "file:///proc/self/environ",
]


@pytest.mark.parametrize("source", OUTSIDE)
def test_a_file_outside_is_refused_before_anything_is_touched(home: Path, source: str) -> None:
    with pytest.raises(BadInputFileError, match="lies outside of the folders that may be read") as caught:
        locate(source.replace("{home}", str(home)), settings(home))
    assert str(home) in caught.value.message
    assert "source_folders" in str(caught.value.hint)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    os.mknod(path, 0o020666, os.makedev(1, 5))  # an endless source of zeros


def bound_socket(path: Path) -> None:
    # From its own folder, because a socket's path may have 100 characters only.
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


def link_out(path: Path) -> None:
    path.symlink_to(path.parents[1] / "lists" / "urls.txt")


def link_in(path: Path) -> None:
    path.symlink_to(path.parent / "urls.txt")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


KINDS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "folder": (Path.mkdir, "is a folder"),
    "pipe": (fifo, "is a pipe"),
    "socket": (bound_socket, "is a socket"),
    "link out": (link_out, "is a symbolic link"),
    "link in": (link_in, "is a symbolic link"),
    "endless link": (link_to_itself, "is a symbolic link"),
}
if os.geteuid() == 0:  # nobody else can make one
    KINDS["device"] = (device, "is a device")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_is_refused_at_once(
    home: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    make, said = KINDS[kind]
    make(home / "odd")
    with pytest.raises(BadInputFileError, match=said) as caught:
        read(home, "file://odd")
    assert caught.value.exit_code is ExitCode.BAD_INPUT_FILE


def test_a_link_on_the_way_is_refused(home: Path) -> None:
    (home / "way").symlink_to(home.parent / "lists")
    with pytest.raises(BadInputFileError, match="reached through the symbolic link 'way'"):
        read(home, "file://way/urls.txt")


def test_the_allowed_folder_itself_may_be_a_link(home: Path) -> None:
    moved = home.parent / "moved"
    moved.symlink_to(home)
    assert read(moved, "file://urls.txt") == CONTENT


def test_a_file_that_is_not_there_may_come(home: Path) -> None:
    for source in ("file://none.txt", "file://none/urls.txt", "file://urls.txt/below"):
        with pytest.raises(SourceUnavailableError) as caught:
            read(home, source)
        assert caught.value.hint


def test_a_file_may_have_as_many_bytes_as_the_setting_says(home: Path) -> None:
    (home / "urls.txt").write_bytes(b"x" * 2048)
    assert len(read(home, "file://urls.txt", source_max_bytes=2048)) == 2048
    with pytest.raises(BadInputFileError, match="has 2,048 bytes; at most 2,047 are read"):
        read(home, "file://urls.txt", source_max_bytes=2047)


NO_SOURCE = [
    *("", "  ", "urls.txt", "/etc/passwd", "ftp://a.test/x", "http://", "https://u:p@a.test/"),
    *("file://", "file://folder/", "file://a%00b"),
]


@pytest.mark.parametrize("text", NO_SOURCE)
def test_what_names_no_source_is_refused_with_an_example(home: Path, text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        locate(text, settings(home))
    assert caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE


def test_addresses_are_told_from_files(home: Path) -> None:
    assert isinstance(locate("file://urls.txt", settings(home)), FileSource)
    web = locate("HTTP://Example.com:80/feed", settings(home))
    assert isinstance(web, WebSource)
    assert web.url == "http://example.com/feed"


def test_every_refusal_is_one_of_ours(home: Path) -> None:
    for name in ("x" * 300, "a/" * 300 + "b", "\ud800", "..", "...", "con", "\x1b[31m", "a\nb"):
        with pytest.raises(QueuectlError):
            read(home, f"file://{name}")
