"""Wishes: what somebody typed into a page's form becomes an amount and a phone, or kind words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bot.core.money import AMOUNT_KES_MAX
from bot.core.phones import BadPhone, read_phone
from bot.texts import clean

__all__ = [
    "NAME_CHARS_MAX",
    "Problem",
    "ReadAmount",
    "Typed",
    "Wish",
    "read_amount_field",
    "wish_of",
]

NAME_CHARS_MAX = 40
TYPED_CHARS_MAX = 64


class Unclear(Protocol):
    """One thing that could not be read, as the chat says it (`bot.chat.parse.Unclear`)."""

    @property
    def key(self) -> str: ...

    @property
    def values(self) -> Mapping[str, str]: ...


ReadAmount = Callable[[str], int | Unclear]
"""Reads `1,500`, `2k`, `KES 50`: the very words that the chat reads."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field: a sentence and what it is filled with."""

    key: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A prompt that somebody wants sent."""

    amount_kes: int
    phone: str = field(repr=False)  # 2547…
    name: str = ""
    anonymous: bool = False
    hide_amount: bool = False
    shows: str = ""  # what the page had said that everybody may see


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The fields as they were typed, to be shown again to the one who typed them."""

    phone: str = field(default="", repr=False)
    amount: str = ""
    name: str = ""
    anonymous: bool = False
    hide_amount: bool = False
    part: bool = False  # not all of an invoice
    all_kes: str = ""  # what the page had said that all of it is
    shows: str = ""  # what the page had said that everybody may see

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Typed:
        def short(name: str) -> str:
            return clean(fields.get(name, ""), limit=TYPED_CHARS_MAX)

        return cls(
            phone=short("phone"),
            amount=short("amount"),
            name=short("name"),
            anonymous="anonymous" in fields,
            hide_amount="hide_amount" in fields,
            part=fields.get("how_much") == "part",
            all_kes=short("all_kes"),
            shows=short("shows"),
        )


def wish_of(typed: Typed, amount_kes: int | Problem) -> Wish | dict[str, Problem]:
    """The wish, or for each field that could not be read what is wrong with it."""
    problems: dict[str, Problem] = {}
    if isinstance(amount_kes, Problem):
        problems["amount"] = amount_kes
    try:
        phone = read_phone(typed.phone)
    except BadPhone as exc:
        problems["phone"] = Problem(f"phone-problem.{exc.reason}")
        phone = ""
    if problems or isinstance(amount_kes, Problem):
        return problems
    return Wish(
        amount_kes=amount_kes,
        phone=phone,
        name=clean(typed.name, limit=NAME_CHARS_MAX),
        anonymous=typed.anonymous,
        hide_amount=typed.hide_amount,
        shows=typed.shows,
    )


def read_amount_field(typed: Typed, read: ReadAmount) -> int | Problem:
    """Whole shillings, or what the chat would say to the same words."""
    if not typed.amount:
        return Problem("page.form.no-amount")
    found = read(typed.amount)
    if isinstance(found, int):
        return found if found <= AMOUNT_KES_MAX else Problem("page.form.no-amount")
    if found.key in ("unclear.no-amount", "unclear.empty"):
        return Problem("page.form.no-amount")
    return Problem(found.key, found.values)
