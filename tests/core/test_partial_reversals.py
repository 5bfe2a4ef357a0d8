"""Partial reversals: what went back is taken off part by part, and never more than came."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.chat.alarms import _spaced
from bot.chat.cards import status_card
from bot.chat.keyboards import Stationery
from bot.core.bills import Standing
from bot.core.outcomes import Outcome, standing
from bot.core.ports import Collector
from bot.core.record_desk import RecordDesk
from bot.texts import Texts
from storage.records import Payment, RowKind, Status, Word
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.drive_life import DriveLife, drives
from tests.core.shop import NJERI, make_shop
from tests.core.test_record import a_row, assert_replays
from tests.stores import TestClock

__all__ = ["drives"]

RECEIPT = "UKN1ABCDEF"
SHOP = Collector(name="Shop", kind="paybill", number="600000", practice=False)


async def went_back(
    record: RecordDesk, clock: TestClock, parts: Sequence[float], *, of: str = RECEIPT
) -> None:
    """Each part under a receipt of its own, as Safaricom's books have them; and all told twice."""
    rows = [
        a_row(
            clock.now(),
            receipt=f"UKN7BACK{number:02d}",
            kes=kes,
            kind=RowKind.REVERSAL,
            linked=of,
        )
        for number, kes in enumerate(parts)
    ]
    for row in [*rows, *rows]:
        await record.rows.take([row])


@pytest.mark.parametrize(
    ("parts", "left_kes"),
    [
        ([20], 30),
        ([20, 5], 25),
        ([20, 20.5], 9.5),
        ([20, 30], 0),
        ([20, 45], 0),  # over the rest
        ([60], 0),  # over all that came
        ([20, 50], 0),  # a part, then "the whole"
        ([50, 20], 0),
    ],
)
async def test_parts_add_up_and_never_to_more_than_came(
    desk: Desk,
    record: RecordDesk,
    clock: TestClock,
    parts: list[float],
    left_kes: float,
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))

    await went_back(record, clock, parts)

    after = await desk.get(payment.id)
    left_cents = round(left_kes * 100)
    assert (after.status, after.receipt) == (Status.PAID, RECEIPT)
    assert (after.credited_cents, after.reversed_cents) == (left_cents, 50_00 - left_cents)
    assert Word.REVERSED in after.words
    assert await record.rows.net_cents() == left_cents
    await assert_replays(desk)


@pytest.mark.parametrize(
    ("parts", "stands"),
    [([], Outcome.PAID), ([20], Outcome.PAID), ([20, 30], Outcome.RETURNED)],
)
async def test_one_of_which_a_part_went_back_is_still_paid(
    desk: Desk, record: RecordDesk, clock: TestClock, parts: list[float], stands: Outcome
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))

    await went_back(record, clock, parts)

    assert standing(await desk.get(payment.id)) is stands


async def test_the_order_of_the_parts_and_of_the_payment_does_not_matter(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    payment = await desk.ask()
    await went_back(record, clock, [20, 5])
    await desk.post(payment, success(receipt=RECEIPT))
    await record.rows.look_again()

    after = await desk.get(payment.id)
    assert (after.credited_cents, after.reversed_cents) == (25_00, 25_00)
    await assert_replays(desk)


async def words_of(desk: Desk, payment: Payment) -> str:
    view = await desk.books.view(payment.id)
    assert view is not None
    paper = Stationery(texts=Texts.load(), collector=SHOP, username="bot")
    return status_card(view, paper, now=desk.clock.now()).text


@pytest.mark.both_engines
async def test_the_chat_says_how_much_went_back_and_says_it_anew_with_each_part(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    payment = await desk.post(await desk.ask(), success(receipt=RECEIPT))

    await went_back(record, clock, [20])
    wished = await wanted(desk, payment)
    assert "Returned: KES 20 of KES 50" in await words_of(desk, payment)
    assert "KES 30 of it stays paid" in await words_of(desk, payment)

    await went_back(record, clock, [20, 5])
    assert await wanted(desk, payment) > wished
    assert "Returned: KES 25 of KES 50" in await words_of(desk, payment)

    await went_back(record, clock, [20, 5, 25])
    said = await words_of(desk, payment)
    assert "Returned: KES 50</b>" in said
    assert "✅" not in said


async def wanted(desk: Desk, payment: Payment) -> int:
    """How often the status message was wished for."""
    from sqlalchemy import select

    from storage.schema import notices

    query = select(notices.c.wanted).where(notices.c.key == f"status:{payment.id}")
    async with desk.store.read() as tx:
        return int((await tx.notices._connection.execute(query)).scalar_one())


async def test_a_drives_total_has_what_stayed(
    drives: DriveLife,
    record: RecordDesk,
    clock: TestClock,
) -> None:
    drive = await drives.open()
    payment = await drives.paid(drive)
    assert payment.receipt is not None

    await went_back(record, clock, [200], of=payment.receipt)
    assert (await drives.drives.totals(drive.id)).mpesa_cents == 300_00
    await went_back(record, clock, [200, 250], of=payment.receipt)
    assert (await drives.drives.totals(drive.id)).mpesa_cents == 50_00
    await went_back(record, clock, [200, 250, 500], of=payment.receipt)

    totals = await drives.drives.totals(drive.id)
    assert (totals.mpesa_cents, totals.mpesa_gifts) == (0, 0)


async def test_an_invoice_is_open_again_by_each_part_and_the_merchant_is_told_each(
    desk: Desk, record: RecordDesk, clock: TestClock
) -> None:
    shop = make_shop(desk)
    await shop.appoint()
    view = await shop.issue()
    payment = await shop.paid(view)
    assert payment.receipt is not None
    await shop.touched.run_due()

    lefts = []
    for parts in ([200], [200, 300], [200, 300, 1500]):
        await went_back(record, clock, parts, of=payment.receipt)
        await shop.touched.run_due()
        view = await shop.view(view)
        lefts.append((view.left_cents, view.standing))

    assert lefts == [
        (200_00, Standing.PART_PAID),
        (500_00, Standing.PART_PAID),
        (1500_00, Standing.OPEN),
    ]
    told = [topic for topic in await shop.news(NJERI) if topic.startswith("reversed")]
    assert told == [
        f"reversed:{payment.id}:20000",
        f"reversed:{payment.id}:50000",
        f"reversed:{payment.id}",
    ]
    for topic, cents in zip(told, (200_00, 500_00, 1500_00), strict=True):  # each told late
        found = await shop.invoices.news_view(view.invoice.id, topic)
        assert found is not None
        assert found.back_cents == cents


def test_a_number_that_nobody_told_is_a_dash() -> None:
    assert _spaced("") == "–"
    assert _spaced("254712345678") == "0712 345 678"
