"""The guides as tests read them: chapters, the files that a reader writes, and the commands with what they print.

In a guide a fenced block says by its first word what it is and by its second what to do with it:

* ``console``: lines that begin with ``$ `` are typed, the others are what comes back. A comment may say how the
  command ends: ``# exit code 7``, or ``# Ctrl-C ends it``.
* ``console elsewhere``: not run, because it installs software or belongs to another machine.
* ``text urls.txt``, or any other language with a name: a file that the reader writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs"
SKIPPED = "…"
"""Stands in a guide for whatever comes there: alone on a line for any lines, else for the rest of a word or line."""

_FENCE = re.compile(r"^```(?P<language>\w+)(?: (?P<word>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s{2,}# (?P<text>[^'\"]*)$")
_INLINE = re.compile(r"`((?:queuectl|tail) [^`\n]*)`")
_MOST_LEFT = 8  # letters that are compared of a word that is cut
_LEFT = range(1, _MOST_LEFT + 1)
_CHANGING = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?( UTC| [+-]\d\d:\d\d)?", "<time>"),
    (r"\b\d\d:\d\d:\d\d\.\d+", "<time>"),
    (r"\d+(\.\d+)? (ms|s|min|h|d)\b( \d+ (s|min|h)\b)*", "<duration>"),
    (r"\b[0-9a-f]{8,64}\b", "<key>"),
    (r"\bpid +\d+", "pid <pid>"),
    (r"\d+(\.\d+)? (KiB|MiB|GiB)", "<size>"),
    (r"\d+(\.\d+)? (runs?(/min| a minute)|over\b)", "<rate>"),
    (r"\d+ (of \d+ workers) busy", r"<some> \1 busy"),  # as of the daemon's last heartbeat
    (
        rf"(\S{{0,{_MOST_LEFT}}})\S*{SKIPPED}",
        rf"\1{SKIPPED}",
    ),  # where a screen cuts depends on the columns beside
)


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a guide with what the guide says that it prints."""

    command: str
    comment: str
    output: str

    @property
    def code(self) -> int:
        """The exit code that the guide names, or 0."""
        found = re.search(r"(?:exit code|退出码) (\d+)", self.comment)
        return int(found[1]) if found else 0

    @property
    def endless(self) -> bool:
        """Whether a person ends the command."""
        return "Ctrl-C" in self.comment


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that the guide has its reader write."""

    name: str
    text: str


@dataclass(slots=True)
class Chapter:
    """What is below one heading of the second level."""

    title: str
    text: str
    parts: list[Step | WrittenFile] = field(default_factory=list)

    @property
    def in_tables(self) -> list[str]:
        """The commands in the cells of its tables; those of a first cell are what was typed in the past."""
        rows = [line.strip().strip("|").split("|") for line in self.text.splitlines() if line.startswith("|")]
        return [command for row in rows for cell in row[1:] for command in _INLINE.findall(cell)]

    @property
    def in_sentences(self) -> list[str]:
        """The commands that it names between blocks and tables."""
        lines = _FENCE.sub("", self.text).splitlines()
        return _INLINE.findall("\n".join(line for line in lines if not line.startswith("|")))


def chapters(name: str) -> list[Chapter]:
    """Read a guide."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    found = []
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        chapter = Chapter(title.strip(), body)
        for fence in _FENCE.finditer(body):
            if fence["language"] != "console" and fence["word"]:
                chapter.parts.append(WrittenFile(fence["word"], fence["text"]))
            elif fence["language"] == "console" and fence["word"] is None:
                chapter.parts += steps(fence["text"])
        found.append(chapter)
    return found


def steps(block: str) -> list[Step]:
    """Read the commands of a console block."""
    found = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        end = next(number for number, line in enumerate(lines) if not line.endswith("\\")) + 1
        command = "\n".join(lines[:end])
        comment = _COMMENT.search(command)
        if comment is not None:
            command = command[: comment.start()]
        found.append(Step(command, comment["text"] if comment else "", "\n".join(lines[end:]).strip()))
    return found


def agrees(shown: str, real: str) -> bool:
    """Tell whether a real output is what a guide shows, but for times, sizes, random keys and white space."""
    lines = [_pattern(line) for line in _steady(shown)]
    return re.fullmatch("".join(lines), "".join(f"{line}\n" for line in _steady(real))) is not None


def _pattern(line: str) -> str:
    if line == SKIPPED:
        return r"(?:.*\n)*"
    return " ".join(map(_word, line.split(" "))) + r"\n"


def _word(word: str) -> str:
    """Return the pattern of a word, which a screen may have cut where another column has become wider."""
    if SKIPPED in word:
        return ".*".join(map(re.escape, word.split(SKIPPED)))
    return "|".join(["(?:" + re.escape(word), *(re.escape(word[:left] + SKIPPED) for left in _LEFT)]) + ")"


def _steady(text: str) -> list[str]:
    for changing, word in _CHANGING:
        text = re.sub(changing, word, text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]
