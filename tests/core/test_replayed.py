"""The bytes of a true success, posted again at the address of a payment that knows no ids yet."""

from __future__ import annotations

import dataclasses

import pytest

from mpesa.errors import OutcomeUnknown
from storage.records import Alarm, Kind, Payment, Status, Word
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.core.test_hear import alarms
from tests.core.test_liars import kinds, unsure

TRUE = success(1, receipt="UKN1ABCDEF")
"""What Safaricom posted for the first payment."""


async def paid_and_unsure(
    desk: Desk, *, lost: bool = False, amount_kes: int = 50
) -> tuple[Payment, Payment]:
    """One that this body paid (*lost*: known by its address alone), and one that knows no ids."""
    if lost:
        desk.daraja.replies = [OutcomeUnknown("timeout")]
    first = await desk.post(await desk.ask(), TRUE)
    assert first.status is Status.PAID
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    other = await desk.ask(ask_key="m:1001:8", phone="254722000111", amount_kes=amount_kes)
    assert (other.status, other.checkout_index) == (Status.UNSURE, None)
    return first, other


def as_it_stood(payment: Payment) -> Payment:
    """All but the timetable."""
    return dataclasses.replace(payment, rev=0, next_check_at=None)


async def ids(desk: Desk, payment: Payment) -> tuple[str | None, str | None]:
    async with desk.store.read() as tx:
        return (await desk.get(payment.id)).merchant_request_id, await tx.payments.checkout_id(
            payment.id
        )


async def receipt_of(desk: Desk, receipt: str) -> str | None:
    """Which payment holds it."""
    view = await desk.books.by_receipt(receipt)
    return None if view is None else view.payment.id


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.both_engines
async def test_the_body_of_a_paid_payment_moves_nothing_and_rings(
    desk: Desk, *, lost: bool
) -> None:
    first, other = await paid_and_unsure(desk, lost=lost)
    rung = await alarms(desk)

    for _ in range(3):
        after = await desk.post(other, TRUE)

    assert as_it_stood(after) == as_it_stood(other)
    assert as_it_stood(await desk.get(first.id)) == as_it_stood(first)
    assert (await kinds(desk, other))[Kind.UNTRUSTED] == 1
    assert await ids(desk, other) == (None, None)
    assert await receipt_of(desk, "UKN1ABCDEF") == first.id
    assert (rung, await alarms(desk)) == ([], [Alarm.UNTRUSTED])


async def test_it_is_not_even_asked_about_by_the_others_ids(desk: Desk) -> None:
    _, other = await paid_and_unsure(desk)
    await desk.post(other, TRUE)
    desk.daraja.answers = ["0"] * 5

    for seconds in (0, 60, 130, 600):
        desk.clock.advance(seconds)
        await desk.reconcile.run_due()

    # What is asked about is the first one, which is paid by a callback alone.
    assert set(desk.daraja.queries) <= {"ws_CO_1712345678"}
    after = await desk.get(other.id)
    assert (after.status, after.credited_cents, after.confirmed) == (Status.UNSURE, None, False)


@pytest.mark.parametrize(
    "body",
    [
        success(1, receipt="UKN2ABCDEF"),
        success(1, receipt="UKN2ABCDEF", merchant="merchant-2"),
        success(1, metadata=False),
        failure(1032, 1),
    ],
    ids=["another receipt", "another merchant's id", "no receipt", "a no"],
)
@pytest.mark.both_engines
async def test_a_checkout_id_that_another_payment_holds_is_believed_in_nothing(
    desk: Desk, body: bytes
) -> None:
    first, other = await paid_and_unsure(desk)

    after = await desk.post(other, body)

    assert as_it_stood(after) == as_it_stood(other)
    assert as_it_stood(await desk.get(first.id)) == as_it_stood(first)
    assert await ids(desk, other) == (None, None)
    assert await receipt_of(desk, "UKN2ABCDEF") is None
    assert await alarms(desk) == [Alarm.UNTRUSTED]


@pytest.mark.both_engines
async def test_a_receipt_that_another_payment_holds_is_held_and_rung(desk: Desk) -> None:
    first, other = await paid_and_unsure(desk)

    after = await desk.post(other, success(2, receipt="UKN1ABCDEF"))

    assert (after.status, after.credited_cents, after.receipt) == (Status.CONFIRMING, None, None)
    assert await alarms(desk) == [Alarm.RECEIPT_HELD]
    assert await receipt_of(desk, "UKN1ABCDEF") == first.id
    assert as_it_stood(await desk.get(first.id)) == as_it_stood(first)
    # Its own ids are what it is asked about; nothing is credited before an answer.
    desk.clock.advance(60)
    await desk.reconcile.run_due()
    assert desk.daraja.queries == ["ws_CO_2712345678"]
    assert (await desk.get(other.id)).credited_cents is None


@pytest.mark.parametrize("answer", ["0", "1032"])
@pytest.mark.both_engines
async def test_what_is_held_so_never_gets_the_others_receipt(desk: Desk, answer: str) -> None:
    first, other = await paid_and_unsure(desk)
    await desk.post(other, success(2, receipt="UKN1ABCDEF"))

    desk.daraja.answers = [answer]
    desk.clock.advance(60)
    await desk.reconcile.run_due()

    after = await desk.get(other.id)
    assert after.status is (Status.PAID if answer == "0" else Status.REVIEW)
    assert (after.receipt, after.confirmed) == (None, answer == "0")
    assert await receipt_of(desk, "UKN1ABCDEF") == first.id


@pytest.mark.parametrize("amount_kes", [49, 51, 9000])
async def test_another_amount_names_nothing_of_ours(desk: Desk, amount_kes: int) -> None:
    _, other = await paid_and_unsure(desk, amount_kes=amount_kes)

    for body in (TRUE, success(2, receipt="UKN2ABCDEF"), success(2, receipt="UKN1ABCDEF")):
        after = await desk.post(other, body)

        assert as_it_stood(after) == as_it_stood(other)
    assert await ids(desk, other) == (None, None)
    assert await alarms(desk) == [Alarm.UNTRUSTED]


@pytest.mark.both_engines
async def test_after_every_replay_the_truth_still_gets_in(desk: Desk) -> None:
    first, other = await paid_and_unsure(desk)
    for body in (TRUE, success(1, receipt="UKN2ABCDEF"), success(2, receipt="UKN1ABCDEF")):
        await desk.post(other, body)

    after = await desk.post(other, success(2, receipt="UKN2ABCDEF"))

    assert (after.status, after.receipt, after.credited_cents) == (Status.PAID, "UKN2ABCDEF", 5000)
    assert Word.TWICE not in after.words
    assert await ids(desk, other) == ("merchant-2", "ws_CO_2712345678")
    assert as_it_stood(await desk.get(first.id)) == as_it_stood(first)


async def test_once_its_own_ids_are_known_another_body_may_not_pay_it(desk: Desk) -> None:
    """The first that is believed names the ids; what names others waits for a person."""
    first = await desk.post(await unsure(desk), failure(1032, 2))
    assert await ids(desk, first) == ("merchant-2", "ws_CO_2712345678")

    after = await desk.post(first, success(3, receipt="UKN3ABCDEF"))

    assert (after.status, after.credited_cents) == (Status.REVIEW, None)
    assert await ids(desk, first) == ("merchant-2", "ws_CO_2712345678")
    assert Alarm.CONTRADICTED in await alarms(desk)
