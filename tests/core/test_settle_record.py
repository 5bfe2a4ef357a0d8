"""Settle on the record's own evidence: rows held for a person, and receipts that moved away."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.settle import Settle, stand
from storage.records import Alarm, Evidence, Kind, Payment, Status, Word
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
