"""The everyday words for times in English and Chinese: durations, and hours of a near day."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_NUMBER = r"\d+(?:\.\d+)?|[零一二两三四五六七八九十]+|半"
_UNITS = {
    1: "s sec secs second seconds 秒 秒钟",
    60: "m min mins minute minutes 分 分钟",
    3600: "h hr hrs hour hours 小时 钟头",
    86_400: "d day days 天 日",
    604_800: "w week weeks 周 星期 礼拜",
}
_SECONDS = {word: seconds for seconds, words in _UNITS.items() for word in words.split()}
_PART = re.compile(
    rf"({_NUMBER})\s*(个半|个)?\s*({'|'.join(sorted(_SECONDS, key=len, reverse=True))})(?![a-z])"
)
_BETWEEN = re.compile(r"[\s,]*(?:and\s+)?")
_BEFORE = re.compile(r"in\s+", re.IGNORECASE)
_AFTER = re.compile(r"\s*(?:之后|以后|后)?")

_DAYS = {
    "today": 0,
    "tomorrow": 1,
    "yesterday": -1,
    "今天": 0,
    "今日": 0,
    "明天": 1,
    "明日": 1,
    "后天": 2,
    "大后天": 3,
    "昨天": -1,
}
_SHORT = {"今早": "今天早上", "今晚": "今天晚上", "明早": "明天早上", "明晚": "明天晚上"}
_WEEKDAYS = "一二三四五六日"
_MOMENT = re.compile(
    r"(?:(?P<day>" + "|".join(sorted(_DAYS, key=len, reverse=True)) + r")"
    r"|(?P<month>\d{1,2})月(?P<date>\d{1,2})[日号]"
    r"|(?P<next>下)?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天]))?"
    r"[\s,]*(?:at\s+)?(?P<part>凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上)?\s*"
    r"(?:(?P<hour>\d{1,2}|[零一二两三四五六七八九十]+)"
    r"(?:[:：](?P<minute>\d{2})(?:[:：](?P<second>\d{2}))?"
    r"|[点时](?:(?P<half>半)|(?P<minutes>\d{1,2}|[零一二三四五六七八九十]+)分?)?"
    r"|\s*(?=[ap]m))"
    r"\s*(?P<half_day>am|pm)?)?",
    re.IGNORECASE,
)
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2}


def duration_in_words(text: str) -> timedelta | None:
    """Return the duration in ``90m``, ``in 2 hours 30 minutes``, ``两小时后``; None if it is not one."""
    text = _BEFORE.sub("", text.strip().lower(), count=1)
    seconds, position = 0.0, 0
    while match := _PART.match(text, position):
        number = _number(match[1]) + (0.5 if match[2] == "个半" else 0)
        seconds += number * _SECONDS[match[3]]
        position = _end(_BETWEEN, text, match.end())
    if position == 0 or not _AFTER.fullmatch(text, position):
        return None
    return timedelta(seconds=seconds)


def moment_in_words(text: str, base: datetime, *, prefer_future: bool) -> datetime | None:
    """Return the local time in ``tomorrow 10:00``, ``明天上午10点`` or ``下周一``; None if it is not one.

    An hour without a day is the next one that comes, or the last one that was. A day without an
    hour is its first moment.

    Raises:
        ValueError: it names an hour or minute that no day has, or only a part of a day.
    """
    for short, full in _SHORT.items():
        text = text.replace(short, full)
    match = _MOMENT.fullmatch(text.strip())
    if match is None or not match[0]:
        return None
    day = _day(match, base, prefer_future=prefer_future)
    if match["hour"] is None and match["part"] is not None:
        raise ValueError(match["part"])  # a part of a day is no time
    hour, minute = _clock(match)
    moment = day.replace(hour=hour, minute=minute, second=int(match["second"] or 0), microsecond=0)
    if match["day"] is match["weekday"] is match["month"] is None:
        if prefer_future and moment <= base:
            moment += timedelta(days=1)
        elif not prefer_future and moment > base:
            moment -= timedelta(days=1)
    return moment


def _day(match: re.Match[str], base: datetime, *, prefer_future: bool) -> datetime:
    if match["day"] is not None:
        return base + timedelta(days=_DAYS[match["day"].lower()])
    if match["month"] is not None:
        return _date(int(match["month"]), int(match["date"]), base, prefer_future=prefer_future)
    if match["weekday"] is None:
        return base
    ahead = _WEEKDAYS.index(match["weekday"].replace("天", "日")) - base.weekday()
    if match["next"]:
        return base + timedelta(days=ahead + 7)
    return base + timedelta(days=ahead % 7 if prefer_future else -(-ahead % 7))


def _date(month: int, day: int, base: datetime, *, prefer_future: bool) -> datetime:
    moment = base.replace(month=month, day=day)
    if prefer_future and moment < base:
        return moment.replace(year=base.year + 1)
    if not prefer_future and moment > base:
        return moment.replace(year=base.year - 1)
    return moment


def _clock(match: re.Match[str]) -> tuple[int, int]:
    if match["hour"] is None:
        return 0, 0
    hour = int(_number(match["hour"]))
    minute = 30 if match["half"] else int(_number(match["minute"] or match["minutes"] or "0"))
    half_day = (match["half_day"] or "").lower()
    if half_day:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if half_day == "pm" else 0)
    elif hour < {"下午": 12, "傍晚": 12, "晚上": 12, "中午": 3}.get(match["part"] or "", 0):
        hour += 12
    return hour, minute


def _number(text: str) -> float:
    if text == "半":
        return 0.5
    if text[0].isdigit():
        return float(text)
    tens, ten, ones = text.partition("十")
    if not ten:
        return (
            float(_DIGITS[text]) if len(text) == 1 else float("".join(str(_DIGITS[digit]) for digit in text))
        )
    return float((_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0))


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match is not None else position
