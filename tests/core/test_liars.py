"""What somebody who knows a payment's address, or more, can and cannot do to it."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from datetime import timedelta

import pytest

from bot.core.hear import CALLBACKS_KEPT, UNTRUSTED_KEPT, Hear
from mpesa.callbacks import parse_callback
from mpesa.errors import OutcomeUnknown
from storage.evidence import ORPHANS_PER_PAYMENT, Orphaned
from storage.records import Alarm, Kind, Payment, Status, Word
from storage.tx import Tx
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.core.test_hear import alarms

INSIDE = "196.201.214.200"
OUTSIDE = "203.0.113.9"


async def kinds(desk: Desk, payment: Payment) -> Counter[Kind]:
    async with desk.store.read() as tx:
        found = await tx.evidence.of([payment.id])
    return Counter(each.kind for each in found[payment.id])


def hear_from(desk: Desk, *networks: str) -> Hear:
    return Hear(
        store=desk.store,
        settle=desk.hear._settle,
        clock=desk.clock,
        unconfirmed_total_kes=100_000,
        wake=lambda: None,
        allow_from=networks,
    )


async def post_from(hear: Hear, desk: Desk, payment: Payment, body: bytes, source: str) -> Payment:
    await hear.callback(payment.id, parse_callback(body), body, source=source)
    return await desk.get(payment.id)


async def unsure(desk: Desk) -> Payment:
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    return await desk.ask()


@pytest.mark.parametrize("amount_kes", [50, 9000])
@pytest.mark.both_engines
async def test_the_truth_after_a_forged_failure_with_made_up_ids_reaches_a_person(
    desk: Desk, amount_kes: int
) -> None:
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    payment = await desk.ask(amount_kes=amount_kes)
    await desk.post(payment, failure(1032, merchant="forged", checkout="ws_CO_forged"))

    after = await desk.post(payment, success(amount=amount_kes))

    assert (after.status, after.pending_at is not None) == (Status.REVIEW, True)
    assert after.receipt == "UKN1ABCDEF"
    assert Alarm.PENDING in await alarms(desk)


async def test_the_truth_after_a_forged_success_with_made_up_ids_is_told_as_a_second_receipt(
    desk: Desk,
) -> None:
    payment = await unsure(desk)
    forged = success(merchant="forged", checkout="ws_CO_forged", receipt="FAKE123456")
    await desk.post(payment, forged)

    after = await desk.post(payment, success())

    assert (after.status, after.credited_cents) == (Status.PAID, 5000)
    assert Word.TWICE in after.words
    assert Alarm.TWICE in await alarms(desk)


async def test_made_up_ids_after_the_truth_credit_nothing_more(desk: Desk) -> None:
    payment = await desk.post(await unsure(desk), success())

    after = await desk.post(payment, success(merchant="forged", checkout="ws_CO_forged"))

    assert (after.status, after.credited_cents) == (Status.PAID, 5000)
    async with desk.store.read() as tx:
        assert await tx.payments.checkout_id(after.id) == "ws_CO_1712345678"


async def test_ids_that_safaricom_gave_stay_the_only_ones(desk: Desk) -> None:
    payment = await desk.ask()

    after = await desk.post(payment, success(checkout="ws_CO_forged"))

    assert after.status is Status.PROMPTED
    assert (await kinds(desk, payment))[Kind.UNTRUSTED] == 1


@pytest.mark.both_engines
async def test_a_credit_that_safaricom_denies_is_flagged_and_waits_for_a_person(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(), success())
    assert payment.pending_at is None
    desk.clock.advance(130)
    desk.daraja.answers = ["1032"]
    await desk.reconcile.run_due()

    denied = await desk.get(payment.id)

    assert (denied.status, denied.words) == (Status.PAID, frozenset({Word.CONTRADICTED}))
    assert denied.pending_at == desk.clock.now()
    assert Counter(await alarms(desk)) == {Alarm.CONTRADICTED: 1}


@pytest.mark.both_engines
async def test_a_credit_that_safaricom_both_denies_and_confirms_needs_no_person(desk: Desk) -> None:
    payment = await desk.post(await desk.ask(), success())
    payment = await desk.post(payment, failure(1032))
    assert payment.pending_at is not None

    desk.clock.advance(130)
    desk.daraja.answers = ["0"]
    await desk.reconcile.run_due()

    after = await desk.get(payment.id)
    assert (after.status, after.words) == (Status.PAID, frozenset({Word.CONTRADICTED}))
    assert (after.confirmed, after.pending_at) == (True, None)


@pytest.mark.both_engines
async def test_whoever_knows_everything_cannot_fill_the_disk(desk: Desk) -> None:
    payment = await desk.ask()
    for number in range(CALLBACKS_KEPT + 30):
        lie = failure(f"ZZ_{number}")
        await desk.hear.callback(payment.id, parse_callback(lie), lie, source="test")
    paid = await desk.post(payment, success())
    for number in range(30):
        lie = success(receipt=f"FAKE{number:06d}")
        await desk.hear.callback(payment.id, parse_callback(lie), lie, source="test")

    kept = await kinds(desk, payment)
    assert paid.status is Status.PAID
    assert kept[Kind.CALLBACK_FAILED] == CALLBACKS_KEPT
    assert kept[Kind.CALLBACK_PAID] == 1
    assert kept[Kind.UNTRUSTED] == UNTRUSTED_KEPT


@pytest.mark.both_engines
async def test_one_of_each_sort_is_kept_besides_and_no_more(desk: Desk) -> None:
    payment = await desk.ask()
    floods = [failure(f"ZZ_{number}") for number in range(CALLBACKS_KEPT)]
    sorts = [
        success(),
        success(metadata=False),
        *(success(receipt=receipt, phone="254711000999") for receipt in ("UKN2ABCDEF", None)),
    ]
    for body in [*floods, *sorts, *(success(receipt=f"FAKE{n:06d}") for n in range(9))]:
        await desk.hear.callback(payment.id, parse_callback(body), body, source="test")

    kept = await kinds(desk, payment)
    trusted = (Kind.CALLBACK_FAILED, Kind.CALLBACK_PAID, Kind.CALLBACK_BARE)
    assert [kept[kind] for kind in trusted] == [CALLBACKS_KEPT, 2, 2]


@pytest.mark.both_engines
async def test_a_success_from_outside_waits_for_a_query_and_is_told_once_an_hour(
    desk: Desk,
) -> None:
    hear = hear_from(desk, "196.201.214.0/24")
    first, second = await desk.ask(), await desk.ask(ask_key="m:1001:8", phone="254722000111")

    held = await post_from(hear, desk, first, success(1), OUTSIDE)
    also = await post_from(hear, desk, second, success(2, receipt="UKN2ABCDEF"), "no address")

    assert (held.status, also.status) == (Status.CONFIRMING, Status.CONFIRMING)
    assert (await alarms(desk)).count(Alarm.OUTSIDE) == 1

    desk.daraja.answers = ["0", "0"]
    desk.clock.advance(60)
    await desk.reconcile.run_due()
    # The budget may let only one of the two be asked about, whichever that is.
    asked = [await desk.get(each.id) for each in (first, second)]
    assert Status.PAID in {each.status for each in asked}

    desk.clock.advance(3600)
    await post_from(hear, desk, first, failure(1032), OUTSIDE)
    assert (await alarms(desk)).count(Alarm.OUTSIDE) == 1


@pytest.mark.parametrize("source", [INSIDE, f"::ffff:{INSIDE}"])
async def test_a_success_from_inside_counts_at_once(desk: Desk, source: str) -> None:
    hear = hear_from(desk, "196.201.214.0/24", "2001:db8::/32")

    after = await post_from(hear, desk, await desk.ask(), success(), source)

    assert after.status is Status.PAID
    assert Alarm.OUTSIDE not in await alarms(desk)


async def test_a_failure_from_outside_is_believed_and_told(desk: Desk) -> None:
    hear = hear_from(desk, INSIDE)

    after = await post_from(hear, desk, await desk.ask(), failure(1032), OUTSIDE)

    assert after.status is Status.DECLINED
    assert Alarm.OUTSIDE in await alarms(desk)


@pytest.mark.both_engines
async def test_a_success_that_names_another_phone_waits_for_a_query(desk: Desk) -> None:
    first, second = await desk.ask(), await desk.ask(ask_key="m:1001:8", phone="254722000111")
    other = success(2, receipt="UKN2ABCDEF", phone=254712345678)

    held = await desk.post(first, success(1, phone=254722000111))
    also = await desk.post(second, other)

    assert (held.status, also.status) == (Status.CONFIRMING, Status.CONFIRMING)
    assert Counter(await alarms(desk)) == {Alarm.PHONE_HELD: 1}, "once an hour"
    desk.daraja.answers = ["0", "0"]
    for _ in range(2):
        desk.clock.advance(60)
        await desk.reconcile.run_due()
    assert [(await desk.get(each.id)).status for each in (first, second)] == [Status.PAID] * 2


@pytest.mark.both_engines
@pytest.mark.parametrize("phone", [254712345678, "254712345678", "2547***678", "0712***678", None])
async def test_the_phone_that_was_asked_counts_at_once_and_so_does_one_that_nobody_can_read(
    desk: Desk, phone: int | str | None
) -> None:
    after = await desk.post(await desk.ask(), success(phone=phone))

    assert after.status is Status.PAID
    assert await alarms(desk) == []


@pytest.mark.both_engines
async def test_the_truth_counts_before_and_after_a_body_that_names_another_phone(
    desk: Desk,
) -> None:
    first = await desk.ask()
    for body in (success(phone=254722000111), success(phone=254722000111), success()):
        after = await desk.post(first, body)
    assert (after.status, after.credited_cents, after.words) == (Status.PAID, 5000, frozenset())

    desk.clock.advance(600)
    second = await desk.ask(ask_key="m:1001:8")
    for phone in (None, 254722000111):
        after = await desk.post(second, success(2, receipt="UKN2ABCDEF", phone=phone))
    assert (after.status, after.credited_cents, after.words) == (Status.PAID, 5000, frozenset())
    assert (await kinds(desk, first))[Kind.CALLBACK_PAID] == 2, "the same body twice is one"


async def test_another_phone_beside_a_no_waits_for_a_person_and_takes_no_credit_away(
    desk: Desk,
) -> None:
    other = success(phone=254722000111, receipt="UKN2ABCDEF")
    denied = await desk.post(await desk.post(await desk.ask(), failure()), other)
    assert (denied.status, denied.pending_at is not None) == (Status.REVIEW, True)

    desk.clock.advance(600)
    paid = await desk.post(await desk.ask(ask_key="m:1001:8"), success(2))
    after = await desk.post(paid, success(2, phone=254722000111))
    assert (after.status, after.receipt, after.credited_cents) == (Status.PAID, paid.receipt, 5000)


async def test_any_address_may_call_where_none_is_named(desk: Desk) -> None:
    after = await post_from(hear_from(desk), desk, await desk.ask(), success(), OUTSIDE)

    assert after.status is Status.PAID
    assert await alarms(desk) == []


async def test_orphans_are_capped_and_the_first_ones_stay(desk: Desk) -> None:
    async def keep(tx: Tx, payment_id: str, body: bytes) -> Orphaned:
        return await tx.evidence.keep_orphan(payment_id, body, at=desk.clock.now(), orphans_max=50)

    async def stray(number: int, body: bytes) -> Orphaned:
        return await desk.store.write(lambda tx: keep(tx, f"{number:032x}", body))

    first = [await stray(1, b"%d" % number) for number in range(ORPHANS_PER_PAYMENT + 5)]
    assert first == [Orphaned.KEPT] * ORPHANS_PER_PAYMENT + [Orphaned.NOT_NEW] * 5
    rest = [await stray(number, b"x") for number in range(2, 102)]
    assert rest == [Orphaned.KEPT] * 30 + [Orphaned.FULL] * 70
    again = [await stray(1, b"%d" % number) for number in range(ORPHANS_PER_PAYMENT)]
    assert set(again) == {Orphaned.NOT_NEW}


async def test_orphans_that_do_not_fit_are_told_once_an_hour(desk: Desk) -> None:
    class Small(Hear):
        orphans_max = 3

    hear = Small(
        store=desk.store,
        settle=desk.hear._settle,
        clock=desk.clock,
        unconfirmed_total_kes=100_000,
        wake=lambda: None,
    )
    for number in range(1, 40):
        await hear.callback(f"{number:032x}", parse_callback(b"{}"), b"{}", source="test")

    assert Counter(await alarms(desk)) == {Alarm.ORPHAN: 1, Alarm.ORPHANS_FULL: 1}
    desk.clock.advance(3600)
    await hear.callback(f"{40:032x}", parse_callback(b"{}"), b"{}", source="test")
    assert await alarms(desk) == [Alarm.ORPHANS_FULL]


@pytest.mark.both_engines
async def test_every_real_callback_replayed_on_every_other_payment_changes_nothing(
    desk: Desk,
) -> None:
    phones = [f"25472200011{number}" for number in range(4)]
    asked = [await desk.ask(ask_key=f"m:1001:{n}", phone=p) for n, p in enumerate(phones)]
    bodies = [success(1, receipt="UKN1ABCDEF"), failure(1032, 2), success(3, metadata=False)]
    for payment, body in zip(asked, bodies, strict=False):
        await desk.post(payment, body)
    before = [await desk.get(payment.id) for payment in asked]

    for place, body in enumerate(bodies):
        for other, payment in enumerate(asked):
            if other != place:
                await desk.post(payment, body)

    def money(payment: Payment) -> Payment:
        return dataclasses.replace(payment, rev=0, next_check_at=None)

    after = [await desk.get(payment.id) for payment in asked]
    assert [money(each) for each in after] == [money(each) for each in before]


@pytest.mark.both_engines
async def test_a_yes_about_ids_that_only_a_callback_named_credits_nothing_large(
    desk: Desk,
) -> None:
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    payment = await desk.ask(amount_kes=9000)
    # The ids are those of a payment that was made: by the liar, and of one shilling.
    lie = success(merchant="paid-elsewhere", checkout="ws_CO_paid_elsewhere", amount=9000.0)
    await desk.post(payment, lie)

    desk.daraja.answers = ["0", "0", "0"]
    for seconds in (0, 60, 600):
        desk.clock.advance(seconds)
        await desk.reconcile.run_due()

    after = await desk.get(payment.id)
    assert len(desk.daraja.queries) == 3
    assert (after.status, after.credited_cents) == (Status.CONFIRMING, None)
    assert after.pending_at is not None
    assert (await kinds(desk, payment))[Kind.QUERY_PAID] == 1
    assert (await alarms(desk)).count(Alarm.PENDING) == 1


async def test_a_claimed_receipt_of_another_payment_waits_for_safaricom(desk: Desk) -> None:
    victim = await desk.ask()
    thief = await desk.ask(ask_key="m:1001:8", phone="254722000111")
    await desk.post(thief, success(2, receipt="UKN1ABCDEF"))

    held = await desk.post(victim, success(1, receipt="UKN1ABCDEF"))
    assert held.status is Status.CONFIRMING
    desk.daraja.answers = ["0"]
    desk.clock.advance(1)
    await desk.reconcile.run_due()

    await desk.complete(victim)
    assert timedelta(0) < desk.clock.now() - victim.created_at


@pytest.mark.parametrize("note", ["Call 0712 345 678 NOW", "<b>refund</b>", "lunch", "\u202e" * 30])
async def test_no_words_of_a_stranger_reach_the_prompt(desk: Desk, note: str) -> None:
    await desk.ask(note=note)

    [push] = desk.daraja.pushes
    assert push.description == "Payment"
    assert re.fullmatch(r"PAY-[2-9A-HJ-NP-Z]{5}", push.reference)
    assert note not in repr(push)


@pytest.mark.parametrize("truth", [success(), failure(1032)])
async def test_the_first_of_each_sort_gets_in_after_any_flood(desk: Desk, truth: bytes) -> None:
    payment = await desk.ask()
    for number in range(CALLBACKS_KEPT):
        bare = success(metadata=False)[:-1] + b" " * number + b"}"
        await desk.hear.callback(payment.id, parse_callback(bare), bare, source="test")

    after = await desk.post(payment, truth)

    assert (await kinds(desk, payment))[Kind.UNTRUSTED] == 0
    assert after.status is (Status.PAID if truth == success() else Status.REVIEW)


@pytest.mark.both_engines
async def test_a_denied_credit_waits_for_a_person_though_other_ids_were_confirmed(
    desk: Desk,
) -> None:
    payment = await unsure(desk)
    await desk.post(payment, success(merchant="paid-elsewhere", checkout="ws_CO_paid_elsewhere"))
    desk.clock.advance(130)
    desk.daraja.answers = ["0"]
    await desk.reconcile.run_due()

    denied = await desk.post(payment, failure(1032))

    assert (denied.status, Word.CONTRADICTED in denied.words) == (Status.PAID, True)
    assert denied.pending_at is not None
    assert Alarm.CONTRADICTED in await alarms(desk)


@pytest.mark.both_engines
async def test_a_success_with_other_ids_uses_up_no_alarm_of_a_credit_that_is_denied(
    desk: Desk,
) -> None:
    payment = await unsure(desk)
    await desk.post(payment, success())
    other = success(
        merchant="paid-elsewhere", checkout="ws_CO_paid_elsewhere", receipt="UKN2ABCDEF"
    )
    for _ in range(2):
        await desk.post(payment, other)
    assert Counter(await alarms(desk))[Alarm.CONTRADICTED] == 1

    denied = await desk.post(payment, failure(1032))

    assert (denied.status, Word.CONTRADICTED in denied.words) == (Status.PAID, True)
    assert Counter(await alarms(desk))[Alarm.CONTRADICTED] == 1
