"""Every set of evidence: the facts there can be, the spaces they span, and the walk over them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntFlag, auto
from functools import cache

from bot.core.settle import APART_HELD, LIMIT_HELD, RECEIPT_HELD, RULED, Standing
from bot.core.write_off import source
from storage.records import Evidence, Kind, Payment
from tests.fakes import a_payment, fact
from tests.stores import NOON

__all__ = [
    "BREACHES_MAX",
    "FULL",
    "FULL_BOOKS",
    "FULL_WHOSE",
    "LARGE",
    "NONE",
    "QUICK",
    "SMALL",
    "TOLD_AFTER",
    "F",
    "Space",
    "Stand",
    "Tally",
    "bits",
    "facts_about",
    "first",
    "maybe",
    "names",
    "sets_of",
    "walk",
]

Stand = Callable[[Payment, Sequence[Evidence]], Standing]

SMALL = replace(a_payment(), created_at=NOON - timedelta(seconds=50), begun_at=NOON)
LARGE = replace(SMALL, amount_kes=9000)


class F(IntFlag):
    """Each fact that may be told. A set of them is a sum."""

    BEGUN = auto()
    ACCEPTED = auto()
    REFUSED = auto()
    NOT_SENT = auto()
    REPLY_LOST = auto()
    FAILED = auto()
    PAID = auto()
    LIMIT_HELD = auto()
    RECEIPT_HELD = auto()
    BARE = auto()
    FAILED_TOO = auto()
    VOID = auto()
    PAID_AGAIN = auto()
    QUERY_NO = auto()
    QUERY_YES_EARLY = auto()
    QUERY_YES = auto()
    QUERY_NO_LATER = auto()
    CONTRADICTED = auto()
    UNTRUSTED = auto()
    CLAIM = auto()
    LAPSED = auto()
    RECORD = auto()
    RECORD_OTHER = auto()
    OPERATOR = auto()
    REVERSED = auto()
    VOID_LAST = auto()
    MOVED = auto()
    MOVED_OTHER = auto()
    MOVED_RULED = auto()
    RECORD_HELD = auto()
    RULED = auto()
    PROPOSED = auto()
    QUERY_HELD = auto()
    APART = auto()


NONE = F(0)
INSTANT = timedelta(microseconds=1)
LIFE = timedelta(seconds=120)

# When each is told, counted from the push, in order of time. Three are told at the same instant,
# and the two queries are asked just before the prompt's life is over, and just then.
TOLD_AFTER = {
    F.BEGUN: timedelta(0),
    F.ACCEPTED: timedelta(seconds=2),
    F.REFUSED: timedelta(seconds=2),
    F.NOT_SENT: timedelta(seconds=2),
    F.REPLY_LOST: timedelta(seconds=2),
    F.FAILED: timedelta(seconds=20),
    F.PAID: timedelta(seconds=30),
    F.LIMIT_HELD: timedelta(seconds=30),
    F.RECEIPT_HELD: timedelta(seconds=30),
    F.BARE: timedelta(seconds=31),
    F.FAILED_TOO: timedelta(seconds=30),
    F.VOID: timedelta(seconds=30),
    F.PAID_AGAIN: timedelta(seconds=35),
    F.QUERY_NO: timedelta(seconds=60),
    F.QUERY_YES_EARLY: LIFE - INSTANT,
    F.QUERY_YES: LIFE,
    F.QUERY_HELD: timedelta(minutes=50),
    F.QUERY_NO_LATER: timedelta(hours=1),
    F.CONTRADICTED: timedelta(hours=2),
    F.UNTRUSTED: timedelta(hours=3),
    F.CLAIM: timedelta(hours=4),
    F.PROPOSED: timedelta(hours=5),
    F.LAPSED: timedelta(days=2),
    F.RECORD: timedelta(days=3),
    F.RECORD_OTHER: timedelta(days=3),
    F.RECORD_HELD: timedelta(days=3),
    F.APART: timedelta(days=3, hours=1),
    F.OPERATOR: timedelta(days=4),
    F.RULED: timedelta(days=4, hours=1),
    F.REVERSED: timedelta(days=5),
    F.VOID_LAST: timedelta(days=6),
    F.MOVED: timedelta(days=7),
    F.MOVED_OTHER: timedelta(days=7),
    F.MOVED_RULED: timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class Space:
    """
    Dimensions, of each of which one option is taken. An option is a set of facts.

    The outer ones are few; their slices are kept while their neighbours are looked at.
    """

    outer: tuple[tuple[F, ...], ...]
    inner: tuple[tuple[F, ...], ...]


def maybe(*facts: F) -> tuple[tuple[F, ...], ...]:
    return tuple((NONE, each) for each in facts)


_REPLIES = maybe(F.BEGUN, F.ACCEPTED, F.REFUSED, F.NOT_SENT, F.REPLY_LOST)
_QUERIES = (NONE, F.QUERY_YES_EARLY, F.QUERY_YES, F.QUERY_YES_EARLY | F.QUERY_YES)

# Whom to believe: every yes against every no.
_PROOFS = Space(
    outer=((NONE, F.BEGUN | F.ACCEPTED),),
    inner=(
        (NONE, F.PAID, F.LIMIT_HELD, F.RECEIPT_HELD, F.PAID | F.PAID_AGAIN),
        (NONE, F.FAILED, F.FAILED_TOO),
        _QUERIES,
        (NONE, F.RECORD, F.RECORD_OTHER),
        (NONE, F.VOID, F.VOID_LAST),
        *maybe(F.BARE, F.QUERY_NO, F.OPERATOR, F.LAPSED),
    ),
)

# What the push brought, and all that may be said beside it.
_ANSWERS = Space(
    outer=_REPLIES,
    inner=(
        (NONE, F.PAID, F.LIMIT_HELD),
        *maybe(F.FAILED, F.QUERY_NO, F.VOID, F.LAPSED),
        *maybe(F.CONTRADICTED, F.REVERSED, F.CLAIM, F.UNTRUSTED),
    ),
)

# Whose the money is: each receipt that was named, and that it is another payment's.
_WHOSE = Space(
    outer=((NONE, F.BEGUN | F.ACCEPTED),),
    inner=(
        (NONE, F.PAID, F.LIMIT_HELD, F.PAID | F.PAID_AGAIN),
        _QUERIES,
        (NONE, F.RECORD, F.RECORD_OTHER),
        (NONE, F.VOID, F.VOID_LAST),
        *maybe(F.FAILED, F.OPERATOR, F.REVERSED, F.MOVED, F.MOVED_OTHER, F.MOVED_RULED),
    ),
)

# What the books say, and what a person says of it.
_BOOKS = Space(
    outer=((NONE, F.BEGUN | F.ACCEPTED),),
    inner=(
        (NONE, F.PAID, F.LIMIT_HELD),
        (NONE, F.QUERY_YES_EARLY, F.QUERY_YES, F.QUERY_HELD),
        (NONE, F.RECORD, F.RECORD_OTHER, F.RECORD_HELD, F.RECORD | F.RECORD_HELD),
        (NONE, F.VOID, F.VOID_LAST),
        *maybe(F.FAILED, F.OPERATOR, F.RULED, F.REVERSED, F.MOVED),
        (NONE, F.PROPOSED, F.APART),
    ),
)

QUICK = (_PROOFS, _ANSWERS, _WHOSE, _BOOKS)
"""What `make test` can afford: every kind, in sets of up to all of one half of them."""

FULL = Space(
    outer=_REPLIES,
    inner=(
        (
            *(NONE, F.PAID, F.LIMIT_HELD, F.RECEIPT_HELD),
            *(F.PAID | F.PAID_AGAIN, F.PAID | F.RECEIPT_HELD),
        ),
        (NONE, F.FAILED, F.FAILED_TOO),
        _QUERIES,
        (NONE, F.QUERY_NO, F.QUERY_NO_LATER),
        (NONE, F.RECORD, F.RECORD_OTHER),
        (NONE, F.VOID, F.VOID_LAST),
        *maybe(F.BARE, F.OPERATOR, F.CONTRADICTED, F.REVERSED, F.LAPSED),
    ),
)
"""Every kind that can move a status or a word, present and absent, with its variants."""

FULL_WHOSE = Space(
    outer=((NONE, F.BEGUN | F.ACCEPTED),),
    inner=(
        *FULL.inner[:3],
        *FULL.inner[4:],
        *maybe(F.QUERY_NO, F.MOVED, F.MOVED_OTHER, F.MOVED_RULED),
    ),
)
"""The same about a push that was answered, with every receipt that may be another payment's."""

