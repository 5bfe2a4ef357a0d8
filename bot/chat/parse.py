"""
Parse: the words after a command become an amount, a phone and a note, or one thing unclear.

Nothing is guessed: what could be read in two ways is handed back as a question. Whether a phone
is a good one is for `bot/core/phones.py`; here it is only told from the amount and the note.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bot.chat.parse_spoken import more_than, spoken
from bot.core.money import AMOUNT_KES_MAX
from bot.texts import clean, kes

__all__ = [
    "NOTE_CHARS_MAX",
    "PayWords",
    "Unclear",
    "amounts_in",
    "cents_at",
    "pay_words",
    "phone_apart",
    "read_amount",
    "visible_words",
]

NOTE_CHARS_MAX = 64
PHONE_DIGITS_MIN = 9  # as many can be no amount that M-Pesa takes
SHORT_PHONE_DIGITS_MIN = 6  # without a zero before; fewer are an amount, if one too large


@dataclass(frozen=True, slots=True)
class Unclear:
    """
    One thing that could not be read: a sentence of the catalogue and what to fill it with.

    `offers` are the amounts that may have been meant, in whole shillings, likeliest first.
    """

    key: str
    values: Mapping[str, str] = field(default_factory=dict)
    offers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PayWords:
    """What `/pay` was asked to do. `phone_text` is as typed, or None if no phone was named."""

    amount_kes: int
    phone_text: str | None
    note: str  # cleaned, at most 64 characters


_CURRENCY = r"(?:kshs?|kes|shs?)"
_NUMBER = r"[0-9][0-9.,]*"
_AMOUNT_LIKE = re.compile(
    rf"(?P<sign>[-−–])?(?:{_CURRENCY}\.?)?(?P<sign2>[-−–])?(?P<number>{_NUMBER})"
    rf"(?P<unit>k|m)?(?P<tail>/[=\-]|bob|{_CURRENCY}\.?)?",
    re.IGNORECASE,
)
_PREFIX = re.compile(rf"{_CURRENCY}\.?", re.IGNORECASE)
_SUFFIX = re.compile(rf"(?:bob|{_CURRENCY}|/[=\-])\.?", re.IGNORECASE)

_WHOLE = re.compile(r"(?:0|[1-9][0-9]*|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.0{1,2})?")
_EXACT = re.compile(r"(?:0|[1-9][0-9]*|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.[0-9]{1,2})?")
_WITH_CENTS = re.compile(r"(?P<whole>0|[1-9][0-9]*|[1-9][0-9]{0,2}(?:,[0-9]{3})+)\.[0-9]{1,2}")
_DOT_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
_THOUSANDS_OF = re.compile(r"[0-9]+(?:\.[0-9]{1,2})?")  # before a k or an m

_PHONE_CHARS = re.compile(r"[+()0-9./‐‑‒–—−\-]+")
_KENYAN_MOBILE = re.compile(r"(?:(?:\+|0{2,3})?2540?|0)?[17][0-9]{8}")
_PHONE_WORDS_MAX = 6
_PHONE_READINGS_MAX = 12
_NUMBER_CHARS_MAX = 15

_PHONE_HERE = ""
"""Stands where a phone was taken out, so that what was around it does not become neighbours."""

_EDGES = " -–—:;,.|/"


def read_amount(text: str) -> int | Unclear:
    """
    Whole shillings from one amount as Kenyans write it.

    Reads `50`, `50/=`, `50/-`, `1,500`, `1.5k`, `2k`, `1500.00`, `KES 50`, `Ksh50`,
    `Ksh. 1,500`, `kshs 20`, `50bob`, `sh 50`. Everything else is Unclear.
    """
    words = visible_words(text)
    if not words:
        return Unclear("unclear.no-amount")
    found = _amount_at(words, 0)
    if found is not None and found.end == len(words):
        return found.read()
    return _slang(words) or Unclear("unclear.amount", {"text": " ".join(words)})


def pay_words(text: str) -> PayWords | Unclear:
    """
    What follows `/pay`: an amount and a phone in either order, and a note.

    The phone may be missing, and may be written with spaces, dashes, brackets and a plus.
    """
    words = visible_words(text)
    if not words:
        return Unclear("unclear.empty")
    reading = phone_apart(words)
    if isinstance(reading, Unclear):
        return reading
    phone_text, left = reading
    amount_and_note = _amount_and_note(left)
    if isinstance(amount_and_note, Unclear):
        return amount_and_note
    amount_kes, note = amount_and_note
    return PayWords(amount_kes=amount_kes, phone_text=phone_text, note=note)


def cents_at(
    words: Sequence[str], start: int, *, most_kes: int, millions: bool = False
) -> tuple[int | Unclear, int] | None:
    """
    An amount in cents that begins at this word, and where it ends; None if none does.

    With *millions*, "2m" is two million and no two metres.
    """
    found = _amount_at(words, start)
    if found is None:
        return None
    unclear = _part(words, found, most_kes, most_kes if millions else 0)
    return unclear or found.read_cents(most_kes, millions), found.end


@dataclass(frozen=True, slots=True)
class _Found:
    """An expression that looks like an amount, at words[start:end]."""

    start: int
    end: int
    text: str
    sign: str
    number: str
    unit: str
    marked: bool  # with a currency, so it can be nothing but money

    def read(self) -> int | Unclear:
        """The amount, if it can be only one."""
        if self.sign:
            return Unclear("unclear.negative", {"text": self.text})
        number = self.number.rstrip(".,")
        if len(number) > _NUMBER_CHARS_MAX:
            return _too_large(self.text)
        if self.unit == "k":
            return self._thousands(number)
        if self.unit == "m":
            return Unclear("unclear.million", {"text": self.text, "most": kes(AMOUNT_KES_MAX)})
        if _WHOLE.fullmatch(number):
            return _within(int(number.partition(".")[0].replace(",", "")), self.text)
        if (cents := _WITH_CENTS.fullmatch(number)) is not None:
            return self._which_shilling(int(cents["whole"].replace(",", "")))
        if _DOT_THOUSANDS.fullmatch(number):
            meant = int(number.replace(".", ""))
            if meant <= AMOUNT_KES_MAX:
                values = {"text": self.text, "meant": kes(meant), "digits": str(meant)}
                return Unclear("unclear.dot", values, (meant,))
        return Unclear("unclear.separator", {"text": self.text})

    def read_cents(self, most_kes: int, millions: bool) -> int | Unclear:
        """The amount in cents, if it can be only one, for what need not be whole shillings."""
        number = self.number.rstrip(".,")
        cents: int | Unclear = 0
        if not self.sign and self.unit == "k" and _THOUSANDS_OF.fullmatch(number):
            cents = int(Decimal(number) * 100_000)
        elif not self.sign and self.unit == "m" and millions and _THOUSANDS_OF.fullmatch(number):
            cents = int(Decimal(number) * 100_000_000)
        elif not self.sign and not self.unit and _EXACT.fullmatch(number):
            cents = int(Decimal(number.replace(",", "")) * 100)
        else:
            whole = self.read()
            cents = whole if isinstance(whole, Unclear) else whole * 100
        if not isinstance(cents, Unclear) and not 0 < cents <= most_kes * 100:
            key = "unclear.too-large" if cents else "unclear.zero"
            return Unclear(key, {"text": self.text, "most": kes(most_kes)})
        return cents

    def _thousands(self, number: str) -> int | Unclear:
        if not _THOUSANDS_OF.fullmatch(number):
            return Unclear("unclear.separator", {"text": self.text})
        shillings = Decimal(number) * 1000
        assert shillings == int(shillings), "two decimals of a thousand are tens"
        return _within(int(shillings), self.text)

    def _which_shilling(self, below: int) -> Unclear:
        if below >= AMOUNT_KES_MAX:
            return _too_large(self.text)
        offers = (below, below + 1) if below else (1,)
        if len(offers) == 1:
            return Unclear("unclear.below-one", {"text": self.text}, offers)
        values = {"text": self.text, "low": str(below), "high": str(below + 1)}
        return Unclear("unclear.cents", values, offers)


def _within(amount_kes: int, text: str) -> int | Unclear:
    if amount_kes == 0:
        return Unclear("unclear.zero", {"text": text})
    return amount_kes if amount_kes <= AMOUNT_KES_MAX else _too_large(text)


def _too_large(text: str) -> Unclear:
    return Unclear("unclear.too-large", {"text": text, "most": kes(AMOUNT_KES_MAX)})


def visible_words(text: str) -> list[str]:
    """Words in ASCII digits, without marks that cannot be seen."""
    visible = clean(text, limit=len(text) + 1)
    decimals = (unicodedata.decimal(char, None) for char in visible)
    pairs = zip(visible, decimals, strict=True)
    return "".join(char if digit is None else str(digit) for char, digit in pairs).split()


def _amount_at(words: Sequence[str], start: int) -> _Found | None:
    """The expression that begins at this word, with a currency beside it if there is one."""
    at = start
    prefix = _PREFIX.fullmatch(words[at]) is not None
    if prefix:
        at += 1
    if at >= len(words):
        return None
    match = _AMOUNT_LIKE.fullmatch(words[at].rstrip(",;:"))
    if match is None:
        return None
    end = at + 1
    suffix = end < len(words) and _SUFFIX.fullmatch(words[end].rstrip(",;:")) is not None
    # "50 sh 20" has two amounts: there the word belongs to the one that follows.
    if suffix and not (end + 1 < len(words) and _AMOUNT_LIKE.fullmatch(words[end + 1])):
        end += 1
    bare = match["number"] + (match["unit"] or "")
    return _Found(
        start=start,
        end=end,
        text=" ".join(words[start:end]).rstrip(",;:"),
        sign=match["sign"] or match["sign2"] or "",
        number=match["number"],
        unit=(match["unit"] or "").lower(),
        marked=end - start > 1 or match.group().lower() != bare.lower(),
    )


def amounts_in(words: Sequence[str]) -> list[_Found]:
    """All expressions that look like amounts, left to right."""
    found: list[_Found] = []
    at = 0
    while at < len(words):
        amount = _amount_at(words, at)
        if amount is not None:
            found.append(amount)
        at = at + 1 if amount is None else amount.end
    return found


def phone_apart(words: Sequence[str]) -> tuple[str | None, list[str]] | Unclear:
    """The phone as typed and the words without it."""
    spans = _phone_spans(words)
    if not spans:
        return _unspoken(words)
    if len(spans) > _PHONE_READINGS_MAX:
        return Unclear("unclear.two-phones")
    with_amount = [span for span in spans if amounts_in(_without(words, span))] or spans
    # The longest that leaves an amount: "50 254 712 345 678" is not 254 shillings.
    longest = max(len(_digits(words, span)) for span in with_amount)
    best = [span for span in with_amount if len(_digits(words, span)) == longest]
    start, end = best[0]
    left = _without(words, (start, end))
    if any(other[0] < end and start < other[1] for other in best[1:]):
        return Unclear("unclear.which-phone")
    if best[1:] or _phone_spans(left):
        return Unclear("unclear.two-phones")
    return _typed(words, start, end), left


def _unspoken(words: Sequence[str]) -> tuple[str | None, list[str]] | Unclear:
    """No phone was named, unless something was meant to be one."""
    for at, word in enumerate(words):
        if not (word.startswith(("+", "(", "0")) and _PHONE_CHARS.fullmatch(word)):
            continue
        end = _digit_run(words, at)
        if len(_digits(words, (at, end))) >= PHONE_DIGITS_MIN:
            return _typed(words, at, end), _without(words, (at, end))
        if "." not in word and word.strip("0"):
            return Unclear("unclear.short-phone", {"text": _typed(words, at, end)})
    amounts = amounts_in(words)
    for amount in amounts if len(amounts) > 1 else ():
        long = len(amount.text) >= SHORT_PHONE_DIGITS_MIN and amount.text.isdigit()
        if long and int(amount.text) > AMOUNT_KES_MAX:
            return Unclear("unclear.short-phone", {"text": amount.text})
    return None, list(words)


def _phone_spans(words: Sequence[str]) -> list[tuple[int, int]]:
    """Where a phone may stand: one word of nine digits or more, or several that make a number."""
    spans = [
        (at, at + 1)
        for at, word in enumerate(words)
        if sum(char.isdigit() for char in word) >= PHONE_DIGITS_MIN
    ]
    taken = {at for at, _ in spans}
    for start in range(len(words)):
        for end in range(start + 2, min(start + _PHONE_WORDS_MAX, len(words)) + 1):
            pieces = words[start:end]
            if not all(_PHONE_CHARS.fullmatch(piece) for piece in pieces):
                break
            joined = "+" * pieces[0].startswith("+") + _digits(words, (start, end))
            inner_plus = any("+" in piece for piece in pieces[1:])
            whole_word = any(at in taken for at in range(start, end))
            split = not whole_word or pieces[0].strip("()+") == "254"
            if _KENYAN_MOBILE.fullmatch(joined) and split and not inner_plus:
                spans.append((start, end))
    return spans


def _amount_and_note(words: Sequence[str]) -> tuple[int, str] | Unclear:
    """The amount, and the note that is left."""
    amounts = amounts_in(words)
    if not amounts:
        return _slang(words) or Unclear("unclear.no-amount")
    first = amounts[0]
    if (second := _second(words, amounts)) is not None:
        return Unclear("unclear.two-amounts", {"text": first.text, "other": second.text})
    amount_kes = _part(words, first, AMOUNT_KES_MAX) or first.read()
    if isinstance(amount_kes, Unclear):
        return amount_kes
    rest = [*words[: first.start], *words[first.end :]]
    return amount_kes, clean(" ".join(rest).strip(_EDGES), limit=NOTE_CHARS_MAX)


def _second(words: Sequence[str], amounts: Sequence[_Found]) -> _Found | None:
    """
    Another amount that could be the one meant.

    After an amount in the first place the rest is a note, and "2 bags" in it is no amount;
    "KES 100" is one, and so is a number with nothing but numbers beside it.
    """
    first, *others = amounts
    if others and any(words[: first.start]):
        return others[0]
    marked = [other for other in others if other.marked]
    said = {at for other in others for at in range(other.start, other.end)}
    only_numbers = all(at in said or not words[at] for at in range(first.end, len(words)))
    return next(iter(marked or (others if only_numbers else ())), None)


def _slang(words: Sequence[str]) -> Unclear | None:
    """A question about "soo" or "elfu 2" where there is no other amount."""
    said = spoken(words)
    if said is None or said.meant_kes is None:
        return None
    if said.meant_kes > AMOUNT_KES_MAX:
        return _too_large(said.text)
    values = {"text": said.text, "meant": kes(said.meant_kes), "digits": str(said.meant_kes)}
    return Unclear("unclear.slang", values, (said.meant_kes,))


def _part(words: Sequence[str], found: _Found, most_kes: int, to_kes: int = 0) -> Unclear | None:
    """A question, where the amount may be but a part of what was meant."""
    said = more_than(words, found.start, found.end, found.number, millions_to_kes=to_kes)
    if said is None:
        return None
    if said.meant_kes is None:
        return Unclear("unclear.separator", {"text": said.text})
    if said.meant_kes > most_kes:
        return Unclear("unclear.too-large", {"text": said.text, "most": kes(most_kes)})
    meant = {"text": said.text, "meant": kes(said.meant_kes), "digits": str(said.meant_kes)}
    values = {**meant, "number": found.number.rstrip(".,")}
    return Unclear("unclear.part", values, (said.meant_kes,))


def _digit_run(words: Sequence[str], start: int) -> int:
    """The end of the run of words of phone characters that begins here."""
    end = start
    while end < len(words) and _PHONE_CHARS.fullmatch(words[end]):
        end += 1
    return end


def _digits(words: Sequence[str], span: tuple[int, int]) -> str:
    return "".join(char for word in words[slice(*span)] for char in word if char.isdigit())


def _without(words: Sequence[str], span: tuple[int, int]) -> list[str]:
    return [*words[: span[0]], _PHONE_HERE, *words[span[1] :]]


def _typed(words: Sequence[str], start: int, end: int) -> str:
    return " ".join(words[start:end]).rstrip(",;:.")
