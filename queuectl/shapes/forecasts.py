"""Why tasks wait, when they may be expected to start, and when they are planned to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuectl.domain.explanation import Explanation
from queuectl.domain.forecast import Forecast
from queuectl.domain.optimisation import Optimisation, Window
from queuectl.domain.task import task_name
from queuectl.errors import NoPlanError
from queuectl.times import iso

if TYPE_CHECKING:
    from queuectl.operations.forecast import Delay, Simulation


def explanation_shape(found: Explanation) -> dict[str, Any]:
    """Return an explanation for programs; ``certainty`` says how well the earliest start is known."""
    return {
        "id": task_name(found.task.id),
        "state": found.task.state.value,
        "queue": found.task.queue,
        "at": iso(found.at),
        "startable": found.startable,
        "position": found.position,
        "position_is_least": found.position_is_least,
        "earliest_start": iso(found.earliest_start),
        "certainty": None if found.certainty is None else found.certainty.value,
        "reasons": [
            {
                "cause": each.cause.value,
                "message": each.message,
                "binding": each.binding,
                "until": iso(each.until),
                "estimated": each.estimated,
                "command": each.command,
            }
            for each in found.reasons
        ],
    }


def optimisation_shape(found: Optimisation) -> dict[str, Any]:
    """Return a plan as JSON."""
    return {
        "feasible": True,
        "applied": found.applied,
        "window": _window_shape(found.window),
        "moved": found.moved,
        "kept": len(found.times) - found.moved,
        "counted": found.counted,
        "uncounted": found.uncounted,
        "tasks": [
            {
                "id": task_name(each.id),
                "url": each.url,
                "queue": each.queue,
                "priority_score": each.priority_score,
                "state": each.state,
                "due_at": iso(each.before),
                "new_due_at": iso(each.after),
                "moved": each.moved,
            }
            for each in found.times
        ],
    }


def _window_shape(window: Window) -> dict[str, Any]:
    return {"start": iso(window.start), "end": iso(window.end), "max_per_hour": window.max_per_hour}


def no_plan_shape(error: NoPlanError) -> dict[str, Any]:
    """Return as JSON why there is no plan; each part of ``enough`` alone would be."""
    return {
        "feasible": False,
        "applied": False,
        "binding": list(error.binding),
        "enough": {
            "end": iso(error.later_end),
            "max_per_hour": error.higher_cap,
            "leave_out": error.leave_out,
        },
    }


def simulation_shape(found: Simulation) -> dict[str, Any]:
    """Return a forecast as JSON; ``what_if`` is null without a change."""
    return {
        "at": iso(found.at),
        "workers": found.workers,
        "workers_what_if": found.workers_then,
        "daemon_running": found.daemon_runs,
        "recorded_runs": found.recorded,
        "sampled_one_of": found.weight,
        "now": _forecast_shape(found.present),
        "what_if": _forecast_shape(found.changed) if found.changed is not None else None,
        "delayed": found.delayed_count if found.changed is not None else None,
        "hastened": found.hastened_count if found.changed is not None else None,
        "most_delayed": [_delay_shape(each) for each in found.delayed],
    }


def _forecast_shape(forecast: Forecast) -> dict[str, Any]:
    return {
        "ends_at": iso(forecast.ends_at),
        "queues": [
            {
                "name": queue.name,
                "tasks": queue.tasks,
                "never_start": queue.never,
                "ends_at": iso(queue.ends_at),
                "longest_wait_ms": queue.longest_wait,
            }
            for queue in forecast.queues
        ],
    }


def _delay_shape(each: Delay) -> dict[str, Any]:
    return {
        "id": task_name(each.task),
        "queue": each.queue,
        "due_at": iso(each.due_at),
        "starts_at": iso(each.starts_at),
        "starts_what_if": iso(each.starts_then),
        "later_ms": each.later_ms,
    }
