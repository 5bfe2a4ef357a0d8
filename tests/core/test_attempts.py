"""What money by hand, parts of it, and what is paid meanwhile, make of the other attempts."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from bot.chat.cards import status_card
from bot.core.ask import Asked
from bot.core.attempts import Beside, of_others
from bot.core.limits import Refusal, RefusalReason
from bot.core.record_desk import RecordDesk
from bot.core.rulings import Ruling
from bot.core.touched import TouchedSubjects
from mpesa.errors import OutcomeUnknown, Throttled, Unreachable
from storage.records import Kind, Payment, PaymentView, Status
from storage.schema import notices
from storage.tx import Tx
from tests.chat.test_cards import PAPER
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.core.test_forgotten_at_once import until_somebody_waits
from tests.core.test_record import OTHER, RECEIPT, a_row, born, by_hand_ref, record
from tests.fakes import fact, unit_of
from tests.stores import OpenStore

__all__ = ["record"]


async def declined(desk: Desk) -> Payment:
    return await desk.post(await desk.ask(), failure())


async def by_hand(desk: Desk, record: RecordDesk, payment: Payment, **kes: int) -> None:
    """So many shillings come in under the reference for paying by hand, each by its receipt."""
    reference = await by_hand_ref(desk, payment)
    for receipt, amount_kes in kes.items():
        row = a_row(desk.clock.now(), receipt=receipt, reference=reference, kes=amount_kes)
        await record.rows.take([row])


async def seen(desk: Desk, payment: Payment) -> PaymentView:
    view = await desk.books.view(payment.id)
    assert view is not None
    return view


async def reads(desk: Desk, payment: Payment) -> str:
    return status_card(await seen(desk, payment), PAPER, now=desk.clock.now()).text


async def wanted(desk: Desk, payment: Payment) -> int:
    """How often its status message was wanted anew."""
    query = select(notices.c.wanted).where(notices.c.key == f"status:{payment.id}")
    async with desk.store.read() as tx:
        return int((await tx.payments._connection.execute(query)).scalar_one())


async def looked(desk: Desk) -> None:
    """The looks at what was touched are carried out."""
    touched = TouchedSubjects(store=desk.store, clock=desk.clock, looks={}, wake=lambda: None)
    await touched.run_due()


@pytest.mark.both_engines
async def test_the_whole_that_came_in_parts_is_not_asked_for_again(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await declined(desk)
    await by_hand(desk, record, payment, UKN1ABCDEF=30, UKN2ABCDEF=20)

    again = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")
    no_more = await desk.books.no_more(await seen(desk, payment))

    assert isinstance(again, Refusal)
    assert no_more is not None
    assert {again.reason, no_more.reason} == {RefusalReason.DECIDED}
    assert "No money has left" not in await reads(desk, payment)
    assert "do not pay again" in await reads(desk, payment)
    for receipt in (RECEIPT, OTHER):
        assert "twice" not in await reads(desk, await born(desk, receipt))


async def test_beside_a_part_the_rest_may_be_paid_and_nobody_says_that_no_money_left(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await declined(desk)
    await by_hand(desk, record, payment, UKN1ABCDEF=49)

    assert of_others(await seen(desk, payment)) is Beside.MAYBE
    assert "No money has left" not in await reads(desk, payment)
    assert await desk.books.no_more(await seen(desk, payment)) is None


@pytest.mark.both_engines
@pytest.mark.parametrize("kind", [Kind.OPERATOR_VOID, Kind.REVERSED])
async def test_money_by_hand_that_was_none_or_went_back_lets_the_prompt_be_tried_again(
    desk: Desk, record: RecordDesk, kind: Kind
) -> None:
    payment = await declined(desk)
    if kind is Kind.OPERATOR_VOID:  # long after the prompt, it waits for a person
        desk.clock.advance(3600)
        row = a_row(desk.clock.now(), reference=payment.push_ref)
        await record.rows.take([row])
    else:
        await by_hand(desk, record, payment, UKN1ABCDEF=50)
    await looked(desk)
    own, before = await born(desk), await wanted(desk, payment)
    assert "do not pay again" in await reads(desk, payment)

    desk.clock.advance(5)
    said = fact(kind, payment_id=own.id, at=desk.clock.now(), amount_cents=5000)
    await desk.store.submit(unit_of(said), desk.hear._settle)
    await looked(desk)

    assert await wanted(desk, payment) > before
    assert "try again" in await reads(desk, payment)
    desk.clock.advance(600)
    again = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")
    assert isinstance(again, Asked)


@pytest.mark.both_engines
async def test_a_prompt_and_money_by_hand_that_both_came_say_so(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.ask()
    await by_hand(desk, record, payment, UKN2ABCDEF=50)
    await looked(desk)
    own = await born(desk, OTHER)
    before = await wanted(desk, own)
    paid = await desk.post(payment, success())
    await looked(desk)

    assert (paid.status, own.status) == (Status.PAID, Status.PAID)
    assert await wanted(desk, own) == before + 1
    for each in (paid, own):
        assert "it was paid twice" in await reads(desk, each)

    # Once the prompt's money went back, neither was.
    back = fact(Kind.REVERSED, payment_id=paid.id, at=desk.clock.now(), amount_cents=5000)
    await desk.store.submit(unit_of(back), desk.hear._settle)
    await looked(desk)
    assert await wanted(desk, own) == before + 2
    for each in (await desk.get(paid.id), own):
        assert "twice" not in await reads(desk, each)


@pytest.mark.both_engines
async def test_what_is_paid_while_another_waits_for_a_token_is_not_asked_for_again(
    desk: Desk,
) -> None:
    payment = await desk.ask()
    desk.clock.advance(181)
    ready = desk.daraja.ready

    async def paid_meanwhile() -> None:
        await desk.post(payment, success())
        await ready()

    desk.daraja.ready = paid_meanwhile  # type: ignore[method-assign]  # a token that takes long
    second = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")
    await desk.finish()

    assert isinstance(second, Asked)
    after = await desk.get(second.payment.id)
    assert (after.status, after.reason) == (Status.VOID, "paid-meanwhile")
    assert len(desk.daraja.pushes) == 1


@pytest.mark.both_engines
async def test_what_is_paid_while_a_throttled_try_waits_is_not_asked_for_again(
    desk: Desk,
) -> None:
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    payment = await desk.ask()
    desk.clock.advance(181)

    async def paid_meanwhile() -> None:
        await desk.post(payment, success())
        raise Throttled("503")

    desk.daraja.replies = [paid_meanwhile]
    second = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")
    await desk.finish()

    assert isinstance(second, Asked)
    after = await desk.get(second.payment.id)
    assert (after.status, after.reason) == (Status.VOID, "paid-meanwhile")
    assert len(desk.daraja.pushes) == 2  # the second one was turned away


async def test_a_further_try_that_had_to_wait_goes_where_no_other_was_paid(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(), failure())
    for trouble in (Unreachable("refused"), Throttled("503")):
        desk.clock.advance(400)
        desk.daraja.replies = [trouble]
        again = await desk.asking.again(payment.id, by=1001, update_id=None, language="en")
        await desk.finish()
        assert isinstance(again, Asked)
        payment = await desk.get(again.payment.id)
        assert payment.status is Status.PROMPTED
        payment = await desk.post(payment, failure(number=len(desk.daraja.pushes)))
    assert len(desk.daraja.pushes) == 5


@pytest.mark.parametrize("subject", [None, "d:" + "1" * 32, "i:" + "1" * 32])
async def test_a_gift_or_an_instalment_that_came_by_prompt_and_by_hand_says_so(
    desk: Desk, record: RecordDesk, subject: str | None
) -> None:
    payment = await desk.post(await desk.ask(subject=subject), failure())
    await by_hand(desk, record, payment, UKN2ABCDEF=50)
    payment = await desk.post(payment, success())

    for each in (payment, await born(desk, OTHER)):
        assert "it was paid twice" in await reads(desk, each)


async def test_who_gives_by_hand_again_with_the_reference_they_have_did_not_pay_twice(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(subject="d:" + "1" * 32), failure())
    await by_hand(desk, record, payment, UKN1ABCDEF=50)
    desk.clock.advance(30 * 24 * 3600)
    await by_hand(desk, record, payment, UKN2ABCDEF=50)

    for receipt in (RECEIPT, OTHER):
        assert "twice" not in await reads(desk, await born(desk, receipt))


@pytest.mark.both_engines
async def test_what_an_operator_put_beside_an_instalment_is_not_called_twice(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(subject="i:" + "1" * 32), success())
    await record.rows.take([a_row(desk.clock.now(), receipt=OTHER)])
    [stray] = await record.open_differences(limit=10)
    assert await record.assign(stray.id, to=payment.id, by=7, why="theirs") is Ruling.DONE

    own = await born(desk, OTHER)
    assert own.status is Status.PAID
    for each in (payment, own):
        assert "twice" not in await reads(desk, each)


async def test_who_pays_with_one_reference_again_and_again_gets_few_messages_anew(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await declined(desk)
    receipts = [f"UKN{n:02}ABCDE" for n in range(12)]
    for receipt in receipts:
        desk.clock.advance(1)
        await by_hand(desk, record, payment, **{receipt: 50})
    await looked(desk)
    prompts = await wanted(desk, payment)
    before = [await wanted(desk, await born(desk, each)) for each in receipts]

    desk.clock.advance(1)
    await by_hand(desk, record, payment, UKN99ABCDE=50)
    await looked(desk)

    assert await wanted(desk, payment) == prompts + 1
    after = [await wanted(desk, await born(desk, each)) for each in receipts]
    anew = [one > other for one, other in zip(after, before, strict=True)]
    assert anew == [False] * 7 + [True] * 5


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
async def test_an_attempt_that_is_paid_while_it_is_being_tried_again_is_said_beside_the_new_one(
    desk: Desk, open_a_store: OpenStore
) -> None:
    payment = await desk.post(await desk.ask(), failure())
    newer = replace(
        payment, id="e" * 32, checkout_index=None, push_ref="PAY-EE", ask_key=f"again:{payment.id}"
    )
    locked, go_on = asyncio.Event(), asyncio.Event()

    async def try_again(tx: Tx) -> None:
        await tx.payments.lock(payment.id)
        locked.set()
        await go_on.wait()
        await tx.payments.add(newer)
        await tx.payments.supersede(payment.id)

    async with open_a_store() as other:
        trying = asyncio.create_task(other.write(try_again))
        await locked.wait()
        paying = asyncio.create_task(desk.post(payment, success()))
        try:
            await until_somebody_waits(other)
        finally:
            go_on.set()
            paid, _ = await asyncio.gather(paying, trying)

    assert (paid.status, paid.superseded) == (Status.PAID, True)
    async with desk.store.read() as tx:
        assert f"a:{payment.id}" in await tx.touched.waiting(limit=10)


@pytest.mark.parametrize(("elsewhere", "beside"), [(False, Beside.MAYBE), (True, Beside.NOTHING)])
async def test_a_prompt_that_nobody_has_heard_of_is_said_in_its_own_chat_alone(
    desk: Desk, elsewhere: bool, beside: Beside
) -> None:
    desk.daraja.replies = [ConnectionError()]
    lost = await desk.ask()
    assert lost.status is Status.UNSURE
    desk.clock.advance(600)

    chat_id = desk.request.chat_id - elsewhere
    again = await desk.ask(ask_key="m:again", chat_id=chat_id)
    again = await desk.post(again, failure(1032, 2))

    assert again.status is Status.DECLINED
    assert of_others(await seen(desk, again)) is beside
