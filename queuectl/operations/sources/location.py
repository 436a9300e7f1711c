"""The address of a source: ``file://…`` below the home or an allowed folder, or ``http(s)://…``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from queuectl.domain.urls import accept
from queuectl.domain.visible import UNSAFE, visible
from queuectl.errors import BadInputFileError, InvalidInputError, InvalidURLError
from queuectl.settings import Settings

_HINT = "write file://daily_urls.txt for a file in the home, file:///folder/urls.txt, or https://…"
_FILE = "file://"


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file; ``parts`` leads to it from ``folder``, which is one of those that may be read."""

    shown: str
    path: Path
    folder: Path
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WebSource:
    """An address on the web."""

    shown: str
    url: str


def locate(text: object, settings: Settings) -> FileSource | WebSource:
    """Return where a source is.

    Raises:
        InvalidInputError: the text names no source.
        BadInputFileError: the file lies outside of the folders that may be read.
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidInputError("the source has no address", hint=_HINT)
    text = text.strip()
    if text[: len(_FILE)].lower() == _FILE:
        return _file(text, settings)
    if "://" not in text:
        raise InvalidInputError(f"the source {visible(text, 60)!r} is no address", hint=_HINT)
    try:
        url = accept(text).url
    except InvalidURLError as error:
        raise InvalidInputError(
            error.message.replace("the URL", "the source", 1), hint=error.hint or _HINT
        ) from error
    return WebSource(url, url)


def _file(text: str, settings: Settings) -> FileSource:
    name = unquote(text[len(_FILE) :])
    if not name or name.endswith("/") or UNSAFE.search(name):
        raise InvalidInputError(f"the source {visible(text, 60)!r} names no file", hint=_HINT)
    path = Path(os.path.normpath(settings.home / name))
    folders = (settings.home, *folders_of(settings))
    for folder in folders:
        if path != folder and path.is_relative_to(folder):
            return FileSource(text, path, folder, path.relative_to(folder).parts)
    allowed = ", ".join(map(str, folders))
    raise BadInputFileError(
        f"the source {visible(text, 200)} lies outside of the folders that may be read: {allowed}",
        hint="put the file into one of them, or add its folder to source_folders",
    )


def folders_of(settings: Settings) -> tuple[Path, ...]:
    """Return the folders besides the home in which sources may lie."""
    return settings.source_folders or (settings.home / "sources",)
