"""
Texts: every sentence the bot says, from the catalogues in `locales/`, filled in safely.

A language is a folder there, with one file for each part of the bot.

A sentence has a symbolic name ("paid.private") and is Telegram HTML. What is filled in comes
from people and from Safaricom, so it is escaped, put on one line, and rid of marks that turn
text around or hide it.
"""

from __future__ import annotations

import html
import re
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache, lru_cache
from gettext import GNUTranslations
from importlib.resources import files
from io import BytesIO
from types import MappingProxyType

from babel.dates import format_date, format_datetime
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency
from markupsafe import Markup

__all__ = [
    "DEFAULT_LANGUAGE",
    "EAT",
    "LANGUAGES",
    "VALUE_CHARS_MAX",
    "BadCatalogue",
    "Texts",
    "apart",
    "blanks",
    "clean",
    "ensure_agreement",
    "kes",
    "money",
    "plain",
    "signed",
]

LANGUAGES = ("en", "sw")
DEFAULT_LANGUAGE = "en"

EAT = timezone(timedelta(hours=3), "EAT")
"""East Africa Time, which knows no summer time."""

VALUE_CHARS_MAX = 64
MARKS_MAX = 3
"""On one letter: languages need so many; a tower of them hides the lines above it."""

_TAG = re.compile(r"<[^>]*>")

# Where an address or an @name begins to be one. Ours (`/pay@bot`, amounts) are not touched.
_QUAD = r"(?<=\d)\.(?=\d{1,3}\.\d{1,3}\.\d{1,3}(?!\d))"  # 41.90.1.2, and not 1.50
_LINK = re.compile(rf"\.(?=[^\W\d_])|{_QUAD}|:(?=//)|(?<!\w)@(?=\w)")
WORD_JOINER = "\u2060"

# A joiner between two emoji or in a name is harmless, but it can also make two names look
# alike; nobody's name needs one to be read. Cf: format marks (bidi, zero width). Cc, Cs, Co,
# Cn: nothing that a person can see.
_UNSEEN = frozenset({"Cf", "Cc", "Cs", "Co", "Cn"})
_MARKS = frozenset({"Mn", "Me"})


class BadCatalogue(Exception):
    """The catalogues do not hold the same sentences with the same blanks."""


@dataclass(frozen=True, slots=True)
class Texts:
    """All catalogues, read once; never changes."""

    _translations: Mapping[str, GNUTranslations]
    _keys: frozenset[str]

    @classmethod
    def load(cls) -> Texts:
        """
        The catalogues of this installation, read on the first call.

        Raises BadCatalogue if a language lacks a sentence or a blank of another: at
        start, and so never in a chat.
        """
        return _load()

    @property
    def keys(self) -> frozenset[str]:
        """The names of all sentences."""
        return self._keys

    def say(self, language: str, key: str, /, **values: object) -> str:
        """
        One sentence as Telegram HTML, in English where the language is unknown.

        A value that is a `markupsafe.Markup` goes in as it is; everything else is cleaned
        (`clean`) and escaped. A key that does not exist is a bug of ours.
        """
        assert key in self._keys, f"there is no text {key!r}"
        template = self._translations[_known(language)].gettext(key)
        safe = {name: _safe(value) for name, value in values.items()}
        return str(Markup(template).format(**safe))  # noqa: S704 -- our own catalogue is the template

    def when(self, language: str, at: datetime) -> str:
        """`23 Nov 2026 21:05`, East Africa Time."""
        return _format(at, "d MMM y HH:mm", language)

    def day(self, language: str, day: date, *, today: date | None = None) -> str:
        """
        `Fri 27 Nov`, with its year where that is not the year of *today*.

        An instant is a day of East Africa, and near enough to need no year.
        """
        if isinstance(day, datetime):
            day = today = day.astimezone(EAT).date()
        pattern = "EEE d MMM" if today is not None and today.year == day.year else "EEE d MMM y"
        known = _known(language)
        if known == "sw":  # its short names of weekdays are one or two letters
            pattern = pattern.replace("EEE", "EEEE")
        return str(format_date(day, pattern, locale=known))

    def until(self, language: str, at: datetime, *, now: datetime) -> str:
        """
        A time to come: `21:05`, `21:05 tomorrow`, or with its date.

        Rounded up to the minute: who comes at the time we name must not be sent away again.
        """
        if at.second or at.microsecond:
            at = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
        days = (at.astimezone(EAT).date() - now.astimezone(EAT).date()).days
        time = _format(at, "HH:mm", language)
        if days <= 0:
            return time
        if days == 1:
            return plain(self.say(language, "time.tomorrow", time=time))
        return self.when(language, at)


