"""What a run leaves behind: attempts charged and not, dead letters, articles, and requests to cancel it."""

from __future__ import annotations

import pytest

from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import FINAL, Move, State
from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.retry import RetryRule, decide
from queuectl.domain.task import Claimed
from queuectl.errors import DuplicateTaskError
from queuectl.store import articles, dead_letters, history, nodes, tasks
from queuectl.store.database import Database
from tests.support.factories import (
    NODE,
    NOW,
    all_rows,
    an_article,
    claimed,
    counts_are_right,
    ending,
    finish,
    held_by,
    new_task,
    states,
    stored,
    submit,
    submit_copies,
    task_in,
    undone,
    work_of,
)

QUEUE = "medium_priority"
ENDS = [Move.SUCCEED, Move.RETRY, Move.BURY, Move.RELEASE, Move.CANCEL]


def run(database: Database, move: Move, **fields: object) -> tuple[Claimed, list[Ending]]:
    """Start the one queued task, end its run at once, and return both."""
    with database.writing() as transaction:
        (work,), _ = tasks.start(transaction, QUEUE, 1, node=NODE, now=NOW)
        return work, finish(transaction, [ending(work, move, **fields)])


class TestCharging:
    """Which runs count against a task's budget."""

    def test_a_claim_charges_an_attempt_before_anything_has_run(self, database: Database) -> None:
        task = task_in(database, State.DISPATCHED)
        assert stored(database, task)["attempt"] == 0
        with database.writing() as transaction:
            (work,) = tasks.claim(transaction, [(task, 1)], node="taker", now=NOW + 5)
        row = stored(database, task)
        assert (row["attempt"], row["released"], row["node"], row["started_at"]) == (1, 0, "taker", NOW + 5)
        assert (work.attempt, work.fence, work.started_at) == (1, 1, NOW + 5)

    def test_a_release_before_the_claim_charges_nothing(self, database: Database) -> None:
        task = task_in(database, State.DISPATCHED)
        with database.writing() as transaction:
            assert tasks.release_dispatched(transaction) == 1
        row = stored(database, task)
        assert (row["attempt"], row["released"], row["fence"], row["node"]) == (0, 0, 2, None)

    @pytest.mark.parametrize(("charged", "released"), [(False, 1), (True, 0)])
    def test_a_release_is_charged_or_not_as_its_end_says(
        self, database: Database, charged: bool, released: int
    ) -> None:
        task = task_in(database, State.QUEUED)
        run(database, Move.RELEASE, charged=charged)
        row = stored(database, task)
        assert (row["attempt"], row["released"], row["state"]) == (1, released, "queued")

    def test_a_release_raises_the_fence_so_that_the_old_run_can_write_nothing(
        self, database: Database
    ) -> None:
        task_in(database, State.QUEUED)
        old, _ = run(database, Move.RELEASE)
        new, _ = run(database, Move.RETRY)
        assert new.fence > old.fence + 1
        assert stored(database, old.id)["fence"] == new.fence
        with database.writing() as transaction:
            assert finish(transaction, [ending(old, Move.SUCCEED)]) == []

    def test_crashes_are_counted_whatever_follows_them(self, database: Database) -> None:
        task = task_in(database, State.QUEUED)
        run(database, Move.RELEASE, verdict=Verdict.CRASHED, charged=True)
        run(database, Move.RETRY, verdict=Verdict.CRASHED)
        with database.writing() as transaction:
            tasks.due(transaction, NOW + 10**7, 10)
        run(database, Move.BURY, verdict=Verdict.CRASHED)
        row = stored(database, task)
        assert (row["attempt"], row["crashes"], row["released"]) == (3, 3, 0)

    def test_a_task_fails_exactly_as_often_as_its_retries_allow(self, database: Database) -> None:
        task = task_in(database, State.QUEUED)
        rule = RetryRule(max_retries=2, backoff=10, longest=3600)
        outcomes = [
            Verdict.FAILED,
            Verdict.INTERRUPTED,
            Verdict.TIMED_OUT,
            Verdict.INTERRUPTED,
            Verdict.FAILED,
        ]
        for verdict in outcomes:
            with database.writing() as transaction:
                tasks.due(transaction, NOW + 10**8, 10)
                (work,), _ = tasks.start(transaction, QUEUE, 1, node=NODE, now=NOW)
                finish(transaction, [decide(work, Outcome(verdict), rule, NOW)])
        assert states(database) == {task: State.DEAD}
        (letter,) = all_rows(database, "dead_letters")
        assert (letter["attempts"], letter["cause"]) == (3, "exhausted")
        assert [row["attempt"] for row in all_rows(database, "attempts")] == [1, 2, 3, 4, 5]

    def test_a_person_gives_a_fresh_budget(self, database: Database) -> None:
        task = task_in(database, State.DEAD)
        with database.writing() as transaction:
            assert tasks.requeue(transaction, [task], NOW + 7) == [task]
        row = stored(database, task)
        assert (row["state"], row["due_at"], row["finished_at"], row["crashes"]) == (
            "queued",
            NOW + 7,
            None,
            0,
        )
        assert row["attempt"] - row["released"] == 0
        work, _ = run(database, Move.RETRY)
        assert (work.attempt, work.attempt - work.released) == (2, 1)


