"""The pages for people, made on the server; each can be read without a script."""

from __future__ import annotations

from queuectl_daemon.web.routes import Route

ROUTES: tuple[Route, ...] = ()
