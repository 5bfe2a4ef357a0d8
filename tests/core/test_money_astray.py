"""Money that came to the first account, and was for another one, is a person's to place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from bot.core.record_desk import RecordDesk
from bot.core.rulings import Ruling
from storage.records import NewRecordRow, OpenKind, Payment, RowKind, Source, Status, Word
from storage.schema import payments
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.test_record import RECEIPT, a_row, assert_replays, born, by_hand_ref, opens
from tests.desk import ScriptedOffice

FOR = "i:" + "a" * 32
"""What the payments of the other account are for."""

pytestmark = pytest.mark.both_engines


async def of_fish(desk: Desk, payment: Payment) -> Payment:
    """That payment, as one whose money becomes that of the account "fish"."""
    theirs = update(payments).where(payments.c.id == payment.id).values(account="fish", subject=FOR)
    await desk.store.write(lambda tx: tx.payments._connection.execute(theirs))
    return await desk.get(payment.id)


async def typed(desk: Desk, payment: Payment, which: str) -> NewRecordRow:
    """Who should have paid fish typed that reference at the first account's Paybill."""
    push = which == "push"
    reference = payment.push_ref if push else await by_hand_ref(desk, payment)
    return a_row(desk.clock.now(), reference=reference, source=Source.PORTAL)


async def credited_for(desk: Desk) -> list[int | None]:
    async with desk.store.read() as tx:
        return [each.credited_cents for each in await tx.payments.credited() if each.subject == FOR]


@pytest.mark.parametrize("which", ["push", "by hand"])
async def test_it_credits_no_payment_of_the_other_account(
    desk: Desk, record: RecordDesk, which: str
) -> None:
    payment = await of_fish(desk, await desk.ask())
    row = await typed(desk, payment, which)

    for source in (Source.PULL, Source.PORTAL):
        await record.rows.take([replace(row, source=source)])
        await record.rows.look_again()

    assert await credited_for(desk) == []
    assert (await desk.get(payment.id)).status is Status.PROMPTED
    assert await opens(record) == [(OpenKind.UNMATCHED, RECEIPT)]


@pytest.mark.parametrize("which", ["push", "by hand"])
async def test_a_person_may_say_that_it_pays_what_it_was_for(
    desk: Desk, record: RecordDesk, which: str
) -> None:
    payment = await of_fish(desk, await desk.ask())
    await record.rows.take([await typed(desk, payment, which)])
    [astray] = await record.open_differences()

    ruled = await record.assign(astray.id, to=payment.id, by=900, why="we hand it on")

    assert ruled is Ruling.DONE
    assert await credited_for(desk) == [50_00]
    assert await opens(record) == []


@pytest.mark.parametrize("which", ["push", "by hand"])
async def test_where_a_post_gave_it_to_one_of_ours_neither_is_credited_by_the_books(
    desk: Desk, record: RecordDesk, which: str
) -> None:
    theirs = await of_fish(desk, await desk.ask())
    liar = await desk.ask(ask_key="m:2", phone="254722000111")
    forged = success(receipt=RECEIPT, merchant="merchant-2", checkout="ws_CO_2712345678")
    liar = await desk.post(liar, forged)

    for _ in range(2):
        await record.rows.take([await typed(desk, theirs, which)])
        await record.rows.look_again()

    assert await credited_for(desk) == []
    wrong = await desk.get(liar.id)
    assert (wrong.receipt, Word.CONTRADICTED in wrong.words) == (None, True)
    assert (await born(desk)).status is Status.REVIEW
    assert await opens(record) == [(OpenKind.REVIEW, RECEIPT)]
    await assert_replays(desk)


async def test_beside_what_a_person_credited_a_second_one_waits_too(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await of_fish(desk, await desk.ask())
    row = await typed(desk, payment, "by hand")
    paid = await desk.post(payment, success(receipt="UKN3ABCDEF"))
    await record.rows.take([row])
    [astray] = await record.open_differences()
    await record.assign(astray.id, to=paid.id, by=900, why="we hand it on")
    assert (await born(desk)).account == ""

    await record.rows.take([replace(row, receipt="UKN4ABCDEF")])

    assert await opens(record) == [(OpenKind.UNMATCHED, "UKN4ABCDEF")]
    assert await credited_for(desk) == [50_00, 50_00]


async def test_what_another_account_received_is_not_given_back_in_the_name_of_the_first(
    desk: Desk, record: RecordDesk, office: ScriptedOffice
) -> None:
    payment = await of_fish(desk, await desk.post(await desk.ask(), success(receipt=RECEIPT)))

    ruled = [await record.reverse(payment.id, by=by, why="x") for by in (900, 901)]

    assert ruled == [Ruling.CANNOT, Ruling.CANNOT]
    assert office.reversed == []


async def test_what_went_back_of_the_first_account_is_proposed_for_no_payment_of_another(
    desk: Desk, record: RecordDesk
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))
    await record.rows.take([a_row(desk.clock.now(), receipt="UKN7BACKBA", kind=RowKind.REVERSAL)])
    [proposed] = await record.rows.suggestions("UKN7BACKBA")
    assert proposed.payment.id == payment.id

    await of_fish(desk, payment)

    assert await record.rows.suggestions("UKN7BACKBA") == []