class TestEnding:
    """The end of a run: what is written with the move, and what is not when it comes too late."""

    @pytest.mark.parametrize("move", ENDS)
    def test_an_end_frees_the_task_and_keeps_what_it_said(self, database: Database, move: Move) -> None:
        task = task_in(database, State.QUEUED)
        work, held = run(database, move)
        row = stored(database, task)
        assert [each.work.id for each in held] == [task]
        assert row["node"] is None
        assert (row["finished_at"] is not None) == (State(row["state"]) in FINAL)
        assert row["error"] == held[0].error
        assert row["result"] == held[0].result
        assert row["fence"] == work.fence + (move is Move.RELEASE)
        assert row["due_at"] == (NOW + 10_000 if move is Move.RETRY else NOW)

    @pytest.mark.parametrize("move", ENDS)
    def test_every_end_leaves_an_attempt(self, database: Database, move: Move) -> None:
        task = task_in(database, State.QUEUED)
        work, _ = run(database, move, traceback="deep inside", error="so it was")
        with database.reading() as transaction:
            (attempt,) = history.attempts_of(transaction, task)
        assert (attempt.attempt, attempt.fence, attempt.node) == (1, work.fence, NODE)
        assert (attempt.started_at, attempt.finished_at) == (NOW, NOW + 500)
        assert (attempt.error, attempt.traceback) == ("so it was", "deep inside")
        assert attempt.outcome in set(Verdict)

    @pytest.mark.parametrize("move", ENDS)
    def test_only_a_burial_leaves_a_dead_letter(self, database: Database, move: Move) -> None:
        task = task_in(database, State.QUEUED)
        run(database, move)
        with database.reading() as transaction:
            letters = dead_letters.find(transaction, DeadLetterSelection(), 10)
        if move is not Move.BURY:
            assert letters == []
            return
        (letter,) = letters
        assert (letter.task_id, letter.queue, letter.handler) == (task, QUEUE, "article")
        assert (letter.cause, letter.error) == ("exhausted", "it failed for good")
        assert (letter.attempts, letter.died_at) == (1, NOW + 500)

    def test_a_second_end_of_the_same_run_changes_nothing(self, database: Database) -> None:
        task_in(database, State.QUEUED)
        work, _ = run(database, Move.SUCCEED, result='"first"')
        for move in ENDS:
            with database.writing() as transaction:
                assert finish(transaction, [ending(work, move)]) == []
        assert stored(database, work.id)["result"] == '"first"'
        assert len(all_rows(database, "attempts")) == 1

    def test_the_same_end_twice_in_one_group_counts_once(self, database: Database) -> None:
        task = task_in(database, State.RUNNING)
        work = work_of(database, task)
        with database.writing() as transaction:
            held = finish(transaction, [ending(work, Move.SUCCEED), ending(work, Move.SUCCEED)])
        assert len(held) == 1
        assert counts_are_right(database)

    @pytest.mark.parametrize("late", ENDS)
    @pytest.mark.parametrize("move", ENDS)
    def test_a_late_end_in_one_group_with_the_right_one_is_left_out(
        self, database: Database, late: Move, move: Move
    ) -> None:
        task = task_in(database, State.QUEUED)
        old, _ = run(database, Move.RELEASE)
        with database.writing() as transaction:
            (new,), _ = tasks.start(transaction, QUEUE, 1, node=NODE, now=NOW)
        both = [ending(old, late), ending(new, move)]
        with undone(database) as transaction:
            assert [each.work.fence for each in finish(transaction, both[::-1])] == [new.fence]
        with database.writing() as transaction:
            held = finish(transaction, both)
        assert [(each.work.fence, each.move) for each in held] == [(new.fence, move)]
        assert len(all_rows(database, "attempts")) == 2
        assert counts_are_right(database)
        assert stored(database, task)["attempt"] == 2

    def test_a_group_of_ends_holds_all_kinds_at_once(self, database: Database) -> None:
        with database.writing() as transaction:
            submit(transaction, *(new_task(number) for number in range(1, 101)))
            works, _ = tasks.start(transaction, QUEUE, 100, node=NODE, now=NOW)
            held = finish(transaction, [ending(work, ENDS[work.id % 5]) for work in works])
        assert len(held) == 100
        found = list(states(database).values())
        for state in (State.SUCCEEDED, State.RETRYING, State.DEAD, State.QUEUED, State.CANCELLED):
            assert found.count(state) == 20
        assert counts_are_right(database)

    def test_an_error_after_the_move_takes_history_and_move_back(self, database: Database) -> None:
        task = task_in(database, State.RUNNING)
        work = work_of(database, task)
        last = ending(work, Move.BURY, article=an_article())
        with undone(database) as transaction:
            articles.save(transaction, finish(transaction, [last]))
        assert states(database) == {task: State.RUNNING}
        for table in ("attempts", "dead_letters", "articles"):
            assert all_rows(database, table) == []
        assert counts_are_right(database)

    def test_texts_of_every_kind_come_back_as_they_were_said(self, database: Database) -> None:
        said = "tab\tquote\"'back\\slash\n新行 \N{PILE OF POO} %s $1 {json} \u2028 \x7f"
        task_in(database, State.QUEUED)
        run(database, Move.BURY, error=said, traceback=said, result='{"a": "\\u0000\\n"}')
        row = stored(database, 1)
        assert (row["error"], row["result"]) == (said, '{"a": "\\u0000\\n"}')
        assert all_rows(database, "attempts")[0]["traceback"] == said
        assert all_rows(database, "dead_letters")[0]["error"] == said

    def test_a_result_of_a_mebibyte_is_kept(self, database: Database) -> None:
        result = '"' + "文" * 349_000 + '"'
        task_in(database, State.QUEUED)
        run(database, Move.SUCCEED, result=result)
        assert stored(database, 1)["result"] == result

    def test_no_end_at_all_is_fine(self, database: Database) -> None:
        with database.writing() as transaction:
            assert tasks.end(transaction, []) == []
            assert tasks.claim(transaction, [], node=NODE, now=NOW) == []

    def test_an_article_is_stored_with_the_success(self, database: Database) -> None:
        article = an_article()
        with database.writing() as transaction:
            assert articles.save(transaction, [ending(claimed(id=7), Move.SUCCEED, article=article)]) == 1
            assert articles.save(transaction, [ending(claimed(id=8), Move.SUCCEED)]) == 0
        with database.reading() as transaction:
            kept = articles.of_task(transaction, 7)
            assert articles.of_task(transaction, 8) is None
            assert articles.latest(transaction, 10) == [kept]
        assert kept is not None
        assert (kept.task_id, kept.stored_at, kept.article) == (7, NOW + 500, article)

    def test_a_task_that_succeeds_again_has_its_newest_article(self, database: Database) -> None:
        for title in ("old", "new"):
            with database.writing() as transaction:
                articles.save(transaction, [ending(claimed(), Move.SUCCEED, article=an_article(title=title))])
        with database.reading() as transaction:
            assert [each.article.title for each in articles.latest(transaction, 10)] == ["new"]


