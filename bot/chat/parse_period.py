"""Periods as people write them: "november", "last month", "1 Nov - 15 Nov", "mwezi huu", "all"."""

from __future__ import annotations

import re
from datetime import date, timedelta

from bot.chat.parse import Unclear
from bot.chat.parse_due import MONTH, dated

__all__ = ["FIRST_DAY", "find_period", "read_period"]

FIRST_DAY = date(2020, 1, 1)
"""Before any payment there can be."""

WORDS_MAX = 16

_THIS_MONTH = {"", "this month", "mwezi huu"}
_LAST_MONTH = {"last month", "mwezi uliopita"}
_TODAY = {"today", "leo"}
_YESTERDAY = {"yesterday", "jana"}
_WEEK = {"this week", "week", "wiki hii", "wiki"}
_YEAR = {"this year", "year", "mwaka huu", "mwaka"}
_ALL = {"all", "everything", "yote", "zote"}
_LINKS = {"for", "of", "in", "from", "ya", "za", "wa", "kwa", "la", "cha"}
_MONTH = re.compile(r"([a-z]+)(?:\s+(20\d\d))?")
_BETWEEN = re.compile(r"-|–|—|\bto\b|\bhadi\b|\buntil\b")


def read_period(text: str, *, today: date) -> tuple[date, date] | Unclear:
    """The first and the last day that are meant; never a day after today."""
    words = " ".join(text.lower().split()).strip(" .")
    found = _named(words, today) or _month(words, today) or _span(words, today)
    if found is None:
        return Unclear("unclear.period", {"text": text.strip()})
    since, until = found
    until = min(until, today)
    if since > until:
        return Unclear("unclear.period", {"text": text.strip()})
    return since, until


def find_period(text: str, *, today: date) -> tuple[str, tuple[date, date]]:
    """
    The period that *text* begins or ends with, the longest one, and what else it says.

    "Peter last month" is ("Peter", …). Without any it is this month.
    """
    words = text.split()[:WORDS_MAX]
    for size in range(len(words), 0, -1):
        for part, rest in ((words[-size:], words[:-size]), (words[:size], words[size:])):
            found = read_period(" ".join(part), today=today)
            if not isinstance(found, Unclear):
                return _without_links(rest), found
    return _without_links(words), (today.replace(day=1), today)


def _without_links(words: list[str]) -> str:
    """*words* without "for" and the like, by which they hang on the period."""
    while words and words[-1].lower() in _LINKS:
        words = words[:-1]
    while words and words[0].lower() in _LINKS:
        words = words[1:]
    return " ".join(words).strip(" ,;")


def _named(words: str, today: date) -> tuple[date, date] | None:
    first = today.replace(day=1)
    if words in _THIS_MONTH:
        return first, today
    if words in _LAST_MONTH:
        last = first - timedelta(days=1)
        return last.replace(day=1), last
    if words in _TODAY:
        return today, today
    if words in _YESTERDAY:
        return today - timedelta(days=1), today - timedelta(days=1)
    if words in _WEEK:
        return today - timedelta(days=today.weekday()), today
    if words in _YEAR:
        return today.replace(month=1, day=1), today
    return (FIRST_DAY, today) if words in _ALL else None


def _month(words: str, today: date) -> tuple[date, date] | None:
    found = _MONTH.fullmatch(words)
    if found is None or found[1] not in MONTH:
        return None
    month = MONTH[found[1]]
    year = int(found[2]) if found[2] else today.year - (month > today.month)
    first = date(year, month, 1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _span(words: str, today: date) -> tuple[date, date] | None:
    if (one := dated(words, today)) is not None:
        return one, one
    # A dash may also stand inside a date: the one with a date on either side is meant.
    for between in _BETWEEN.finditer(words):
        since = dated(words[: between.start()].strip(), today)
        until = dated(words[between.end() :].strip(), today)
        if since is not None and until is not None:
            return since, until
    return None
