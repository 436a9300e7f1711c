"""The sentences of a report, in English and in Chinese; values go into their blanks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SENTENCES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # What each metric means, by its name.
        "summary": (
            "What was done in this period, and how it differs from the period before.",
            "本周期完成的工作，以及与上一周期的差别。",
        ),
        "comparison": (
            "The same figures for this period and for the one before it.",
            "本周期与上一周期的各项指标。",
        ),
        "throughput": (
            "How many tasks were submitted, and how many came to their end, over time.",
            "各时段提交和结束的任务数。",
        ),
        "wait_times": (
            "How long tasks waited from the moment they were due until they ran.",
            "任务从到期到开始运行等待了多久。",
        ),
        "durations": (
            "How long one run of a task took, whether it succeeded or not.",
            "任务每次运行（无论成败）用了多久。",
        ),
        "error_analysis": (
            "Why runs failed, with errors that differ only in numbers and names taken together.",
            "运行失败的原因；只有数字和名称不同的错误归为一类。",
        ),
        "queue_utilization": (
            "How much each queue had to do: its runs, the time they took, and how many ran at a time on average.",
            "各队列的工作量：运行次数、运行总时间和平均并发。",
        ),
        "hosts": (
            "Which web sites were asked most, and how well they answered.",
            "访问最多的站点及其响应情况。",
        ),
        "schedules": (
            "How often each schedule fired, and how many tasks came of it.",
            "各定时计划的触发次数和产生的任务数。",
        ),
        "publishing": (
            "Which articles were stored and published.",
            "入库并发布的文章。",
        ),
        "slowest": (
            "The runs that took longest, to see what holds up the others.",
            "耗时最长的任务，便于找出瓶颈。",
        ),
        # Notes.
        "headline": (
            "Tasks ended: {ended} – {succeeded} succeeded, {dead} given up, {cancelled} cancelled.",
            "共结束 {ended} 个任务：成功 {succeeded} 个，放弃 {dead} 个，取消 {cancelled} 个。",
        ),
        "headline_nothing": (
            "No task ended in this period.",
            "本周期没有任务结束。",
        ),
        "not_over": (
            "The period is not over: this is how it stood at {moment}.",
            "本周期尚未结束：以下为截至 {moment} 的情况。",
        ),
        "nothing": (
            "There was nothing of this in the period.",
            "本周期没有相关记录。",
        ),
        "widened": (
            "Of this time only whole hours and days are kept, so the figures are those from {begin} to {end}.",
            "该时段的统计只按整小时和整天保留，因此数字覆盖 {begin} 至 {end}。",
        ),
        "some_removed": (
            "{shown} of {all} runs of this period are still there to be looked at; the others were removed"
            " with their tasks.",
            "本周期的 {all} 次运行中，仍可查看的有 {shown} 次；其余已随任务一起被清理。",
        ),
        "articles_removed": (
            "Articles that were removed with their tasks are missing here; their published files stay.",
            "随任务一起被清理的文章不在此列；已发布的文件仍然保留。",
        ),
        "ticks_kept": (
            "Only the last {number} ticks of a schedule are kept.",
            "每个计划只保留最近 {number} 次触发记录。",
        ),
        "only_first": (
            "These are the first {shown} of {all}.",
            "共 {all} 项，此处列出前 {shown} 项。",
        ),
        "quantiles": (
            "These times are accurate to within {share}; the longest and the mean are exact.",
            "这些时间的误差不超过 {share}；最长值和平均值是精确的。",
        ),
        "compared_with_day": (
            "Compared with {begin}.",
            "对比时段：{begin}。",
        ),
        "compared_with": (
            "Compared with {begin} – {end}.",
            "对比时段：{begin} – {end}。",
        ),
        # Around the sections.
        "times_in": (
            "All times are in the time zone {zone}.",
            "所有时间均为 {zone} 时区。",
        ),
        "made_by": (
            "Made by queuectl {version}.",
            "由 queuectl {version} 生成。",
        ),
    }
)