class TestCancelling:
    """A person's request to cancel wins over whatever would let the task run again."""

    def test_a_running_task_is_asked_once_and_shown_to_its_node(self, database: Database) -> None:
        task = task_in(database, State.RUNNING)
        for _ in range(2):
            with database.writing() as transaction:
                assert tasks.cancel(transaction, [task], NOW) == {task: State.RUNNING}
        with database.writing() as transaction:
            assert nodes.hear_cancel_requests(transaction, "other") == []
            assert nodes.hear_cancel_requests(transaction, NODE) == [(task, 1)]
            assert nodes.hear_cancel_requests(transaction, NODE) == []
        assert [each.cancel_requested for each in held_by(database)] == [True]

    def test_requests_are_looked_for_among_requests_and_not_among_all_that_ran(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with database.writing() as transaction:
            submit_copies(transaction, [new_task(number) for number in range(2_000)])
            begun, _ = tasks.start(transaction, QUEUE, 2_000, node=NODE, now=NOW)
        assert len(begun) == 2_000
        database.analyze()
        sent: list[tuple[str, object]] = []
        run_it = Database.run

        def noting(self: Database, sql: str, params: object = ()) -> object:
            sent.append((sql, params))
            return run_it(self, sql, params)  # type: ignore[arg-type]

        with database.writing() as transaction:
            monkeypatch.setattr(Database, "run", noting)
            assert nodes.hear_cancel_requests(transaction, NODE) == []
            monkeypatch.undo()
            (sql, params) = sent[0]
            explain = "EXPLAIN QUERY PLAN " if database.engine == "sqlite" else "EXPLAIN "
            plan = str(transaction.rows(explain + sql, params))  # type: ignore[arg-type]
        assert "tasks_to_cancel" in plan
        assert "tasks_in_hand" not in plan

    @pytest.mark.parametrize("move", [Move.RETRY, Move.RELEASE])
    def test_a_run_that_fails_before_it_hears_of_the_request_does_not_run_again(
        self, database: Database, move: Move
    ) -> None:
        task = task_in(database, State.RUNNING)
        work = work_of(database, task)
        with database.writing() as transaction:
            tasks.cancel(transaction, [task], NOW)
        with database.writing() as transaction:
            held = finish(transaction, [ending(work, move)])
        row = stored(database, task)
        assert (row["state"], row["cancel_requested"]) == ("cancelled", 0)
        assert row["finished_at"] == NOW + 500
        assert [each.move for each in held] == [Move.CANCEL]
        assert counts_are_right(database)
        with database.writing() as transaction:
            assert finish(transaction, [ending(work, move)]) == []

    @pytest.mark.parametrize("move", [Move.SUCCEED, Move.BURY, Move.CANCEL])
    def test_a_run_that_ends_for_good_keeps_its_end(self, database: Database, move: Move) -> None:
        task = task_in(database, State.RUNNING)
        work = work_of(database, task)
        with database.writing() as transaction:
            tasks.cancel(transaction, [task], NOW)
            (held,) = finish(transaction, [ending(work, move)])
        assert held.move is move
        assert stored(database, task)["cancel_requested"] == 0
        assert counts_are_right(database)

    def test_a_cancelled_message_is_stale(self, database: Database) -> None:
        task = task_in(database, State.DISPATCHED)
        with database.writing() as transaction:
            tasks.cancel(transaction, [task], NOW)
            assert tasks.claim(transaction, [(task, 1)], node=NODE, now=NOW) == []
            tasks.requeue(transaction, [task], NOW)
            messages, _ = tasks.dispatch(transaction, QUEUE, 1, node=NODE, now=NOW)
            assert tasks.claim(transaction, [(task, 1)], node=NODE, now=NOW) == []
            assert len(tasks.claim(transaction, [(m.id, m.fence) for m in messages], node=NODE, now=NOW)) == 1

    def test_the_answer_leaves_out_what_has_ended_or_never_was(self, database: Database) -> None:
        ids = {state: task_in(database, state, n) for n, state in enumerate([State.DEAD, State.SUCCEEDED])}
        with database.writing() as transaction:
            assert tasks.cancel(transaction, [*ids.values(), 99], NOW) == {}
            assert tasks.cancel(transaction, [], NOW) == {}
            assert tasks.requeue(transaction, [], NOW) == []

    def test_a_queue_is_cancelled_in_groups_and_runs_go_on(self, database: Database) -> None:
        running = task_in(database, State.RUNNING)
        elsewhere = task_in(database, State.QUEUED, 2, score=8)
        with database.writing() as transaction:
            submit(
                transaction,
                *(new_task(number, run_at=NOW if number % 2 else None) for number in range(10, 35)),
            )
        counts: list[int] = []
        while not counts or counts[-1]:
            with database.writing() as transaction:
                counts.append(tasks.cancel_queue(transaction, QUEUE, NOW + 9, 10))
        assert counts == [10, 10, 5, 0]
        found = states(database)
        assert found.pop(running) is State.RUNNING
        assert found.pop(elsewhere) is State.QUEUED
        assert set(found.values()) == {State.CANCELLED}
        assert counts_are_right(database)


class TestReleasingMessages:
    """Dispatched tasks go back to their queues when their messages are lost."""

    @pytest.fixture
    def dispatched(self, database: Database) -> dict[str, int]:
        """Give tasks dispatched by two nodes at two times, and one that runs."""
        found: dict[str, int] = {}
        with database.writing() as transaction:
            for node, when in (("a", NOW), ("b", NOW), ("a", NOW + 100), ("b", NOW + 100)):
                (task,) = submit(transaction, new_task(len(found)))
                tasks.dispatch(transaction, QUEUE, 1, node=node, now=when)
                found[f"{node}{when - NOW}"] = task
        found["running"] = task_in(database, State.RUNNING, 99, node="a")
        return found

    @pytest.mark.parametrize(
        ("node", "before", "expected"),
        [
            (None, None, {"a0", "b0", "a100", "b100"}),
            ("a", None, {"a0", "a100"}),
            (None, NOW + 100, {"a0", "b0"}),
            (None, NOW, set()),
            ("b", NOW + 101, {"b0", "b100"}),
            ("c", None, set()),
        ],
    )
    def test_all_of_them_or_a_nodes_or_the_old_ones(
        self,
        database: Database,
        dispatched: dict[str, int],
        node: str | None,
        before: int | None,
        expected: set[str],
    ) -> None:
        with database.writing() as transaction:
            assert tasks.release_dispatched(transaction, node=node, before=before) == len(expected)
        for name, task in dispatched.items():
            row = stored(database, task)
            if name in expected:
                assert (row["state"], row["fence"], row["node"]) == ("queued", 2, None)
            else:
                assert (row["state"], row["fence"]) == ("running" if name == "running" else "dispatched", 1)
        assert counts_are_right(database)

    def test_what_a_node_holds_is_what_it_runs(self, database: Database, dispatched: dict[str, int]) -> None:
        held = held_by(database, "a")
        assert [(each.work.id, each.state, each.cancel_requested) for each in held] == [
            (dispatched["running"], State.RUNNING, False)
        ]
        assert held[0].work == work_of(database, dispatched["running"])
        with database.reading() as transaction:
            assert sorted(nodes.holders(transaction)) == ["a", "b"]


class TestRequeueing:
    """A person sends tasks back to their queues."""

    def test_what_can_go_back_goes_back_and_the_rest_stays(self, database: Database) -> None:
        ids = {state: task_in(database, state, number) for number, state in enumerate(list(State)[::-1])}
        with database.writing() as transaction:
            went = tasks.requeue(transaction, [*ids.values(), 99], NOW)
        assert went == sorted(ids[state] for state in (State.RETRYING, State.DEAD, State.CANCELLED))
        assert counts_are_right(database)

    def test_a_unique_task_does_not_come_back_beside_another_open_one(self, database: Database) -> None:
        row = new_task(1)
        unique = row._replace(unique_key=row.url_key)
        with database.writing() as transaction:
            (old,) = submit(transaction, unique)
            tasks.cancel(transaction, [old], NOW)
            (new,) = submit(transaction, unique)
        with pytest.raises(DuplicateTaskError), database.writing() as transaction:
            tasks.requeue(transaction, [old], NOW)
        assert states(database) == {old: State.CANCELLED, new: State.QUEUED}
        assert counts_are_right(database)

    def test_its_dead_letter_goes_with_it(self, database: Database) -> None:
        dead = [task_in(database, State.DEAD, number) for number in (1, 2)]
        with database.writing() as transaction:
            dead_letters.drop(transaction, [])
            dead_letters.drop(transaction, tasks.requeue(transaction, dead[:1], NOW))
        assert [row["task_id"] for row in all_rows(database, "dead_letters")] == dead[1:]

    def test_a_requeued_task_shows_no_trace_of_a_late_end(self, database: Database) -> None:
        task = task_in(database, State.RUNNING)
        work = work_of(database, task)
        with database.writing() as transaction:
            finish(transaction, [ending(work, Move.RETRY)])
            tasks.requeue(transaction, [task], NOW)
            (again,), _ = tasks.start(transaction, QUEUE, 1, node=NODE, now=NOW)
            assert finish(transaction, [ending(work, Move.SUCCEED)]) == []
            assert finish(transaction, [ending(again, Move.SUCCEED)])
        assert (again.attempt, again.fence) == (2, 2)
