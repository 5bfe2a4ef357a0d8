"""Periods: what M-Pesa took back stands on its own day, and a period that is over keeps its sum."""

from __future__ import annotations

import csv
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.chat.drive_papers import closing_paper
from bot.chat.keyboards import Stationery
from bot.chat.ledger_words import day_text
from bot.chat.statements import entries_of
from bot.core.drive_acts import Actor
from bot.core.eat import at_eat, day_of
from bot.core.giving import guard_gift
from bot.core.invoice_acts import Done
from bot.core.invoices import guard_instalment
from bot.core.ledgers import Ledgers
from bot.core.ports import Collector
from bot.core.record_desk import RecordDesk
from bot.core.statements import Scope, Statements, Whose
from bot.core.went_back import Part, parts_of
from bot.documents.entries import Entry, Sums
from bot.documents.receipt import Method
from bot.documents.statement import Statement, statement_csv, statement_pdf, statement_xlsx
from bot.texts import LANGUAGES, Texts
from storage.records import Closing, Evidence, IntentKind, Kind, RowKind
from storage.schema import payments
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.drive_life import OPENER, DriveLife, drives
from tests.core.shop import NJERI, OPERATOR, Shop, a_bill, make_shop
from tests.core.test_given_back import give_back, paid_twice
from tests.core.test_one_reversal import went_back as typed
from tests.core.test_record import RECEIPT, a_row
from tests.core.test_review import review_of
from tests.documents.papers import sheet_of, stream, text_of, words
from tests.fakes import fact, unit_of

__all__ = ["drives"]

DAY_S = 86400
FIRST = date(2026, 11, 23)
DAYS = 16
WRITERS = {"csv": statement_csv, "xlsx": statement_xlsx, "pdf": statement_pdf}
SHOP = Collector(name="Shop", kind="paybill", number="600000", practice=False)

Take = Callable[..., Awaitable[None]]


@pytest.fixture
async def shop(desk: Desk, drives: DriveLife) -> Shop:
    made = make_shop(desk)
    desk.asking._guards = {
        IntentKind.INSTALMENT: guard_instalment,
        IntentKind.GIFT: guard_gift,
    }
    await made.appoint()
    return made


def day(number: int) -> datetime:
    """When that day of these tests begins."""
    return at_eat(FIRST + timedelta(days=number))


def between(since: int, until: int, whose: Whose = Whose.EVERYBODY, about: str = "") -> Scope:
    person = NJERI if whose is Whose.MERCHANT else OPERATOR
    return Scope(whose=whose, person_id=person, about=about, since=day(since), until=day(until))


async def listed(desk: Desk, scope: Scope) -> list[Entry]:
    return [each async for each in entries_of(Statements(store=desk.store).rows(scope))]


def taking(desk: Desk, record: RecordDesk) -> Take:
    """Safaricom's books say that so much went back of *receipt*, *ago_s* seconds ago."""
    codes = (f"UKN7BACK{number:02d}" for number in range(99))

    async def took(receipt: str | None, kes: float, *, ago_s: int = 0) -> None:
        at = desk.clock.now() - timedelta(seconds=ago_s)
        row = a_row(at, receipt=next(codes), kes=kes, kind=RowKind.REVERSAL, linked=receipt)
        await record.rows.take([row])

    return took


@pytest.mark.both_engines
async def test_what_went_back_later_leaves_the_paper_of_its_payment_as_it_was(
    desk: Desk, record: RecordDesk
) -> None:
    await desk.post(await desk.ask(), success(receipt=RECEIPT))
    before = await listed(desk, between(0, 5))
    desk.clock.advance(10 * DAY_S)

    await taking(desk, record)(RECEIPT, 50, ago_s=3600)  # and the bot hears of it late

    after = await listed(desk, between(0, 5))
    assert [each.amount_cents for each in after] == [50_00]
    assert [each[:6] for each in after] == [each[:6] for each in before]
    [back] = await listed(desk, between(5, 40))
    assert (back.amount_cents, back.method, back.receipt) == (-50_00, Method.REVERSAL, RECEIPT)
    assert back.at == desk.clock.now() - timedelta(hours=1)


async def test_it_never_stands_before_its_payment(desk: Desk, record: RecordDesk) -> None:
    """When it was paid nobody said, so it is taken to have come when we heard of it."""
    asked = await desk.ask()
    desk.clock.advance(3 * DAY_S)
    heard = fact(Kind.RECORD_PAID, payment_id=asked.id, at=desk.clock.now(), receipt=RECEIPT)
    await desk.store.submit(unit_of(heard), desk.hear._settle)
    await taking(desk, record)(RECEIPT, 20, ago_s=2 * DAY_S)

    assert await listed(desk, between(0, 3)) == []
    assert [each.amount_cents for each in await listed(desk, between(3, 4))] == [50_00, -20_00]