@lru_cache(maxsize=4096)
def money(cents: int) -> str:
    """Cents as `KES 1,500`, or `KES 1,500.50` where there are any."""
    pattern = "¤¤ #,##0" if cents % 100 == 0 else "¤¤ #,##0.00"
    return format_currency(
        Decimal(cents) / 100, "KES", pattern, locale=DEFAULT_LANGUAGE, currency_digits=False
    )


def signed(cents: int) -> str:
    """The same as what is added or taken off: `+KES 10`, `−KES 1,500`."""
    return f"+{money(cents)}" if cents > 0 else money(cents).replace("-", "−")


def kes(amount_kes: int) -> str:
    """Whole shillings as `KES 1,500`."""
    return money(amount_kes * 100)


def clean(text: str, *, limit: int = VALUE_CHARS_MAX) -> str:
    """One line of what can be seen, of at most *limit* characters (the last one then is `…`)."""
    spaced = "".join(" " if char.isspace() else char for char in text)
    seen = "".join(char for char in spaced if unicodedata.category(char) not in _UNSEEN)
    line = _without_towers(" ".join(seen.split()))
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def apart(text: str) -> str:
    """
    The same to the eye, with nothing in it that Telegram makes a link of, or a call to somebody.

    Its rules are TDLib's: a word joiner ends an address, a zero-width joiner would not.
    """
    return _LINK.sub(rf"\g<0>{WORD_JOINER}", text)


def plain(text: str) -> str:
    """HTML as text without marks, for the places where Telegram takes none."""
    return html.unescape(_TAG.sub("", text))


def blanks(template: str) -> frozenset[str]:
    """The names in braces."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name)


@cache
def _load() -> Texts:
    catalogues = {language: _read(language) for language in LANGUAGES}
    sentences = {language: _sentences(each) for language, each in catalogues.items()}
    ensure_agreement(sentences)
    return Texts(
        MappingProxyType({name: _compile(each) for name, each in catalogues.items()}),
        frozenset(sentences[DEFAULT_LANGUAGE]),
    )


def _read(language: str) -> Catalog:
    """All files of one language as one catalogue; no sentence may stand in two of them."""
    whole = Catalog(locale=language)
    folder = files("bot") / "locales" / language
    for part in sorted(folder.iterdir(), key=lambda each: each.name):
        if not part.name.endswith(".po"):
            continue
        with part.open("rb") as file:
            for message in read_po(file, locale=language, abort_invalid=True):
                if message.id and message.id in whole:
                    raise BadCatalogue(f"{language}: {message.id} stands in two files")
                if message.id:
                    whole[message.id] = message
    return whole


def _compile(catalogue: Catalog) -> GNUTranslations:
    """Through the .mo format in memory, so that there is no compiling step to forget."""
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def _sentences(catalogue: Catalog) -> dict[str, str]:
    return {
        message.id: message.string
        for message in catalogue
        if isinstance(message.id, str) and isinstance(message.string, str) and message.id
    }


def ensure_agreement(sentences: Mapping[str, Mapping[str, str]]) -> None:
    """Raise BadCatalogue unless every language has each sentence, with the same blanks."""
    ours = sentences[DEFAULT_LANGUAGE]
    for language, theirs in sentences.items():
        if odd := ours.keys() ^ theirs.keys():
            raise BadCatalogue(f"{language}: only in one language: {sorted(odd)}")
        for key, sentence in theirs.items():
            if not sentence:
                raise BadCatalogue(f"{language}: {key} says nothing")
            if blanks(sentence) != blanks(ours[key]):
                raise BadCatalogue(f"{language}: {key} has other blanks")


def _known(language: str) -> str:
    return language if language in LANGUAGES else DEFAULT_LANGUAGE


def _safe(value: object) -> object:
    if isinstance(value, Markup | int):
        return value
    return apart(clean(str(value)))


def _without_towers(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text):
        marks = marks + 1 if unicodedata.category(char) in _MARKS else 0
        if marks <= MARKS_MAX:
            kept.append(char)
    return "".join(kept)


def _format(at: datetime, pattern: str, language: str) -> str:
    return format_datetime(at, pattern, tzinfo=EAT, locale=_known(language))
