"""Settle: every small set of evidence, in any order, and what one more fact may not do."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.settle import RECEIPT_HELD, Settle, Standing, stand
from mpesa.results import Meaning
from storage.records import Alarm, Evidence, Kind, NoticeKind, Payment, Status, Word
from tests.fakes import a_payment, fact
from tests.stores import NOON

BEGUN = NOON
EARLY = NOON + timedelta(seconds=20)
LATE = NOON + timedelta(seconds=130)
DAYS_LATER = NOON + timedelta(days=3)

SMALL = replace(a_payment(), begun_at=BEGUN)
LARGE = replace(SMALL, amount_kes=9000)

FACTS = {
    "begun": fact(Kind.BEGUN, at=BEGUN),
    "accepted": fact(Kind.ACCEPTED, at=EARLY),
    "refused": fact(Kind.REFUSED, at=EARLY, reason="busy"),
    "not sent": fact(Kind.NOT_SENT, at=EARLY, reason="unreachable"),
    "reply lost": fact(Kind.REPLY_LOST, at=EARLY, reason="unheard"),
    "callback paid": fact(Kind.CALLBACK_PAID, at=EARLY, receipt="UKN1ABCDEF", amount_cents=5000),
    "callback paid again": fact(
        Kind.CALLBACK_PAID, at=LATE, receipt="UKN2ABCDEF", amount_cents=5000
    ),
    "held for its receipt": fact(
        Kind.CALLBACK_PAID, at=EARLY, receipt="UKN9ABCDEF", held=True, reason=RECEIPT_HELD
    ),
    "held for the total": fact(
        Kind.CALLBACK_PAID, at=EARLY, receipt="UKN8ABCDEF", held=True, reason="limit-held"
    ),
    "bare success": fact(Kind.CALLBACK_BARE, at=EARLY),
    "callback failed": fact(Kind.CALLBACK_FAILED, at=EARLY, reason=Meaning.CANCELLED.value),
    "callback failed late": fact(Kind.CALLBACK_FAILED, at=DAYS_LATER, reason="no-answer"),
    "untrusted": fact(Kind.UNTRUSTED, at=EARLY),
    "query paid early": fact(Kind.QUERY_PAID, at=EARLY),
    "query paid late": fact(Kind.QUERY_PAID, at=LATE),
    "query failed": fact(Kind.QUERY_FAILED, at=LATE, reason="no-answer"),
    "record": fact(Kind.RECORD_PAID, at=DAYS_LATER, receipt="UKN1ABCDEF", amount_cents=5000),
    "record, other amount": fact(
        Kind.RECORD_PAID, at=DAYS_LATER, receipt="UKN7ABCDEF", amount_cents=4050
    ),
    "operator paid": fact(Kind.OPERATOR_PAID, at=DAYS_LATER, receipt="UKN6ABCDEF"),
    "operator void": fact(Kind.OPERATOR_VOID, at=LATE, reason="operator"),
    "claim": fact(Kind.CLAIM, at=LATE),
    "contradicted": fact(Kind.CONTRADICTED, at=LATE),
    "reversed": fact(Kind.REVERSED, at=DAYS_LATER),
    "lapsed": fact(Kind.LAPSED, at=LATE),
}
POSITIVE = {
    *("callback paid", "callback paid again", "held for its receipt", "held for the total"),
    *("bare success", "query paid early", "query paid late"),
    *("record", "record, other amount", "operator paid"),
}
SETS = [names for size in range(4) for names in itertools.combinations(FACTS, size)]


def standing(payment: Payment, *names: str) -> Standing:
    return stand(payment, [FACTS[name] for name in names])


@pytest.mark.parametrize("payment", [SMALL, LARGE], ids=["small", "large"])
def test_one_more_fact_never_undoes_a_credit_nor_writes_off_a_yes(payment: Payment) -> None:
    for names in SETS:
        before = standing(payment, *names)
        for more in FACTS:
            after = standing(payment, *names, more)
            if before.status is Status.PAID:
                assert after.status is Status.PAID, (names, more)
            if before.status in (Status.CONFIRMING, Status.REVIEW) and more != "operator void":
                assert after.status in (Status.CONFIRMING, Status.REVIEW, Status.PAID), (
                    names,
                    more,
                )


def test_the_order_of_evidence_changes_nothing() -> None:
    shuffle = random.Random(7).shuffle
    for names in SETS:
        for payment in (SMALL, LARGE):
            facts = [FACTS[name] for name in names]
            expected = stand(payment, facts)
            shuffle(facts)
            assert stand(payment, facts) == expected, names


def test_what_was_stored_before_changes_nothing() -> None:
    for names in SETS:
        facts = [FACTS[name] for name in names]
        for status in Status:
            stored = replace(SMALL, status=status, receipt="OLD", words=frozenset(Word))
            assert stand(stored, facts) == stand(SMALL, facts), names


def test_the_same_fact_told_twice_changes_nothing() -> None:
    for names in SETS:
        assert standing(SMALL, *names, *names) == standing(SMALL, *names), names


def test_money_is_only_where_somebody_said_yes_and_counts_its_cents() -> None:
    for names in SETS:
        for payment in (SMALL, LARGE):
            found = standing(payment, *names)
            said_yes = POSITIVE & set(names)
            if found.status is Status.PAID:
                assert said_yes, names
                assert found.credited_cents is not None
                assert found.credited_cents + found.reversed_cents > 0
                assert (found.reversed_cents > 0) is ("reversed" in names)
            else:
                assert found.credited_cents is None, names
            if said_yes and "operator void" not in names:
                expected = (Status.PAID, Status.CONFIRMING, Status.REVIEW)
                assert found.status in expected, names


@pytest.mark.parametrize(
    ("names", "small", "large"),
    [
        ((), Status.CREATED, Status.CREATED),
        (("begun",), Status.ASKING, Status.ASKING),
        (("begun", "accepted"), Status.PROMPTED, Status.PROMPTED),
        (("begun", "reply lost"), Status.UNSURE, Status.UNSURE),
        (("begun", "refused"), Status.REFUSED, Status.REFUSED),
        (("not sent",), Status.VOID, Status.VOID),
        (("begun", "accepted", "callback paid"), Status.PAID, Status.CONFIRMING),
        (("begun", "accepted", "query paid early"), Status.PAID, Status.CONFIRMING),
        (("begun", "accepted", "query paid late"), Status.PAID, Status.PAID),
        (("begun", "callback paid", "query paid early"), Status.PAID, Status.PAID),
        (("begun", "bare success"), Status.CONFIRMING, Status.CONFIRMING),
        (("begun", "bare success", "query paid early"), Status.PAID, Status.PAID),
        (("begun", "held for the total"), Status.CONFIRMING, Status.CONFIRMING),
        (("begun", "held for the total", "query paid early"), Status.PAID, Status.PAID),
        (("begun", "held for its receipt"), Status.CONFIRMING, Status.CONFIRMING),
        (("begun", "callback failed"), Status.DECLINED, Status.DECLINED),
        (("begun", "query failed"), Status.DECLINED, Status.DECLINED),
        (("begun", "callback failed", "bare success"), Status.REVIEW, Status.REVIEW),
        (("begun", "callback failed", "query paid early"), Status.PAID, Status.REVIEW),
        (("begun", "callback paid", "query failed"), Status.PAID, Status.REVIEW),
        (("begun", "accepted", "untrusted"), Status.PROMPTED, Status.PROMPTED),
        (("begun", "accepted", "claim"), Status.PROMPTED, Status.PROMPTED),
        (("begun", "accepted", "lapsed"), Status.LAPSED, Status.LAPSED),
        (("begun", "accepted", "lapsed", "callback paid"), Status.PAID, Status.CONFIRMING),
        (("begun", "bare success", "operator void"), Status.VOID, Status.VOID),
        (("begun", "operator void", "query paid late"), Status.PAID, Status.PAID),
        (("begun", "operator void", "record"), Status.PAID, Status.PAID),
        (("begun", "callback failed", "record"), Status.PAID, Status.PAID),
    ],
)
def test_the_table(names: tuple[str, ...], small: Status, large: Status) -> None:
    assert standing(SMALL, *names).status is small
    assert standing(LARGE, *names).status is large


def test_a_yes_after_an_operators_void_opens_it_again() -> None:
    later = fact(Kind.CALLBACK_BARE, at=DAYS_LATER)
    found = stand(SMALL, [FACTS["begun"], FACTS["operator void"], later])

    assert found.status is Status.REVIEW


@pytest.mark.parametrize(
    ("names", "word"),
    [
        (("begun", "callback failed", "query paid late"), Word.LATE),
        (("begun", "lapsed", "record"), Word.LATE),
        (("begun", "record, other amount"), Word.OTHER_AMOUNT),
        (("begun", "callback paid", "callback paid again"), Word.TWICE),
        (("record",), Word.BY_HAND),
        (("begun", "callback paid", "query failed"), Word.CONTRADICTED),
        (("begun", "callback paid", "contradicted"), Word.CONTRADICTED),
        (("begun", "callback paid", "reversed"), Word.REVERSED),
    ],
)
def test_words_beside_a_credit(names: tuple[str, ...], word: Word) -> None:
    found = standing(SMALL, *names)

    assert found.status is Status.PAID
    assert word in found.words


def test_what_went_back_is_taken_off_and_never_more_than_came() -> None:
    def back(receipt: str, cents: int | None, what: str = "") -> Evidence:
        return fact(Kind.REVERSED, at=DAYS_LATER, receipt=receipt, amount_cents=cents, what=what)

    def left(*reversals: Evidence) -> tuple[int | None, int]:
        found = stand(SMALL, [FACTS["begun"], FACTS["callback paid"], *reversals])
        assert found.status is Status.PAID
        assert Word.OTHER_AMOUNT not in found.words
        return found.credited_cents, found.reversed_cents

    part, told_again = back("UKN8REVERS", 2000), back("UKN8REVERS", 2000, what="the portal")
    assert left(part) == (3000, 2000)
    assert left(part, told_again) == (3000, 2000)
    assert left(part, back("UKN9REVERS", 4000)) == (0, 5000)
    assert left(part, back("UKN9REVERS", None)) == (0, 5000)


def test_what_another_operator_has_yet_to_agree_to_moves_nothing() -> None:
    proposed = fact(Kind.PROPOSED, receipt="UKN6ABCDEF", amount_cents=5000, reason="credit")
    for names in SETS:
        told = [FACTS[name] for name in names]
        assert stand(LARGE, [*told, proposed]) == stand(LARGE, told), names


def test_a_plain_payment_has_no_words() -> None:
    assert standing(SMALL, "begun", "accepted", "callback paid").words == frozenset()


def test_the_record_has_the_last_word_on_amount_and_receipt() -> None:
    found = standing(SMALL, "begun", "callback paid", "record, other amount")

    assert (found.receipt, found.credited_cents) == ("UKN7ABCDEF", 4050)


def test_a_receipt_that_another_payment_holds_is_not_shown_as_ours() -> None:
    found = standing(SMALL, "begun", "held for its receipt", "query paid late")

    assert found.status is Status.PAID
    assert found.receipt is None


def test_the_receipt_comes_later_to_what_a_query_found() -> None:
    assert standing(SMALL, "begun", "query paid late").receipt is None
    assert standing(SMALL, "begun", "query paid late", "callback paid").receipt == "UKN1ABCDEF"


# ---- what must happen next


settle = Settle(operators=[900])


def decided(payment: Payment, *evidence: Evidence) -> tuple[set[str], set[Alarm]]:
    """The kinds of messages and the alarms that follow from this evidence."""
    decision = settle(payment, evidence)
    kinds = {notice.kind.value for notice in decision.notices}
    return kinds, {notice.alarm for notice in decision.notices if notice.alarm is not None}


def test_a_quick_last_word_is_an_edit_and_a_slow_one_also_rings() -> None:
    prompted = replace(SMALL, status=Status.PROMPTED)
    begun, quick = FACTS["begun"], FACTS["callback paid"]
    slow = replace(quick, at=LATE)

    assert decided(prompted, begun, quick)[0] == {NoticeKind.STATUS}
    assert decided(prompted, begun, slow)[0] == {NoticeKind.STATUS, NoticeKind.RING}


def test_good_news_after_bad_always_rings() -> None:
    declined = replace(SMALL, status=Status.DECLINED, reason="cancelled")
    paid = fact(Kind.CALLBACK_PAID, at=EARLY + timedelta(seconds=1), receipt="UKN1ABCDEF")

    kinds, alarms = decided(declined, FACTS["begun"], FACTS["callback failed"], paid)

    assert NoticeKind.RING in kinds
    assert alarms == {Alarm.CONTRADICTED}


def test_old_news_says_nothing() -> None:
    facts = (FACTS["begun"], FACTS["accepted"], FACTS["callback paid"])
    first = settle(replace(SMALL, status=Status.PROMPTED), facts)
    now_paid = replace(
        SMALL,
        status=first.status,
        words=first.words,
        reason=first.reason,
        receipt=first.receipt,
        credited_cents=first.credited_cents,
    )

    assert decided(now_paid, *facts, FACTS["query paid late"]) == (set(), set())


def test_a_payment_credited_by_callback_alone_is_asked_about_once_more() -> None:
    facts = (FACTS["begun"], FACTS["callback paid"])
    decision = settle(replace(SMALL, status=Status.PROMPTED), facts)

    assert decision.next_check_at == BEGUN + timedelta(seconds=130)
    assert settle(SMALL, (*facts, FACTS["query paid late"])).check_over


def test_a_query_that_said_yes_while_the_prompt_was_open_is_asked_once_more() -> None:
    facts = (FACTS["begun"], FACTS["query paid early"])
    decision = settle(replace(SMALL, status=Status.PROMPTED), facts)

    assert (decision.status, decision.confirmed) == (Status.PAID, False)
    assert decision.next_check_at == BEGUN + timedelta(seconds=130)
    assert settle(SMALL, (*facts, FACTS["query paid late"])).check_over


def test_a_no_by_callback_alone_is_asked_about_once_more() -> None:
    facts = (FACTS["begun"], FACTS["callback failed"])
    prompted = replace(SMALL, status=Status.PROMPTED)
    decision = settle(prompted, facts)

    assert decision.status is Status.DECLINED
    assert (decision.next_check_at, decision.check_over) == (BEGUN + timedelta(seconds=130), False)
    assert settle(prompted, (*facts, FACTS["query failed"])).check_over


def test_a_yes_that_is_not_proof_is_asked_about_at_once() -> None:
    decision = settle(replace(LARGE, status=Status.PROMPTED), (FACTS["callback paid"],))

    assert decision.next_check_at == EARLY


def test_a_query_that_said_yes_too_early_waits_for_the_prompt_to_be_over() -> None:
    decision = settle(replace(LARGE, status=Status.PROMPTED), (FACTS["query paid early"],))

    assert decision.next_check_at == BEGUN + timedelta(seconds=120)


@pytest.mark.parametrize("name", ["lapsed", "claim"])
def test_what_a_machine_cannot_decide_waits_for_a_person(name: str) -> None:
    decision = settle(replace(SMALL, status=Status.PROMPTED), (FACTS["begun"], FACTS[name]))

    assert decision.pending_at == LATE
    assert Alarm.PENDING in decided(SMALL, FACTS["begun"], FACTS[name])[1]


def test_money_that_came_ends_the_waiting_for_a_person() -> None:
    waiting = replace(SMALL, status=Status.LAPSED, pending_at=LATE)
    facts = (FACTS["begun"], FACTS["lapsed"], FACTS["record"])

    assert settle(waiting, facts).pending_at is None


def test_keys_that_are_refused_alarm_the_operators_once_an_hour() -> None:
    refused = fact(Kind.REFUSED, at=EARLY, reason=Meaning.MISCONFIGURED.value)
    keys = {
        notice.key
        for number in range(1, 100)
        for notice in settle(replace(a_payment(number), begun_at=BEGUN), (refused,)).notices
        if notice.kind is NoticeKind.ALARM
    }

    assert len(keys) == 1
