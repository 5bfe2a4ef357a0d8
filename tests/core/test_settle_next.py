"""What follows from where a payment stands: exactly which messages, alarms and times."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from datetime import timedelta

import pytest

from bot.core.settle import (
    APART_HELD,
    BAD_CREDENTIALS,
    IDS_HELD,
    LIMIT_HELD,
    RECEIPT_HELD,
    Settle,
    Standing,
    stand,
    status_notice,
)
from mpesa.results import Meaning
from storage.records import FINAL, Alarm, Evidence, Kind, NewNotice, NoticeKind, Payment, Status
from tests.fakes import a_payment, fact
from tests.stores import NOON

MINUTE = timedelta(minutes=1)
OPERATORS = (900, 901)
ID = f"{1:032x}"

settle = Settle(operators=OPERATORS)
# It waited a minute before it left, so that times from the push and from the wish differ.
PAYMENT = replace(a_payment(at=NOON - MINUTE), begun_at=NOON, status=Status.PROMPTED)
NEVER_BEGUN = replace(PAYMENT, begun_at=None, status=Status.CREATED)


def after(seconds: float, kind: Kind, *, reason: str | None = None) -> Evidence:
    return fact(kind, at=NOON + timedelta(seconds=seconds), reason=reason)


def alarms(alarm: Alarm, about: str = ID) -> set[NewNotice]:
    return {
        NewNotice(
            key=f"alarm:{alarm}:{about}:{operator}",
            kind=NoticeKind.ALARM,
            chat_id=operator,
            payment_id=ID,
            alarm=alarm,
        )
        for operator in OPERATORS
    }


def ring(status: Status) -> NewNotice:
    return NewNotice(key=f"ring:{ID}:{status}", kind=NoticeKind.RING, chat_id=None, payment_id=ID)


def test_the_status_message_has_one_key_and_goes_where_it_was_asked_for() -> None:
    assert status_notice(ID) == NewNotice(
        key=f"status:{ID}", kind=NoticeKind.STATUS, chat_id=None, payment_id=ID
    )


def test_words_that_stand_in_stored_evidence_keep_their_spelling() -> None:
    stored = [RECEIPT_HELD, LIMIT_HELD, IDS_HELD, APART_HELD, BAD_CREDENTIALS]

    names = ["receipt-held", "limit-held", "ids-held", "apart-held", "bad-credentials"]
    assert stored == names


def test_a_payment_about_which_nothing_is_known_is_created_and_says_nothing() -> None:
    decision = settle(NEVER_BEGUN, [])

    assert (decision.status, decision.notices, decision.decided_at) == (Status.CREATED, (), None)
    assert (decision.next_check_at, decision.check_over, decision.pending_at) == (None, False, None)


@pytest.mark.parametrize(
    "heard",
    [
        [after(5, Kind.ACCEPTED)],
        [after(5, Kind.CALLBACK_FAILED, reason="cancelled")],
        [fact(Kind.CALLBACK_PAID, at=NOON + MINUTE, receipt="UKN1ABCDEF", amount_cents=5000)],
        [
            fact(Kind.RECORD_PAID, at=NOON + MINUTE, receipt="UKN1ABCDEF", amount_cents=4050),
            replace(fact(Kind.REVERSED, at=NOON + 2 * MINUTE), amount_cents=1000),
        ],
    ],
    ids=["prompted", "declined", "paid", "reversed in part"],
)
def test_a_decision_carries_all_of_where_the_payment_stands(heard: list[Evidence]) -> None:
    standing, decision = stand(PAYMENT, heard), settle(PAYMENT, heard)

    names = [each.name for each in fields(Standing)]
    assert [getattr(decision, each) for each in names] == [
        getattr(standing, each) for each in names
    ]


def test_a_query_that_is_held_credits_nothing() -> None:
    # Long after the prompt, and of little: all that is in its way is that it is held.
    held = fact(Kind.QUERY_PAID, at=NOON + 10 * MINUTE, reason=IDS_HELD, held=True)

    assert stand(PAYMENT, [held]).status is Status.CONFIRMING
    assert stand(PAYMENT, [replace(held, held=False)]).status is Status.PAID


def test_a_push_that_begins_reads_as_before() -> None:
    decision = settle(NEVER_BEGUN, [after(0, Kind.BEGUN)])

    assert (decision.status, decision.notices) == (Status.ASKING, ())


def test_a_second_part_that_goes_back_is_told_though_no_word_is_new() -> None:
    paid = fact(Kind.RECORD_PAID, at=NOON, receipt="UKN1ABCDEF", amount_cents=5000)
    parts = [
        replace(
            fact(Kind.REVERSED, at=NOON + number * MINUTE, receipt=f"UKR{number}ABCDEF"),
            amount_cents=1000,
        )
        for number in (1, 2)
    ]
    stood = stand(PAYMENT, [paid, parts[0]])
    stored = replace(
        PAYMENT,
        status=stood.status,
        words=stood.words,
        reason=stood.reason,
        receipt=stood.receipt,
        reversed_cents=stood.reversed_cents,
    )

    told, more = settle(stored, [paid, parts[0]]), settle(stored, [paid, *parts])

    assert (stood.reversed_cents, more.reversed_cents) == (1000, 2000)
    assert told.notices == ()
    assert more.notices == (status_notice(ID),)


@pytest.mark.parametrize(("reason", "pends"), [(None, False), (IDS_HELD, True)])
def test_a_yes_about_ids_that_only_a_callback_named_does_not_outweigh_a_no(
    reason: str | None, pends: bool
) -> None:
    yes = after(600, Kind.QUERY_PAID, reason=reason)
    no = after(30, Kind.CALLBACK_FAILED, reason="cancelled")

    decision = settle(PAYMENT, [no, yes])

    assert decision.status is Status.PAID
    assert (decision.pending_at == yes.at) is pends


@pytest.mark.parametrize(
    ("kind", "status"), [(Kind.REFUSED, Status.REFUSED), (Kind.NOT_SENT, Status.VOID)]
)
def test_nothing_is_asked_about_what_never_was_on_a_phone(kind: Kind, status: Status) -> None:
    decision = settle(PAYMENT, [after(0, Kind.BEGUN), after(1, kind)])

    assert (decision.status, decision.next_check_at, decision.check_over) == (status, None, True)


@pytest.mark.parametrize(("seconds", "rings"), [(119.9, False), (120, False), (120.1, True)])
def test_a_last_word_rings_from_two_minutes_after_the_push(seconds: float, rings: bool) -> None:
    decision = settle(PAYMENT, [after(0, Kind.BEGUN), after(seconds, Kind.CALLBACK_PAID)])

    wanted = {status_notice(ID), ring(Status.PAID)} if rings else {status_notice(ID)}
    assert set(decision.notices) == wanted


@pytest.mark.parametrize(("seconds", "rings"), [(60, False), (60.1, True)])
def test_what_never_left_rings_from_two_minutes_after_it_was_wanted(
    seconds: float, rings: bool
) -> None:
    decision = settle(NEVER_BEGUN, [after(seconds, Kind.NOT_SENT, reason="unreachable")])

    wanted = {status_notice(ID), ring(Status.VOID)} if rings else {status_notice(ID)}
    assert set(decision.notices) == wanted


@pytest.mark.parametrize(("seconds", "next_s"), [(10, 130), (130, 130), (131, 131)])
def test_what_a_callback_alone_credits_is_asked_about_after_the_prompt(
    seconds: float, next_s: float
) -> None:
    credit = after(seconds, Kind.CALLBACK_PAID)

    begun = settle(PAYMENT, [after(0, Kind.BEGUN), credit])
    assert begun.next_check_at == NOON + timedelta(seconds=next_s)
    never_begun = settle(NEVER_BEGUN, [credit])
    assert never_begun.next_check_at == max(NOON - MINUTE + timedelta(seconds=130), credit.at)


def test_a_lapsed_payment_is_a_last_word_and_comes_to_operators() -> None:
    decision = settle(PAYMENT, [after(0, Kind.BEGUN), after(500, Kind.LAPSED)])

    assert set(decision.notices) == {
        status_notice(ID),
        ring(Status.LAPSED),
        *alarms(Alarm.PENDING),
    }
    assert decision.pending_at == NOON + timedelta(seconds=500)
    assert set(settle.pending_alarm(PAYMENT)) == alarms(Alarm.PENDING)


@pytest.mark.parametrize("was", FINAL)
def test_what_was_decided_comes_to_operators_under_another_name_each_time(was: Status) -> None:
    told = [after(0, Kind.BEGUN), after(60, Kind.CALLBACK_FAILED)]
    large = replace(PAYMENT, amount_kes=PAYMENT.confirm_above_kes + 1, status=was)
    keys = set()
    for rev in (5, 9):
        row = replace(large, rev=rev)
        decision = settle(row, [*told, after(rev, Kind.CALLBACK_PAID)])

        assert decision.status is Status.REVIEW
        new = {notice for notice in decision.notices if notice.alarm is Alarm.PENDING}
        assert new == alarms(Alarm.PENDING, f"{ID}:rev{rev}") == set(settle.pending_alarm(row))
        keys |= {notice.key for notice in new}
        waits = replace(row, status=decision.status, pending_at=decision.pending_at)
        assert settle(waits, [*told, after(rev, Kind.CALLBACK_PAID)]).notices == ()
    assert len(keys) == 2 * len(OPERATORS)


@pytest.mark.parametrize("reason", [Meaning.MISCONFIGURED.value, BAD_CREDENTIALS])
def test_an_operators_mistake_alarms_once_an_hour(reason: str) -> None:
    refused = after(5, Kind.REFUSED, reason=reason)

    decision = settle(PAYMENT, [after(0, Kind.BEGUN), refused])

    assert set(decision.notices) == {
        status_notice(ID),
        *alarms(Alarm.MISCONFIGURED, "2026112309"),
    }
    again = replace(PAYMENT, status=decision.status, reason=decision.reason)
    assert settle(again, [after(0, Kind.BEGUN), refused, after(9, Kind.UNTRUSTED)]).notices == ()


def test_a_code_that_nobody_knows_alarms_once() -> None:
    failed = after(5, Kind.CALLBACK_FAILED, reason=Meaning.UNLISTED.value)

    decision = settle(PAYMENT, [after(0, Kind.BEGUN), failed])

    assert set(decision.notices) == {status_notice(ID), *alarms(Alarm.UNLISTED)}
    again = replace(PAYMENT, status=decision.status, reason=decision.reason)
    assert settle(again, [after(0, Kind.BEGUN), failed, after(9, Kind.UNTRUSTED)]).notices == ()


def test_other_reasons_alarm_nobody() -> None:
    failed = after(5, Kind.CALLBACK_FAILED, reason=Meaning.CANCELLED.value)

    assert settle(PAYMENT, [after(0, Kind.BEGUN), failed]).notices == (status_notice(ID),)


def some(kind: Kind) -> list[Evidence]:
    """Told at one instant, and different in one thing each."""
    plain = replace(fact(kind, at=NOON), digest="d")
    return [
        plain,
        replace(plain, reason="a", digest="e"),
        replace(plain, receipt="UKN1ABCDEF", digest="b"),
        replace(plain, receipt="UKN2ABCDEF", paid_at=NOON, digest="c"),
        replace(plain, receipt="UKN2ABCDEF", paid_at=NOON - MINUTE, digest="a"),
        replace(plain, reason="b", amount_cents=4000, digest="f"),
    ]


@pytest.mark.parametrize("kind", [Kind.CALLBACK_PAID, Kind.RECORD_PAID, Kind.CALLBACK_FAILED])
def test_of_what_came_at_one_instant_the_order_of_a_list_picks_nothing(kind: Kind) -> None:
    for several in itertools.combinations(some(kind), 3):
        stands = {stand(PAYMENT, list(order)) for order in itertools.permutations(several)}

        assert len(stands) == 1


def test_which_of_those_is_picked_is_settled_for_good() -> None:
    """A replay of old evidence must not pick another than the release before did."""

    def picked(*evidence: Evidence) -> tuple[str | None, Payment | object]:
        found = stand(PAYMENT, evidence)
        return found.receipt, found.paid_at

    plain, with_reason, first, second, earlier, other = some(Kind.RECORD_PAID)
    assert picked(second, earlier) == ("UKN2ABCDEF", NOON - MINUTE)
    assert picked(first, second) == ("UKN1ABCDEF", NOON)
    assert stand(PAYMENT, [other, first]).credited_cents == 5000
    assert stand(PAYMENT, [other, with_reason]).credited_cents == 5000
    assert stand(PAYMENT, [plain, with_reason]).receipt is None


def test_a_yes_after_an_operator_wrote_it_off_waits_for_a_person_from_then_on() -> None:
    large = replace(PAYMENT, amount_kes=PAYMENT.confirm_above_kes + 1, status=Status.VOID)
    told = [after(0, Kind.BEGUN), after(600, Kind.OPERATOR_VOID)]
    assert settle(large, told).pending_at is None

    decision = settle(large, [*told, after(900, Kind.CALLBACK_PAID)])

    assert decision.status is Status.REVIEW
    assert decision.pending_at == NOON + timedelta(seconds=900)
    assert alarms(Alarm.PENDING, f"{ID}:1") <= set(decision.notices)


@pytest.mark.parametrize("said", [Kind.QUERY_PAID, Kind.CLAIM])
def test_what_is_said_after_each_write_off_is_told_to_operators_once(said: Kind) -> None:
    large = replace(PAYMENT, amount_kes=PAYMENT.confirm_above_kes + 1, begun_at=None)
    told, row = [after(0, Kind.BEGUN), after(500, Kind.LAPSED)], large
    row = replace(row, pending_at=NOON + timedelta(seconds=500), status=Status.LAPSED)
    for number in (1, 2):
        # In one commit, so that the row still waits as it did before.
        told += [
            replace(after(600 * number, Kind.OPERATOR_VOID), digest=f"{number}"),
            replace(after(600 * number + 60, said), digest=f"{number}"),
        ]

        decision = settle(row, told)

        assert decision.pending_at == NOON + timedelta(seconds=600 * number + 60)
        new = {notice for notice in decision.notices if notice.alarm is not None}
        assert new == alarms(Alarm.PENDING, f"{ID}:{number}")
        row = replace(row, status=decision.status, pending_at=decision.pending_at)
        again = settle(row, [*told, after(601 * number + 60, said)])
        assert again.pending_at == decision.pending_at
        assert not again.notices


def test_of_what_never_came_nothing_went_back() -> None:
    declined = settle(PAYMENT, [after(0, Kind.BEGUN), after(30, Kind.QUERY_FAILED)])

    assert (declined.status, declined.credited_cents, declined.reversed_cents) == (
        Status.DECLINED,
        None,
        0,
    )


def test_one_word_of_the_books_among_others_that_prove_nothing_calls_a_person() -> None:
    large = replace(PAYMENT, amount_kes=PAYMENT.confirm_above_kes + 1)
    held = replace(after(60, Kind.RECORD_PAID), held=True)

    standing = stand(large, [after(0, Kind.BEGUN), after(30, Kind.CALLBACK_PAID), held])

    assert standing.status is Status.REVIEW
