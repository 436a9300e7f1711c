"""The pages for people, made on the server; each can be read and used without a script."""

from __future__ import annotations

from queuectl_daemon.web.pages import (
    control_verbs,
    dashboard,
    forms,
    lists,
    schedules,
    static,
    task_verbs,
    tasks,
)
from queuectl_daemon.web.pages.verbs import routes_of
from queuectl_daemon.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *dashboard.ROUTES,
    *forms.ROUTES,  # before the schedules, whose names could be "new"
    *tasks.ROUTES,
    *lists.ROUTES,
    *schedules.ROUTES,
    *static.ROUTES,
    *(route for verb in (*task_verbs.VERBS, *control_verbs.VERBS) for route in routes_of(verb)),
)
