"""The Python of the user's guide runs as it stands there, but for the name of the package it is imported from."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import queuectl
from queuectl import QueueManager, Settings
from queuectl.domain.lifecycle import State
from queuectl.errors import DeadLetterNotFoundError, TaskNotFoundError

URL = "https://mp.weixin.qq.com/s/xxx"

FIRST = """
from queuectl import QueueManager, get_scheduler, get_monitor

# 创建管理器
manager = QueueManager()

# 提交任务
task_id = manager.submit_task(
    url="https://mp.weixin.qq.com/s/xxx",
    priority="high",
    metadata={"author": "作者名"}
)

# 批量提交
batch_id = manager.submit_batch(
    urls=["https://a.test/1", "https://a.test/2", "https://a.test/3"],
    priority="medium",
    batch_name="每日文章",
    interval_minutes=30
)

# 调度发布
from datetime import datetime, timedelta

scheduler = get_scheduler()
scheduler.schedule_article(
    url="https://mp.weixin.qq.com/s/xxx",
    publish_at=datetime.now() + timedelta(hours=2),
    priority="high"
)

# 监控状态
monitor = get_monitor()
status = monitor.get_realtime_status()
print(f"队列状态: {status}")
"""

PRIORITIES = """
from queuectl import ArticleTask

# 紧急任务 - 立即处理
manager.submit_task(url, priority="urgent")

# 设置自定义优先级分数
task = ArticleTask(priority_score=15)  # 更高的分数 = 更高优先级

# 限制任务内存使用
task.memory_limit = 512  # MB
"""

BATCHES = """
# 并发批处理
manager.submit_batch(urls, interval_minutes=0)  # 所有任务并发执行

# 顺序批处理
manager.submit_batch(urls, interval_minutes=30)  # 每30分钟处理一个
"""

RECURRING = """
# 每天上午10点执行
scheduler.schedule_recurring(
    url_source="file://daily_urls.txt",
    cron_expression="0 10 * * *",
    priority="high"
)

# 每小时执行
scheduler.schedule_recurring(
    url_source="http://api.example.com/urls",
    cron_expression="0 * * * *",
    priority="medium"
)
"""

CAPACITY = """
# 更新队列配置
manager.update_queue_config('high_priority', {
    'max_size': 200,
    'rate_limit': '150/h',
    'task_timeout': 600
})

# 优化调度窗口
scheduler.optimize_schedule(
    task_ids=['task_1', 'task_2', 'task_3'],
    target_window={
        'start': datetime(2999, 12, 25, 8, 0),
        'end': datetime(2999, 12, 25, 18, 0),
        'max_per_hour': 5
    }
)
"""

DEAD = """
# 查看死信队列
dead_letters = monitor.get_dead_letter_queue(limit=50)

# 从死信队列恢复
new_task_id = manager.resurrect_from_dead_letter(dead_letter_id=123)
"""

CLEANING = """
from queuectl import cleanup_dead_letter_queue

# 清理过期死信
cleanup_dead_letter_queue.apply_async()

manager.export_queue("high_priority", "queue_backup.json")
manager.import_queue("queue_backup.json")
manager.clear_queue("medium_priority")
manager.cleanup_dead_letter_queue(days=30)
"""


REPORTS = """
# 生成报告
from queuectl import get_reporter

reporter = get_reporter()
daily_report = reporter.generate_daily_report()
reporter.export_report(daily_report, format='html', output_path='report.html')
"""

ALL_REPORTS = """
from queuectl import get_reporter
from datetime import datetime

reporter = get_reporter()

# 日报
daily = reporter.generate_daily_report()

# 周报
weekly = reporter.generate_weekly_report()

# 月报
monthly = reporter.generate_monthly_report(2024, 12)

# 自定义报告
custom = reporter.generate_custom_report(
    start_date=datetime(2024, 12, 1),
    end_date=datetime(2024, 12, 31),
    metrics=['summary', 'error_analysis', 'queue_utilization']
)

# 导出报告
reporter.export_report(daily, format='html', output_path='daily_report.html')
reporter.export_report(weekly, format='pdf', output_path='weekly_report.pdf')
"""


@pytest.fixture
def names(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Give the names that the guide's snippets share, in an installation that the environment tells of."""
    monkeypatch.setenv("QUEUECTL_HOME", str(settings.home))
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.chdir(settings.home)
    (settings.home / "daily_urls.txt").write_text(f"{URL}\n")
    found: dict[str, Any] = {"url": URL, "urls": ["https://a.test/4", "https://a.test/5"]}
    run(FIRST, found)
    yield found
    for name in ("manager", "scheduler", "monitor"):
        found[name].close()


