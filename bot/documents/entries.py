"""Entries: the rows of statements and drive lists, their columns for each reader, their sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, StrEnum, auto
from itertools import accumulate
from typing import Any, Generic, NamedTuple, TypeVar

from bot.documents.receipt import Method, method_word
from bot.documents.words import Words, local_day

__all__ = [
    "Audience",
    "Column",
    "Entry",
    "Kind",
    "Pledge",
    "Sums",
    "Unmatched",
    "entry_columns",
    "giver",
    "pledge_columns",
    "shown_code",
    "unmatched_columns",
]

Row = TypeVar("Row")


class Audience(StrEnum):
    """Who will read the paper."""

    KEEPERS = "keepers"  # treasurers, the merchant, operators, the person themself
    GROUP = "group"  # members: wishes for privacy hold, no phones, no whole codes


class Entry(NamedTuple):
    """Money that came or went. A tuple, for a statement may have a million of them."""

    at: datetime  # aware
    receipt: str  # M-Pesa's code; "" for cash
    name: str  # "" where nobody is known
    phone: str  # 2547…, or its mask; "" for none
    amount_cents: int  # below nothing for a reversal, or a correction downwards
    method: Method
    what_for: str = ""  # drive or invoice
    account: str = ""  # the reference on the payment
    fee_cents: int | None = None  # M-Pesa's, an estimate
    recorded_by: str = ""
    note: str = ""  # late, twice, reason of a correction
    anonymous: bool = False  # the giver's wish
    hide_amount: bool = False  # the giver's wish


class Pledge(NamedTuple):
    """A promise to give, and what came of it."""

    at: datetime  # aware
    name: str
    phone: str
    promised_cents: int
    paid_cents: int
    due_on: date | None
    anonymous: bool = False
    hide_amount: bool = False


class Unmatched(NamedTuple):
    """Money, or a report of it, that nobody could put in its place yet."""

    at: datetime  # aware
    receipt: str
    name: str
    phone: str
    amount_cents: int
    account: str  # what the payer typed
    why: str  # in the reader's language


class Kind(Enum):
    """What a column's cells are, so that each format can write them as what they are."""

    WHEN = auto()  # aware datetime
    DAY = auto()  # date or None
    TEXT = auto()  # str
    CODE = auto()  # str that must stay text: phones, receipts, references
    MONEY = auto()  # int cents, or None where it is not shown or not known
    COUNT = auto()  # int


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column: its head, what its cells are, its width in characters, and how to get them."""

    head: str
    kind: Kind
    width: int
    cells: Callable[[Sequence[Row]], Iterable[Any]]


@dataclass(slots=True)
class Sums:
    """What the entries came to, as they went by. Amounts are cents."""

    opening_cents: int = 0
    count: int = 0
    received_cents: int = 0  # above nothing
    returned_cents: int = 0  # reversals and downward corrections: nothing or below
    by_method: dict[Method, int] = field(default_factory=dict)  # net

    @property
    def net_cents(self) -> int:
        """What came, less what went back."""
        return self.received_cents + self.returned_cents

    @property
    def closing_cents(self) -> int:
        """What there was before, and the net."""
        return self.opening_cents + self.net_cents

    def add(self, entries: Iterable[Entry]) -> None:
        """Take these in."""
        by_method = self.by_method
        for entry in entries:
            cents, method = entry[4], entry[5]
            self.count += 1
            if cents > 0:
                self.received_cents += cents
            else:
                self.returned_cents += cents
            by_method[method] = by_method.get(method, 0) + cents


def giver(entry: Entry | Pledge, words: Words, audience: Audience) -> str:
    """The name for this reader; a keeper is told that others do not see it."""
    if not entry.anonymous:
        return entry.name or words.say("paper.nobody")
    if audience is Audience.GROUP:
        return words.say("paper.well-wisher")
    return words.say("paper.anonymous", name=entry.name or words.say("paper.nobody"))


def shown_code(code: str, audience: Audience) -> str:
    """A receipt for this reader: whole, or `UKN…DE7`."""
    if audience is Audience.KEEPERS or not code:
        return code
    return f"{code[:3]}…{code[-3:]}"


def entry_columns(
    words: Words, audience: Audience, *, opening_cents: int = 0
) -> tuple[Column[Entry], ...]:
    """
    The columns of a statement. The running total counts from *opening_cents*, once: they are
    for one paper. A group gets none, since it would give every hidden amount away.
    """
    say = words.say
    methods = {method: method_word(words, method) for method in Method}
    when: Column[Entry] = Column(
        say("paper.paid-at"), Kind.WHEN, 18, lambda rows: [row[0] for row in rows]
    )
    name: Column[Entry] = Column(say("paper.name"), Kind.TEXT, 28, _names(words, audience))
    method: Column[Entry] = Column(
        say("paper.method"), Kind.TEXT, 16, lambda rows: [methods[row[5]] for row in rows]
    )
    what_for: Column[Entry] = Column(
        say("paper.what-for"), Kind.TEXT, 24, lambda rows: [row[6] for row in rows]
    )
    money = say("paper.amount-kes")
    if audience is Audience.GROUP:
        return (
            when,
            Column(say("paper.code"), Kind.CODE, 14, _group_codes),
            name,
            Column(money, Kind.MONEY, 16, _shown_amounts),
            method,
            what_for,
        )
    return (
        when,
        Column(say("paper.code"), Kind.CODE, 14, lambda rows: [row[1] for row in rows]),
        name,
        Column(say("paper.phone"), Kind.CODE, 16, lambda rows: [row[3] for row in rows]),
        Column(money, Kind.MONEY, 16, lambda rows: [row[4] for row in rows]),
        Column(say("paper.running"), Kind.MONEY, 18, _Running(opening_cents)),
        Column(say("paper.fee"), Kind.MONEY, 12, lambda rows: [row[8] for row in rows]),
        method,
        what_for,
        Column(say("paper.account"), Kind.CODE, 16, lambda rows: [row[7] for row in rows]),
        Column(say("paper.recorded-by"), Kind.TEXT, 18, lambda rows: [row[9] for row in rows]),
        Column(say("paper.note"), Kind.TEXT, 30, lambda rows: [row[10] for row in rows]),
    )


def pledge_columns(words: Words, audience: Audience) -> tuple[Column[Pledge], ...]:
    """Promised, paid and left. A group is not told who has yet to pay, nor any phone."""
    say = words.say
    day: Column[Pledge] = Column(
        say("paper.pledged-on"), Kind.DAY, 14, lambda rows: [local_day(row.at) for row in rows]
    )
    name: Column[Pledge] = Column(
        say("paper.name"),
        Kind.TEXT,
        28,
        lambda rows: [giver(row, words, audience) for row in rows],
    )
    hides = audience is Audience.GROUP
    promised: Column[Pledge] = Column(
        say("paper.promised"),
        Kind.MONEY,
        16,
        lambda rows: [None if hides and row.hide_amount else row.promised_cents for row in rows],
    )
    if hides:
        return (day, name, promised)
    return (
        day,
        name,
        Column(say("paper.phone"), Kind.CODE, 16, lambda rows: [row.phone for row in rows]),
        promised,
        Column(say("paper.paid"), Kind.MONEY, 16, lambda rows: [row.paid_cents for row in rows]),
        Column(
            say("paper.left"),
            Kind.MONEY,
            16,
            lambda rows: [max(0, row.promised_cents - row.paid_cents) for row in rows],
        ),
        Column(say("paper.due"), Kind.DAY, 14, lambda rows: [row.due_on for row in rows]),
    )


def unmatched_columns(words: Words) -> tuple[Column[Unmatched], ...]:
    """For keepers alone: a group gets no such sheet."""
    say = words.say
    return (
        Column(say("paper.paid-at"), Kind.WHEN, 18, lambda rows: [row.at for row in rows]),
        Column(say("paper.code"), Kind.CODE, 14, lambda rows: [row.receipt for row in rows]),
        Column(say("paper.name"), Kind.TEXT, 28, lambda rows: [row.name for row in rows]),
        Column(say("paper.phone"), Kind.CODE, 16, lambda rows: [row.phone for row in rows]),
        Column(
            say("paper.amount-kes"),
            Kind.MONEY,
            16,
            lambda rows: [row.amount_cents for row in rows],
        ),
        Column(say("paper.account"), Kind.CODE, 16, lambda rows: [row.account for row in rows]),
        Column(say("paper.why"), Kind.TEXT, 44, lambda rows: [row.why for row in rows]),
    )


class _Running:
    """The total after each row; it remembers where the last batch ended."""

    def __init__(self, opening_cents: int) -> None:
        self._cents = opening_cents

    def __call__(self, rows: Sequence[Entry]) -> list[int]:
        totals = list(accumulate((row[4] for row in rows), initial=self._cents))
        self._cents = totals[-1]
        return totals[1:]


def _names(words: Words, audience: Audience) -> Callable[[Sequence[Entry]], list[str]]:
    nobody = words.say("paper.nobody")

    def names(rows: Sequence[Entry]) -> list[str]:
        return [giver(row, words, audience) if row[11] else row[2] or nobody for row in rows]

    return names


def _group_codes(rows: Sequence[Entry]) -> list[str]:
    # Whoever holds a code can look a payment up: one that hides behind it shows none.
    return [
        "" if row.anonymous or row.hide_amount else shown_code(row.receipt, Audience.GROUP)
        for row in rows
    ]


def _shown_amounts(rows: Sequence[Entry]) -> list[int | None]:
    return [None if row.hide_amount else row.amount_cents for row in rows]
