"""Counted apart: what a prompt hears after its line of the books was counted waits for a person."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.core.apart import Apart
from bot.core.decisions import Verdict
from bot.core.record_desk import RecordDesk
from bot.core.review import Review
from bot.core.rulings import Ruling
from mpesa.errors import OutcomeUnknown
from storage.records import Alarm, Kind, OpenKind, Payment, Source, Status
from storage.schema import payments
from tests.core.bodies import failure, success
from tests.core.conftest import Desk
from tests.core.test_apart import an_hour_off, ask_safaricom, told_by_books
from tests.core.test_counted_already import (
    BY_HAND,
    FORGED,
    TRUE,
    record,
    review,
)
from tests.core.test_record import a_row, assert_replays, born, kinds, opens, unmatched
from tests.core.test_review import alarms, credit, review_of

__all__ = ["record", "review"]

pytestmark = pytest.mark.both_engines


# --- The line is counted first, and the prompt hears a yes afterwards ---


async def unsure(desk: Desk) -> Payment:
    desk.daraja.replies = [OutcomeUnknown("timeout")]
    payment = await desk.ask()
    assert payment.status is Status.UNSURE
    return payment


async def declined(desk: Desk) -> Payment:
    return await desk.post(await desk.ask(), failure(1032))


async def lapsed(desk: Desk) -> Payment:
    payment = await desk.ask()
    for _ in range(14):
        desk.clock.advance(4 * 3600)
        desk.daraja.answers = ["4999"] * 3
        await desk.reconcile.run_due()
    after = await desk.get(payment.id)
    assert after.status is Status.LAPSED
    return after


SILENT = pytest.mark.parametrize("silent", [unsure, declined, lapsed])


@SILENT
@pytest.mark.parametrize("receipt", [TRUE, FORGED], ids=["honest", "forged"])
async def test_a_callback_after_its_line_was_counted_waits_for_a_person(
    desk: Desk,
    record: RecordDesk,
    review: Review,
    silent: Callable[[Desk], Awaitable[Payment]],
    receipt: str,
) -> None:
    payment = await silent(desk)
    own = await an_hour_off(desk, record, payment)
    assert await review.decide(credit(own, receipt=TRUE)) is Verdict.DONE

    await desk.post(payment, success(receipt=receipt))
    await ask_safaricom(desk, "0")
    desk.clock.advance(3 * 86400)
    await desk.reconcile.run_due()

    after = await desk.get(payment.id)
    assert after.credited_cents is None
    assert after.pending_at is not None
    assert any(payment.id in key for key in await alarms(desk, Alarm.PENDING))
    assert await record.rows.net_cents() == 50_00
    await assert_replays(desk)


async def test_so_does_a_yes_that_a_person_asked_for(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await lapsed(desk)
    own = await an_hour_off(desk, record, payment)
    assert await review.decide(credit(own, receipt=TRUE)) is Verdict.DONE
    await desk.reconcile.check_now(payment.id, by=1001, update_id=None)

    await ask_safaricom(desk, "0")

    after = await desk.get(payment.id)
    assert (after.status, after.credited_cents) == (Status.CONFIRMING, None)
    assert after.pending_at is not None
    assert await record.rows.net_cents() == 50_00


async def test_of_a_large_line_that_counts_the_prompt_counts_nothing(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.post(await desk.ask(amount_kes=9000), failure(1032))
    at = desk.clock.now() - timedelta(hours=1)
    row = a_row(at, reference=payment.push_ref, receipt=TRUE, kes=9000)
    await record.rows.take([row])
    assert await record.assign(await unmatched(record), by=900, why="") is Ruling.DONE

    await desk.post(payment, success(amount=9000, receipt=FORGED))
    await ask_safaricom(desk, "0")

    after = await desk.get(payment.id)
    assert (after.status, after.credited_cents) == (Status.REVIEW, None)
    assert await record.rows.net_cents() == 9000_00


async def test_a_second_line_that_is_the_prompts_own_counts_at_once(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await lapsed(desk)
    own = await an_hour_off(desk, record, payment)
    assert await review.decide(credit(own, receipt=TRUE)) is Verdict.DONE
    await desk.post(payment, success(receipt=BY_HAND))
    assert (await desk.get(payment.id)).credited_cents is None

    await told_by_books(desk, record, payment, BY_HAND, at=payment.begun_at)

    assert (await desk.get(payment.id)).receipt == BY_HAND
    assert await record.rows.net_cents() == 100_00
    await assert_replays(desk)


async def test_a_person_counts_more_for_it_only_by_a_code_that_the_books_have(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await declined(desk)
    own = await an_hour_off(desk, record, payment)
    assert await review.decide(credit(own, receipt=TRUE)) is Verdict.DONE
    await desk.post(payment, success(receipt=BY_HAND))

    typed = credit(payment, receipt=BY_HAND, key="press-2")
    assert await review.decide(typed) is Verdict.APART
    await record.rows.take([a_row(desk.clock.now(), receipt=BY_HAND, source=Source.STATUS)])
    assert await review.decide(typed) is Verdict.DONE

    assert await record.rows.net_cents() == 100_00


async def test_the_wait_for_a_prompt_that_nobody_asks_about_any_more_ends(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await desk.ask(amount_kes=9000)
    await desk.post(payment, success(amount=9000, receipt=FORGED))
    at = desk.clock.now() - timedelta(hours=1)
    row = a_row(at, reference=payment.push_ref, receipt=TRUE, kes=9000)
    await record.rows.take([row])
    own = await born(desk, TRUE)
    ruling = credit(own, receipt=TRUE, amount_cents=9000_00)
    alone = review_of(desk, two_people_above_kes=50_000)
    assert await alone.decide(ruling) is Verdict.COUNTED
    for _ in range(60):
        desk.clock.advance(3600)
        desk.daraja.answers = ["4999"] * 3
        await desk.reconcile.run_due()
    assert (await desk.get(payment.id)).status is Status.CONFIRMING

    assert await alone.decide(ruling) is Verdict.DONE
    assert await record.rows.net_cents() == 9000_00


# --- Died, said twice, and of no account of these books ---


async def test_a_process_that_dies_between_the_two_loses_nothing(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await lapsed(desk)
    own = await an_hour_off(desk, record, payment)
    row = await record.rows.get(TRUE)
    assert row is not None
    apart = Apart(store=desk.store, settle=desk.hear._settle, clock=desk.clock)
    for _ in range(2):
        assert await apart.forbids(row, own.id, by=900) is None

    assert (await kinds(desk, payment)).count(Kind.COUNTED_APART) == 1
    assert await record.rows.net_cents() == 0
    assert await review.decide(credit(own, receipt=TRUE)) is Verdict.DONE
    assert (await kinds(desk, payment)).count(Kind.COUNTED_APART) == 1
    assert await record.rows.net_cents() == 50_00


async def test_whichever_is_first_the_other_one_counts_nothing(
    desk: Desk, record: RecordDesk, review: Review
) -> None:
    payment = await unsure(desk)
    own = await an_hour_off(desk, record, payment)

    verdict, _ = await asyncio.gather(
        review.decide(credit(own, receipt=TRUE)), desk.post(payment, success(receipt=FORGED))
    )

    counts = (await desk.get(payment.id)).credited_cents is not None
    assert verdict is (Verdict.COUNTED if counts else Verdict.DONE)
    assert await record.rows.net_cents() == 50_00


async def test_what_waits_for_a_second_operator_is_not_counted_yet(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await lapsed(desk)
    own = await an_hour_off(desk, record, payment)
    much = review_of(desk, two_people_above_kes=10)

    assert await much.decide(credit(own, receipt=TRUE)) is Verdict.PROPOSED
    assert Kind.COUNTED_APART not in await kinds(desk, payment)

    item = await much.one(own.id, by=901)
    assert item is not None
    assert item.proposal is not None
    agreed = await much.agree(own.id, proposal_id=item.proposal.id, by=901, key="press-2")
    assert agreed is Verdict.DONE
    assert Kind.COUNTED_APART in await kinds(desk, payment)


async def test_the_prompt_of_another_account_counts_nothing_of_these_books(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=FORGED))
    theirs = update(payments).where(payments.c.id == payment.id).values(account="branch")
    await desk.store.write(lambda tx: tx.payments._connection.execute(theirs))
    other = await desk.ask(phone="254722000111", ask_key="m:1001:8")
    await told_by_books(desk, record, payment, TRUE)
    assert await opens(record) == [(OpenKind.UNMATCHED, TRUE)]

    ruled = await record.assign(await unmatched(record), to=other.id, by=900, why="theirs")

    assert ruled is Ruling.DONE
    assert (await desk.get(other.id)).receipt == TRUE
