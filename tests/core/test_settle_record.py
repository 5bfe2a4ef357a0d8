"""Settle on the record's own evidence: rows held for a person, and receipts that moved away."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.settle import RULED, Settle, stand
from storage.records import Alarm, Evidence, Kind, Payment, Status, Word, reversal_key
from tests.fakes import a_payment, fact
from tests.stores import NOON

PAYMENT = replace(a_payment(), begun_at=NOON)
BY_HAND = a_payment()
R1, R2 = "UKN1ABCDEF", "UKN2ABCDEF"


def at(seconds: int, kind: Kind, receipt: str | None = None, *, held: bool = False) -> Evidence:
    cents = 50_00 if receipt and kind is not Kind.RECEIPT_MOVED else None
    when = NOON + timedelta(seconds=seconds)
    return fact(kind, at=when, receipt=receipt, amount_cents=cents, held=held)


ASKED = (at(0, Kind.BEGUN), at(1, Kind.ACCEPTED))


def test_a_row_that_is_held_waits_for_a_person_and_credits_nothing() -> None:
    standing = stand(BY_HAND, [at(5, Kind.RECORD_PAID, R1, held=True)])

    assert (standing.status, standing.receipt) == (Status.REVIEW, R1)
    assert standing.credited_cents is None
    assert not standing.confirmed


def test_a_person_makes_a_held_row_good() -> None:
    told = [at(5, Kind.RECORD_PAID, R1, held=True), at(9, Kind.OPERATOR_PAID, R1)]

    standing = stand(BY_HAND, told)

    assert (standing.status, standing.receipt, standing.credited_cents) == (Status.PAID, R1, 50_00)
    assert standing.words == {Word.BY_HAND}
    assert standing.confirmed


@pytest.mark.parametrize("moved", [6, 600])
def test_a_credit_whose_only_receipt_is_anothers_stays_and_is_contradicted(moved: int) -> None:
    told = [*ASKED, at(5, Kind.CALLBACK_PAID, R1), at(moved, Kind.RECEIPT_MOVED, R1)]

    standing = stand(PAYMENT, told)

    assert (standing.status, standing.receipt) == (Status.PAID, None)
    assert standing.words == {Word.CONTRADICTED}


def test_operators_are_told_and_it_waits_for_them() -> None:
    told = [*ASKED, at(5, Kind.CALLBACK_PAID, R1)]
    was = stand(PAYMENT, told)
    before = replace(
        PAYMENT, status=was.status, receipt=was.receipt, credited_cents=was.credited_cents
    )

    decision = Settle(operators=[900])(before, [*told, at(60, Kind.RECEIPT_MOVED, R1)])

    assert decision.pending_at is not None
    assert Alarm.CONTRADICTED in {each.alarm for each in decision.notices}


@pytest.mark.parametrize("also", [None, Kind.QUERY_PAID])
def test_a_person_who_named_a_receipt_that_is_anothers_proved_nothing(also: Kind | None) -> None:
    told = [*ASKED, at(5, Kind.OPERATOR_PAID, R1), at(60, Kind.RECEIPT_MOVED, R1)]
    if also is not None:
        told.append(at(300, also))

    decision = Settle(operators=[900])(replace(PAYMENT, status=Status.PAID), told)

    assert decision.status is Status.PAID
    assert (decision.pending_at is None) is (also is not None)


def test_the_receipt_that_stays_counts_and_nothing_is_contradicted() -> None:
    told = [
        *ASKED,
        at(5, Kind.CALLBACK_PAID, R1),
        at(6, Kind.CALLBACK_PAID, R2),
        at(9, Kind.RECEIPT_MOVED, R1),
    ]

    standing = stand(PAYMENT, told)

    assert (standing.receipt, standing.words) == (R2, frozenset())


def test_the_books_own_receipt_outranks_a_callbacks_that_moved() -> None:
    told = [
        *ASKED,
        at(5, Kind.OPERATOR_PAID, R1),
        at(6, Kind.CALLBACK_PAID, R2),
        at(9, Kind.RECEIPT_MOVED, R1),
    ]

    assert stand(PAYMENT, told).receipt == R2


def test_no_order_of_what_was_told_changes_anything() -> None:
    told = [
        at(0, Kind.BEGUN),
        at(5, Kind.CALLBACK_PAID, R1),
        at(7, Kind.RECORD_PAID, R2),
        at(8, Kind.RECORD_PAID, R1, held=True),
        at(9, Kind.RECEIPT_MOVED, R1),
    ]
    payment: Payment = PAYMENT

    standings = {stand(payment, order) for order in itertools.permutations(told)}

    assert len(standings) == 1


def test_a_void_that_knew_of_a_held_row_stays_and_a_later_row_opens_it() -> None:
    held = at(5, Kind.RECORD_PAID, R1, held=True)
    void = at(9, Kind.OPERATOR_VOID)

    assert stand(BY_HAND, [held, void]).status is Status.VOID
    later = at(20, Kind.RECORD_PAID, R2, held=True)
    assert stand(BY_HAND, [held, void, later]).status is Status.REVIEW


def reversal(cents: int | None, reason: str | None = None, *, by: int | None = None) -> Evidence:
    told = fact(Kind.REVERSED, receipt=R2, amount_cents=cents, reason=reason, what=str(by))
    return replace(told, by=by)


@pytest.mark.parametrize(
    ("told", "left_cents"),
    [
        # The books, before who typed it; of equals, the one that says most.
        ([reversal(10_00), reversal(30_00)], 20_00),
        ([reversal(10_00), reversal(30_00, by=900)], 40_00),
        ([reversal(40_00), reversal(30_00, by=900)], 10_00),
        ([reversal(20_00), reversal(None, by=900)], 30_00),
        ([reversal(20_00, by=900), reversal(None, by=900)], 0),
        # What a person said when the books had named two.
        ([reversal(30_00), reversal(10_00, RULED, by=900)], 40_00),
        ([reversal(30_00), reversal(35_00, RULED, by=900), reversal(50_00)], 15_00),
    ],
)
def test_of_one_reversal_told_with_two_amounts_the_best_word_counts_in_every_order(
    told: list[Evidence], left_cents: int
) -> None:
    paid = [at(0, Kind.BEGUN), at(5, Kind.RECORD_PAID, R1)]

    standings = {stand(PAYMENT, [*order]) for order in itertools.permutations([*paid, *told])}

    assert [each.credited_cents for each in standings] == [left_cents]


def test_a_persons_ruling_between_two_amounts_of_the_books_counts_in_every_order() -> None:
    ruled = replace(at(9, Kind.OPERATOR_PAID, R1), amount_cents=45_00, reason=RULED)
    told = [
        at(0, Kind.BEGUN),
        at(4, Kind.CALLBACK_PAID, R1),
        at(5, Kind.RECORD_PAID, R1),
        ruled,
        # Said of what is credited already: it makes it sure, and changes no amount.
        replace(at(12, Kind.OPERATOR_PAID, R1), reason="operator"),
    ]

    standings = {stand(PAYMENT, [*order]) for order in itertools.permutations(told)}

    [standing] = standings
    assert standing.credited_cents == 45_00
    assert standing.words == {Word.OTHER_AMOUNT}


def test_of_a_receipt_that_is_anothers_by_now_no_ruling_counts() -> None:
    ruled = replace(at(9, Kind.OPERATOR_PAID, R1), amount_cents=45_00, reason=RULED)
    told = [at(0, Kind.BEGUN), ruled, at(12, Kind.RECEIPT_MOVED, R1), at(15, Kind.RECORD_PAID, R2)]

    standing = stand(PAYMENT, told)

    assert (standing.credited_cents, standing.receipt) == (50_00, R2)


def test_what_went_back_of_another_payment_went_back_of_none_else() -> None:
    told = [at(0, Kind.BEGUN), at(5, Kind.RECORD_PAID, R1), reversal(20_00, by=900)]
    moved = [*told, at(12, Kind.RECEIPT_MOVED, reversal_key(R2))]

    assert stand(PAYMENT, told).credited_cents == 30_00
    assert stand(PAYMENT, moved).credited_cents == 50_00
    assert stand(PAYMENT, moved).words == frozenset()