FULL_BOOKS = Space(
    outer=((NONE, F.BEGUN | F.ACCEPTED),),
    inner=(
        (NONE, F.PAID, F.LIMIT_HELD, F.PAID | F.PAID_AGAIN),
        (*_QUERIES, F.QUERY_HELD),
        (
            *(NONE, F.RECORD, F.RECORD_OTHER, F.RECORD_HELD),
            *(F.RECORD | F.RECORD_HELD, F.RECORD_OTHER | F.RECORD_HELD),
        ),
        (NONE, F.VOID, F.VOID_LAST),
        *maybe(F.FAILED, F.QUERY_NO, F.CONTRADICTED, F.REVERSED, F.LAPSED),
        *maybe(F.OPERATOR, F.RULED, F.MOVED, F.MOVED_OTHER),
        (NONE, F.PROPOSED, F.APART),
    ),
)
"""What the books say, held for a person and not, beside all that a person says of it."""


def facts_about(payment: Payment) -> dict[F, Evidence]:
    """Each fact as evidence about *payment*, whose amount a yes names."""
    asked_cents = payment.amount_kes * 100
    begun_at = payment.begun_at
    assert begun_at is not None, "times are counted from the push"

    def told(
        kind: Kind,
        *,
        receipt: str | None = None,
        cents: int | None = None,
        paid_s: int | None = None,
        reason: str | None = None,
        held: bool = False,
    ) -> Evidence:
        # A place and a time of its own are given below.
        found = fact(kind, receipt=receipt, amount_cents=cents, reason=reason, held=held)
        paid_at = None if paid_s is None else begun_at + timedelta(seconds=paid_s)
        return replace(found, paid_at=paid_at)

    made = {
        F.BEGUN: told(Kind.BEGUN),
        F.ACCEPTED: told(Kind.ACCEPTED),
        F.REFUSED: told(Kind.REFUSED, reason="busy"),
        F.NOT_SENT: told(Kind.NOT_SENT, reason="unreachable"),
        F.REPLY_LOST: told(Kind.REPLY_LOST, reason="unheard"),
        F.FAILED: told(Kind.CALLBACK_FAILED, reason="cancelled"),
        F.PAID: told(Kind.CALLBACK_PAID, receipt="UKN1ABCDEF", cents=asked_cents, paid_s=28),
        F.LIMIT_HELD: told(
            Kind.CALLBACK_PAID,
            receipt="UKN8ABCDEF",
            cents=asked_cents,
            paid_s=27,
            reason=LIMIT_HELD,
            held=True,
        ),
        F.RECEIPT_HELD: told(
            Kind.CALLBACK_PAID,
            receipt="UKN0ABCDEF",
            cents=asked_cents,
            paid_s=9,
            reason=RECEIPT_HELD,
            held=True,
        ),
        F.BARE: told(Kind.CALLBACK_BARE),
        F.FAILED_TOO: told(Kind.CALLBACK_FAILED, reason="line-busy"),
        F.VOID: told(Kind.OPERATOR_VOID, reason="operator"),
        F.PAID_AGAIN: told(Kind.CALLBACK_PAID, receipt="UKN2ABCDEF", cents=asked_cents, paid_s=33),
        F.QUERY_NO: told(Kind.QUERY_FAILED, reason="wrong-pin"),
        F.QUERY_YES_EARLY: told(Kind.QUERY_PAID),
        F.QUERY_YES: told(Kind.QUERY_PAID),
        F.QUERY_NO_LATER: told(Kind.QUERY_FAILED, reason="no-answer"),
        F.CONTRADICTED: told(Kind.CONTRADICTED),
        F.UNTRUSTED: told(Kind.UNTRUSTED),
        F.CLAIM: told(Kind.CLAIM),
        F.LAPSED: told(Kind.LAPSED),
    }
    return _in_time(made | _of_books(told, asked_cents), begun_at)


