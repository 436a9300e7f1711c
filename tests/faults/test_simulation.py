"""The simulation: the same seed gives the same history, promises hold under many seeds, and what fails is shrunk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.judge import Breach
from tests.simulation.running import Result, run
from tests.simulation.shrinking import shrink
from tests.simulation.weather import KINDS, Plan

_FEW = 60
"""Tasks of a run here: fewer than in ``make simulate``, so that more seeds fit into a minute."""

_ROOT = Path(__file__).parents[2]
_PRINT_EVENTS = (
    "import json, sys; from tests.simulation.running import run; from tests.simulation.weather import Plan;"
    " print(json.dumps(run(Plan(int(sys.argv[1]), 60)).histories.tables['events']))"
)


@pytest.mark.parametrize("seed", [5, 6])
def test_the_same_seed_gives_the_same_history_in_another_process(seed: int) -> None:
    texts = set()
    for hashing in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", _PRINT_EVENTS, str(seed)],
            cwd=_ROOT,
            env=os.environ | {"PYTHONHASHSEED": hashing},
            capture_output=True,
            text=True,
            check=True,
        )
        texts.add(told.stdout)
    assert len(texts) == 1
    assert texts.pop() == json.dumps(run(Plan(seed, 60)).histories.tables["events"]) + "\n"


def test_another_seed_gives_another_history() -> None:
    first, second = (run(Plan(seed, 40)).histories.tables["events"] for seed in (1, 2))
    assert first != second


def test_faults_of_every_kind_happen() -> None:
    happened: set[str] = set()
    for seed in range(12):
        happened |= run(Plan(seed, 60)).faults.keys()
    assert happened == set(KINDS)


def test_a_run_without_faults_has_none() -> None:
    result = run(Plan(3, 60, faults=0))
    assert (result.faults.total(), result.breaches) == (0, ())


def _pretended(plan: Plan) -> Result:
    """Break a promise as long as there are seven tasks, two kinds of faults, and nine faults of them."""
    whole = run(Plan(plan.seed, 5, faults=0))
    kinds = [kind for kind in KINDS if kind not in plan.without]
    faults = {kind: min(20, plan.faults) for kind in kinds}
    fails = plan.tasks >= 7 and {"kill", "unheard"} <= set(kinds) and plan.faults >= 9
    breaches = (Breach("I1", 1, "is gone"),) if fails else ()
    return replace(whole, plan=plan, breaches=breaches, faults=type(whole.faults)(faults))


def test_a_failing_run_is_made_smaller_as_long_as_it_fails() -> None:
    smallest = shrink(_pretended(Plan(1)), attempts=200, again=_pretended)
    assert smallest.breaches
    assert smallest.plan.tasks < 20
    assert set(KINDS) - smallest.plan.without == {"kill", "unheard"}
    assert smallest.plan.faults < 60
    assert "make simulate SEED=1 TASKS=" in smallest.told()


@pytest.mark.parametrize("first", range(0, 500, 20))
def test_promises_hold_under_many_seeds(first: int) -> None:
    broken = [result for seed in range(first, first + 20) if (result := run(Plan(seed, _FEW))).breaches]
    assert not broken, broken[0].told()


_FAILED_ONCE = [
    Plan(3), Plan(417, faults=2), Plan(805), Plan(940), Plan(1474), Plan(2284), Plan(3336), Plan(14520, 60),
    Plan(19973, 60),
]  # fmt: skip


@pytest.mark.parametrize("plan", _FAILED_ONCE, ids=Plan.command)
def test_what_failed_once_holds(plan: Plan) -> None:
    result = run(plan)
    assert not result.breaches, result.told()
