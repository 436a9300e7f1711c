"""What a daemon is killed in: dispatch, claim, a group of ends, retry, dead letter, and its own shutdown."""

from __future__ import annotations

import signal
from typing import Any, ClassVar

from tests.faults.crash_points.scenario import DaemonScenario, Props, Stage


class Dispatch(DaemonScenario):
    """Tasks go out through Redis and come back to be claimed."""

    name = "dispatch"

    def build(self, props: Props) -> Stage:
        """Use a database of Redis that is empty."""
        return Stage.built(props, redis_url=props.redis().fresh_url())

    def act(self, stage: Stage) -> None:
        """Submit more than one message's worth."""
        stage.submit(12)


class Claim(DaemonScenario):
    """Tasks that take a while are claimed for free workers, some of them in processes."""

    name = "claim"

    def act(self, stage: Stage) -> None:
        """Submit more tasks than there are workers."""
        stage.submit(6, seconds=0.02)
        stage.submit(2, "p_work", seconds=0.01)


class Completions(DaemonScenario):
    """Many short tasks end at once, and their ends are recorded together."""

    name = "completions"

    def act(self, stage: Stage) -> None:
        """Submit tasks that take no time, and two with an article to keep."""
        stage.submit(40, result={"some": "thing"})
        stage.submit(2, "p_keep_article")


class Retry(DaemonScenario):
    """The first attempt fails, the second does not."""

    name = "retry"

    def act(self, stage: Stage) -> None:
        """Submit tasks whose first attempt fails."""
        stage.submit(6, failing=[1])


class Bury(DaemonScenario):
    """Tasks end as dead letters."""

    name = "bury"

    def act(self, stage: Stage) -> None:
        """Submit tasks that can never succeed."""
        stage.submit(6, "refuse")


class Shutdown(DaemonScenario):
    """A busy daemon is told to stop, and gives back what still runs."""

    name = "shutdown"
    settings: ClassVar[dict[str, Any]] = {"grace_period": 0.1, "workers": 3}

    def prepare_running(self, stage: Stage) -> None:
        """Keep all workers busy."""
        stage.submit(2, seconds=1.0)
        stage.submit(2, "p_work", seconds=1.0)
        stage.submit(4, seconds=0.01)
        stage.site.witness.wait_for_starts(3)

    def act(self, stage: Stage) -> None:
        """Tell it to stop."""
        stage.site.daemon.send(signal.SIGTERM)

    def has_ended(self, stage: Stage) -> bool:
        """It is done when it is gone."""
        return not stage.site.daemon.running
