"""Look at reports: whether they can be made as PDF, and whether the planned ones arrive."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from queuectl.errors import QueuectlError
from queuectl.operations.administration import Check
from queuectl.operations.opening import open_database
from queuectl.operations.reporter_delivery import planned
from queuectl.settings import Settings

_PDF_PACKAGES = ("typst", "fontTools", "pylopdf_fonts_zh_cn")


def reports(settings: Settings) -> Iterator[Check]:
    """Look for what a PDF takes, and for deliveries that failed."""
    missing = [name for name in _PDF_PACKAGES if find_spec(name) is None]
    wanted = any(each.format == "pdf" for each in settings.report_schedule)
    detail = (
        f"PDF needs what is not installed: {', '.join(missing)}" if missing else "as HTML, PDF and others"
    )
    yield Check(
        "reports",
        ok=not (missing and wanted),
        detail=detail,
        hint="run: pip install 'queuectl[pdf]'" if missing else None,
    )
    if not settings.report_schedule:
        return
    try:
        database = open_database(settings)
    except QueuectlError:  # reported by its own check
        return
    try:
        plan = planned(database, settings)
    finally:
        database.close()
    failed = [each for each in plan if each.state is not None and each.state.problem is not None]
    for each in failed:
        name = f"{each.delivery.kind} report to {each.delivery.shown_target}"
        problem = each.state.problem if each.state is not None else None
        yield Check(name, ok=False, detail=problem or "", hint="see: queuectl report deliveries")
    if not failed:
        yield Check("planned reports", ok=True, detail=f"{len(plan)} planned, none with a problem")
