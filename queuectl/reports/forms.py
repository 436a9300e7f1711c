"""The forms of a report's file by their names; each is loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from queuectl.domain.report import FORMATS, Report
from queuectl.errors import InvalidInputError
from queuectl.reports.wording import Language


class Form(NamedTuple):
    """A form of a file: what its name ends in, its media type, and the function that makes its content."""

    name: str
    media_type: str
    place: str


_MADE_BY = {
    "html": ("text/html; charset=utf-8", "html:html"),
    "pdf": ("application/pdf", "pdf:pdf"),
    "md": ("text/markdown; charset=utf-8", "markdown:markdown"),
    "csv": ("text/csv; charset=utf-8", "data:csv_text"),
    "json": ("application/json", "data:json_document"),
}

FORMS: Mapping[str, Form] = MappingProxyType({name: Form(name, *_MADE_BY[name]) for name in FORMATS})
"""What a report can be written as, by its name."""

_OTHER_NAMES = {"htm": "html", "markdown": "md"}


def form_named(name: object) -> Form:
    """Return the form of this name.

    Raises:
        InvalidInputError: there is none such.
    """
    text = str(name).strip().lower().removeprefix(".")
    form = FORMS.get(_OTHER_NAMES.get(text, text))
    if form is None:
        near = get_close_matches(text, FORMS, n=1)
        proposal = f"did you mean {near[0]}? " if near else ""
        raise InvalidInputError(
            f"there are no reports in the format {str(name)[:40]!r}",
            hint=f"{proposal}there are: {', '.join(FORMS)}",
        )
    return form


def form_for(file: Path | None, name: object | None) -> Form:
    """Return the named form, or else the one that a file's name ends in, or else HTML.

    Raises:
        InvalidInputError: the name is none of a form, or the file's name ends in one that there is not.
    """
    if name is not None:
        return form_named(name)
    ending = "" if file is None else file.suffix.lower().removeprefix(".")
    # What is no word, as in report.2027-01, belongs to the name.
    return form_named(_OTHER_NAMES.get(ending, ending)) if ending.isalpha() else FORMS["html"]


def content(report: Report, form: Form, language: Language) -> bytes:
    """Return what a file of this form holds; the same report is the same bytes.

    Raises:
        MissingDependencyError: a package that this form needs is not installed.
    """
    module, _, function = form.place.partition(":")
    made: Any = getattr(import_module(f"queuectl.reports.{module}"), function)(report, language)
    return made if isinstance(made, bytes) else made.encode()
