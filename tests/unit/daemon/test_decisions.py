"""Which limits hold for a run, what follows its end, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from dramatiq.broker import MessageProxy

from queuectl.clock import monotonic
from queuectl.domain.admission import QueueRules
from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move, State
from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.priority import LEVELS
from queuectl.domain.retry import CRASH_LIMIT, RetryRule
from queuectl.domain.task import Claimed
from queuectl.errors import RefusedError
from queuectl.settings import HandlerSettings, QueueSettings, Settings
from queuectl.store.tasks import InHand
from queuectl_daemon import actors, endings, pump, recovery
from queuectl_daemon.actors import AttemptFailedError, Attempts, declare
from queuectl_daemon.broker import ACTOR_SUFFIX, ClaimedBroker
from queuectl_daemon.budgets import Budgets
from queuectl_daemon.flights import Flights, Window
from queuectl_daemon.middleware import DeadLetters
from queuectl_daemon.runner.loop_runs import NoLoopError
from tests.support.factories import NOW, claimed, ending

RULE = RetryRule(max_retries=2, backoff=10.0, longest=60.0)


def settings(**fields: Any) -> Settings:
    return Settings(home=Path("nowhere"), database_url="sqlite:///nowhere.db", **fields)


# Budgets: the task's own limit, else the queue's, the handler's, the general one.


@pytest.mark.parametrize(
    ("own", "queue", "handler", "effective"),
    [(1.0, 2.0, 3.0, 1.0), (None, 2.0, 3.0, 2.0), (None, None, 3.0, 3.0), (None, None, None, 4.0)],
)
def test_the_nearest_time_limit_holds(
    own: float | None, queue: float | None, handler: float | None, effective: float
) -> None:
    budgets = Budgets(
        settings(
            task_timeout=4.0,
            queues={"medium_priority": QueueSettings(task_timeout=queue)},
            handlers={"article": HandlerSettings(timeout=handler)},
        )
    )
    assert budgets.applied(claimed(timeout=own)).timeout == effective


@pytest.mark.parametrize(
    ("own", "queue", "handler", "effective"),
    [(16, 32, 64, 16), (None, 32, 64, 32), (None, None, 64, 64), (None, None, None, None)],
)
def test_the_nearest_memory_limit_holds(
    own: int | None, queue: int | None, handler: int | None, effective: int | None
) -> None:
    budgets = Budgets(
        settings(
            queues={"medium_priority": QueueSettings(memory_limit=queue)},
            handlers={"article": HandlerSettings(memory_limit=handler)},
        )
    )
    assert budgets.applied(claimed(memory_limit=own)).memory_limit == effective


@pytest.mark.parametrize(
    ("own", "queue", "handler", "effective"),
    [(0, 5, 6, 0), (None, 0, 6, 0), (None, None, 0, 0), (None, None, None, 7)],
)
def test_no_retries_at_all_is_a_limit_too(
    own: int | None, queue: int | None, handler: int | None, effective: int
) -> None:
    budgets = Budgets(
        settings(
            max_retries=7,
            queues={"medium_priority": QueueSettings(max_retries=queue)},
            handlers={"article": HandlerSettings(max_retries=handler)},
        )
    )
    assert budgets.rule_for(claimed(max_retries=own)).max_retries == effective


def test_a_queue_may_have_its_own_pause_between_retries() -> None:
    budgets = Budgets(
        settings(
            retry_backoff=5.0,
            retry_backoff_max=50.0,
            queues={"low_priority": QueueSettings(retry_backoff=0.0)},
        )
    )
    assert budgets.rule_for(claimed(queue="low_priority")) == RetryRule(3, 0.0, 50.0)
    assert budgets.rule_for(claimed(queue="high_priority")) == RetryRule(3, 5.0, 50.0)


def test_applying_limits_changes_nothing_else() -> None:
    work = claimed(metadata='{"a": 1}', max_retries=4)
    applied = Budgets(settings()).applied(work)
    assert (applied.id, applied.fence, applied.metadata, applied.max_retries) == (1, 1, '{"a": 1}', 4)


# The dead-letter middleware.


def judged(exception: BaseException | None, rule: RetryRule = RULE) -> list[Ending]:
    finished: list[Ending] = []
    middleware = DeadLetters(lambda work: rule, finished.append)
    message: dramatiq.Message[Any] = dramatiq.Message(
        queue_name="medium_priority", actor_name="medium_priority_actor", args=(1, 1), kwargs={}, options={}
    )
    middleware.after_process_message(ClaimedBroker([]), MessageProxy(message), exception=exception)
    return finished


@pytest.mark.parametrize(
    ("verdict", "work", "move", "cause"),
    [
        (Verdict.FAILED, claimed(attempt=1), Move.RETRY, None),
        (Verdict.FAILED, claimed(attempt=2), Move.RETRY, None),
        (Verdict.FAILED, claimed(attempt=3), Move.BURY, "exhausted"),
        (Verdict.FAILED, claimed(attempt=5, released=3), Move.RETRY, None),
        (Verdict.REFUSED, claimed(attempt=1), Move.BURY, "refused"),
        (Verdict.TIMED_OUT, claimed(attempt=1), Move.RETRY, None),
        (Verdict.TIMED_OUT, claimed(attempt=3), Move.BURY, "timed_out"),
        (Verdict.OVER_MEMORY, claimed(attempt=3), Move.BURY, "over_memory"),
        (Verdict.CRASHED, claimed(attempt=1), Move.RETRY, None),
        (Verdict.CRASHED, claimed(attempt=1, crashes=CRASH_LIMIT - 1), Move.BURY, "crashed"),
        (Verdict.CANCELLED, claimed(attempt=1), Move.CANCEL, None),
        (Verdict.INTERRUPTED, claimed(attempt=1), Move.RELEASE, None),
    ],
)
def test_a_failed_attempt_is_judged_by_its_rule(
    verdict: Verdict, work: Claimed, move: Move, cause: str | None
) -> None:
    (decided,) = judged(AttemptFailedError(work, Outcome(verdict, error="why")))
    assert (decided.move, decided.cause, decided.verdict, decided.error) == (move, cause, verdict, "why")
    assert (decided.due_at is not None) == (move is Move.RETRY)
    assert decided.charged == (verdict is not Verdict.INTERRUPTED)


def test_the_middleware_leaves_everything_else_alone() -> None:
    assert judged(None) == []
    assert judged(ValueError("not an attempt")) == []


# The actors.


class _Script:
    """A runner that says what it was told to say, and remembers what it was asked."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.asked: list[Claimed] = []

    def run(self, work: Claimed) -> Outcome:
        self.asked.append(work)
        return self.outcome

    def is_async(self, handler: str) -> bool:
        return handler == "poll"

    def needs_process(self, work: Claimed) -> bool:
        return work.memory_limit is not None

    def take_up(self, work: Claimed, done: Callable[[Outcome], None]) -> bool:
        """Run the tasks that are marked so on the way, as the event loop does elsewhere."""
        if "async" not in work.metadata:
            return False
        self.asked.append(work)
        done(self.outcome)
        return True


