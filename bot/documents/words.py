"""Words of a paper: the catalogue's sentences, dates and amounts as plain text in one language."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from babel.dates import format_date
from babel.numbers import format_decimal
from markupsafe import Markup, escape

from bot.texts import EAT, LANGUAGES, Texts, clean, money, plain

__all__ = ["LINE_CHARS_MAX", "TEXT_CHARS_MAX", "Words", "amount", "line", "local_day", "percent"]

LINE_CHARS_MAX: Final = 120
"""Of a name, a reference or an item: more is a mistake or an attack on the page."""

TEXT_CHARS_MAX: Final = 600
"""Of a note."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a paper says, in the reader's language."""

    texts: Texts
    language: str

    @property
    def locale(self) -> str:
        """The language that is really spoken: English where the wanted one is unknown."""
        return self.language if self.language in LANGUAGES else LANGUAGES[0]

    def say(self, key: str, /, **values: object) -> str:
        """One sentence as plain text. Values go in as they are: a paper makes no links of them."""
        marked = {name: _marked(value) for name, value in values.items()}
        return plain(self.texts.say(self.language, key, **marked))

    def when(self, at: datetime) -> str:
        """`23 Nov 2026 21:05`, East Africa Time."""
        return self.texts.when(self.language, at)

    def day(self, day: date) -> str:
        """`23 Nov 2026`."""
        return str(format_date(day, "d MMM y", locale=self.locale))

    def weekday(self, day: date) -> str:
        """`Fri 27 Nov 2026`: a day that somebody must remember."""
        return str(format_date(day, "EEE d MMM y", locale=self.locale))

    def short_day(self, day: date) -> str:
        """`23 Nov`."""
        return str(format_date(day, "d MMM", locale=self.locale))

    def month(self, day: date) -> str:
        """`November 2026`."""
        return str(format_date(day, "LLLL y", locale=self.locale))

    def money(self, cents: int) -> str:
        """`KES 1,500`, or `KES 1,500.50`; below nothing with a true minus sign in front."""
        return money(cents) if cents >= 0 else f"−{money(-cents)}"


def amount(cents: int) -> str:
    """`1,500.00`: an amount in a column whose head names the currency."""
    shown = str(format_decimal(Decimal(abs(cents)) / 100, "#,##0.00", locale="en"))
    return shown if cents >= 0 else f"−{shown}"


def percent(rate: Decimal) -> str:
    """`16`, `12.5`: a rate without needless zeros."""
    return f"{rate.normalize():f}"


def line(text: str, limit: int = LINE_CHARS_MAX) -> str:
    """One line of what can be seen, composed, at most *limit* characters."""
    return clean(unicodedata.normalize("NFC", text), limit=limit)


def local_day(at: datetime) -> date:
    """The day in East Africa on which *at* falls."""
    return at.astimezone(EAT).date()


def _marked(value: object) -> Markup | int:
    return value if isinstance(value, int) else escape(str(value))
