"""``queuectl cleanup``, ``backup`` and ``restore``: keep the database small, safe, and to be had again."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from queuectl.cli.bulk import FOR_GOOD, DryRun, Yes, confirm, partly_done, working
from queuectl.cli.deeds import note_written
from queuectl.cli.invocation import Invocation
from queuectl.cli.render.progress import copying
from queuectl.errors import ExitCode, InvalidInputError, PartlyDoneError

if TYPE_CHECKING:
    from queuectl.domain.backup import Manifest
    from queuectl.operations.restore import RestoreReport
    from queuectl.operations.upkeep import CleanupReport

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup's file.")]

_THINGS = (
    ("tasks", "task", "tasks"),
    ("articles", "article", "articles"),
    ("dead_letters", "dead letter", "dead letters"),
    ("batches", "batch", "batches"),
    ("changes", "recorded change", "recorded changes"),
    ("statistics", "row of statistics", "rows of statistics"),
    ("submission_keys", "key of a submission", "keys of submissions"),
)
"""What is told of; other tables' rows go with these."""


def cleanup(
    ctx: typer.Context,
    days: Annotated[float, typer.Option(metavar="N", help="Remove what ended more than so many days ago.")],
    articles: Annotated[
        bool, typer.Option("--articles", help="Remove the published files of the articles too.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> int:
    """Remove old finished tasks with their attempts, dead letters and articles; published files stay.

    The daemon does this by itself after retention_days. Waiting tasks are never removed.

    Examples:
      queuectl cleanup --days 30 --dry-run
      queuectl cleanup --days 30 --yes
    """
    run: Invocation = ctx.obj
    report = run.manager.cleanup(days, dry_run=True)
    if not dry_run and report.rows.total():
        found = _told(report)
        if not yes:
            instead = "--yes to do it, or --dry-run to look first"
            confirm(run, f"remove {found} for good", instead=instead, consequence=FOR_GOOD)
        with working(run, report.tasks) as work:
            report = run.manager.cleanup(
                days, articles=articles, on_progress=work.advance, should_stop=work.should_stop
            )
    _show_cleanup(run, report, days, dry_run=dry_run)
    left = _left_files(report)
    if report.reason is not None:
        raise partly_done(f"{_told(report)} removed{left and f', {left}'}", report.reason) from report.reason
    if left:
        raise PartlyDoneError(
            left,
            hint=f"mend that, then look for what is left: find {shlex.quote(str(run.settings.home / 'articles'))}"
            f" -type f -mtime +{days:.0f}",
        )
    return ExitCode.INTERRUPTED if report.stopped else ExitCode.DONE


def _show_cleanup(run: Invocation, report: CleanupReport, days: float, *, dry_run: bool) -> None:
    if run.output.json:
        rows = dict(sorted(report.rows.items()))
        files = {"files": report.files, "failures": report.failures}
        ended = {
            "stopped": report.stopped,
            "reason": None if report.reason is None else report.reason.message,
        }
        run.output.document({"days": days, "removed": rows, **files, "dry_run": dry_run} | ended)
        return
    run.output.result(str(report.tasks))
    if not report.rows.total():
        run.output.say(f"no task ended more than {days:g} days ago")
        return
    said = f"{_told(report)}{' would be' if dry_run else ''} removed"
    if report.files:
        from queuectl.cli.render.words import count

        said += f", and {count(report.files, 'file')}"
    rest = "; nothing was changed" if dry_run else "; the rest was left" if report.stopped else ""
    run.output.say(said + rest)


def _left_files(report: CleanupReport) -> str:
    from queuectl.cli.render.words import count

    if not report.failures:
        return ""
    files = count(report.failures, "published file")
    return f"{files} could not be removed, though the tasks are gone; the first is {report.problem}"


def _told(report: CleanupReport) -> str:
    from queuectl.cli.render.words import count

    parts = [
        count(report.rows[table], thing, things) for table, thing, things in _THINGS if report.rows[table]
    ]
    return ", ".join(parts) if parts else "nothing"


def backup(
    ctx: typer.Context,
    file: File,
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="FILE is a folder, in which the last N backups are kept, named by their time.",
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Write a verified copy of the database to a file; everything goes on meanwhile.

    It holds all tasks, results and articles, but not settings, logs and published files; those are
    written again by: queuectl articles rebuild

    Examples:
      queuectl backup /var/backups/queuectl.backup --yes
      queuectl backup monday.backup
      queuectl backup /var/backups/queuectl --keep 14
    """
    from queuectl.cli.render.words import count, size
    from queuectl.operations.backup import backup as back_up
    from queuectl.operations.backup_folder import Older, file_in, remove_older

    run: Invocation = ctx.obj
    folder = _absolute(file)
    file = folder if keep is None else file_in(folder)
    somebody_is_there = sys.stdin.isatty() and run.output.messages_on_terminal and not run.output.json
    if file.is_file() and not yes and somebody_is_there:
        confirm(run, f"replace {file}, which exists already")
        yes = True
    with copying(run.output, "copying") as on_progress:
        report = back_up(run.settings, file, overwrite=yes, on_progress=on_progress)
    note_written(report.file)
    manifest = report.manifest
    older = Older([], []) if keep is None else remove_older(folder, keep)
    if run.output.json:
        facts = {"file": str(report.file), "bytes": report.size}
        removed = {"removed": [str(each) for each in older.removed], "failures": len(older.problems)}
        run.output.document(facts | _manifest_shape(manifest) | ({} if keep is None else removed))
    else:
        run.output.line(str(report.file))
        run.output.say(f"{count(manifest.tasks, 'task')} in {size(report.size)}, read back and found sound")
        for each in older.removed:
            run.output.say(f"removed {each.name}, since {keep} {'is' if keep == 1 else 'are'} kept")
        _warn_of_counts(run, manifest)
    if older.problems:
        first, *others = older.problems
        more = f"; and {len(others)} more" if others else ""
        raise PartlyDoneError(
            f"the backup is made, but not all older ones could be removed: {first}{more}",
            hint=f"remove them by hand, or correct the permissions of {folder}",
        )


def restore(
    ctx: typer.Context,
    file: File,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check that the backup is sound and fits.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Put a backup in the place of the present database, which is kept under another name.

    No daemon may run. Tasks that ran when the backup was made are run again.

    Examples:
      queuectl restore monday.backup --dry-run
      queuectl daemon stop
      queuectl restore monday.backup
    """
    from queuectl.cli.render.words import count
    from queuectl.operations.restore import RestoreReport, check_restorable, has_content
    from queuectl.operations.restore import restore as put_back

    run: Invocation = ctx.obj
    file = _absolute(file)
    manifest = check_restorable(run.settings, file, now=not dry_run)
    if dry_run:
        _show_restored(run, file, RestoreReport(manifest, None), dry_run=True)
        return
    if not yes and has_content(run.settings):
        confirm(run, f"replace the present database by one of {count(manifest.tasks, 'task')}")
    with copying(run.output, "restoring") as on_progress:
        report = put_back(run.settings, file, on_progress=on_progress)
    _show_restored(run, file, report, dry_run=False)


def _show_restored(run: Invocation, file: Path, report: RestoreReport, *, dry_run: bool) -> None:
    from queuectl.cli.render.words import count

    manifest = report.manifest
    if run.output.json:
        kept = None if report.kept is None else str(report.kept)
        facts = {"kept": kept, "migrated": report.migrated, "dry_run": dry_run}
        run.output.document({"file": str(file)} | _manifest_shape(manifest) | facts)
        return
    run.output.result(str(manifest.tasks))
    if dry_run:
        run.output.say(f"{file} is sound and holds {count(manifest.tasks, 'task')}; nothing was changed")
    else:
        run.output.say(f"{count(manifest.tasks, 'task')} restored from {file}")
    if report.migrated:
        run.output.say(f"the backup was older than this queuectl; applied {', '.join(report.migrated)}")
    if report.kept is not None:
        run.output.say(f"the database that was there is kept as {report.kept}")
    _warn_of_counts(run, manifest)
    if not dry_run:
        run.output.say("go on with: queuectl daemon start")


def _absolute(file: Path) -> Path:
    try:
        return file.expanduser().absolute()
    except (RuntimeError, OSError) as error:  # no such user, and no folder to be in any more
        raise InvalidInputError(
            f"it is not known where {file} is: {error}", hint="write the whole path"
        ) from error


def _manifest_shape(manifest: Manifest) -> dict[str, object]:
    return asdict(manifest) | {"wrong_counts": list(manifest.wrong_counts)}


def _warn_of_counts(run: Invocation, manifest: Manifest) -> None:
    if manifest.wrong_counts:
        run.output.warn("its kept counts differ from its tasks; mend them with: queuectl db check --repair")