class _Crew:
    """A crew with room for everybody, or for so many at once, which only counts."""

    def __init__(self, most: int = 100) -> None:
        self.most = most
        self.runs = self.busy = 0

    def admit(self) -> bool:
        self.runs += 1
        return True

    def admit_at_once(self) -> bool:
        return self.runs < self.most and self.admit()

    def leave(self) -> None:
        self.runs -= 1

    def occupy(self) -> None:
        self.busy += 1

    def vacate(self) -> None:
        self.busy -= 1


def attempts_of(
    script: _Script,
    finished: list[Ending],
    flights: Flights,
    judge: DeadLetters,
    crew: _Crew | None = None,
) -> Attempts:
    return Attempts(
        flights,
        script,
        Budgets(settings(task_timeout=9.0)),
        finish=finished.append,
        judge=judge.judge,
        crew=crew or _Crew(),
    )


def perform(outcome: Outcome, work: Claimed, *, cancelled: bool = False) -> tuple[_Script, list[Ending]]:
    flights, finished, script, crew = Flights(), list[Ending](), _Script(outcome), _Crew()
    dead_letters = DeadLetters(lambda _: RULE, finished.append)
    broker = ClaimedBroker([dead_letters])
    declare(broker, attempts_of(script, finished, flights, dead_letters, crew))
    flights.add([work])
    flight = flights.get(work.id, work.fence)
    assert flight is not None
    flight.cancelled = cancelled
    message: dramatiq.Message[Any] = dramatiq.Message(
        queue_name=work.queue, actor_name=work.queue + ACTOR_SUFFIX, args=(), kwargs={}, options={}
    )
    actor = broker.get_actor(work.queue + ACTOR_SUFFIX)
    for _ in range(2):  # as when the message came twice
        try:
            actor(work.id, work.fence)
        except AttemptFailedError as error:
            broker.emit_after("process_message", MessageProxy(message), exception=error)
    assert (crew.runs, crew.busy) == (0, 0), "whoever was let in has left"
    return script, finished


