"""The planted bugs: what each is, which lines it changes, and who must find it.

The simulation finds what can go wrong between transactions. What takes a real process, disk or file names the tests
that find it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one place in one file, given from the root of the repository."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Plant:
    """One bug. Without ``tests`` it is the simulation that must find it, beginning with the seed ``first``."""

    name: str
    says: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...] = ()
    first: int = 1


_TASKS, _STARTS = "queuectl/store/tasks.py", "queuectl/store/starts.py"
_PUMP, _TICK = "daemon/queuectl_daemon/pump.py", "daemon/queuectl_daemon/tick.py"
_SCHEDULES = "queuectl/store/schedules.py"
_RUNNER = "daemon/queuectl_daemon/runner"

PLANTS = (
    Plant(
        "P1",
        "giving back a node's messages does not look at the state",
        (
            Edit(
                _TASKS,
                'conditions = ["node IS NOT NULL", "state = \'dispatched\'"]',
                'conditions = ["node IS NOT NULL"]',
            ),
        ),
    ),
    Plant(
        "P2",
        "an end does not look at the fence",
        (
            Edit(
                _TASKS,
                "WHERE id = vid AND fence = vfence AND state = 'running'\"\n        \" AND (cancel",
                "WHERE id = vid AND state = 'running'\"\n        \" AND (cancel",
            ),
        ),
        first=75,
    ),
    Plant(
        "P3",
        "claimed tasks run before the claim is committed",
        (
            Edit(
                _PUMP,
                "self._describe(self._capacity.pace), LEASE_MS)\n        except",
                "self._describe(self._capacity.pace), LEASE_MS)\n"
                "                self._flights.add(tick.claimed + taking.claimed, taking.windows)\n"
                "                self._hand_over(tick.claimed + taking.claimed)\n        except",
            ),
            Edit(
                _PUMP,
                "                self._flights.add(claimed, taking.windows)\n"
                "                self._hand_over(claimed)\n            except",
                "                pass\n            except",
            ),
        ),
    ),
    Plant(
        "P4",
        "a submission is confirmed although its commit failed",
        (
            Edit(
                "queuectl/store/database.py",
                "                self._commit(statements)\n            except BaseException:",
                "                self._commit(statements)\n            except DatabaseUnreachableError:\n"
                "                self._undo()\n            except BaseException:",
            ),
        ),
    ),
    Plant(
        "P5",
        "SQLite does not wait for the disk",
        (Edit("queuectl/store/connecting.py", '"synchronous": "full"', '"synchronous": "off"'),),
        ("tests/integration/store/test_schema.py",),
    ),
    Plant(
        "P6",
        "write transactions begin as readers",
        (Edit("queuectl/store/database.py", '"DEFERRED" if reading else "IMMEDIATE"', '"DEFERRED"'),),
        ("tests/integration/store/test_concurrency.py",),
    ),
    Plant(
        "P7",
        "an attempt is counted after its run",
        (
            Edit(
                _TASKS,
                "fence = fence + 1, attempt = attempt + 1, node = %s, started_at",
                "fence = fence + 1, node = %s, started_at",
            ),
            Edit(
                _TASKS,
                "released = released + vreleased,",
                "attempt = attempt + 1, released = released + vreleased,",
            ),
        ),
    ),
    Plant(
        "P8",
        "messages that nobody takes are not sent again",
        (Edit("daemon/queuectl_daemon/chores.py", "before=now_ms() - _LATE_MESSAGE_MS", "before=0"),),
    ),
    Plant(
        "P9",
        "nothing keeps a tick from being fired twice",
        (
            Edit(_SCHEDULES, '" AND (firing_until IS NULL OR firing_until', '" AND (1 = 1 OR firing_until'),
            Edit(
                _SCHEDULES,
                "WHERE id = %s AND next_tick_at = %s AND paused",
                "WHERE id = %s AND 0 <= %s AND paused",
            ),
            Edit(
                "queuectl/operations/firing.py",
                "elif ticks.happened(transaction, schedule.id, due.at):",
                "elif False:",
            ),
            Edit("queuectl/store/ticks.py", 'f"INSERT INTO ticks', 'f"INSERT OR REPLACE INTO ticks'),
        ),
        first=15,
    ),
    Plant(
        "P10",
        "ticks are stored in local time",
        (
            Edit(
                "queuectl/domain/ticks.py",
                "    return round(moment.timestamp() * 1000)",
                "    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)",
            ),
            Edit(
                "queuectl/domain/ticks.py",
                "PlannedTick(_milliseconds(found[0]))]",
                "PlannedTick(_milliseconds(found[0].astimezone(zone)))]",
            ),
        ),
        first=38,
    ),
    Plant(
        "P11",
        "a lease goes by the clock of its own node",
        (
            Edit(
                "queuectl/store/nodes.py",
                '    now = transaction.now()\n    transaction.execute(\n        f"INSERT INTO nodes',
                '    now = now_ms()\n    transaction.execute(\n        f"INSERT INTO nodes',
            ),
        ),
        first=36,
    ),
    Plant(
        "P12",
        "a rate is limited in fixed windows",
        (
            Edit(
                _STARTS,
                "(name, name, name, now - limit.period_ms)",
                "(name, name, name, now - now % limit.period_ms)",
            ),
        ),
        first=17,
    ),
    Plant(
        "P13",
        "starts are counted in a node's memory only",
        (
            Edit(
                _STARTS,
                "(queue, at, at, count, queue),",
                "(_mine(transaction, queue), at, at, count, _mine(transaction, queue)),",
            ),
            Edit(
                _STARTS,
                "(name, name, name, now - limit.period_ms)",
                "(name, _mine(transaction, name), _mine(transaction, name), now - limit.period_ms)",
            ),
            Edit(
                _STARTS,
                "def begin(transaction",
                "def _mine(transaction: Transaction, queue: str) -> str:\n"
                '    return f"{queue} {id(transaction.database)}"\n\n\ndef begin(transaction',
            ),
        ),
        first=17,
    ),
    Plant(
        "P14",
        "a run's process group is ended, and not its descendants",
        (
            Edit(
                f"{_RUNNER}/family.py",
                "        _stop_family(pid)\n"
                "        for member in descendants(pid):\n"
                "            _signal(os.kill, member, signal.SIGKILL)\n",
                "        pass\n",
            ),
            # What leaves the group is hunted here a second time.
            Edit(f"{_RUNNER}/nursery.py", "        self._end_strays()\n", ""),
        ),
        ("tests/integration/runner/test_limits.py",),
    ),
    Plant(
        "P15",
        "an exit status of 0 means success",
        (
            Edit(
                f"{_RUNNER}/process_runs.py",
                "            return _crashed(run.child, printed)",
                "            return Outcome(Verdict.SUCCEEDED) if not run.child.status else _crashed(run.child, printed)",  # noqa: E501
            ),
        ),
        ("tests/integration/runner/test_endings_of_runs.py",),
    ),
    Plant(
        "P16",
        "a commit that went unheard is taken for undone",
        (
            Edit(_PUMP, "        self._reconcile = self._look = True\n", "        self._look = True\n"),
            Edit(_TICK, "for key in strangers & self.view.strangers]", "for key in ()]"),
        ),
        first=16,
    ),
    Plant(
        "P17",
        "a transaction goes on after one of its statements failed",
        (
            Edit(
                _TICK,
                "        except QueuectlError:\n            raise\n",
                "        except QueuectlError:\n            pass\n",
            ),
        ),
        first=33,
    ),
    Plant(
        "P18",
        "a node has the name of its machine",
        (
            Edit(
                "daemon/queuectl_daemon/service.py",
                "self.node = secrets.token_hex(8)",
                'self.node = __import__("socket").gethostname() + secrets.token_hex(0)',
            ),
        ),
        ("tests/faults/test_poison.py",),
    ),
    Plant(
        "P19",
        "a cancellation looks in one transaction and acts in another",
        (
            Edit(
                "queuectl/operations/task_control.py",
                "        with operation.writing() as transaction:\n"
                "            done = tasks.cancel(transaction, [number], now_ms())\n",
                "        with self._database.writing() as transaction:\n"
                "            found = tasks.locked(transaction, [number])\n"
                "        with operation.writing() as transaction:\n"
                "            waiting = [each for each in found if each.state in WAITING]\n"
                "            tasks.cancel_waiting(transaction, waiting, now_ms())\n"
                "            done = {each.id: State.CANCELLED for each in waiting}\n",
            ),
            Edit(
                _TASKS,
                "\" WHERE id = vid AND state IN ('scheduled', 'queued', 'dispatched', 'retrying')\",\n        (now, *params),",  # noqa: E501
                '" WHERE id = vid",\n        (now, *params),',
            ),
        ),
        first=20,
    ),
    Plant(
        "P20",
        "an import commits as it goes",
        (
            Edit(
                "queuectl/store/submission.py",
                '            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)\n',
                '            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)\n'
                '            cursor.execute("COMMIT")\n            cursor.execute("BEGIN IMMEDIATE")\n',
            ),
        ),
        ("tests/faults/crash_points/test_crash_points.py",),
    ),
    Plant(
        "P21",
        "what is old is removed without a bound",
        (
            Edit(
                "queuectl/store/upkeep.py", "            (before, limit),\n", "            (before, 10**9),\n"
            ),
        ),
        ("tests/integration/daemon/test_retention.py",),
    ),
    Plant(
        "P22",
        "tasks of one rank are taken in any order",
        (
            Edit(
                "queuectl/store/ready.py",
                'order = "AND (rank, due_at, id) > (%s, %s, %s) ORDER BY rank, due_at, id LIMIT %s"',
                'order = "AND (rank, due_at, id) > (%s, %s, %s) ORDER BY rank, id % 7, id LIMIT %s"',
            ),
        ),
    ),
    Plant(
        "P23",
        "a message may carry more than a task's number and fence",
        (
            Edit(
                "daemon/queuectl_daemon/transport.py",
                '    task, dot, fence = body.partition(b".")\n',
                '    task, dot, fence = body.partition(b".")\n    fence = fence.partition(b".")[0]\n',
            ),
        ),
        ("tests/unit/daemon/test_messages.py",),
    ),
    Plant(
        "P24",
        "a shutdown charges the attempt",
        (
            Edit(
                "queuectl/domain/retry.py",
                "return _ended(work, outcome, finished_at, Move.RELEASE, charged=False)",
                "return _ended(work, outcome, finished_at, Move.RELEASE)",
            ),
        ),
        first=143,
    ),
)
