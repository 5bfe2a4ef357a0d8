"""A reversal that turns out to be another payment's: whoever was told of it hears so, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from bot.core.ask import Asked
from bot.core.decisions import Deciding, Verdict
from bot.core.decisions import Ruling as Decision
from bot.core.invoice_news import news
from bot.core.invoices import InvoiceView
from bot.core.record_desk import RecordDesk
from bot.core.rulings import Ruling
from storage.records import Alarm, Closing, NewRecordRow, Notice, Payment, RowKind, Source
from storage.tx import Tx
from tests.core.shop import NJERI, Shop, shop
from tests.core.test_hear import alarms
from tests.core.test_record import a_row
from tests.core.test_review import review_of
from tests.desk import a_desk

__all__ = ["shop"]

PETER = 3003  # has the invoice, and pays nothing
BACK, ANOTHER = "UKN7BACKBA", "UKN7BACKBB"


class Turning:
    """Two paid invoices, and what is said to have gone back of the first one's payment."""

    def __init__(self, shop: Shop, view: InvoiceView, one: Payment, two: Payment) -> None:
        self.shop = shop
        self.view = view
        self.one = one
        self.two = two
        self.record: RecordDesk = a_desk(shop.desk.store, shop.desk.clock, seed=12)

    async def typed(self, receipt: str = BACK, *, cents: int | None = None) -> None:
        """An operator says that it went back."""
        said = Decision(
            payment_id=self.one.id,
            deciding=Deciding.REVERSE,
            by=900,
            key=f"{self.one.id}:{receipt}",
            receipt=receipt,
            amount_cents=cents,
        )
        review = review_of(self.shop.desk, two_people_above_kes=10_000)
        assert await review.decide(said) is Verdict.DONE

    async def in_the_books(self, payment: Payment, receipt: str = BACK, kes: float = 1500) -> None:
        """Safaricom says what that reversal took back."""
        await self.record.rows.take([self.row(payment, receipt, kes)])

    def row(self, payment: Payment, receipt: str, kes: float) -> NewRecordRow:
        at, linked = self.shop.desk.clock.now(), payment.receipt
        return a_row(at, receipt=receipt, kes=kes, kind=RowKind.REVERSAL, linked=linked)

    async def heard(self, who: int = NJERI) -> list[str]:
        """What they were told of the first payment, looked at more often than needed."""
        await self.shop.touched.run_due()
        for _ in range(2):
            await self.shop.look(self.view)
        about = f":{self.one.id}"
        return [topic.replace(about, "") for topic in await self.shop.news(who) if about in topic]


@pytest.fixture
async def turning(shop: Shop) -> Turning:
    view, another = await shop.issue(), await shop.issue()
    await shop.invoices.open(view.invoice.code, person_id=PETER, closing=Closing())
    one, two = await shop.paid(view), await shop.paid(another, phone="254722000002")
    await shop.touched.run_due()
    return Turning(shop, view, one, two)


@pytest.mark.both_engines
async def test_a_merchant_hears_that_it_counts_again_and_of_a_real_one_later(
    turning: Turning,
) -> None:
    await turning.typed()
    assert await turning.heard() == ["paid", "reversed"]

    await turning.in_the_books(turning.two)
    assert await turning.heard() == ["paid", "reversed", "again:1"]

    await turning.in_the_books(turning.one, ANOTHER)
    everything = ["paid", "reversed", "again:1", "reversed::1"]
    assert await turning.heard() == await turning.heard(PETER) == everything


async def test_what_turned_twice_before_anybody_looked_is_told_to_nobody(turning: Turning) -> None:
    await turning.typed()
    await turning.in_the_books(turning.two)

    assert await turning.heard() == ["paid"]
    await turning.in_the_books(turning.one, ANOTHER)
    assert await turning.heard() == ["paid", "reversed"]


