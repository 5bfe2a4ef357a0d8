"""Callbacks: believed only when they name what we know, from liars and from Safaricom."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.hear import Hear
from mpesa.callbacks import parse_callback
from mpesa.errors import OutcomeUnknown
from storage.records import Alarm, Kind, NoticeKind, Payment, Status, Word
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.stores import NOON


async def alarms(desk: Desk) -> list[Alarm]:
    """The alarms owed to the operator so far."""
    found: list[Alarm] = []
    while True:
        claimed = await desk.store.write(
            lambda tx: tx.notices.claim(now=desk.clock.now(), lease=timedelta(seconds=60), limit=50)
        )
        if not claimed:
            return found
        for notice in claimed:
            if notice.alarm is not None:
                found.append(notice.alarm)
            await desk.store.write(
                lambda tx, n=notice: tx.notices.told(n, message_id=1, now=desk.clock.now())  # type: ignore[misc]  # the default pins n
            )


async def test_a_success_that_names_our_ids_and_amount_is_a_payment(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(), success())

    assert payment.status is Status.PAID
    assert (payment.receipt, payment.credited_cents) == ("UKN1ABCDEF", 5000)
    assert not payment.confirmed


@pytest.mark.parametrize(
    "body",
    [
        success(checkout="ws_CO_stolen"),
        success(merchant="stolen"),
        success(amount=49.0),
        success(amount=5000.0),
        success(amount=50.5),
        failure(checkout="ws_CO_stolen"),
        failure(4999),
        failure(None),
        b"",
        b"not json",
        b'{"Body": {"stkCallback": {}}}',
        b"[" * 5000,
    ],
)
async def test_what_names_other_things_changes_nothing_but_rings_the_operator(
    desk: Desk, body: bytes
) -> None:
    payment = await desk.ask()

    after = await desk.post(payment, body)

    assert after.status is Status.PROMPTED
    assert after.next_check_at == NOON  # asked about early
    assert await alarms(desk) == [Alarm.UNTRUSTED]


@pytest.mark.both_engines
async def test_a_success_without_metadata_waits_for_a_query(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(), success(metadata=False))
    assert payment.status is Status.CONFIRMING

    desk.daraja.answers = ["0"]
    await desk.reconcile.run_due()

    await desk.complete(payment)


async def test_a_large_success_waits_for_a_query(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(amount_kes=9000), success(amount=9000.0))
    assert payment.status is Status.CONFIRMING

    desk.daraja.answers = ["0"]
    await desk.reconcile.run_due()

    paid = await desk.get(payment.id)
    assert (paid.status, paid.receipt, paid.confirmed) == (Status.PAID, "UKN1ABCDEF", True)


@pytest.mark.both_engines
async def test_a_large_success_that_safaricom_denies_goes_to_a_person(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(amount_kes=9000), success(amount=9000.0))

    desk.daraja.answers = ["1032"]
    await desk.reconcile.run_due()

    after = await desk.get(payment.id)
    assert (after.status, after.pending_at is not None) == (Status.REVIEW, True)


async def test_a_success_after_a_failure_is_money_and_is_called_late(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(), failure(1037))
    assert (payment.status, payment.reason) == (Status.DECLINED, "no-answer")
    desk.clock.advance(7 * 24 * 3600)

    after = await desk.post(payment, success())

    assert after.status is Status.PAID
    assert after.words == {Word.LATE, Word.CONTRADICTED}


async def test_a_failure_after_a_success_takes_nothing_back(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(), success())

    after = await desk.post(payment, failure(1032))

    assert after.status is Status.PAID
    assert after.words == {Word.CONTRADICTED}


async def test_a_code_nobody_has_seen_declines_and_tells_the_operator(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(), failure("ZZ_77"))

    assert (payment.status, payment.reason) == (Status.DECLINED, "unlisted")
    assert Alarm.UNLISTED in await alarms(desk)


async def test_one_receipt_pays_once_however_it_is_spread(desk: Desk) -> None:
    first = await desk.post(await desk.ask(), success(1))
    other = await desk.ask(ask_key="m:1001:8", phone="254722000111")

    second = await desk.post(other, success(2))

    assert first.status is Status.PAID
    assert second.status is Status.CONFIRMING
    assert second.receipt is None
    assert Alarm.RECEIPT_HELD in await alarms(desk)


async def test_another_payments_checkout_id_proves_nothing(desk: Desk) -> None:
    await desk.ask()
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    unsure = await desk.ask(ask_key="m:1001:8", phone="254722000111")
    assert unsure.status is Status.UNSURE

    after = await desk.post(unsure, success(1))

    assert after.status is Status.UNSURE


async def test_a_payment_whose_reply_was_lost_is_found_by_its_address(desk: Desk) -> None:
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    unsure = await desk.ask()

    paid = await desk.post(unsure, success())

    assert paid.status is Status.PAID
    async with desk.store.read() as tx:
        assert await tx.payments.checkout_id(paid.id) == "ws_CO_1712345678"


@pytest.mark.both_engines
async def test_successes_by_callback_alone_may_not_exceed_their_total(desk: Desk) -> None:
    desk.hear = Hear(
        store=desk.store,
        settle=desk.hear._settle,
        clock=desk.clock,
        unconfirmed_total_kes=120,
        wake=lambda: None,
    )
    payments: list[Payment] = []
    for number in range(1, 4):
        payment = await desk.ask(
            ask_key=f"m:1001:{number}", phone=f"25472200011{number}", amount_kes=50
        )
        payments.append(await desk.post(payment, success(number, receipt=f"UKN{number}ABCDEF")))

    assert [p.status for p in payments] == [Status.PAID, Status.PAID, Status.CONFIRMING]
    assert Alarm.LIMIT_HELD in await alarms(desk)

    desk.daraja.answers = ["0"]
    await desk.reconcile.run_due()
    await desk.complete(payments[2])


async def test_a_total_of_nothing_holds_what_was_asked_for_before_too(desk: Desk) -> None:
    """What SECURITY.md tells those to set whose key has leaked."""
    asked = await desk.ask()
    desk.hear = Hear(
        store=desk.store,
        settle=desk.hear._settle,
        clock=desk.clock,
        unconfirmed_total_kes=0,
        wake=lambda: None,
    )

    told = await desk.post(asked, success())

    assert asked.amount_kes <= asked.confirm_above_kes
    assert told.status is Status.CONFIRMING


async def test_only_twenty_lies_are_kept_and_the_truth_still_gets_in(desk: Desk) -> None:
    payment = await desk.ask()
    for number in range(40):
        await desk.post(payment, success(amount=1000.0 + number))
    after = await desk.post(payment, success())

    async with desk.store.read() as tx:
        kinds = [each.kind for each in (await tx.evidence.of([payment.id]))[payment.id]]
    assert kinds.count(Kind.UNTRUSTED) == 20
    assert after.status is Status.PAID


async def test_a_signed_address_without_a_payment_is_kept_and_rung(desk: Desk) -> None:
    await desk.hear.callback("f" * 32, parse_callback(b"{}"), b"{}", source="test")
    await desk.hear.callback("f" * 32, parse_callback(b"{}"), b"{}", source="test")

    assert await alarms(desk) == [Alarm.ORPHAN]


async def test_a_slow_last_word_is_also_a_new_message(desk: Desk) -> None:
    payment = await desk.ask()
    desk.clock.advance(300)
    await desk.post(payment, success())

    kinds = set()
    for _ in range(5):
        for notice in await desk.store.write(
            lambda tx: tx.notices.claim(now=desk.clock.now(), lease=timedelta(seconds=60), limit=9)
        ):
            kinds.add(notice.kind)
            await desk.store.write(
                lambda tx, n=notice: tx.notices.told(n, message_id=1, now=desk.clock.now())  # type: ignore[misc]  # the default pins n
            )
    assert kinds == {NoticeKind.STATUS, NoticeKind.RING}