def _of_books(told: Callable[..., Evidence], asked_cents: int) -> dict[F, Evidence]:
    """What Safaricom's books say, and what a person says of it."""
    return {
        F.RECORD: told(Kind.RECORD_PAID, receipt="UKN1ABCDEF", cents=asked_cents, paid_s=28),
        F.RECORD_OTHER: told(
            Kind.RECORD_PAID, receipt="UKN7ABCDEF", cents=asked_cents - 950, paid_s=29
        ),
        F.OPERATOR: told(Kind.OPERATOR_PAID, receipt="UKN6ABCDEF"),
        F.RECORD_HELD: told(
            Kind.RECORD_PAID, receipt="UKN5ABCDEF", cents=asked_cents - 700, paid_s=26, held=True
        ),
        # Between two amounts of the books for one receipt.
        F.RULED: told(
            Kind.OPERATOR_PAID, receipt="UKN1ABCDEF", cents=asked_cents - 450, reason=RULED
        ),
        F.PROPOSED: told(Kind.PROPOSED, receipt="UKN6ABCDEF"),
        F.QUERY_HELD: told(Kind.QUERY_PAID, reason=APART_HELD, held=True),
        F.APART: told(Kind.COUNTED_APART, receipt="UKN4ABCDEF", cents=asked_cents),
        F.REVERSED: told(Kind.REVERSED),
        F.VOID_LAST: told(Kind.OPERATOR_VOID, reason="operator-again"),
        F.MOVED: told(Kind.RECEIPT_MOVED, receipt="UKN1ABCDEF"),
        F.MOVED_OTHER: told(Kind.RECEIPT_MOVED, receipt="UKN7ABCDEF"),
        F.MOVED_RULED: told(Kind.RECEIPT_MOVED, receipt="UKN6ABCDEF"),
    }