def idle_broker() -> ClaimedBroker:
    broker, finished = ClaimedBroker([]), list[Ending]()
    judge = DeadLetters(lambda _: RULE, finished.append)
    declare(broker, attempts_of(_Script(Outcome(Verdict.SUCCEEDED)), finished, Flights(), judge))
    return broker


def test_a_success_is_handed_in_once_although_its_message_came_twice() -> None:
    script, finished = perform(Outcome(Verdict.SUCCEEDED, result="1"), claimed())
    assert [(each.move, each.result) for each in finished] == [(Move.SUCCEED, "1")]
    assert [work.timeout for work in script.asked] == [9.0], "the limits in effect were applied"


def test_a_failure_is_handed_in_once_by_the_middleware() -> None:
    _, finished = perform(Outcome(Verdict.FAILED, error="no"), claimed())
    assert [(each.move, each.error) for each in finished] == [(Move.RETRY, "no")]


@pytest.mark.parametrize(
    ("verdict", "move"),
    [
        (Verdict.SUCCEEDED, Move.SUCCEED),
        (Verdict.TIMED_OUT, Move.RETRY),
        (Verdict.REFUSED, Move.BURY),
        (Verdict.CANCELLED, Move.CANCEL),
        (Verdict.INTERRUPTED, Move.RELEASE),
    ],
)
def test_a_run_that_needs_no_thread_is_judged_by_the_same_rule(verdict: Verdict, move: Move) -> None:
    script, finished = perform(Outcome(verdict), claimed(metadata='{"async": 1}'))
    assert [each.move for each in finished] == [move]
    assert [work.timeout for work in script.asked] == [9.0]


def test_a_task_that_was_cancelled_before_it_began_does_not_run() -> None:
    script, finished = perform(Outcome(Verdict.SUCCEEDED), claimed(), cancelled=True)
    assert script.asked == []
    assert [each.move for each in finished] == [Move.CANCEL]


def test_the_actors_take_the_most_urgent_queue_first() -> None:
    broker = idle_broker()
    priorities = [broker.get_actor(level.queue + ACTOR_SUFFIX).priority for level in LEVELS]
    assert priorities == sorted(priorities)
    assert len(set(priorities)) == len(LEVELS)
    assert broker.get_declared_delay_queues() == set()


def test_nothing_is_enqueued_past_the_database() -> None:
    broker = idle_broker()
    with pytest.raises(RefusedError, match="nothing was sent"):
        broker.get_actor("low_priority_actor").send(1, 1)


# Ends that no handler reported.


def test_what_never_began_or_was_cut_off_costs_nothing() -> None:
    for end in (endings.never_began(claimed()), endings.interrupted(claimed())):
        assert (end.move, end.verdict, end.charged) == (Move.RELEASE, Verdict.INTERRUPTED, False)


def test_what_cannot_be_stored_is_buried_with_the_reason() -> None:
    error = RuntimeError("outer")
    error.__cause__ = OverflowError("too large")
    end = endings.unrecordable(ending(claimed(), Move.SUCCEED, result="1"), error)
    assert (end.move, end.cause, end.result, end.finished_at) == (Move.BURY, "unrecordable", None, NOW + 500)
    assert end.error == "what it reported could not be stored: OverflowError"


