"""The command ``queuectl``: its table of subcommands, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from queuectl.cli.deeds import note_deed, refused_by_system
from queuectl.cli.help import Entry, LazyGroup, UsageError, built, usage_failure
from queuectl.cli.invocation import Invocation
from queuectl.cli.options import GlobalOptions, take_global_options
from queuectl.cli.render.failures import show_failure
from queuectl.cli.render.output import to_messages, to_nowhere
from queuectl.errors import ExitCode, QueuectlError

_HERE = "queuectl.cli"

SECTIONS = (
    (
        "Start here",
        (
            Entry(
                "demo",
                f"{_HERE}.demo:demo",
                "Watch articles pass through, with nothing to set up.",
            ),
            Entry("doctor", f"{_HERE}.doctor:doctor", "Check everything that queuectl depends on."),
        ),
    ),
    (
        "Tasks",
        (
            Entry("submit", f"{_HERE}.submit:submit", "Submit URLs, now or for later."),
            Entry("batch", f"{_HERE}.batch:batch", "Submit the URLs of a file as one batch."),
            Entry("batches", f"{_HERE}.batches:batches", "List batches with their progress."),
            Entry(
                "batch-status",
                f"{_HERE}.batches:batch_status",
                "Show how far a batch is, when it may end, and what failed.",
            ),
            Entry("list", f"{_HERE}.listing:list_tasks", "List tasks, the newest first."),
            Entry("count", f"{_HERE}.listing:count", "Count tasks."),
            Entry("show", f"{_HERE}.tasks:show", "Show one task with the timeline of all its attempts."),
            Entry(
                "explain",
                f"{_HERE}.explain:explain",
                "Say why a task does not run, and when it could start.",
            ),
            Entry("logs", f"{_HERE}.logs:logs", "Show what a task's handler logged."),
            Entry("wait", f"{_HERE}.wait:wait", "Wait until tasks have ended."),
            Entry("follow", f"{_HERE}.events:follow", "Tell what happens to tasks until all have ended."),
            Entry("events", f"{_HERE}.events:events", "Tell what happens to all tasks."),
            Entry("cancel", f"{_HERE}.control:cancel", "Cancel tasks."),
            Entry(
                "retry",
                f"{_HERE}.control:retry",
                "Send dead, cancelled or retrying tasks back to their queue.",
            ),
            Entry("reprioritize", f"{_HERE}.control:reprioritize", "Give waiting tasks another priority."),
            Entry("undo", f"{_HERE}.undo:undo", "Put back what a command changed."),
        ),
    ),
    (
        "Schedules",
        (
            Entry(
                "schedule",
                f"{_HERE}.schedule:app",
                "Submit URLs of files and feeds at set times; spread tasks.",
            ),
        ),
    ),
    (
        "Queues",
        (
            Entry(
                "status",
                f"{_HERE}.status:status",
                "Show queues, daemons, running tasks and what needs attention.",
            ),
            Entry(
                "health",
                f"{_HERE}.health:health",
                "Give the health as a score, and what takes points away from it.",
            ),
            Entry(
                "top",
                f"{_HERE}.top.command:top",
                "Watch queues and tasks live, and control them by keys.",
            ),
            Entry(
                "simulate",
                f"{_HERE}.simulate:simulate",
                "Say when the queues will be done, also with a change.",
            ),
            Entry(
                "report",
                f"{_HERE}.report:app",
                "Report on a day, a week, a month or any other period, as a file.",
            ),
            Entry("queue", f"{_HERE}.queue:app", "List, show, limit, pause and resume queues."),
            Entry("clear-queue", f"{_HERE}.queue:clear_queue", "Cancel everything that waits in a queue."),
            Entry(
                "dead",
                f"{_HERE}.dead:app",
                "Look at tasks that will not run again; make new ones.",
            ),
        ),
    ),
    (
        "System",
        (
            Entry("daemon", f"{_HERE}.daemon:app", "Run, start, stop and look at the daemon."),
            Entry("web", f"{_HERE}.web:app", "Set the password of the web page."),
            Entry(
                "token",
                f"{_HERE}.token:app",
                "Make, list and revoke the tokens of programs that use HTTP.",
            ),
            Entry("systemd", f"{_HERE}.systemd:app", "Run the daemon as a service of systemd."),
            Entry(
                "audit",
                f"{_HERE}.audit:app",
                "See who did what, and check that nobody has changed the record of it.",
            ),
            Entry("db", f"{_HERE}.database:app", "Set up, migrate, check and copy the database."),
            Entry("backup", f"{_HERE}.upkeep:backup", "Write a verified copy of the database to a file."),
            Entry("restore", f"{_HERE}.upkeep:restore", "Put a backup in the place of the present database."),
            Entry("cleanup", f"{_HERE}.upkeep:cleanup", "Remove old finished tasks."),
            Entry(
                "articles", f"{_HERE}.articles:app", "Write published files again, or post articles again."
            ),
            Entry("config", f"{_HERE}.config:app", "Show and check the settings."),
            Entry("export", f"{_HERE}.transfer:export", "Write tasks to a file."),
            Entry("import", f"{_HERE}.transfer:import_tasks", "Import what export has written."),
        ),
    ),
)

_COMPLETION = "_QUEUECTL_COMPLETE"  # written here too, so that only completion loads what it takes

app = typer.Typer(
    name="queuectl",
    cls=LazyGroup,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
LazyGroup.sections = SECTIONS


@app.callback(invoke_without_command=True)
def queuectl(ctx: typer.Context) -> None:
    """Queue articles and process them, durably, on one machine.

    Examples:
      queuectl demo
      queuectl submit https://example.com/article --priority high
      queuectl batch urls.txt --interval 30
      queuectl status --watch
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; every error of the program ends here."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _replace_closed_streams()
    if _COMPLETION in os.environ:
        from queuectl.cli.completion import complete

        return complete(built(app))
    _never_fail_on_characters()
    note_deed(None)
    options = GlobalOptions(json="--json" in words, debug="--debug" in words)
    try:
        options, words = take_global_options(words)
        code = _run(options, words)
        sys.stdout.flush()
    except QueuectlError as error:
        if error.hint is None and error.exit_code is ExitCode.USAGE:
            error.hint = f"see: queuectl {words[0] if words else ''} --help".replace("  ", " ")
        code = _failed(error, options)
    except UsageError as error:
        code = _failed(usage_failure(error), options)
    except typer.Exit as request:
        code = request.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _flush_quietly()
        to_messages("\nqueuectl: interrupted\n")
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        code = _reader_gone()
    except Exception as error:  # noqa: BLE001  whatever else it is, it ends here
        code = _unforeseen(error, options)
    return int(code)


