"""What went back of a payment: each part once, on its own day, and never more than came."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.core.went_back import CREDIT_RANK, RULED, Part, moved_receipts, parts_of
from storage.records import Evidence, Kind, reversal_key
from tests.fakes import fact
from tests.stores import NOON

RECEIPT, ANOTHER = "UKN1ABCDEF", "UKN2ABCDEF"
BACK, BACK_TOO = "UKN8ABCDEF", "UKN9ABCDEF"
ARRIVED = 50_00


def at(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


def back(
    told_s: int,
    cents: int | None = None,
    *,
    code: str | None = BACK,
    done_s: int | None = None,
    by: int | None = None,
    reason: str | None = None,
) -> Evidence:
    """Told then that so much went back; at a time of Safaricom's, where it said one."""
    base = fact(Kind.REVERSED, at=at(told_s), receipt=code, amount_cents=cents, reason=reason)
    return replace(base, by=by, paid_at=None if done_s is None else at(done_s))


def part(at_s: int, cents: int, *, told_s: int | None = None) -> Part:
    return Part(at=at(at_s), cents=cents, told_at=at(at_s if told_s is None else told_s))


def in_every_order(told: Sequence[Evidence]) -> tuple[Part, ...]:
    """What it comes to, which no order changes."""
    [found] = {parts_of(order, ARRIVED) for order in itertools.permutations(told)}
    return found


def test_without_a_reversal_nothing_went_back() -> None:
    assert parts_of([fact(kind, receipt=RECEIPT) for kind in CREDIT_RANK], ARRIVED) == ()
    assert parts_of([], ARRIVED) == ()


def test_one_that_names_no_amount_took_all() -> None:
    assert in_every_order([back(5)]) == (part(5, ARRIVED),)


def test_a_part_stands_on_safaricoms_day_and_keeps_when_we_heard_of_it() -> None:
    assert in_every_order([back(90, 10_00, done_s=3)]) == (part(3, 10_00, told_s=90),)


def test_parts_come_oldest_first_and_to_no_more_than_came() -> None:
    told = [
        back(1, 20_00, code=BACK, done_s=40),
        back(2, 25_00, code=BACK_TOO, done_s=30),
        back(3, 25_00, code="UKN7ABCDEF", done_s=50),
        back(4, 1_00, code="UKN6ABCDEF", done_s=60),
    ]

    assert in_every_order(told) == (
        part(30, 25_00, told_s=2),
        part(40, 20_00, told_s=1),
        part(50, 5_00, told_s=3),
        part(60, 0, told_s=4),
    )


def test_of_two_at_one_instant_the_code_says_which_is_the_first() -> None:
    told = [back(5, 40_00, code=BACK_TOO), back(5, 30_00, code=BACK)]

    assert in_every_order(told) == (part(5, 30_00), part(5, 20_00))


@pytest.mark.parametrize(
    ("told", "cents"),
    [
        # What a person ruled, then the books, then the one that says most; no amount is all of it.
        ([back(1, 10_00), back(2, 30_00)], 30_00),
        ([back(1, 10_00), back(2, 30_00, by=900)], 10_00),
        ([back(1, 10_00, by=901), back(2, 30_00, by=900)], 30_00),
        ([back(1, 10_00, by=901), back(2, None, by=900)], ARRIVED),
        ([back(1, 30_00), back(2, 40_00), back(3, 10_00, by=900, reason=RULED)], 10_00),
        ([back(1, 30_00), back(2, 10_00, by=900, reason="operator")], 30_00),
    ],
)
def test_of_one_that_was_told_more_than_once_the_best_word_counts(
    told: list[Evidence], cents: int
) -> None:
    assert in_every_order(told) == (part(1, cents),)


def test_of_one_that_was_told_twice_the_earliest_times_count() -> None:
    told = [
        back(9, 10_00, done_s=4),
        back(7, 10_00, done_s=5, by=900),
        back(2, 10_00, by=901),  # says nothing of when it was done
    ]

    assert in_every_order(told) == (part(4, 10_00, told_s=2),)


def test_two_without_a_code_are_two() -> None:
    told = [back(5, 10_00, code=None), back(6, 15_00, code=None)]

    assert in_every_order(told) == (part(5, 10_00), part(6, 15_00))


def test_one_that_was_of_another_payment_counts_there() -> None:
    told = [
        back(5, 10_00, code=BACK),
        back(6, 15_00, code=BACK_TOO),
        fact(Kind.RECEIPT_MOVED, at=at(8), receipt=reversal_key(BACK)),
    ]

    assert in_every_order(told) == (part(6, 15_00),)


def test_the_code_of_money_that_was_anothers_takes_off_that_credit_alone() -> None:
    moved = [
        fact(Kind.CALLBACK_PAID, at=at(1), receipt=RECEIPT),
        fact(Kind.RECEIPT_MOVED, at=at(2), receipt=RECEIPT),
        back(3, code=RECEIPT, by=900),
    ]

    assert in_every_order(moved) == (part(3, ARRIVED),)
    for kind in CREDIT_RANK:
        better = fact(kind, at=at(4), receipt=ANOTHER)
        assert in_every_order([*moved, better]) == ()


def test_what_proves_nothing_is_no_better_credit() -> None:
    moved = [
        fact(Kind.CALLBACK_PAID, at=at(1), receipt=RECEIPT),
        fact(Kind.RECEIPT_MOVED, at=at(2), receipt=RECEIPT),
        back(3, code=RECEIPT, by=900),
    ]

    for kind in set(Kind) - {*CREDIT_RANK, Kind.REVERSED, Kind.RECEIPT_MOVED}:
        assert in_every_order([*moved, fact(kind, at=at(4), receipt=ANOTHER)]) != (), kind


@pytest.mark.parametrize("kind", CREDIT_RANK)
def test_nor_is_what_is_held(kind: Kind) -> None:
    told = [
        fact(Kind.CALLBACK_PAID, at=at(1), receipt=RECEIPT),
        fact(Kind.RECEIPT_MOVED, at=at(2), receipt=RECEIPT),
        back(3, code=RECEIPT, by=900),
        fact(kind, at=at(4), receipt=ANOTHER, held=True),
    ]

    assert in_every_order(told) == (part(3, ARRIVED),)


def test_a_better_credit_leaves_every_other_reversal() -> None:
    told = [
        fact(Kind.RECEIPT_MOVED, at=at(2), receipt=RECEIPT),
        fact(Kind.RECORD_PAID, at=at(4), receipt=ANOTHER),
        back(5, 10_00, code=BACK),
    ]

    assert in_every_order(told) == (part(5, 10_00),)


def test_what_moved_is_what_was_said_to_move() -> None:
    told = [
        fact(Kind.RECORD_PAID, receipt=RECEIPT),
        fact(Kind.RECEIPT_MOVED, receipt=ANOTHER),
        fact(Kind.RECEIPT_MOVED, receipt=reversal_key(BACK)),
    ]

    assert moved_receipts(told) == {ANOTHER, reversal_key(BACK)}


def test_what_a_person_ruled_is_read_again_by_the_name_that_was_stored() -> None:
    assert RULED == "ruled"
