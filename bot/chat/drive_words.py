"""Drive words: what follows `/newdrive`, and days, targets, cash and corrections as written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from bot.chat.parse import Unclear, cents_at, visible_words
from bot.texts import EAT, clean
from storage.records import DriveKind

__all__ = [
    "NONE",
    "TITLE_CHARS_MAX",
    "amount_and_words",
    "kind_of",
    "last_day",
    "new_drive",
    "signed_and_words",
    "target",
    "title",
]

TITLE_CHARS_MAX = 64
WORDS_CHARS_MAX = 120
TARGET_KES_MAX = 100_000_000
DAYS_AHEAD_MAX = 3 * 366
NONE = frozenset({"none", "no", "hakuna", "bila"})

_MINUS, _SIGNS = "-−–", "-−–+"
_IN_TWO_WAYS = frozenset({"unclear.dot", "unclear.separator", "unclear.part"})
_DAY = re.compile(
    r"(?P<day>[0-3]?[0-9])\s*[/.\-]\s*(?P<month>[01]?[0-9])(?:\s*[/.\-]\s*(?P<year>[0-9]{4}))?"
)
_FUNERAL = re.compile(
    r"\b(?:funeral|burial|mazishi|msiba|matanga|rambirambi|mwendazake|marehemu)\b", re.IGNORECASE
)


def new_drive(text: str) -> tuple[int | None, str] | Unclear | None:
    """The target, if one stands first, and the title; None where there is no title."""
    found = _leading(text)
    if isinstance(found, Unclear):
        return found
    amount, rest = (None, text) if found is None else found
    named = title(" ".join(rest.split()))
    return None if named is None else (amount, named)


def title(text: str) -> str | None:
    """A title: one line, at most 64 characters, with a letter or a digit in it."""
    line = clean(text.strip(" -–—:;,"), limit=len(text) + 1)
    good = 0 < len(line) <= TITLE_CHARS_MAX and any(char.isalnum() for char in line)
    return line if good else None


def kind_of(text: str) -> DriveKind:
    """A funeral is known by its words; everything else is a harambee."""
    return DriveKind.HARAMBEE if _FUNERAL.search(text) is None else DriveKind.FUNERAL


def target(text: str) -> int | Unclear | None:
    """One amount and nothing else, in whole shillings."""
    found = _leading(text)
    if found is None or isinstance(found, Unclear):
        return found
    amount, rest = found
    return None if rest else amount


def amount_and_words(text: str) -> tuple[int, str] | Unclear | None:
    """`500 Mzee Kamau`: an amount, and words after it."""
    found = _leading(text)
    if found is None or isinstance(found, Unclear):
        return found
    amount, after = found
    rest = clean(after.strip(" -–—:;,"), limit=WORDS_CHARS_MAX)
    return (amount, rest) if rest else None


def signed_and_words(text: str) -> tuple[int, str] | Unclear | None:
    """
    `-500 written down twice`: an amount with its sign, and words after it.

    Where it is unclear, a minus is its "sign".
    """
    bare = text.strip()
    less = bare.startswith(tuple(_MINUS))
    found = amount_and_words(bare[1:] if bare.startswith(tuple(_SIGNS)) else bare)
    if found is None:
        return None
    if isinstance(found, Unclear):
        return replace(found, values={**found.values, "sign": "−"}) if less else found
    amount, rest = found
    return (-amount if less else amount), rest


def last_day(text: str, *, now: datetime) -> datetime | None:
    """The first instant after the day that was written; None if it is no day to come."""
    found = _DAY.fullmatch(text.strip())
    if found is None:
        return None
    today = now.astimezone(EAT).date()
    year = int(found["year"] or today.year)
    try:
        day = today.replace(year=year, month=int(found["month"]), day=int(found["day"]))
        if found["year"] is None and day < today:
            day = day.replace(year=year + 1)
    except ValueError:
        return None
    if not 0 <= (day - today).days <= DAYS_AHEAD_MAX:
        return None
    return datetime.combine(day + timedelta(days=1), time(), EAT).astimezone(UTC)


def _leading(text: str) -> tuple[int, str] | Unclear | None:
    """
    The whole shillings that stand first, and what is left; None if none do.

    Unclear is only what may be meant and can be read in two ways.
    """
    words = visible_words(text)
    found = _cents(words, 0)
    if found is None:
        return _spoken(words)
    cents, end = found
    if isinstance(cents, Unclear):
        return cents if cents.key in _IN_TWO_WAYS else None
    return None if cents % 100 else (cents // 100, " ".join(words[end:]))


def _spoken(words: Sequence[str]) -> Unclear | None:
    """The question about "elfu 2", which begins with no number."""
    found = _cents(words, 1)
    if found is None or not isinstance(found[0], Unclear) or found[0].key != "unclear.part":
        return None
    return found[0] if found[0].values["text"].startswith(words[0]) else None


def _cents(words: Sequence[str], start: int) -> tuple[int | Unclear, int] | None:
    if start >= len(words):
        return None
    return cents_at(words, start, most_kes=TARGET_KES_MAX, millions=True)
