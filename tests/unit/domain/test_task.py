"""Task ids: the number inside, the name outside, and nothing between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.task import ArticleTask, batch_name, task_name, task_number
from queuectl.errors import TaskNotFoundError


@given(st.integers(1, 10**18 - 1))
def test_a_number_comes_back_from_its_name(number: int) -> None:
    assert task_number(task_name(number)) == task_number(str(number)) == task_number(number) == number


def test_names_are_those_of_the_guide() -> None:
    assert task_name(123456) == "task_123456"
    assert batch_name(3) == "batch_3"


def test_spaces_around_an_id_do_not_count() -> None:
    assert task_number(" task_7\n") == 7


@pytest.mark.parametrize(
    "text",
    [
        "",
        "task_",
        "task_0",
        "0",
        "-1",
        "007",
        "task_012",
        "task-12",
        "Task_12",
        "batch_12",
        "12.0",
        "1e3",
        "1_000",
        "task_12; DROP TABLE tasks",
        "task_12\ntask_13",
        "一",
        "١٢",
        "9" * 19,
        "9" * 100_000,
    ],
)
def test_anything_else_names_no_task(text: str) -> None:
    with pytest.raises(TaskNotFoundError):
        task_number(text)


@pytest.mark.parametrize("value", [True, 1.0, None, b"12"])
def test_a_value_of_another_type_names_no_task(value: object) -> None:
    with pytest.raises(TaskNotFoundError):
        task_number(value)  # type: ignore[arg-type]


def test_a_submission_can_be_filled_in_afterwards() -> None:
    task = ArticleTask(priority_score=15)
    task.url = "https://mp.weixin.qq.com/s/xxx"
    task.memory_limit = 512
    assert (task.url, task.priority_score, task.memory_limit) == ("https://mp.weixin.qq.com/s/xxx", 15, 512)


def test_two_submissions_share_no_metadata() -> None:
    one, other = ArticleTask(), ArticleTask()
    one.metadata["author"] = "Ann"
    assert other.metadata == {}