async def a_fortnight(shop: Shop, life: DriveLife, record: RecordDesk) -> str:
    """Whatever moves money, on a day each; the id of the drive is returned."""
    desk, clock = shop.desk, shop.desk.clock
    took = taking(desk, record)
    view, one, _ = await paid_twice(shop)  # day 0
    small = [
        await shop.paid(await shop.issue(a_bill()), kes, phone=f"25471100000{kes // 100}")
        for kes in (300, 400)
    ]
    clock.advance(DAY_S)
    assert isinstance(await give_back(shop, view), Done)  # by hand
    clock.advance(DAY_S)
    await took(one.receipt, 400)  # a part
    clock.advance(2 * DAY_S)
    await took(one.receipt, 200, ago_s=DAY_S)  # another, of the day before
    await shop.touched.run_due()
    clock.advance(DAY_S)
    other = (await shop.issue()).invoice.id
    await shop.cash_book.cash(other, cents=70_000, by=NJERI, why="", key="k", closing=Closing())
    # Under the wrong payment, and where Safaricom's books say that it went back.
    decision = replace(typed(small[0], by=OPERATOR, receipt="UKN7BACK02"), amount_cents=10_000)
    await review_of(desk, operators=(OPERATOR,)).decide(decision)
    clock.advance(2 * DAY_S)
    await took(small[1].receipt, 100, ago_s=DAY_S)
    await took(one.receipt, 5_000)  # more than is left
    await shop.touched.run_due()
    drive = await life.open()
    gift = await life.paid(drive, len(desk.daraja.pushes) + 1)
    mary = Actor(id=OPENER, name="Mary")
    clock.advance(DAY_S)
    await life.treasury.cash(
        drive.id, mary, amount_kes=900, name="Kamau", key="w:1", closing=Closing()
    )
    clock.advance(DAY_S)
    await life.treasury.correct(
        drive.id, mary, change_kes=-300, reason="twice", key="w:2", closing=Closing()
    )
    clock.advance(DAY_S)
    await took(gift.receipt, 120)
    return drive.id


async def whole_of(desk: Desk) -> int:
    """What the payments are credited with."""
    async with desk.store.read() as tx:
        found = await tx.payments._connection.execute(select(func.sum(payments.c.credited_cents)))
        return int(found.scalar_one())


@pytest.mark.both_engines
@pytest.mark.parametrize("form", WRITERS)
async def test_periods_that_follow_each_other_come_to_the_whole_on_every_paper(
    shop: Shop, drives: DriveLife, record: RecordDesk, tmp_path: Path, form: str
) -> None:
    """Opening and rows are the closing, which is the opening of the next."""
    desk = shop.desk
    drive_id = await a_fortnight(shop, drives, record)

    async def paper(entries: Sequence[Entry], opening_cents: int) -> Sums:
        about = Statement(
            title="All", collector="Shop", opening_cents=opening_cents, made_at=desk.clock.now()
        )
        path = tmp_path / f"a.{form}"
        sums = await WRITERS[form](path, about, stream(entries), words())
        assert sums.closing_cents == opening_cents + sum(each.amount_cents for each in entries)
        if form == "csv":
            rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))[1:]
        else:
            rows = sheet_of(path, "Contributions")[1:] if form == "xlsx" else []
        if rows:
            assert round(float(rows[-1][5]) * 100) == sums.closing_cents
        if form == "pdf":
            closing = words().money(sums.closing_cents).replace("-", "−")
            assert closing.removeprefix("KES ").strip("−") in text_of(path.read_bytes())
        return sums

    for whose, about in (
        (Whose.EVERYBODY, ""),
        (Whose.MERCHANT, ""),
        (Whose.DRIVE, drive_id),
    ):
        whole = await listed(desk, between(0, DAYS, whose, about))
        assert [each.at for each in whole] == sorted(each.at for each in whole)
        for width in (5,) if form == "pdf" else (1, 5):  # a PDF takes long to make
            opening_cents, seen = 0, list[Entry]()
            for since in range(0, DAYS, width):
                scope = between(since, min(since + width, DAYS), whose, about)
                rows = await listed(desk, scope)
                assert all(scope.since <= each.at < scope.until for each in rows)
                opening_cents = (await paper(rows, opening_cents)).closing_cents
                seen += rows
            assert sorted(seen) == sorted(whole)
            assert opening_cents == (await paper(whole, 0)).closing_cents


