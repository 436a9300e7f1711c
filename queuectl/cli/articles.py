"""``queuectl articles``: what was published from articles, as files and to a webhook."""

from __future__ import annotations

import typer

from queuectl.cli.article_deliveries import add_to
from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.errors import PartlyDoneError

app = group("Write published files again, or post articles again.")
add_to(app)


@command(app)
def rebuild(ctx: typer.Context) -> None:
    """Write the published files that are missing or differ from the stored articles.

    A backup holds the articles and not their files: this makes them after a restore.

    Examples:
      queuectl articles rebuild
    """
    from queuectl.cli.render.progress import progress
    from queuectl.cli.render.words import count
    from queuectl.domain.task import task_name
    from queuectl.operations import published_files

    run: Invocation = ctx.obj
    with progress(run.output, published_files.count(run.settings)) as on_progress:
        done = published_files.rebuild(run.settings, on_progress)
    if run.output.json:
        failed = [{"task_id": task_name(each.task_id), "problem": each.problem} for each in done.failed]
        facts = {"articles": done.articles, "written": done.files, "failures": done.failures}
        run.output.document(facts | {"failed": failed})
    else:
        run.output.result(str(done.files))
    for each in done.failed:
        run.output.say(f"{task_name(each.task_id)}: {each.problem}")
    run.output.say(f"{count(done.files, 'file')} written for {count(done.articles, 'article')}")
    if done.failures:
        raise PartlyDoneError(
            f"the files of {count(done.failures, 'article')} could not be written",
            hint="mend what is said of each, then try again",
        )
