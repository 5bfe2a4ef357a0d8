"""Drive words: what follows `/newdrive`, and days, targets, cash and corrections as written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

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

_NUMBER = (
    r"(?:kshs?|kes|shs?)?\.?\s*(?P<number>[0-9][0-9,]*(?:\.[0-9]+)?)\s*(?P<unit>k|m)?(?:/[=\-])?"
)
_TARGET = re.compile(_NUMBER, re.IGNORECASE)
_LEADING = re.compile(rf"{_NUMBER}(?=\s|$)", re.IGNORECASE)
_SIGNED = re.compile(rf"(?P<sign>[-−–+])?\s*{_NUMBER}(?=\s|$)", re.IGNORECASE)
_DAY = re.compile(
    r"(?P<day>[0-3]?[0-9])\s*[/.\-]\s*(?P<month>[01]?[0-9])(?:\s*[/.\-]\s*(?P<year>[0-9]{4}))?"
)
_FUNERAL = re.compile(
    r"\b(?:funeral|burial|mazishi|msiba|matanga|rambirambi|mwendazake|marehemu)\b", re.IGNORECASE
)
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}


def new_drive(text: str) -> tuple[int | None, str] | None:
    """The target, if one stands first, and the title; None where there is no title."""
    words = " ".join(text.split())
    leading = _LEADING.match(words)
    amount = None if leading is None else _shillings(leading)
    rest = words if leading is None or amount is None else words[leading.end() :]
    named = title(rest)
    return None if named is None else (amount, named)


def title(text: str) -> str | None:
    """A title: one line, at most 64 characters, with a letter or a digit in it."""
    line = clean(text.strip(" -–—:;,"), limit=len(text) + 1)
    good = 0 < len(line) <= TITLE_CHARS_MAX and any(char.isalnum() for char in line)
    return line if good else None


def kind_of(text: str) -> DriveKind:
    """A funeral is known by its words; everything else is a harambee."""
    return DriveKind.HARAMBEE if _FUNERAL.search(text) is None else DriveKind.FUNERAL


def target(text: str) -> int | None:
    """One amount and nothing else, in whole shillings."""
    found = _TARGET.fullmatch(text.strip())
    return None if found is None else _shillings(found)


def amount_and_words(text: str) -> tuple[int, str] | None:
    """`500 Mzee Kamau`: an amount, and words after it."""
    found = signed_and_words(text)
    return None if found is None or found[0] < 0 else found


def signed_and_words(text: str) -> tuple[int, str] | None:
    """`-500 written down twice`: an amount with its sign, and words after it."""
    words = " ".join(text.split())
    found = _SIGNED.match(words)
    amount = None if found is None else _shillings(found)
    if found is None or amount is None:
        return None
    rest = clean(words[found.end() :].strip(" -–—:;,"), limit=WORDS_CHARS_MAX)
    signed = -amount if found["sign"] in ("-", "−", "–") else amount
    return (signed, rest) if rest else None


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


def _shillings(found: re.Match[str]) -> int | None:
    number = found["number"].replace(",", "")
    amount = Decimal(number) * _UNITS[(found["unit"] or "").lower()]
    return int(amount) if amount == int(amount) and 0 < amount <= TARGET_KES_MAX else None
