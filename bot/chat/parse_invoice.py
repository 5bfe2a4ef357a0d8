"""
Parse `/invoice`: how much, whom, what for, and until when.

The customer is an @username; or what stands in quotes; or the first word after the amount and
up to two more that begin with a capital letter, until "for" or "kwa". A day is what follows
"due", "by", "mwisho" or "kufikia", or the last piece after a comma if it is a day. Without an
amount it is a draft, to which items are added. Where two numbers could be the amount, it is asked
which: a quantity that is taken for the price would be billed at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from bot.chat.parse import PHONE_DIGITS_MIN, Unclear, amounts_in, cents_at, visible_words
from bot.chat.parse_due import read_day
from bot.texts import clean

__all__ = ["InvoiceWords", "ItemWords", "invoice_words", "is_phone", "item_words"]

AMOUNT_KES_MAX = 100_000_000
NAME_CHARS_MAX = 64
WHAT_CHARS_MAX = 120
NAME_WORDS_MAX = 3
QUANTITY_MAX = 1_000_000

_DUE = re.compile(
    r"(?:^|[\s,;])(?:due(?:\s+(?:on|by))?|by|before|payable by|mwisho(?:\s+wa\s+kulipa)?|kufikia"
    r"|kabla\s+ya|ifikapo)[:\s]+(?P<day>[^,;]+)$",
    re.IGNORECASE,
)
_SURELY_DUE = re.compile(r"\b(?:due|kufikia|ifikapo)\b", re.IGNORECASE)
_USERNAME = re.compile(r"@([A-Za-z][A-Za-z0-9_]{3,31})")
_QUOTED = re.compile(r"^[\"“'‘](?P<name>[^\"”'’]+)[\"”'’]\s*(?P<rest>.*)$")
_FOR = {"for", "kwa", "ya", "-", "–", "—", ":"}
_TIMES = re.compile(r"(?P<count>[0-9]+(?:\.[0-9]{1,3})?)\s*(?:x|×|\*|@)\s*(?=\S)", re.IGNORECASE)
_GLUED = re.compile(r"(?<!\S)[x×*@](?=(?:kshs?|kes|shs?)?\.?[0-9])", re.IGNORECASE)  # "@750"
_FACTOR_BEFORE = re.compile(r"(?:^|.*[\s0-9])[x×*]|.*[0-9].*\s@", re.IGNORECASE)
_FACTOR_AFTER = re.compile(r"[x×*@]\s*[0-9].*", re.IGNORECASE)
_EDGES = " -–—:;,.|/"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceWords:
    """What `/invoice` was asked to bill."""

    total_cents: int | None  # None: no amount was named
    customer: str
    username: str | None  # without the @
    what: str
    due_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemWords:
    """One line of a bill."""

    what: str
    quantity_milli: int
    price_cents: int


def invoice_words(text: str, *, today: date) -> InvoiceWords | Unclear:
    """What follows `/invoice`."""
    line = " ".join(visible_words(text))
    if not line:
        return Unclear("invoice.how")
    split = _without_day(line, today)
    if isinstance(split, Unclear):
        return split
    line, due_on = split
    words = _GLUED.sub(r"\g<0> ", line).split()
    if not words:
        return Unclear("invoice.how")
    amount = _amount(words, "unclear.which-amount")
    if isinstance(amount, Unclear):
        return amount
    total_cents, before, after = amount
    customer, username, rest = _customer(before or after)
    what = " ".join(filter(None, [rest, after])) if before else rest
    if is_phone(customer):
        return Unclear("unclear.phone-name")
    if not any(char.isalpha() for char in customer):
        return Unclear("invoice.whom")
    return InvoiceWords(
        total_cents=total_cents,
        customer=customer,
        username=username,
        what=clean(what.strip(_EDGES), limit=WHAT_CHARS_MAX),
        due_on=due_on,
    )


def item_words(text: str) -> ItemWords | Unclear:
    """
    A line of a bill: `2 x 750 charcoal`, `750 sugar` or `sugar 750`.

    A quantity has up to three decimals and stands before "x" (or "@"); the amount is of one. Of
    several numbers the one with a currency is the amount.
    """
    line = " ".join(visible_words(text))
    quantity = Decimal(1)
    found = _TIMES.match(line)
    if found is not None:
        quantity = Decimal(found["count"])
        line = line[found.end() :]
    if not 0 < quantity <= QUANTITY_MAX:
        return Unclear("unclear.quantity", {"text": text.strip()})
    words = _GLUED.sub(r"\g<0> ", line).split()
    amount = _amount(words, "unclear.which-price", marked_wins=found is None)
    if isinstance(amount, Unclear):
        return amount
    price_cents, before, after = amount
    what = clean(" ".join(filter(None, [before, after])).strip(_EDGES + "@"), limit=WHAT_CHARS_MAX)
    if price_cents is None or not what:
        return Unclear("unclear.item", {"text": text.strip()})
    return ItemWords(what=what, quantity_milli=int(quantity * 1000), price_cents=price_cents)


def _without_day(line: str, today: date) -> tuple[str, date | None] | Unclear:
    """The line without the day it is due, and that day."""
    found = _DUE.search(line)
    if found is not None:
        day = read_day(found["day"], today=today)
        if not isinstance(day, Unclear):
            return line[: found.start()].rstrip(_EDGES), day
        if _SURELY_DUE.search(found.group()):
            return day
    head, comma, tail = line.rpartition(",")
    if comma:
        day = read_day(tail, today=today)
        if not isinstance(day, Unclear):
            return head.rstrip(_EDGES), day
    return line, None


def is_phone(name: str) -> bool:
    """Whether a name has a phone number in it: everybody who has the link reads names."""
    return sum(char.isdigit() for char in name) >= PHONE_DIGITS_MIN


def _amount(
    words: Sequence[str], which: str, *, marked_wins: bool = False
) -> tuple[int | None, str, str] | Unclear:
    """
    The amount in cents, and the words before and after it; *which* is asked where it may be two.

    With *marked_wins* a number at the start is the amount only if it has the currency, or if
    there is no other.
    """
    amounts = amounts_in(words)
    if not amounts:
        return None, "", " ".join(words)
    first, *others = amounts
    marked = [each for each in amounts if each.marked]
    leads = first.start == 0
    chosen, other = first, next(iter(others), None)
    if len(marked) == 1 and (marked[0] is first or marked_wins or not leads):
        chosen, other = marked[0], None
    elif leads and not marked_wins and not marked:
        other = next((each for each in others if not _less(words, each.start, first.start)), None)
    cents = _cents(words, chosen.start)
    if isinstance(cents, Unclear):
        return cents
    before, after = " ".join(words[: chosen.start]), " ".join(words[chosen.end :])
    if other is not None:
        return Unclear(which, {"text": chosen.text, "other": other.text})
    for factor, beside in ((_FACTOR_BEFORE, before), (_FACTOR_AFTER, after)):
        if factor.fullmatch(beside):
            return Unclear(which, {"text": chosen.text, "other": beside[:NAME_CHARS_MAX]})
    return cents, before, after


def _cents(words: Sequence[str], at: int) -> int | Unclear:
    found = cents_at(words, at, most_kes=AMOUNT_KES_MAX)
    assert found is not None, "an amount begins here"
    return found[0]


def _less(words: Sequence[str], at: int, than: int) -> bool:
    """Whether the number at this word is smaller than that one, or too long for an amount."""
    cents, most = _cents(words, at), _cents(words, than)
    if isinstance(cents, Unclear) or isinstance(most, Unclear):
        return is_phone(words[at])
    return cents < most


def _customer(text: str) -> tuple[str, str | None, str]:
    """Name, username and what is left."""
    if (quoted := _QUOTED.match(text)) is not None:
        return clean(quoted["name"], limit=NAME_CHARS_MAX), None, quoted["rest"]
    words = text.split()
    if not words:
        return "", None, ""
    if (user := _USERNAME.fullmatch(words[0].rstrip(_EDGES))) is not None:
        return user[1], user[1], " ".join(words[1:])
    end = 1
    while end < min(len(words), NAME_WORDS_MAX) and _goes_on(words[end - 1], words[end]):
        end += 1
    rest = words[end:]
    if rest and rest[0].lower() in _FOR:
        rest = rest[1:]
    name = clean(" ".join(words[:end]).strip(_EDGES), limit=NAME_CHARS_MAX)
    if name[:1].isdigit() and not is_phone(name):
        return "", None, " ".join(rest)  # a number is part of no name, unless in quotes
    return name, None, " ".join(rest)


def _goes_on(before: str, word: str) -> bool:
    """Whether *word* still belongs to the name."""
    return before[-1] not in ",;:" and word[0].isupper() and word.lower() not in _FOR