@pytest.mark.both_engines
async def test_each_row_stands_on_its_own_day(
    shop: Shop, drives: DriveLife, record: RecordDesk
) -> None:
    desk = shop.desk
    drive_id = await a_fortnight(shop, drives, record)

    async def of(whose: Whose, about: str = "") -> list[tuple[int, int]]:
        rows = await listed(desk, between(0, DAYS, whose, about))
        return [
            ((day_of(each.at) - FIRST).days, each.amount_cents // 100)
            for each in rows
            if each.method is Method.REVERSAL
        ]

    assert await of(Whose.MERCHANT) == [(2, -400), (3, -200), (6, -100), (7, -900)]
    assert await of(Whose.DRIVE, drive_id) == [(10, -120)]
    by_mpesa = (Method.MPESA, Method.REVERSAL)
    every = await listed(desk, between(0, DAYS))
    assert sum(each.amount_cents for each in every if each.method in by_mpesa) == await whole_of(
        desk
    )


@pytest.mark.both_engines
async def test_todays_sum_and_the_picture_are_the_statement_of_the_same_days(
    shop: Shop, drives: DriveLife, record: RecordDesk
) -> None:
    desk = shop.desk
    await a_fortnight(shop, drives, record)
    ledgers = Ledgers(store=desk.store, clock=desk.clock, operators=set())
    by_mpesa = (Method.MPESA, Method.REVERSAL)
    days: dict[int, int] = {}
    for number in range(DAYS):
        on = FIRST + timedelta(days=number)
        rows = await listed(desk, between(number, number + 1, Whose.MERCHANT))
        takings = (await ledgers.day(NJERI, day=on)).takings
        assert takings.cents == sum(each.amount_cents for each in rows)
        mpesa = [each.amount_cents for each in rows if each.method in by_mpesa]
        assert takings.mpesa_cents == sum(mpesa)
        if mpesa:
            days[on.toordinal() - date(1970, 1, 1).toordinal()] = sum(mpesa)

    statements = Statements(store=desk.store)
    scope = between(0, DAYS, Whose.MERCHANT)
    assert await statements.by_day(scope) == sorted(days.items())
    assert await statements.by_customer(scope) == [("Peter", sum(days.values()))]
    assert await statements.by_customer(between(1, 6, Whose.MERCHANT)) == [("Peter", -60_000)]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_day_says_what_was_taken_back_of_earlier_payments(
    shop: Shop, record: RecordDesk, language: str
) -> None:
    paid = await shop.paid(await shop.issue())
    shop.desk.clock.advance(2 * DAY_S)
    await taking(shop.desk, record)(paid.receipt, 200)
    ledgers = Ledgers(store=shop.desk.store, clock=shop.desk.clock, operators=set())

    today = await ledgers.day(NJERI)

    assert (today.takings.earlier_cents, today.takings.cents) == (-20_000, -20_000)
    text = day_text(today, Texts.load(), language, today=today.day)
    assert "−KES 200" in text.splitlines()[2]
    then = (await ledgers.day(NJERI, day=FIRST)).takings
    assert (then.earlier_cents, then.cents) == (0, 150_000)


@pytest.mark.both_engines
async def test_a_drives_paper_shows_it_on_the_day_on_which_it_was(
    drives: DriveLife, record: RecordDesk
) -> None:
    desk, drive = drives.desk, await drives.open()
    gift = await drives.paid(drive, 1)
    desk.clock.advance(2 * DAY_S)
    await drives.treasury.cash(
        drive.id,
        Actor(id=OPENER, name="Mary"),
        amount_kes=900,
        name="Kamau",
        key="w:1",
        closing=Closing(),
    )
    desk.clock.advance(DAY_S)
    await taking(desk, record)(gift.receipt, 120)

    statement = await drives.treasury.public_statement(drive.id)

    assert statement is not None
    now = desk.clock.now()
    assert statement.went_back == {gift.id: (Part(at=now, cents=120_00, told_at=now),)}
    paper = Stationery(texts=Texts.load(), collector=SHOP, username="bot")
    document = await closing_paper(statement, paper, now)
    assert document is not None
    text = text_of(document.content)
    assert text.index("500.00") < text.index("900.00") < text.index("120.00")


def told(receipt: str, cents: int | None, *, hour: int, by: int | None = None) -> Evidence:
    base = fact(Kind.REVERSED, payment_id="p", at=day(0) + timedelta(hours=hour), receipt=receipt)
    return replace(base, amount_cents=cents, digest=f"{receipt}{hour}", by=by)


def test_parts_are_the_same_in_whatever_order_they_were_told() -> None:
    typed_, books = told("A", 90, hour=9, by=900), told("A", 40, hour=11)
    books = replace(books, paid_at=day(0) + timedelta(hours=7))
    pieces = [told("B", None, hour=8), typed_, books, told("C", 5, hour=12)]

    for order in (pieces, pieces[::-1], pieces[2:] + pieces[:2]):
        parts = parts_of(order, 100)
        hours = [(each.at - day(0)).total_seconds() / 3600 for each in parts]
        assert [each.cents for each in parts] == [40, 60, 0]
        assert hours == [7, 8, 12]
