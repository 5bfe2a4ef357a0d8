"""
Days as people write them, in English and Swahili: "Friday", "kesho", "30 Nov", "in 2 weeks".

A day of the week is the coming one and never today; numbers are day before month. What is read is
always echoed as a date, so whoever meant another day sees it.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

from bot.chat.parse import Unclear

__all__ = ["read_day"]

AHEAD_DAYS_MAX = 2 * 366
LONG_PAST_DAYS = 60
"""A date without a year that is longer past than this is meant for next year."""

_TODAY = {"today", "leo"}
_TOMORROW = {"tomorrow", "kesho"}
_AFTER_TOMORROW = {"day after tomorrow", "kesho kutwa", "keshokutwa"}
_MONTH_END = {"end of month", "end of the month", "month end", "mwisho wa mwezi"}
_NEXT_WEEK = {"next week", "wiki ijayo"}
_NEXT_MONTH = {"next month", "mwezi ujao"}

_WEEKDAYS = (
    ("monday", "mon", "jumatatu"),
    ("tuesday", "tue", "tues", "jumanne"),
    ("wednesday", "wed", "jumatano"),
    ("thursday", "thu", "thur", "thurs", "alhamisi"),
    ("friday", "fri", "ijumaa"),
    ("saturday", "sat", "jumamosi"),
    ("sunday", "sun", "jumapili"),
)
_MONTHS = (
    ("january", "jan", "januari"),
    ("february", "feb", "februari"),
    ("march", "mar", "machi"),
    ("april", "apr", "aprili"),
    ("may", "mei"),
    ("june", "jun", "juni"),
    ("july", "jul", "julai"),
    ("august", "aug", "ago", "agosti"),
    ("september", "sep", "sept", "septemba"),
    ("october", "oct", "okt", "oktoba"),
    ("november", "nov", "novemba"),
    ("december", "dec", "des", "desemba"),
)
_WEEKDAY = {name: number for number, names in enumerate(_WEEKDAYS) for name in names}
_MONTH = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}

_IN = re.compile(
    r"(?:in|after|baada ya|ndani ya)\s+(?:(?P<unit_first>siku|wiki|miezi|mwezi)\s+)?"
    r"(?P<count>\d{1,3}|a|an|one|moja|mbili|tatu)"
    r"(?:\s+(?P<unit>days?|weeks?|months?|siku|wiki|miezi|mwezi))?"
)
_COUNTS = {"a": 1, "an": 1, "one": 1, "moja": 1, "mbili": 2, "tatu": 3}
_DAYS_OF = {"day": 1, "days": 1, "siku": 1, "week": 7, "weeks": 7, "wiki": 7}
_NUMBERS = re.compile(r"(\d{1,2})[/.-](\d{1,2})(?:[/.-](\d{4}|\d{2}))?")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?([a-z]+)(?:\s+(\d{4}))?")
_MONTH_DAY = re.compile(r"([a-z]+)\s+(\d{1,2})(?:st|nd|rd|th)?(?:\s+(\d{4}))?")


def read_day(text: str, *, today: date) -> date | Unclear:
    """The day that is meant, from *today* on and at most two years ahead."""
    words = " ".join(text.lower().replace(",", " ").split()).strip(" .!")
    day = _relative(words, today) or _weekday(words, today) or _dated(words, today)
    if day is None:
        return Unclear("unclear.day", {"text": text.strip()})
    if day < today:
        return Unclear("unclear.day-past", {"text": text.strip()})
    if (day - today).days > AHEAD_DAYS_MAX:
        return Unclear("unclear.day-far", {"text": text.strip()})
    return day


def _relative(words: str, today: date) -> date | None:
    if words in _TODAY:
        return today
    if words in _TOMORROW:
        return today + timedelta(days=1)
    if words in _AFTER_TOMORROW:
        return today + timedelta(days=2)
    if words in _NEXT_WEEK:
        return today + timedelta(days=7)
    if words in _NEXT_MONTH:
        return _months_on(today, 1)
    if words in _MONTH_END:
        return today.replace(day=calendar.monthrange(today.year, today.month)[1])
    found = _IN.fullmatch(words)
    if found is None:
        return None
    unit = found["unit_first"] or found["unit"]
    count = _COUNTS.get(found["count"]) or int(found["count"])
    if unit is None or count == 0:
        return None
    if unit in _DAYS_OF:
        return today + timedelta(days=count * _DAYS_OF[unit])
    return _months_on(today, count)


def _weekday(words: str, today: date) -> date | None:
    name = re.sub(r"^(?:next|this|on|coming|siku ya)\s+|\s+(?:ijayo|hii)$", "", words)
    if name not in _WEEKDAY:
        return None
    ahead = (_WEEKDAY[name] - today.weekday()) % 7 or 7
    return today + timedelta(days=ahead)


def _dated(words: str, today: date) -> date | None:
    if (iso := _ISO.fullmatch(words)) is not None:
        return _date(int(iso[1]), int(iso[2]), int(iso[3]))
    bare = re.sub(r"^(?:on|tarehe)\s+", "", words)
    if bare.partition(" ")[0] in _WEEKDAY:
        bare = bare.partition(" ")[2]  # "Friday 27 Nov"
    day = month = year = None
    if (numbers := _NUMBERS.fullmatch(bare)) is not None:
        day, month, year = numbers[1], int(numbers[2]), numbers[3]
    elif (named := _DAY_MONTH.fullmatch(bare)) is not None and named[2] in _MONTH:
        day, month, year = named[1], _MONTH[named[2]], named[3]
    elif (named := _MONTH_DAY.fullmatch(bare)) is not None and named[1] in _MONTH:
        day, month, year = named[2], _MONTH[named[1]], named[3]
    if day is None or month is None:
        return None
    if year is not None:
        return _date(int(year) + (2000 if len(year) == 2 else 0), month, int(day))
    this_year = _date(today.year, month, int(day))
    if this_year is not None and (today - this_year).days > LONG_PAST_DAYS:
        return _date(today.year + 1, month, int(day))
    return this_year


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _months_on(today: date, months: int) -> date:
    """The same day so many months on, or the last of that month."""
    year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
    return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1]))
