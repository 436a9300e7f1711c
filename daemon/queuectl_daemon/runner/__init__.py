"""Running a claimed task's handler, in a child process or in the calling thread, within hard limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queuectl_daemon.runner.runner import Runner

__all__ = ["Runner"]


def __getattr__(name: str) -> Any:
    # The fork server imports modules of this package too, and is to stay small.
    if name == "Runner":
        from queuectl_daemon.runner.runner import Runner

        return Runner
    raise AttributeError(name)
