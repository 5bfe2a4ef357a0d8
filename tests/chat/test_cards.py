"""Tests that a payment is told truly and kindly: in private all of it, in a group masks only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from typing import Any

import pytest

from bot.chat.cards import (
    Card,
    alarm_card,
    by_hand_card,
    check_answer,
    history_line,
    pending_card,
    practice_line,
    receipt_card,
    refusal_text,
    ring_card,
    status_card,
    why,
)
from bot.chat.keyboards import Stationery, share_number
from bot.chat.outcomes import VOID, failure
from bot.core.books import PendingItem
from bot.core.limits import Refusal, RefusalReason
from bot.core.phones import PhoneProblem
from bot.core.ports import Collector
from bot.core.reconcile import CheckNow
from bot.playground.entities import parse_html
from bot.texts import LANGUAGES, Texts, plain
from mpesa.results import Meaning
from storage.records import Alarm, Button, Intent, IntentKind, Payment, PaymentView, Status, Word

TEXTS = Texts.load()
ASKED_AT = datetime(2026, 11, 23, 18, 5, tzinfo=UTC)
LATER = ASKED_AT + timedelta(minutes=1)
RECEIPT = "UKN4ABCDE7"
MASK = "0712***678"
NAME = "Mama Njeri's <Shop>"

UNPAID = (Status.DECLINED, Status.REFUSED, Status.VOID)
UNDECIDED = tuple(status for status in Status if status not in (*UNPAID, Status.PAID))
TOLD_NO = sorted(set(Meaning) - {Meaning.PAID})

Case = tuple[Status, frozenset[Word], str | None]


def collector(**changes: Any) -> Collector:
    facts: dict[str, Any] = {"name": NAME, "kind": "paybill", "number": "600000", "practice": False}
    return Collector(**(facts | changes))


def stationery(**changes: Any) -> Stationery:
    return Stationery(
        texts=TEXTS,
        collector=collector(**changes),
        username="lipabot",
    )


PAPER = stationery()

PAYMENT = Payment(
    id="0" * 24 + "89abcdef",
    intent_id="1" * 32,
    line_id=1,
    phone_mask=MASK,
    amount_kes=1500,
    push_ref="PAY-7K2QX",
    ask_key="m:1:1",
    confirm_above_kes=5000,
    created_at=ASKED_AT,
    begun_at=ASKED_AT,
)
INTENT = Intent(
    id="1" * 32,
    kind=IntentKind.DIRECT,
    asked_by=5,
    chat_id=5,
    thread_id=None,
    reply_to=9,
    private=True,
    language="en",
    amount_kes=1500,
    note="lunch <b>& tea",
    by_hand_ref="LIPA-9QX2K",
    created_at=ASKED_AT,
)


def view(
    status: Status,
    *words: Word,
    private: bool = True,
    language: str = "en",
    view_changes: Mapping[str, Any] | None = None,
    **changes: Any,
) -> PaymentView:
    facts: dict[str, Any] = {"status": status, "words": frozenset(words), "decided_at": LATER}
    if status is Status.PAID:
        facts |= {"receipt": RECEIPT, "credited_cents": 150_000, "paid_at": LATER}
    payment = replace(PAYMENT, **(facts | changes))
    seen = PaymentView(
        payment=payment,
        intent=replace(INTENT, private=private, language=language),
        streak=1,
        paused_until=None,
        claimed=False,
    )
    return replace(seen, **(view_changes or {}))


def told(*args: Any, **kwargs: Any) -> str:
    return status_card(view(*args, **kwargs), PAPER, now=LATER).text


def pressed(card: Card) -> list[str]:
    """What the buttons do, in order: an action, or `copy …`."""
    return [_does(each) for row in (card.keyboard.rows if card.keyboard else ()) for each in row]


def actions(*args: Any, **kwargs: Any) -> list[str]:
    return pressed(status_card(view(*args, **kwargs), PAPER, now=LATER))


def _does(button: Button) -> str:
    return f"copy {button.copy}" if button.does is None else button.does.action


def cases() -> list[Case]:
    """Every status with every set of words and every reason that settle can make."""
    words = list(Word)
    subsets = chain.from_iterable(combinations(words, count) for count in range(len(words) + 1))
    found: list[Case] = [(Status.PAID, frozenset(each), None) for each in subsets]
    contradicted = frozenset({Word.CONTRADICTED})
    for each in (frozenset[Word](), contradicted):
        found += [(status, each, None) for status in UNDECIDED]
        found += [(Status.DECLINED, each, meaning.value) for meaning in TOLD_NO]
        found += [(Status.REFUSED, each, meaning.value) for meaning in TOLD_NO]
        found += [(Status.VOID, each, reason) for reason in (*VOID, None)]
    return found


CASES = cases()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("private", [True, False], ids=["private", "group"])
@pytest.mark.parametrize("make", [status_card, ring_card], ids=["status", "ring"])
def test_whatever_settle_says_has_words_that_telegram_can_show(
    make: Any, private: bool, language: str
) -> None:
    for status, words, reason in CASES:
        seen = view(
            status,
            *words,
            private=private,
            language=language,
            reason=reason,
            view_changes={"streak": 3},
        )

        card: Card = make(seen, PAPER, now=LATER)

        shown = parse_html(card.text).text
        assert card.text.count("\n") < 10
        assert ("✅" in shown) is (status is Status.PAID and Word.REVERSED not in words)
        assert (RECEIPT in card.text) is (status is Status.PAID and private)
        assert "KES 1,500" in shown
        assert len(pressed(card)) <= 4


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_word_beside_paid_has_a_sentence_of_its_own(language: str) -> None:
    bare = told(Status.PAID, language=language)
    with_word = {word: told(Status.PAID, word, language=language) for word in Word}

    assert len({bare, *with_word.values()}) == len(Word) + 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("meaning", TOLD_NO)
def test_each_no_of_safaricom_has_its_own_words_and_they_fit_an_alert(
    meaning: Meaning, language: str
) -> None:
    seen = view(Status.DECLINED, reason=meaning.value, language=language)

    alert = why(seen, PAPER)

    assert len(alert) <= 200
    assert "<b>" not in alert
    known = meaning not in (Meaning.PROCESSING, Meaning.UNCLEAR, Meaning.UNLISTED)
    assert known is (failure(Status.DECLINED, meaning.value).key != "declined.unlisted")
    assert alert in plain(status_card(seen, PAPER, now=LATER).text)


@pytest.mark.parametrize("reason", ["too-late", "unreachable", "bad-credentials", "operator"])
def test_what_was_never_sent_is_told_as_such(reason: str) -> None:
    text = told(Status.VOID, reason=reason)

    assert failure(Status.VOID, reason).key == f"void.{reason}"
    assert "No money has left" not in text


def test_a_paid_message_names_amount_receipt_time_and_who_was_paid() -> None:
    text = told(Status.PAID)

    assert text.split("\n")[0] == (
        "✅ <b>Paid KES 1,500</b> to Mama Njeri&#39;s &lt;Shop&gt; · <code>UKN4ABCDE7</code>"
        " · 23 Nov 2026 21:06. Asante!"
    )
    assert actions(Status.PAID) == [f"copy {RECEIPT}", "paper"]


def test_a_paid_message_in_a_group_shows_masks_only() -> None:
    text = told(Status.PAID, private=False)

    assert "UKN…DE7" in text
    assert MASK in text
    assert RECEIPT not in text
    assert actions(Status.PAID, private=False) == []


def test_a_receipt_that_is_not_known_yet_is_promised() -> None:
    text = told(Status.PAID, receipt=None)

    assert "✅" in text
    assert "code to follow" in text
    assert actions(Status.PAID, receipt=None) == ["paper"]


def test_another_amount_says_what_arrived_and_the_difference() -> None:
    text = told(Status.PAID, Word.OTHER_AMOUNT, credited_cents=140_050)

    assert "Paid KES 1,400.50" in text
    assert "KES 1,500 was asked for: KES 99.50 is missing" in text


def test_money_that_went_back_is_no_longer_called_paid() -> None:
    text = told(Status.PAID, Word.REVERSED)

    assert "Returned" in text
    assert "✅" not in text


def test_a_payment_that_came_late_says_which_message_to_ignore() -> None:
    assert "ignore my earlier message" in told(Status.PAID, Word.LATE)


def test_a_paid_attempt_that_was_asked_again_warns_of_paying_twice() -> None:
    assert "paid twice" in told(Status.PAID, Word.LATE, superseded=True)


@pytest.mark.parametrize(("practice", "said"), [(True, True), (False, False)])
def test_practice_is_said_only_where_no_real_money_stays(practice: bool, said: bool) -> None:
    paper = stationery(practice=practice)

    card = status_card(view(Status.PAID), paper, now=LATER)

    assert ("returned overnight" in card.text) is said
    assert bool(practice_line(paper.collector, TEXTS, "en")) is said


def test_a_prompt_says_which_phone_and_for_whom_and_offers_to_check() -> None:
    known = {"checkout_index": "x"}
    text = told(Status.PROMPTED, **known)

    assert "Check the phone 0712***678" in text
    assert "PAY-7K2QX" in text
    assert actions(Status.PROMPTED, **known) == ["check", "unseen"]


def test_a_silent_prompt_says_that_we_are_asking_and_that_it_may_still_be_paid() -> None:
    for change in ({"not_yet": 1}, {"unanswered": 1}, {"user_check_at": LATER}):
        text = told(Status.PROMPTED, **change)

        assert "Still checking with Safaricom" in text
        assert "you may pay" in text


def test_a_lost_reply_promises_nothing_and_asks_to_wait() -> None:
    text = told(Status.UNSURE)

    assert "don't know yet" in text
    assert "No money has left" not in text
    # Safaricom never named an id, so there is nothing to check by.
    assert actions(Status.UNSURE) == ["unseen"]


def test_after_long_silence_the_mpesa_message_is_asked_for() -> None:
    pending = {"pending_at": LATER}

    assert "paste it here" in told(Status.UNSURE, **pending)
    assert actions(Status.UNSURE, **pending)[0] == "claim"


def test_a_pasted_message_is_thanked_for_and_not_asked_for_again() -> None:
    for status in (Status.UNSURE, Status.LAPSED, Status.REVIEW):
        claimed = {"pending_at": LATER, "view_changes": {"claimed": True}}

        assert "A person is looking" in told(status, **claimed)
        assert "claim" not in actions(status, **claimed)


@pytest.mark.parametrize("reason", ["operator", "agreed:901"])
def test_what_was_written_off_asks_for_a_message_where_there_is_a_button_for_it(
    reason: str,
) -> None:
    assert "press “I have paid”" in told(Status.VOID, reason=reason)
    assert "claim" in actions(Status.VOID, reason=reason)

    claimed: dict[str, Any] = {
        "pending_at": LATER,
        "view_changes": {"claimed": True},
        "reason": reason,
    }
    text = told(Status.VOID, **claimed)
    assert "A person has looked" in text
    assert "A person is looking" in text
    assert "I have paid" not in text
    assert "claim" not in actions(Status.VOID, **claimed)
    assert "I have paid" not in why(view(Status.VOID, **claimed), PAPER)


def test_in_a_group_nobody_is_asked_to_paste_a_message_with_a_balance_in_it() -> None:
    for status in Status:
        for reason in ("unlisted", "duplicate", "operator", None):
            found = actions(status, private=False, reason=reason, pending_at=LATER)

            assert not {"claim", "byhand"} & set(found)


def test_two_answers_that_disagree_ask_the_payer_to_do_nothing() -> None:
    text = told(Status.REVIEW)

    assert "says two things" in text
    assert "do not pay again" in text
    assert "again" not in actions(Status.REVIEW)


def test_a_group_never_learns_why() -> None:
    said = set()
    for status, words, reason in CASES:
        if status in UNPAID and not words:
            said.add(told(status, private=False, reason=reason, view_changes={"streak": 3}))

    assert said == {"✖️ <b>Not completed: KES 1,500</b> from 0712***678."}


def test_in_a_group_the_asker_may_try_again_or_be_told_why() -> None:
    assert actions(Status.DECLINED, private=False, reason="no-balance") == ["again", "why"]
    assert actions(Status.DECLINED, private=False, reason="pin-locked") == ["why"]


def test_a_late_cancel_may_have_been_a_prompt_that_closed_by_itself() -> None:
    at_once = told(Status.DECLINED, reason="cancelled", decided_at=ASKED_AT + timedelta(seconds=59))
    late = told(Status.DECLINED, reason="cancelled", decided_at=ASKED_AT + timedelta(seconds=60))

    assert "It was cancelled on the phone" in at_once
    assert "Cancelled or timed out on the phone" in late


def test_an_unanswered_prompt_explains_the_old_sim() -> None:
    text = told(Status.DECLINED, reason="no-answer")

    assert "<code>*234*1*6#</code>" in text
    assert actions(Status.DECLINED, reason="no-answer") == ["again", "byhand"]


def test_a_number_of_another_network_is_pointed_out_after_a_failed_prompt() -> None:
    airtel = told(Status.DECLINED, reason="no-answer", phone_mask="0733***456")

    assert "looks like Airtel" in airtel
    assert "looks like" not in told(Status.DECLINED, reason="no-answer")


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("reason", ["no-balance", "no-answer", "line-busy", "unreachable"])
def test_beside_an_attempt_that_may_be_paid_nothing_is_said_of_the_whole(
    reason: str, private: bool
) -> None:
    status = Status.VOID if reason == "unreachable" else Status.DECLINED
    for other in (Status.PROMPTED, Status.UNSURE, Status.LAPSED):
        others = {"others": (replace(PAYMENT, id="b" * 32, status=other),)}
        seen = view(status, reason=reason, view_changes=others, private=private)

        for said in (status_card(seen, PAPER, now=LATER).text, why(seen, PAPER)):
            assert "No money has left" not in said
            assert "Nothing can have been taken" not in said
        assert "another one for the same may have been paid" in why(seen, PAPER)
        assert "again" in pressed(status_card(seen, PAPER, now=LATER))


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("status", [Status.PAID, Status.CONFIRMING, Status.REVIEW])
def test_beside_an_attempt_that_is_paid_nothing_leads_to_paying_again(
    status: Status, private: bool
) -> None:
    other = replace(PAYMENT, id="b" * 32, status=status, credited_cents=150_000)
    for paused in ({}, {"streak": 4, "paused_until": ASKED_AT + timedelta(hours=24)}):
        changes = {"others": (other,), **paused}
        seen = view(Status.DECLINED, reason="no-balance", view_changes=changes, private=private)
        card = status_card(seen, PAPER, now=LATER)

        assert set(pressed(card)) <= {"why"}
        assert "do not pay again" in why(seen, PAPER)
        assert "do not pay again" in card.text
        assert "pay by hand" not in card.text


@pytest.mark.parametrize("status", [Status.DECLINED, Status.REFUSED, Status.VOID])
def test_beside_attempts_that_failed_too_it_says_what_it_says_alone(status: Status) -> None:
    failed = {"others": (replace(PAYMENT, id="b" * 32, status=status),)}
    back = {
        "others": (
            replace(
                PAYMENT,
                id="b" * 32,
                status=Status.PAID,
                words=frozenset({Word.REVERSED}),
                credited_cents=0,
            ),
        )
    }

    for others in (failed, back):
        alone = told(Status.DECLINED, reason="no-balance")
        assert told(Status.DECLINED, reason="no-balance", view_changes=others) == alone


def test_the_third_prompt_not_completed_warns() -> None:
    text = told(Status.DECLINED, reason="cancelled", view_changes={"streak": 3})

    assert "3 prompts in a row" in text
    third = actions(Status.DECLINED, reason="cancelled", view_changes={"streak": 3})
    assert third == ["again", "byhand"]


def test_a_paused_line_says_until_when_and_leaves_paying_by_hand() -> None:
    paused = {"streak": 4, "paused_until": ASKED_AT + timedelta(hours=24)}

    assert "paused until 21:05 tomorrow" in told(
        Status.DECLINED, reason="cancelled", view_changes=paused
    )
    assert actions(Status.DECLINED, reason="cancelled", view_changes=paused) == ["byhand"]
    assert actions(Status.DECLINED, reason="cancelled", view_changes=paused, private=False) == [
        "why"
    ]


def test_a_pause_that_is_over_no_longer_holds_anyone_up() -> None:
    over = {"streak": 4, "paused_until": LATER}

    assert "again" in actions(Status.DECLINED, reason="cancelled", view_changes=over)


def test_an_attempt_that_was_asked_again_leaves_going_on_to_the_newer() -> None:
    for status, words, reason in CASES:
        if status is not Status.PAID:
            left = actions(status, *words, reason=reason, superseded=True)
            assert set(left) <= {"check", "claim"}


@pytest.mark.parametrize("status", [Status.LAPSED, Status.UNSURE])
def test_an_attempt_that_was_asked_again_can_be_said_to_be_paid(status: Status) -> None:
    card = status_card(view(status, superseded=True, pending_at=LATER), PAPER, now=LATER)

    assert "claim" in pressed(card)
    assert "you may try again" not in card.text


def other(status: Status, **changes: Any) -> dict[str, Any]:
    """What the view of a payment knows of one other attempt."""
    facts = {"credited_cents": 150_000} if status is Status.PAID else {}
    return {"others": (replace(PAYMENT, id="b" * 32, status=status, **(facts | changes)),)}


@pytest.mark.parametrize("status", [Status.PROMPTED, Status.UNSURE, Status.LAPSED])
@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("paid", [Status.PAID, Status.CONFIRMING, Status.REVIEW])
def test_an_open_prompt_beside_an_attempt_that_is_paid_is_not_to_be_paid(
    status: Status, private: bool, paid: Status
) -> None:
    for asked in (0, 2):
        seen = view(status, view_changes=other(paid), private=private, not_yet=asked)
        card = status_card(seen, PAPER, now=LATER)

        assert "cancel it: please do not pay again" in card.text
        assert "PIN" not in card.text
        assert "you may" not in card.text
        # It may have been paid as well.
        claims = {"claim"} if private and status is Status.LAPSED else set()
        assert claims <= set(pressed(card)) <= claims | {"check"}


@pytest.mark.parametrize("reason", ["pin-locked", "not-registered", "daily-limit", "bad-phone"])
def test_what_would_fail_again_is_said_beside_an_attempt_that_may_be_paid(reason: str) -> None:
    seen = view(Status.DECLINED, reason=reason, view_changes=other(Status.UNSURE))
    alone = view(Status.DECLINED, reason=reason)

    said = status_card(seen, PAPER, now=LATER).text, why(seen, PAPER)

    for each in said:
        assert why(alone, PAPER)[:60] in plain(each)
        assert "Another try may be paid" in each


def test_a_no_to_the_first_rings_without_a_word_to_try_again() -> None:
    under_way = view(
        Status.DECLINED, reason="no-answer", superseded=True, view_changes=other(Status.PROMPTED)
    )
    paid = view(
        Status.DECLINED, reason="no-answer", superseded=True, view_changes=other(Status.PAID)
    )

    for seen in (under_way, paid):
        assert "try again" not in ring_card(seen, PAPER, now=LATER).text
        assert "No money has left" not in ring_card(seen, PAPER, now=LATER).text
    assert "You asked again" in ring_card(under_way, PAPER, now=LATER).text
    assert "do not pay again" in ring_card(paid, PAPER, now=LATER).text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.DECLINED, "pin-locked"),
        (Status.DECLINED, "account-inactive"),
        (Status.DECLINED, "daily-limit"),
        (Status.DECLINED, "duplicate"),
        (Status.VOID, "restored"),
    ],
)
def test_what_would_fail_again_fits_an_alert_with_what_to_look_at(
    status: Status, reason: str, language: str
) -> None:
    unsure = other(Status.UNSURE)
    seen = view(status, reason=reason, language=language, view_changes=unsure)

    assert why(seen, PAPER).endswith("."), "it is cut off"


def test_one_of_two_that_went_back_leaves_nothing_that_was_paid_twice() -> None:
    gone = other(Status.PAID, ask_key="again:a", words=frozenset({Word.REVERSED}), credited_cents=0)
    kept = other(Status.PAID, superseded=True)

    assert "twice" not in told(Status.PAID, superseded=True, view_changes=gone)
    back = {"credited_cents": 0, "reversed_cents": 150_000, "view_changes": kept}
    assert "twice" not in told(Status.PAID, Word.REVERSED, **back)


@pytest.mark.parametrize("superseded", [True, False])
def test_two_attempts_that_were_both_paid_say_so(superseded: bool) -> None:
    both = other(Status.PAID, ask_key="again:a", superseded=not superseded)

    assert "it was paid twice" in told(Status.PAID, superseded=superseded, view_changes=both)


@pytest.mark.parametrize(("subject", "said"), [(None, True), ("i:1", False), ("d:1", False)])
def test_what_an_operator_put_beside_an_instalment_is_not_called_twice(
    subject: str | None, *, said: bool
) -> None:
    stray = other(Status.PAID, ask_key="record:UKN9ABCDEF", credited_cents=50_000)
    for put in ({"b" * 32}, {PAYMENT.id}):  # the other one, or this
        seen = stray | {"put": frozenset(put)}
        assert (
            "it was paid twice" in told(Status.PAID, subject=subject, view_changes=seen)
        ) is said


def test_a_newer_prompt_that_may_be_paid_is_to_be_cancelled_whatever_else_came() -> None:
    def beside(prompt: Status, *, back: bool) -> str:
        [open_one] = other(prompt, ask_key="again:a")["others"]
        words = frozenset({Word.REVERSED}) if back else frozenset()
        changes = {"credited_cents": 0, "reversed_cents": 5000} if back else {}
        [by_hand] = other(Status.PAID, ask_key="record:R", words=words, **changes)["others"]
        others = {"others": (open_one, by_hand)}
        return told(Status.PAID, superseded=True, view_changes=others)

    for back in (True, False):
        assert "cancel it" in beside(Status.PROMPTED, back=back)
        assert "Another try for the same was paid too" in beside(Status.PAID, back=back)


def test_beside_a_part_by_hand_nobody_says_that_no_money_has_left() -> None:
    part = other(Status.PAID, credited_cents=100)

    text = told(Status.DECLINED, reason="no-balance", view_changes=part)

    assert "may have been paid" in text
    assert "No money has left" not in text


@pytest.mark.parametrize(
    ("earlier", "may_be"),
    [
        ({"status": Status.UNSURE}, True),
        ({"status": Status.LAPSED}, True),
        ({"status": Status.CONFIRMING}, True),
        ({"status": Status.PAID, "credited_cents": 1, "decided_at": LATER}, True),
        ({"status": Status.PAID, "credited_cents": 1, "decided_at": ASKED_AT}, False),
        ({"status": Status.DECLINED, "decided_at": LATER}, False),
    ],
)
def test_another_wish_for_the_same_counts_where_nobody_knew_of_it_then(
    earlier: dict[str, Any], may_be: bool
) -> None:
    facts: dict[str, Any] = {"id": "b" * 32, "created_at": ASKED_AT, **earlier}
    alike = {"alike": (replace(PAYMENT, **facts),)}

    said = why(view(Status.DECLINED, reason="cancelled", view_changes=alike), PAPER)

    assert ("another one for the same may have been paid" in said) is may_be


def test_of_what_a_part_went_back_the_list_says_how_much() -> None:
    seen = view(Status.PAID, Word.REVERSED, credited_cents=140_000, reversed_cents=10_000)
    whole = view(Status.PAID, Word.REVERSED, credited_cents=0, reversed_cents=150_000)
    said = [history_line(each, TEXTS, language="en", private=True) for each in (seen, whole)]

    assert "paid" in said[0]
    assert "KES 100 of it returned" in said[0]
    assert "paid, then returned" in said[1]


def test_a_late_last_word_is_short_and_carries_its_code() -> None:
    card = ring_card(view(Status.PAID, Word.LATE), PAPER, now=LATER)

    assert "did go through after all" in card.text
    assert RECEIPT in card.text
    assert pressed(card) == [f"copy {RECEIPT}", "paper"]


def test_a_late_no_names_the_reason_in_private_only() -> None:
    private = ring_card(view(Status.DECLINED, reason="no-balance"), PAPER, now=LATER)
    group = ring_card(view(Status.DECLINED, reason="no-balance", private=False), PAPER, now=LATER)

    assert "balance" in private.text
    assert "balance" not in group.text


def test_why_says_that_things_have_changed_once_they_have() -> None:
    assert "changed" in why(view(Status.PAID), PAPER)
    assert "M-PESA messages" in why(view(Status.LAPSED), PAPER)


def test_in_a_group_a_command_names_us() -> None:
    private = why(view(Status.DECLINED, reason="bad-phone"), PAPER)
    group = why(view(Status.DECLINED, reason="bad-phone", private=False), PAPER)

    assert private.endswith("/pay")
    assert group.endswith("/pay@lipabot")


def test_paying_by_hand_gives_what_must_be_typed_ready_to_copy() -> None:
    card = by_hand_card(view(Status.DECLINED), PAPER)

    assert "<code>600000</code>" in card.text
    assert "<code>LIPA-9QX2K</code>" in card.text
    # The push reference belongs to one push; money paid by hand is another payment.
    assert "PAY-7K2QX" not in card.text
    assert pressed(card) == ["copy 600000", "copy LIPA-9QX2K", "claim"]


def test_a_till_has_no_account_to_type() -> None:
    card = by_hand_card(view(Status.DECLINED), stationery(kind="till", number="555123"))

    assert "LIPA-9QX2K" not in card.text
    assert pressed(card) == ["copy 555123", "claim"]


def test_nobody_is_led_to_send_real_money_to_a_practice_number() -> None:
    card = by_hand_card(view(Status.DECLINED), stationery(practice=True))

    assert "<b>not</b> send real money" in card.text


def test_nobody_is_led_to_pay_where_this_bot_is_no_longer_paid() -> None:
    seen = view(Status.DECLINED)
    seen = replace(seen, payment=replace(seen.payment, account="sold"))

    card = by_hand_card(seen, PAPER)

    assert "600000" not in card.text
    assert "pay nothing there" in card.text
    assert pressed(card) == ["claim"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("alarm", Alarm)
def test_every_alarm_says_what_to_do_and_shows_masks_only(alarm: Alarm, language: str) -> None:
    card = alarm_card(alarm, view(Status.UNSURE), PAPER, language=language)

    assert parse_html(card.text).text
    assert "89abcdef" in card.text
    assert MASK in card.text
    assert alarm_card(alarm, None, PAPER, language=language).text in card.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_pending_gives_all_that_the_portal_asks_for(language: str) -> None:
    item = PendingItem(
        view=view(Status.REVIEW, receipt=RECEIPT, view_changes={"claimed": True}),
        phone="254712345678",
    )

    text = pending_card(item, PAPER, language=language).text

    for needed in ("0712 345 678", "KES 1,500", "PAY-7K2QX", "LIPA-9QX2K", "600000", RECEIPT):
        assert needed in text
    assert "23 Nov 2026 21:03" in text
    assert "23 Nov 2026 21:20" in text
    assert parse_html(text).text.count("\n") < 10


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", RefusalReason)
def test_every_refusal_has_words(reason: RefusalReason, language: str) -> None:
    refusal = Refusal(
        reason=reason, phone_mask=MASK, amount_kes=1500, until=LATER + timedelta(minutes=2)
    )

    text = refusal_text(refusal, language, TEXTS, now=LATER)

    assert parse_html(text).text
    timeless = reason in (
        *(RefusalReason.DECIDED, RefusalReason.AMOUNT, RefusalReason.STALE),
        RefusalReason.RESTORED,  # when a person has reconciled nobody can say
        RefusalReason.NO_ROOM,  # nor when one has made room
    )
    timeless |= reason.startswith(("invoice-", "drive-"))
    assert ("21:08" in text) is not timeless


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("answer", CheckNow)
def test_every_answer_to_check_now_fits_a_toast(answer: CheckNow, language: str) -> None:
    assert 0 < len(check_answer(answer, language, TEXTS)) <= 200


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("problem", PhoneProblem)
def test_every_problem_with_a_phone_has_words(problem: PhoneProblem, language: str) -> None:
    assert "0712 345 678" in TEXTS.say(language, f"phone-problem.{problem}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_has_one_line_for_each_status_and_no_mark_of_a_paid_message(language: str) -> None:
    for status, words, reason in CASES:
        seen = view(status, *words, reason=reason)
        alone = history_line(seen, TEXTS, language=language, private=True)
        public = history_line(seen, TEXTS, language=language, private=False)

        assert "\n" not in alone
        assert "✅" not in alone
        assert parse_html(alone).text
        assert (RECEIPT in alone) is (status is Status.PAID)
        assert RECEIPT not in public
        assert "lunch" not in public


def test_a_receipt_card_is_a_paid_message() -> None:
    assert "✅ <b>Paid KES 1,500</b>" in receipt_card(view(Status.PAID), PAPER).text


def test_a_receipt_is_whole_for_its_owner_though_a_group_saw_it_masked() -> None:
    assert RECEIPT in receipt_card(view(Status.PAID, private=False), PAPER).text


def test_no_card_holds_a_whole_number_or_a_button_telegram_refuses() -> None:
    for status, words, reason in CASES:
        for private in (True, False):
            seen = view(status, *words, reason=reason, private=private)
            card = status_card(seen, PAPER, now=LATER)
            rows = card.keyboard.rows if card.keyboard else ()

            assert not re.search(r"\d{9}", card.text)
            assert all(len(row) <= 2 for row in rows)
            for button in chain.from_iterable(rows):
                assert len((button.data or "").encode()) <= 64
                assert button.label


def test_the_key_to_share_a_number_asks_for_the_contact() -> None:
    assert share_number(TEXTS, "sw").ask_contact == "📱 Tuma nambari yangu"