def _in_time(made: dict[F, Evidence], begun_at: datetime) -> dict[F, Evidence]:
    in_time = sorted(made, key=lambda each: (TOLD_AFTER[each], each.value))
    return {
        each: replace(
            made[each],
            id=place,
            at=begun_at + TOLD_AFTER[each],
            digest=f"{each.value:064x}",
            source=_source(each),
        )
        for place, each in enumerate(in_time, start=1)
    }


def _source(each: F) -> str | None:
    """Whoever writes off has read all that was told until then."""
    if each not in (F.VOID, F.VOID_LAST):
        return None
    return source(sum(after <= TOLD_AFTER[each] for after in TOLD_AFTER.values()))


def bits(facts: int) -> list[int]:
    """The facts of a set, as plain numbers, in their own order."""
    found = []
    while facts:
        bit = facts & -facts
        found.append(bit)
        facts ^= bit
    return found


@cache
def first(facts: int) -> F:
    """The fact that was told first; of those told at one instant, the first of the list."""
    return min(F(facts), key=lambda each: TOLD_AFTER[each], default=NONE)


def names(facts: int) -> str:
    return " + ".join(each.name or "" for each in F(facts)) or "nothing"


def sets_of(dimensions: Sequence[Sequence[F]]) -> Iterator[int]:
    """Every choice of one option of each dimension, as a plain number."""
    for chosen in itertools.product(*([int(each) for each in options] for options in dimensions)):
        yield sum(chosen)


@dataclass(slots=True)
class Tally:
    """What a walk looked at, and what it found wrong."""

    sets: int = 0
    extensions: int = 0
    shuffled: int = 0
    breaches: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.sets += other.sets
        self.extensions += other.extensions
        self.shuffled += other.shuffled
        self.breaches += other.breaches


RuleOfSets = Callable[[Payment, int, Standing], str | None]
RuleOfExtensions = Callable[[int, int, Standing, Standing], str | None]

SHUFFLE_EVERY = 7
BREACHES_MAX = 10


def walk(
    space: Space,
    payment: Payment,
    stand: Stand,
    of_set: RuleOfSets,
    of_extension: RuleOfExtensions,
) -> Tally:
    """Look at every set of *space*, and at every one-fact extension of each within it."""
    told = {int(each): evidence for each, evidence in facts_about(payment).items()}
    inner = list(sets_of(space.inner))
    place_of = {facts: place for place, facts in enumerate(inner)}
    inner_lists = [[told[each] for each in bits(facts)] for facts in inner]
    inner_bits = bits(_union(space.inner))
    steps = [
        (place, bit, place_of[facts | bit])
        for place, facts in enumerate(inner)
        for bit in inner_bits
        if not facts & bit and facts | bit in place_of
    ]
    known: dict[Standing, Standing] = {}
    slices: dict[int, list[Standing]] = {}
    tally = Tally()
    for outer in sets_of(space.outer):
        before = [told[each] for each in bits(outer)]
        found = []
        for place, facts in enumerate(inner):
            evidence = before + inner_lists[place]
            standing = stand(payment, evidence)
            if (wrong := of_set(payment, outer | facts, standing)) is not None:
                tally.breaches.append(f"{names(outer | facts)}: {wrong}: {standing}")
            if (place + outer) % SHUFFLE_EVERY == 0:
                tally.shuffled += 1
                if stand(payment, [*reversed(evidence), *evidence]) != standing:
                    tally.breaches.append(f"{names(outer | facts)}: order or repetition matters")
            found.append(known.setdefault(standing, standing))
            if len(tally.breaches) > BREACHES_MAX:
                return tally
        slices[outer] = found
        tally.sets += len(found)
        for place, bit, to in steps:
            wrong = of_extension(outer | inner[place], bit, found[place], found[to])
            if wrong is not None:
                tally.breaches.append(f"{names(outer | inner[place])}, then {F(bit).name}: {wrong}")
        tally.extensions += len(steps)
    for outer, found in slices.items():
        for bit in bits(_union(space.outer)):
            to_slice = None if outer & bit else slices.get(outer | bit)
            if to_slice is None:
                continue
            for facts, was, now in zip(inner, found, to_slice, strict=True):
                if (wrong := of_extension(outer | facts, bit, was, now)) is not None:
                    tally.breaches.append(f"{names(outer | facts)}, then {F(bit).name}: {wrong}")
            tally.extensions += len(inner)
    return tally


def _union(dimensions: Sequence[Sequence[F]]) -> int:
    union = 0
    for options in dimensions:
        for option in options:
            union |= int(option)
    return union