def left(work: Claimed, *, cancel_requested: bool = False) -> Ending:
    return endings.left_behind(InHand(work, State.RUNNING, cancel_requested), RULE)


def test_what_a_dead_daemon_ran_goes_back_at_once_and_is_charged() -> None:
    end = left(claimed(attempt=1))
    assert (end.move, end.verdict, end.charged, end.due_at) == (Move.RELEASE, Verdict.CRASHED, True, None)


def test_what_daemons_died_of_too_often_is_buried() -> None:
    assert left(claimed(attempt=3, crashes=CRASH_LIMIT - 1)).move is Move.BURY
    assert left(claimed(attempt=RULE.max_retries + 1)).move is Move.BURY
    assert left(claimed(attempt=5, released=3, crashes=1)).move is Move.RELEASE


def test_what_was_to_be_cancelled_when_its_daemon_died_is_cancelled() -> None:
    end = left(claimed(attempt=9, crashes=9), cancel_requested=True)
    assert (end.move, end.verdict) == (Move.CANCEL, Verdict.CANCELLED)


@pytest.mark.parametrize("metadata", ["{}", '{"async": 1}'])
def test_a_run_that_was_too_late_for_its_handler_goes_back_and_counts_as_not_begun(metadata: str) -> None:
    flights, finished, script = Flights(), list[Ending](), _Script(Outcome(Verdict.INTERRUPTED, began=False))
    broker, crew = ClaimedBroker([]), _Crew()
    judge = DeadLetters(lambda _: pytest.fail("nobody judges what has not begun"), finished.append)
    declare(broker, attempts_of(script, finished, flights, judge, crew))
    works = [claimed(id=number, metadata=metadata) for number in (1, 2)]
    now = monotonic()
    early, late = Window(now, now + 50, now + 60, counted_at=NOW), Window(now - 9, now - 8, counted_at=NOW)
    flights.add(works, {(1, 1): early, (2, 1): late})
    actor = broker.get_actor(works[0].queue + ACTOR_SUFFIX)
    actor(1, 1)
    actor(2, 1)
    assert [work.begin_by for work in script.asked] == [now + 60], "the other one did not get so far"
    assert [(each.move, each.charged) for each in finished] == [(Move.RELEASE, False)] * 2
    assert flights.uncounted(finished) == [("medium_priority", NOW)] * 2
    assert (crew.runs, crew.busy) == (0, 0)


@pytest.mark.parametrize("metadata", ["{}", '{"async": 1}'])
def test_a_message_whose_fence_has_moved_on_calls_no_handler(metadata: str) -> None:
    flights, finished, script = Flights(), list[Ending](), _Script(Outcome(Verdict.SUCCEEDED))
    broker, crew = ClaimedBroker([]), _Crew()
    judge = DeadLetters(lambda _: RULE, finished.append)
    declare(broker, attempts_of(script, finished, flights, judge, crew))
    flights.add([claimed(fence=1, metadata=metadata)])
    flights.drop_waiting(["medium_priority"])  # it was given back, and has been claimed again
    flights.add([claimed(fence=2, metadata=metadata)])
    actor = broker.get_actor("medium_priority" + ACTOR_SUFFIX)
    actor(1, 1)
    assert (script.asked, finished, crew.runs) == ([], [], 0)
    actor(1, 2)
    assert [work.fence for work in script.asked] == [2], "the latest fence is the one that counts"
    assert [each.work.fence for each in finished] == [2]


class _Loop(_Script):
    """A runner that ends what it has taken up when it is told to."""

    def __init__(self) -> None:
        super().__init__(Outcome(Verdict.SUCCEEDED))
        self.going: list[Callable[[Outcome], None]] = []

    def take_up(self, work: Claimed, done: Callable[[Outcome], None]) -> bool:
        self.asked.append(work)
        self.going.append(done)
        return True


