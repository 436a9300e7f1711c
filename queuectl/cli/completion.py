"""Complete a command line for a shell: quickly, and silently whatever happens.

The shell's script, which ``completion_install`` writes, gives the words so far, one a line, in an environment
variable, and gets one proposal a line. Only names that no shell reads otherwise are proposed.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from queuectl.cli.invocation import Invocation
from queuectl.cli.options import SWITCHES, VALUES, GlobalOptions, take_global_options
from queuectl.errors import QueuectlError

SHELL, WORDS = "_QUEUECTL_COMPLETE", "_QUEUECTL_WORDS"
"""The variables by which a shell's script says which shell it is, and what is typed so far."""

_LONGEST_SECONDS = 2.0
"""Whoever presses Tab waits no longer for a database that does not answer."""

_PLAIN = re.compile(r"[\w@%+=:,./-]+")
_SEPARATORS = {"zsh": ":", "fish": "\t"}  # between a name and what it means; bash shows names alone


def complete(command: Any) -> int:
    """Answer a shell that asks what the last word could become."""
    _be_silent()
    with suppress(Exception):
        *words, incomplete = os.environ.get(WORDS, "").split("\n")[1:] or [""]
        lines = [_line(os.environ[SHELL], item) for item in _proposals(command, words, incomplete)]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    return 0


def _be_silent() -> None:
    """Say nothing on the terminal, where somebody is typing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def give_up_in_time() -> None:
    """End this process unless it has answered in time.

    A driver that waits for a server hears no signal, so another thread does it.
    """
    giving_up = threading.Timer(_LONGEST_SECONDS, os._exit, (0,))
    giving_up.daemon = True
    giving_up.start()


def _proposals(command: Any, words: list[str], incomplete: str) -> Iterator[Any]:
    from typer._click.shell_completion import CompletionItem
    from typer._completion_classes import BashComplete

    if words and words[-1] in VALUES:
        return  # a path, which the shell itself completes
    options, rest = _split(words)
    asked = BashComplete(command, {"obj": Invocation(options)}, "queuectl", SHELL)
    for item in asked.get_completions(rest, incomplete):
        if item.type == "plain" and _PLAIN.fullmatch(str(item.value)):
            yield item
    if incomplete.startswith("-") and "--" not in rest:
        for name in (*SWITCHES, *VALUES):
            if name.startswith(incomplete):
                yield CompletionItem(name)


def _split(words: list[str]) -> tuple[GlobalOptions, list[str]]:
    try:
        return take_global_options(words)
    except QueuectlError:
        return GlobalOptions(), words


def _line(shell: str, item: Any) -> str:
    name, meaning = str(item.value), " ".join(str(item.help or "").split())
    if shell == "zsh":
        name = name.replace(":", r"\:")
    return f"{name}{_SEPARATORS[shell]}{meaning}" if meaning and shell in _SEPARATORS else name
