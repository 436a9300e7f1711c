"""``queuectl --install-completion`` and ``--show-completion``: the scripts by which shells ask for completions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import typer

from queuectl.errors import InvalidInputError, StorageError

INSTALL, SHOW = "--install-completion", "--show-completion"

_BASH = r"""
_queuectl_completion() {
    local IFS=$'\n'
    COMPREPLY=( $( _QUEUECTL_COMPLETE=bash _QUEUECTL_WORDS="${COMP_WORDS[*]:0:COMP_CWORD+1}" "$1" 2>/dev/null ) )
    [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace
}
complete -o default -F _queuectl_completion queuectl
"""

_ZSH = r"""
#compdef queuectl
local -a proposals
proposals=( ${(f)"$(_QUEUECTL_COMPLETE=zsh _QUEUECTL_WORDS="${(pj:\n:)words[1,CURRENT]}" queuectl 2>/dev/null)"} )
if (( $#proposals )); then
    _describe queuectl proposals
else
    _files
fi
"""

_FISH = r"""
function __queuectl_proposals
    set -l words (commandline -opc) (commandline -ct)
    _QUEUECTL_COMPLETE=fish _QUEUECTL_WORDS=(string join \n -- $words | string collect) queuectl 2>/dev/null
end
complete -c queuectl -e
complete -c queuectl -n 'not set -l found (__queuectl_proposals); or test -n "$found"' -f
complete -c queuectl -a '(__queuectl_proposals)'
"""

SCRIPTS = {"bash": _BASH.lstrip(), "zsh": _ZSH.lstrip(), "fish": _FISH.lstrip()}


def handle(words: Sequence[str]) -> int:
    """Do what ``--install-completion [SHELL]`` or ``--show-completion [SHELL]`` asks for.

    Raises:
        InvalidInputError: it is not known which shell is meant.
        StorageError: a file of the shell cannot be written.
    """
    shell = words[1] if len(words) > 1 else _present_shell()
    if shell not in SCRIPTS:
        raise InvalidInputError(
            f"there is no completion for {shell or 'this shell'}",
            hint=f"name one of {', '.join(SCRIPTS)}: queuectl {words[0]} bash",
        )
    if words[0] == SHOW:
        typer.echo(SCRIPTS[shell], nl=False)
        return 0
    try:
        file = _install(shell, Path.home())
    except OSError as error:
        raise StorageError(
            f"the completion cannot be written: {error}",
            hint=f"put what this prints where your shell finds it: queuectl {SHOW} {shell}",
        ) from error
    typer.echo(f"the completion for {shell} is in {file}")
    typer.echo(f"start a new {shell} to use it", err=True)
    return 0


def _install(shell: str, home: Path) -> Path:
    """Write the script, then the lines by which the shell finds it at its start; return where the script is."""
    configuration = Path(os.environ.get("XDG_CONFIG_HOME", home / ".config"))
    file = {
        "bash": home / ".bash_completions" / "queuectl.sh",
        "zsh": home / ".zfunc" / "_queuectl",
        "fish": configuration / "fish" / "completions" / "queuectl.fish",
    }[shell]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(SCRIPTS[shell], encoding="utf-8")
    if shell == "bash":
        _add(home / ".bashrc", f"source '{file}'")
    elif shell == "zsh":
        # Whatever has called compinit before, did so without this folder.
        _add(
            Path(os.environ.get("ZDOTDIR", home)) / ".zshrc",
            "fpath+=~/.zfunc; autoload -Uz compinit; compinit",
        )
    return file


def _add(file: Path, line: str) -> None:
    """Add a line to a shell's start-up file, unless it is there; what else is in it may be in any encoding."""
    wanted = os.fsencode(line)
    present = file.read_bytes() if file.exists() else b""
    if wanted not in present.splitlines():
        gap = b"" if not present or present.endswith(b"\n") else b"\n"
        with file.open("ab") as opened:
            opened.write(gap + wanted + b"\n")


def _present_shell() -> str | None:
    """Return the shell that this command was typed into, else the one that the user logs in with."""
    import psutil

    names = [process.name() for process in psutil.Process().parents()]
    typed_into = next((name for name in names if name in SCRIPTS), None)
    return typed_into or Path(os.environ.get("SHELL", "")).name