def run(snippet: str, names: dict[str, Any]) -> None:
    """Run a snippet of the guide as a program would."""
    exec(compile(snippet, "the guide", "exec"), names)


def test_submitting_scheduling_and_looking(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    manager: QueueManager = names["manager"]
    assert (names["task_id"], names["batch_id"]) == ("task_1", "batch_1")
    assert manager.get_task("task_1").metadata == {"author": "作者名"}
    first, second, third = (manager.get_task(number) for number in (2, 3, 4))
    half_an_hour = timedelta(minutes=30) // timedelta(milliseconds=1)
    assert (second.due_at - first.due_at, third.due_at - second.due_at) == (half_an_hour, half_an_hour)
    later = manager.get_task(5)
    assert (later.state, later.queue) == (State.SCHEDULED, "high_priority")
    assert {queue.name: queue.scheduled for queue in names["status"].queues}["high_priority"] == 1


def test_scores_and_memory_limits(names: dict[str, Any]) -> None:
    run(PRIORITIES, names)
    manager: QueueManager = names["manager"]
    assert manager.get_task(6).queue == "urgent_priority"
    names["task"].url = URL
    task = manager.get_task(manager.submit_task(names["task"]))
    assert (task.priority_score, task.memory_limit, task.queue) == (15, 512, "urgent_priority")


def test_batches_at_once_and_one_by_one(names: dict[str, Any]) -> None:
    run(BATCHES, names)
    due = [names["manager"].get_task(number).due_at for number in (6, 7, 8, 9)]
    assert due[0] == due[1]
    assert due[3] - due[2] == 30 * 60 * 1000


def test_schedules(names: dict[str, Any]) -> None:
    run(RECURRING, names)
    assert {each.cron for each in names["scheduler"].list_schedules()} == {"0 10 * * *", "0 * * * *"}


def test_limits_and_windows(names: dict[str, Any]) -> None:
    run(CAPACITY, names)
    starts = [
        datetime.fromtimestamp(names["manager"].get_task(number).run_at / 1000, UTC) for number in (1, 2, 3)
    ]
    assert {start.year for start in starts} == {2999}
    assert len({start.hour for start in starts}) > 1


def test_dead_letters(names: dict[str, Any]) -> None:
    with pytest.raises(DeadLetterNotFoundError):
        run(DEAD, names)
    assert names["dead_letters"] == []


def test_export_import_and_clearing(names: dict[str, Any]) -> None:
    run(CLEANING, names)
    manager: QueueManager = names["manager"]
    assert Path("queue_backup.json").exists()
    assert manager.count_waiting("medium_priority") == 0


def test_reports(names: dict[str, Any]) -> None:
    run(REPORTS, names)
    assert Path("report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    names["reporter"].close()
    run(ALL_REPORTS, names)
    assert Path("weekly_report.pdf").read_bytes().startswith(b"%PDF-")
    assert [section.metric for section in names["custom"].sections] == [
        "summary",
        "error_analysis",
        "queue_utilization",
    ]
    names["reporter"].close()


def test_every_public_name_is_documented() -> None:
    for name in queuectl.__all__:
        if not name.startswith("__"):
            assert getattr(queuectl, name).__doc__, name


def test_a_forked_process_and_threads_use_the_same_manager(names: dict[str, Any]) -> None:
    manager: QueueManager = names["manager"]
    forking = multiprocessing.get_context("fork")

    def submit(count: int) -> None:
        for number in range(count):
            manager.submit_task(f"https://b.test/{os.getpid()}-{threading.get_ident()}-{number}")

    children = [forking.Process(target=submit, args=(5,)) for _ in range(2)]
    threads = [threading.Thread(target=submit, args=(5,)) for _ in range(2)]
    everybody: list[Any] = [*children, *threads]
    for each in everybody:
        each.start()
    for each in everybody:
        each.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert manager.get_task(25).state is State.QUEUED
    with pytest.raises(TaskNotFoundError):
        manager.get_task(26)