def _run(options: GlobalOptions, words: list[str]) -> int:
    if options.version:
        from queuectl import __version__

        typer.echo(f"queuectl {__version__}")
        return ExitCode.DONE
    if words and words[0] in ("--install-completion", "--show-completion"):
        from queuectl.cli.completion_install import handle

        return handle(words)
    command: Any = built(app)
    invocation = Invocation(options)
    with command.make_context("queuectl", words, obj=invocation) as context:
        try:
            code = command.invoke(context)
        except typer.Exit as request:
            code = request.exit_code
    invocation.output.flush()
    return ExitCode.DONE if code is None else code


def _failed(error: QueuectlError, options: GlobalOptions) -> int:
    _flush_quietly()
    if options.debug:
        _show_traceback(error)
    show_failure(error, as_json=options.json)
    return error.exit_code


def _unforeseen(error: Exception, options: GlobalOptions) -> int:
    reason = _system_failure(error) if isinstance(error, OSError) and error.strerror else _bug(error)
    reason.__cause__ = error
    return _failed(reason, options)


def _system_failure(error: OSError) -> QueuectlError:
    if not _flush_quietly():
        return refused_by_system(
            f"standard output cannot be written: {error.strerror}", "see where it is sent"
        )
    named = error.filename
    place = "" if named is None else f": {named if isinstance(named, int) else os.fsdecode(named)}"
    hint = _SYSTEM_HINTS.get(error.errno or 0, "see what is the matter with it, then: queuectl doctor")
    return refused_by_system(f"the system refuses: {error.strerror}{place}", hint)


_NO_ROOM = "make room where it writes; TMPDIR may name another folder for files that are needed for a moment"
_NO_RIGHT = "see who may use it: ls -ld, for it and the folders above"
_NO_DESCRIPTOR = "let it open more files, such as: ulimit -n 1024"
_SYSTEM_HINTS = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: "let it write larger files, such as: ulimit -f unlimited",
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: _NO_RIGHT,
    errno.EMFILE: _NO_DESCRIPTOR,
    errno.ENFILE: _NO_DESCRIPTOR,
}


def _bug(error: Exception) -> QueuectlError:
    text = " ".join(str(error).split())
    return QueuectlError(
        f"internal error: {type(error).__name__}{': ' if text else ''}{text}",
        hint="this is a bug: report it with what the same command prints with --debug",
    )


def _show_traceback(error: BaseException) -> None:
    import traceback

    from queuectl.cli.render.safe import safe_lines

    text = "".join(traceback.format_exception(error))
    to_messages("\n".join(safe_lines(text.rstrip())) + "\n")


def _replace_closed_streams() -> None:
    """Let what a caller has closed, by ``>&-`` for one, lead nowhere: Python has None in its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            opened = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  as long as the process
            os.set_inheritable(opened.fileno(), True)  # it has the number of the closed one
            setattr(sys, name, opened)


def _never_fail_on_characters() -> None:
    """Let a terminal of another encoding show an escape in place of a character that it does not have."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _flush_quietly() -> bool:
    try:
        sys.stdout.flush()
    except OSError:
        _reader_gone()
        return False
    return True


def _reader_gone() -> int:
    to_nowhere(sys.stdout)
    return ExitCode.FAILED