def test_async_tasks_go_to_the_loop_as_there_is_room_the_most_urgent_first() -> None:
    flights, finished, loop, crew = Flights(), list[Ending](), _Loop(), _Crew(most=2)
    judge = DeadLetters(lambda _: RULE, finished.append)
    attempts = attempts_of(loop, finished, flights, judge, crew)
    queues = ["low_priority", "low_priority", "medium_priority", "urgent_priority", "urgent_priority"]
    works = [claimed(id=number, queue=queue, handler="poll") for number, queue in enumerate(queues)]
    page = claimed(id=9, queue="urgent_priority", handler="page")
    flights.add([*works, page])
    assert attempts.hand_over([*works, page]) == [page], "what needs a thread is left for one"
    assert [work.id for work in loop.asked] == [3, 4]
    flights.drop_waiting(["medium_priority"])  # given back in the meantime
    crew.most = 3
    attempts.go_on()
    assert [work.id for work in loop.asked] == [3, 4, 0]
    loop.going[0](Outcome(Verdict.SUCCEEDED))
    assert [work.id for work in loop.asked] == [3, 4, 0, 1]
    for done in loop.going[1:]:
        done(Outcome(Verdict.FAILED, error="no"))
    assert sorted(each.work.id for each in finished) == [0, 1, 3, 4]
    assert {each.move for each in finished if each.work.id != 3} == {Move.RETRY}
    assert crew.runs == 0


class _NoLoop(_Script):
    """A runner whose event loop cannot be started."""

    def take_up(self, work: Claimed, done: Callable[[Outcome], None]) -> bool:
        raise NoLoopError("no descriptor is free")


def test_a_task_for_which_this_machine_has_no_loop_goes_back_and_the_next_ones_wait_in_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flights, finished, crew = Flights(), list[Ending](), _Crew()
    judge = DeadLetters(lambda _: pytest.fail("nobody judges what has not begun"), finished.append)
    attempts = attempts_of(_NoLoop(Outcome(Verdict.SUCCEEDED)), finished, flights, judge, crew)
    works = [claimed(id=number, handler="poll") for number in (1, 2)]
    flights.add(works)

    assert attempts.hand_over(works[:1]) == []
    assert attempts.hand_over(works[1:]) == works[1:], "so that they do not go round and round"
    monkeypatch.setattr(actors, "PAUSE", 0.0)
    attempts.perform(2, 1)

    assert [(each.work.id, each.move, each.charged) for each in finished] == [
        (1, Move.RELEASE, False),
        (2, Move.RELEASE, False),
    ]
    assert flights.take_delays() == [], "they were late for nothing"
    assert (crew.runs, crew.busy) == (0, 0)
    flights.add([claimed(id=3, handler="poll")])
    assert attempts.hand_over([claimed(id=3, handler="poll")]) == [], "after a while they are tried again"


def test_a_limit_of_memory_takes_an_async_task_to_a_thread() -> None:
    flights, finished, loop = Flights(), list[Ending](), _Loop()
    attempts = attempts_of(loop, finished, flights, DeadLetters(lambda _: RULE, finished.append))
    bounded = claimed(handler="poll", memory_limit=64)
    flights.add([bounded])
    assert attempts.hand_over([bounded]) == [bounded]
    assert loop.asked == []


def test_what_is_set_for_a_queue_wins_over_the_file_and_not_over_the_task() -> None:
    budgets = Budgets(settings(queues={"medium_priority": QueueSettings(2.0, 32, 2, 3.0)}))
    budgets.learn({"medium_priority": QueueRules("medium_priority", task_timeout=1.0, max_retries=0)})
    applied = budgets.applied(claimed())
    assert (applied.timeout, applied.memory_limit) == (1.0, 32)
    assert budgets.applied(claimed(timeout=9.0)).timeout == 9.0
    assert budgets.rule_for(claimed()) == RetryRule(0, 3.0, 3600.0)
    budgets.learn({})
    assert budgets.applied(claimed()).timeout == 2.0


def test_a_silent_node_starts_nothing_any_more_before_another_may_take_over() -> None:
    # Its last word may be as old as a beat when its last tick begins.
    assert pump._TRUSTED_SECONDS + pump._BEAT_SECONDS < recovery._SILENT_MS / 1000 < recovery.LEASE_MS / 1000