async def test_of_two_parts_one_of_which_was_anothers_the_rest_is_told_anew(
    turning: Turning,
) -> None:
    await turning.in_the_books(turning.one, ANOTHER, kes=200)
    assert await turning.heard() == ["paid", "reversed:20000"]
    await turning.typed(cents=300_00)
    assert await turning.heard() == ["paid", "reversed:20000", "reversed:50000"]

    await turning.in_the_books(turning.two)

    assert (await turning.heard())[-2:] == ["reversed:50000", "reversed:20000:1"]
    found = await turning.shop.invoices.news_view(
        turning.view.invoice.id, f"reversed:{turning.one.id}:20000:1"
    )
    assert found is not None
    assert (found.payment, found.back_cents) == (
        await turning.shop.desk.get(turning.one.id),
        200_00,
    )


async def test_the_lesser_of_two_amounts_is_told_too_once_a_person_says_that_it_is_that(
    turning: Turning,
) -> None:
    await turning.typed(cents=200_00)
    assert await turning.heard() == ["paid", "reversed:20000"]
    row = turning.row(turning.one, BACK, 300)
    await turning.record.rows.take([row])
    assert await turning.heard() == ["paid", "reversed:20000", "reversed:30000"]
    await turning.record.rows.take([replace(row, amount_cents=200_00, source=Source.PORTAL)])
    [differs] = await turning.record.open_differences()

    assert await turning.record.assign(differs.id, by=900, why="it was 200") is Ruling.DONE

    assert (await turning.heard())[-2:] == ["reversed:30000", "reversed:20000:1"]


async def test_that_too_much_is_paid_is_told_anew_with_the_money_that_counts_again(
    turning: Turning,
) -> None:
    shop = turning.shop
    view = await shop.issue()
    asked = [await shop.pay(view, phone=f"25472200000{number}") for number in (3, 4)]
    one, _ = [await shop.complete(each.payment) for each in asked if isinstance(each, Asked)]
    await tell_all(shop)
    turning.view, turning.one = view, one
    await turning.typed()
    await tell_all(shop)

    await turning.in_the_books(turning.two)

    await turning.heard()
    again = [each.topic.partition(":")[0] for each in await tell_all(shop)]
    assert (again.count("again"), again.count("overpaid")) == (1, 1)


async def tell_all(shop: Shop) -> list[Notice]:
    """Tell everybody what they are owed; what that was."""
    await shop.touched.run_due()
    told: list[Notice] = []
    now = shop.desk.clock.now()
    while due := await shop.desk.store.write(
        lambda tx: tx.notices.claim(now=now, lease=timedelta(seconds=60), limit=50)
    ):
        for notice in due:
            await shop.desk.store.write(partial(_told, notice=notice, now=now))
        told += due
    return told


async def _told(tx: Tx, *, notice: Notice, now: datetime) -> None:
    await tx.notices.told(notice, message_id=1, now=now)


async def test_no_two_people_share_a_piece_of_news_however_long_its_key(turning: Turning) -> None:
    topic = f"reversed:{turning.one.id}:15000000:10"
    invoice = turning.view.invoice

    keys = {news(invoice, topic, chat_id=9_999_999_990 + number).key for number in range(10)}

    assert len(keys) == 10
    assert max(map(len, keys)) <= 96


# --- The operators ---


@pytest.mark.both_engines
async def test_operators_are_told_of_each_reversal_that_was_anothers(turning: Turning) -> None:
    desk = turning.shop.desk
    await turning.typed()
    await turning.in_the_books(turning.two)
    assert (await alarms(desk)).count(Alarm.BACK_MOVED) == 2

    third = await turning.shop.paid(await turning.shop.issue(), phone="254722000003")
    await turning.typed(ANOTHER)
    for _ in range(2):
        await turning.in_the_books(third, ANOTHER)
        await turning.record.rows.look_again()

    assert (await alarms(desk)).count(Alarm.BACK_MOVED) == 2, "of this one too, once"
