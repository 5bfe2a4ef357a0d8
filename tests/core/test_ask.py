"""From a wish to a prompt: limits, one push, and every way in which it can end half-way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot.core.ask import Asked
from bot.core.limits import Refusal, RefusalReason
from bot.core.money import AMOUNT_KES_MAX
from bot.core.ports import Ids
from bot.core.settle import Settle
from mpesa.errors import BadCredentials, NotSent, OutcomeUnknown, Refused, Unreachable
from mpesa.results import Meaning
from mpesa.wire import PROMPT_CHARS_MAX, prompt_length
from storage.hearing import Admitted, Unit
from storage.records import Closing, Evidence, Kind, Payment, Status, Word
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.fakes import PHONE
from tests.stores import NOON

OTHER_PHONE = "254722000111"


async def test_a_push_is_sent_once_and_its_ids_are_kept(desk: Desk) -> None:
    payment = await desk.ask()

    assert payment.status is Status.PROMPTED
    assert payment.next_check_at == NOON + timedelta(seconds=25)
    [push] = desk.daraja.pushes
    assert (push.phone, push.amount_kes, push.reference) == (PHONE, 50, payment.push_ref)
    path = push.callback_url.removeprefix("https://pay.example.org/c/")
    assert desk.hear.signed(*path.split(".", 1))


async def test_the_same_words_twice_are_one_payment(desk: Desk) -> None:
    first, second = await asyncio.gather(desk.open(), desk.open())
    await desk.finish()

    assert isinstance(first, Asked)
    assert isinstance(second, Asked)
    assert first.payment.id == second.payment.id
    assert len(desk.daraja.pushes) == 1


async def test_one_open_prompt_per_line_whoever_asks(desk: Desk) -> None:
    await desk.ask()

    refused = await desk.open(ask_key="m:2:9", asked_by=2, chat_id=2, amount_kes=70)

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.LINE_BUSY
    assert refused.until == NOON + timedelta(seconds=180)
    assert len(desk.daraja.pushes) == 1


async def test_two_who_aim_at_one_line_at_the_same_instant_pass_one_by_one(desk: Desk) -> None:
    answers = await asyncio.gather(
        *(desk.open(ask_key=f"m:{n}:1", asked_by=n, chat_id=n) for n in range(1, 9))
    )
    await desk.finish()

    assert sum(isinstance(answer, Asked) for answer in answers) == 1
    assert len(desk.daraja.pushes) == 1


async def test_the_same_amount_a_moment_after_it_was_paid_is_explained(desk: Desk) -> None:
    payment = await desk.ask()
    await desk.post(payment, success())
    desk.clock.advance(60)

    refused = await desk.open(ask_key="m:1001:8")
    other = await desk.ask(ask_key="m:1001:9", amount_kes=60)

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.SAME_AMOUNT
    assert refused.until == NOON + timedelta(seconds=120)
    assert other.status is Status.PROMPTED


async def test_a_line_is_paused_at_four_and_its_count_goes_on_over_chats(desk: Desk) -> None:
    await desk.people.meet(user_id=1001, first_name="Jane", telegram_language=None, private=True)
    await desk.people.remember_phone(1001, PHONE, Closing())
    streaks = []
    for number in range(1, 5):
        payment = await desk.ask(ask_key=f"m:1001:{number}", chat_id=1000 + number)
        await desk.post(payment, failure(1032, number))
        view = await desk.books.view(payment.id)
        assert view is not None
        streaks.append((view.streak, view.paused_until is not None))
        last_begun = desk.clock.now()
        desk.clock.advance(10)

    refused = await desk.open(ask_key="m:1001:9")

    assert streaks == [(1, False), (2, False), (3, False), (4, True)]
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.PAUSED
    assert refused.until == last_begun + timedelta(hours=24)
    assert len(desk.daraja.pushes) == 4


async def test_a_stranger_stops_at_three(desk: Desk) -> None:
    for number in range(1, 4):
        payment = await desk.ask(ask_key=f"m:1001:{number}")
        await desk.post(payment, failure(1037, number))

    refused = await desk.open(ask_key="m:1001:9")

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.STRANGER_PAUSED


async def test_a_payment_resets_the_count(desk: Desk) -> None:
    for number, body in enumerate((failure(1037, 1), failure(1037, 2), success(3)), start=1):
        payment = await desk.ask(ask_key=f"m:1001:{number}")
        await desk.post(payment, body)
        desk.clock.advance(121)

    again = await desk.ask(ask_key="m:1001:9")

    view = await desk.books.view(again.id)
    assert view is not None
    assert view.streak == 1


@pytest.mark.both_engines
async def test_refused_and_unsent_pushes_do_not_count(desk: Desk) -> None:
    desk.daraja.replies = [Refused("busy", meaning=Meaning.BUSY) for _ in range(6)]
    for number in range(6):
        payment = await desk.ask(ask_key=f"m:1001:{number}")
        assert payment.status is Status.REFUSED

    assert (await desk.ask(ask_key="m:1001:9")).status is Status.PROMPTED


async def test_other_peoples_phones_have_an_hourly_limit_and_operators_have_not(
    desk: Desk,
) -> None:
    for number in range(30):
        await desk.ask(ask_key=f"m:1001:{number}", phone=f"2547330000{number:02d}")

    refused = await desk.open(ask_key="m:1001:99", phone=OTHER_PHONE)
    operator = await desk.open(ask_key="m:900:1", phone=OTHER_PHONE, asked_by=900)

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.STRANGERS_LIMIT
    assert isinstance(operator, Asked)


@pytest.mark.parametrize("amount_kes", [0, -5, 250_001])
async def test_amounts_that_no_prompt_can_ask_for_are_refused(desk: Desk, amount_kes: int) -> None:
    refused = await desk.open(amount_kes=amount_kes)

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.AMOUNT


async def test_a_lost_reply_is_unsure_and_never_sent_again(desk: Desk) -> None:
    desk.daraja.replies = [OutcomeUnknown("timeout")]

    payment = await desk.ask()
    desk.clock.advance(3600)
    await desk.next_process().sweep(starting=True)
    await desk.finish()

    assert payment.status is Status.UNSURE
    assert len(desk.daraja.pushes) == 1


@pytest.mark.both_engines
async def test_what_certainly_did_not_leave_is_tried_once_more(desk: Desk) -> None:
    desk.daraja.replies = [Unreachable("no route")]
    assert (await desk.ask()).status is Status.PROMPTED
    assert len(desk.daraja.pushes) == 2

    desk.daraja.replies = [Unreachable("no route"), Unreachable("no route")]
    payment = await desk.ask(ask_key="m:1001:8", phone=OTHER_PHONE)

    assert (payment.status, payment.reason) == (Status.VOID, "unreachable")
    assert len(desk.daraja.pushes) == 4


async def test_no_token_no_push(desk: Desk) -> None:
    desk.daraja.tokens = [BadCredentials("the keys were refused")]
    payment = await desk.ask()

    assert (payment.status, payment.reason) == (Status.VOID, "bad-credentials")
    assert desk.daraja.pushes == []

    desk.daraja.tokens = [NotSent("no route"), NotSent("no route")]
    payment = await desk.ask(ask_key="m:1001:8")

    assert (payment.status, payment.reason) == (Status.VOID, "unreachable")


async def test_a_bug_while_sending_is_unsure_not_unsent(desk: Desk) -> None:
    desk.daraja.replies = [ZeroDivisionError("a bug of ours")]

    assert (await desk.ask()).status is Status.UNSURE


async def test_being_stopped_while_sending_is_unsure_and_said_at_once(desk: Desk) -> None:
    desk.daraja.hold = asyncio.Event()
    asked = await desk.open()
    assert isinstance(asked, Asked)
    await desk.daraja.pushed.wait()
    [task] = desk.tasks
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    desk.tasks.clear()

    payment = await desk.get(asked.payment.id)
    assert (payment.status, payment.reason) == (Status.UNSURE, "crashed")


async def test_a_process_that_died_before_sending_sends_while_it_is_young(desk: Desk) -> None:
    asked = await desk.open()
    assert isinstance(asked, Asked)
    desk.tasks.pop().cancel()  # died between the first commit and the push
    await asyncio.sleep(0)
    desk.clock.advance(30)

    await desk.next_process().sweep(starting=True)
    await desk.finish()

    assert (await desk.get(asked.payment.id)).status is Status.PROMPTED
    assert len(desk.daraja.pushes) == 1


@pytest.mark.parametrize("later_s", [61, -61, -3600])
async def test_what_waited_too_long_is_never_sent(desk: Desk, later_s: float) -> None:
    """Nor what may have: a clock that was set back meanwhile does not say for how long."""
    asked = await desk.open()
    assert isinstance(asked, Asked)
    desk.tasks.pop().cancel()
    await asyncio.sleep(0)
    desk.clock.advance(later_s)

    await desk.next_process().sweep(starting=True)
    await desk.finish()

    payment = await desk.get(asked.payment.id)
    assert (payment.status, payment.reason) == (Status.VOID, "too-late")
    assert desk.daraja.pushes == []


@pytest.mark.both_engines
async def test_a_process_that_died_while_sending_leaves_it_unsure(desk: Desk) -> None:
    desk.daraja.hold = asyncio.Event()
    asked = await desk.open()
    assert isinstance(asked, Asked)
    await desk.daraja.pushed.wait()
    other = desk.next_process()

    await other.sweep()
    assert (await desk.get(asked.payment.id)).status is Status.ASKING  # its lease still holds
    desk.clock.advance(91)
    await other.sweep()

    assert (await desk.get(asked.payment.id)).status is Status.UNSURE
    desk.daraja.hold.set()
    await desk.finish()
    late_reply = await desk.get(asked.payment.id)
    assert late_reply.status is Status.PROMPTED
    assert len(desk.daraja.pushes) == 1


@pytest.mark.both_engines
async def test_a_callback_that_outruns_the_reply_is_believed_and_the_reply_agrees(
    desk: Desk,
) -> None:
    async def pay_first() -> None:
        async with desk.store.read() as tx:
            payment = await tx.payments.by_ask_key("m:1001:7")
        assert payment is not None
        assert (await desk.post(payment, success())).status is Status.PAID

    desk.daraja.replies = [pay_first]

    payment = await desk.ask()

    assert (payment.status, payment.words) == (Status.PAID, frozenset())


@pytest.mark.both_engines
async def test_a_reply_that_names_other_ids_than_a_callback_did_calls_a_person(
    desk: Desk,
) -> None:
    async def lie_first() -> None:
        async with desk.store.read() as tx:
            payment = await tx.payments.by_ask_key("m:1001:7")
        assert payment is not None
        await desk.post(payment, success(merchant="other", checkout="ws_CO_other"))

    desk.daraja.replies = [lie_first]

    payment = await desk.ask()

    assert payment.status is Status.PAID
    assert payment.words == {Word.CONTRADICTED}
    async with desk.store.read() as tx:
        assert await tx.payments.checkout_id(payment.id) == "ws_CO_1712345678"
        kinds = {each.kind for each in (await tx.evidence.of([payment.id]))[payment.id]}
    assert Kind.CONTRADICTED in kinds


async def test_trying_again_is_one_more_attempt_however_often_it_is_pressed(desk: Desk) -> None:
    payment = await desk.ask()
    await desk.post(payment, failure())

    answers = [
        await desk.asking.again(payment.id, by=1001, update_id=None, language="en")
        for _ in range(3)
    ]
    await desk.finish()

    assert [isinstance(each, Asked) and each.again for each in answers] == [False, True, True]
    assert len(desk.daraja.pushes) == 2
    second = answers[0]
    assert isinstance(second, Asked)
    assert second.payment.intent_id == payment.intent_id
    assert (await desk.get(payment.id)).superseded


async def test_nothing_is_tried_again_beside_a_prompt_or_a_payment(desk: Desk) -> None:
    payment = await desk.ask()
    desk.clock.advance(170)
    too_soon = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")
    await desk.post(payment, success())
    paid = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")

    assert isinstance(too_soon, Refusal)
    assert (too_soon.reason, too_soon.until) == (
        RefusalReason.TOO_SOON,
        NOON + timedelta(seconds=180),
    )
    assert isinstance(paid, Refusal)
    assert paid.reason is RefusalReason.DECIDED
    assert len(desk.daraja.pushes) == 1


async def test_nothing_is_tried_again_where_money_may_be_there(desk: Desk) -> None:
    payment = await desk.ask(amount_kes=6000)
    waiting = await desk.post(payment, success(amount=6000))
    assert waiting.status is Status.CONFIRMING
    desk.clock.advance(600)  # no prompt of it can be open any more

    again = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")

    assert isinstance(again, Refusal)
    assert again.reason is RefusalReason.DECIDED


async def unseen(desk: Desk, **changes: Any) -> tuple[Payment, Payment]:
    """Somebody saw no prompt, and asked again: both attempts, as they were opened."""
    payment = await desk.ask(**changes)
    desk.clock.advance(181)
    second = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")
    await desk.finish()
    assert isinstance(second, Asked)
    return payment, second.payment


@pytest.mark.parametrize(("amount_kes", "first"), [(50, Status.PAID), (6000, Status.CONFIRMING)])
async def test_nothing_is_tried_a_third_time_where_the_first_was_paid_after_all(
    desk: Desk, amount_kes: int, first: Status
) -> None:
    payment, second = await unseen(desk, amount_kes=amount_kes)
    heard = await desk.post(payment, success(1, amount=amount_kes))
    assert (await desk.post(second, failure(1032, 2))).status is Status.DECLINED
    desk.clock.advance(600)

    third = await desk.asking.again(second.id, by=1001, update_id=None, language="en")

    assert heard.status is first
    assert isinstance(third, Refusal)
    assert third.reason is RefusalReason.DECIDED
    assert len(desk.daraja.pushes) == 2


@pytest.mark.parametrize(("amount_kes", "first"), [(50, Status.PAID), (6000, Status.CONFIRMING)])
async def test_a_further_attempt_is_not_sent_once_another_is_paid(
    desk: Desk, amount_kes: int, first: Status
) -> None:
    payment = await desk.ask(amount_kes=amount_kes)
    desk.clock.advance(181)
    second = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")
    assert isinstance(second, Asked)
    for task in desk.tasks:  # the process dies before it could send it
        task.cancel()
    await asyncio.gather(*desk.tasks, return_exceptions=True)
    desk.tasks.clear()
    assert (await desk.post(payment, success(1, amount=amount_kes))).status is first

    desk.clock.advance(31)
    for _ in range(2):
        await desk.next_process().sweep(starting=True)
        await desk.finish()

    after = await desk.get(second.payment.id)
    assert (after.status, after.reason) == (Status.VOID, "paid-meanwhile")
    assert len(desk.daraja.pushes) == 1


async def test_an_open_prompt_beside_one_that_is_paid_is_answered_so(desk: Desk) -> None:
    payment, second = await unseen(desk)
    await desk.post(payment, success(1))

    pressed = await desk.asking.again(second.id, by=1001, update_id=None, language="en")

    assert isinstance(pressed, Refusal)
    assert pressed.reason is RefusalReason.DECIDED


async def test_what_came_and_went_back_whole_may_be_tried_again(desk: Desk) -> None:
    payment, second = await unseen(desk)
    await desk.post(payment, success(1))
    await desk.post(second, failure(1032, 2))
    reversal = Evidence(
        payment_id=payment.id,
        kind=Kind.REVERSED,
        at=desk.clock.now(),
        amount_cents=5000,
        digest="back",
    )
    unit = Unit(payment_id=payment.id, admit=lambda _payment, _seen: Admitted(evidence=(reversal,)))
    await desk.store.submit(unit, Settle(operators=[]))
    desk.clock.advance(600)

    third = await desk.asking.again(second.id, by=1001, update_id=None, language="en")

    assert (await desk.get(payment.id)).credited_cents == 0
    assert isinstance(third, Asked)


async def test_no_prompt_seen_after_three_minutes_may_be_sent_again_and_both_may_pay(
    desk: Desk,
) -> None:
    payment, again = await unseen(desk)

    first = await desk.post(payment, success(1, receipt="UKN1ABCDEF"))
    second = await desk.post(again, success(2, receipt="UKN2ABCDEF"))

    assert (first.status, second.status) == (Status.PAID, Status.PAID)


def test_no_prompt_of_ours_is_too_long_for_a_phone() -> None:
    longest_name = "N" * 64  # what the configuration allows

    for reference in (Ids(bytes).push_reference(), Ids(bytes).by_hand_reference()):
        assert len(reference) <= 12
        assert prompt_length(longest_name, AMOUNT_KES_MAX, reference) <= PROMPT_CHARS_MAX
