"""A merchant's books as lists, sums and statements: theirs alone, net of what went back."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from bot.chat.ledger_words import day_text, list_text
from bot.core.ask import Asked
from bot.core.eat import at_eat
from bot.core.invoice_acts import Done
from bot.core.invoices import InvoiceView
from bot.core.ledgers import Ledgers, Which
from bot.core.statements import BackRow, CashRow, PaymentRow, Scope, Statements, Whose
from bot.texts import Texts
from storage.records import Bill, BillItem, Closing, Payment
from tests.core.bodies import success
from tests.core.conftest import Desk
from tests.core.shop import NJERI, OPERATOR, Shop, a_bill, make_shop
from tests.core.test_given_back import give_back, once_entries, paid_twice, went_back

AMINA, PETER = 2002, 3001
TODAY = date(2026, 11, 23)
DAY_S = 24 * 3600
EPOCH = date(1970, 1, 1)


@pytest.fixture
async def shop(desk: Desk) -> Shop:
    made = make_shop(desk)
    await made.appoint()
    await made.appoint(AMINA)
    return made


@pytest.fixture
def ledgers(desk: Desk) -> Ledgers:
    return Ledgers(store=desk.store, clock=desk.clock, operators={OPERATOR})


@pytest.fixture
def statements(desk: Desk) -> Statements:
    return Statements(store=desk.store)


def scope(whose: Whose, person_id: int = NJERI, *, days: int = 1) -> Scope:
    since, until = at_eat(TODAY), at_eat(TODAY + timedelta(days=days))
    return Scope(whose=whose, person_id=person_id, since=since, until=until)


def of(kes: int, customer: str = "Peter", *, due_in: int = 4) -> Bill:
    item = BillItem(what="tiles", price_cents=kes * 100)
    return a_bill(item, customer=customer, due_on=TODAY + timedelta(days=due_in))


async def test_what_is_owed_is_aged_by_how_long_it_has_been_due(
    shop: Shop, ledgers: Ledgers
) -> None:
    for due_in in (0, -1, -30, -31, -90, -91, -400):
        await shop.issue(of(100, due_in=due_in))
    await shop.issue(of(900), by=AMINA)
    paid = await shop.issue(of(50, due_in=-10))
    await shop.paid(paid)

    day = await ledgers.day(NJERI)

    assert [(each.label, each.count, each.left_cents) for each in day.ageing] == [
        ("0", 1, 10_000),
        ("1-30", 2, 20_000),
        ("31-60", 1, 10_000),
        ("61-90", 1, 10_000),
        ("90+", 2, 20_000),
    ]
    assert (day.open_count, day.open_cents, day.overdue_count) == (7, 70_000, 6)


async def test_today_is_from_midnight_in_nairobi_and_net_of_what_went_back(
    shop: Shop, ledgers: Ledgers
) -> None:
    first, second = await shop.issue(of(100)), await shop.issue(of(200))
    await shop.paid(first)
    gone = await shop.paid(second, phone="254712000002")
    await shop.reverse(gone)
    await shop.cash_book.cash(
        second.invoice.id, cents=2_500, by=NJERI, why="", key="k", closing=Closing()
    )
    await shop.paid(await shop.issue(of(999), by=AMINA), phone="254712000003")

    takings = (await ledgers.day(NJERI)).takings

    assert (takings.mpesa_cents, takings.cash_cents, takings.paid) == (10_000, 2_500, 1)
    yesterday = (await ledgers.day(NJERI, day=TODAY - timedelta(days=1))).takings
    assert (yesterday.mpesa_cents, yesterday.paid) == (0, 0)


async def of_statement(statements: Statements) -> int:
    """What the statement of today adds up to."""
    rows = [each async for each in statements.rows(scope(Whose.MERCHANT))]
    return sum(each.cents for each in rows)


@pytest.mark.both_engines
async def test_today_and_the_statement_of_today_are_the_same_whatever_was_given_back(
    shop: Shop, ledgers: Ledgers, statements: Statements
) -> None:
    view, one, _ = await paid_twice(shop)
    assert isinstance(await give_back(shop, view), Done)
    await shop.paid(await shop.issue(of(900), by=AMINA), phone="254712000003")

    async def today() -> tuple[int, int, int]:
        takings = (await ledgers.day(NJERI)).takings
        assert takings.cents == await of_statement(statements)
        return takings.mpesa_cents, takings.cash_cents, takings.given_back_cents

    assert await today() == (300_000, 0, -150_000)
    await went_back(shop, one)  # M-Pesa says the same: it counts once
    await shop.touched.run_due()
    assert await today() == (150_000, 0, 0)
    [once] = await once_entries(shop, view)
    await shop.cash_book.both_went_back(
        view.invoice.id, entry_id=once.id, by=NJERI, closing=Closing()
    )
    assert await today() == (150_000, 0, -150_000)


@pytest.mark.parametrize("language", ["en", "sw"])
async def test_what_was_given_back_has_a_line_of_its_own_in_the_day(
    shop: Shop, ledgers: Ledgers, language: str
) -> None:
    view, _, _ = await paid_twice(shop)
    assert isinstance(await give_back(shop, view), Done)

    text = day_text(await ledgers.day(NJERI), Texts.load(), language, today=TODAY)

    head, _, back, *_ = text.splitlines()
    assert "KES 1,500" in head
    assert "−KES 1,500" in back


@pytest.mark.both_engines
async def test_what_came_after_the_summary_is_in_the_evening_before_of_the_next(
    shop: Shop, ledgers: Ledgers
) -> None:
    view = await shop.issue(of(100))

    async def cash(key: str, cents: int) -> None:
        await shop.cash_book.cash(
            view.invoice.id, cents=cents, by=NJERI, why="", key=key, closing=Closing()
        )

    shop.desk.clock.advance(8 * 3600 - 1)  # 19:59:59 in Nairobi
    await cash("k1", 1_000)
    shop.desk.clock.advance(1)
    await cash("k2", 2_000)
    shop.desk.clock.advance(4 * 3600)  # midnight
    await cash("k3", 4_000)

    assert (await ledgers.evening_before(NJERI, TODAY)).cents == 0
    assert (await ledgers.evening_before(NJERI, TODAY + timedelta(days=1))).cents == 2_000
    assert (await ledgers.evening_before(AMINA, TODAY + timedelta(days=1))).cents == 0
    late = await ledgers.day(NJERI, day=TODAY, summed_up=True)
    assert late.takings.cents == 1_000, "told after its evening, it says no more of it"


@pytest.mark.both_engines
async def test_what_is_known_after_the_summary_is_in_the_next_whenever_it_was_paid(
    shop: Shop, ledgers: Ledgers
) -> None:
    """Every shilling stands in one summary, and stays in it however late that is told."""
    desk = shop.desk
    views = [await shop.issue(of(kes)) for kes in (100, 200, 400)]

    async def paid(view: InvoiceView, at: str) -> Payment:
        asked = await shop.pay(view, phone=f"2547120000{shop.asked:02d}")
        assert isinstance(asked, Asked)
        desk.clock.advance(61)
        number = shop.number_of(asked.payment)
        amount_kes = asked.payment.amount_kes
        body = success(number, amount=amount_kes, receipt=f"UKN{number:07d}")
        return await desk.post(asked.payment, re.sub(rb"\b20\d{12}\b", at.encode(), body))

    async def summaries() -> list[tuple[int, int]]:
        """What each has from its own day, and from before."""
        days = [TODAY + timedelta(days=each) for each in range(3)]
        return [
            (
                (await ledgers.day(NJERI, day=each, summed_up=True)).takings.cents,
                (await ledgers.evening_before(NJERI, each)).cents,
            )
            for each in days
        ]

    first = await paid(views[0], "20261123120100")
    desk.clock.advance((at_eat(TODAY, hour=20) - desk.clock.now()).total_seconds() - 60)
    late = await paid(views[1], "20261123195950")  # it is 20:00:01
    assert late.paid_at == at_eat(TODAY, hour=20) - timedelta(seconds=10)
    assert await summaries() == [(10_000, 0), (0, 20_000), (0, 0)]

    desk.clock.advance(DAY_S - 61)
    await paid(views[2], "20261123235959")  # in the evening of the day before, until today's 20:00
    await shop.reverse(first, receipt="UKN9BACK01", paid_at=at_eat(TODAY, hour=15))
    assert await summaries() == [(10_000, 0), (0, 20_000), (0, 40_000 - 10_000)]


async def test_half_past_midnight_in_nairobi_is_the_next_day(shop: Shop, ledgers: Ledgers) -> None:
    view = await shop.issue(of(100))
    shop.desk.clock.advance(12.5 * 3600)
    await shop.cash_book.cash(
        view.invoice.id, cents=2_500, by=NJERI, why="", key="k", closing=Closing()
    )

    days = [await ledgers.day(NJERI, day=TODAY + timedelta(days=each)) for each in (0, 1)]

    assert [each.takings.cash_cents for each in days] == [0, 2_500]
    another = await ledgers.day(AMINA, day=TODAY + timedelta(days=1))
    assert another.takings.cash_cents == 0


@pytest.mark.both_engines
async def test_an_operators_day_holds_what_was_paid_without_an_invoice(
    desk: Desk, shop: Shop, ledgers: Ledgers
) -> None:
    direct = await desk.ask()
    await shop.complete(direct)

    assert (await ledgers.day(OPERATOR)).takings.mpesa_cents == 5_000
    assert (await ledgers.day(NJERI)).takings.mpesa_cents == 0


@pytest.mark.both_engines
async def test_lists_hold_what_they_say(shop: Shop, ledgers: Ledgers) -> None:
    late = await shop.issue(of(100, due_in=-1))
    paid = await shop.issue(of(200))
    await shop.paid(paid)
    void = await shop.issue(of(300))
    await shop.billing.void(void.invoice.id, by=NJERI, why="", closing=Closing())
    soon = await shop.issue(of(400))
    await shop.make(Bill(customer="Mary", due_on=TODAY), draft=True)

    async def listed(which: Which) -> list[int | None]:
        page = await ledgers.page(NJERI, which)
        return [each.invoice.number for each in page.found]

    assert await listed(Which.OPEN) == [soon.invoice.number, late.invoice.number]
    assert await listed(Which.OVERDUE) == [late.invoice.number]
    assert await listed(Which.PAID) == [paid.invoice.number]
    assert await listed(Which.CLOSED) == [void.invoice.number]
    assert await listed(Which.DRAFTS) == [None]
    assert (await ledgers.page(AMINA, Which.OPEN)).found == ()


@pytest.mark.parametrize("language", ["en", "sw"])
async def test_what_takes_no_payment_is_late_in_no_list(
    shop: Shop, ledgers: Ledgers, language: str
) -> None:
    void, gone, _ = [await shop.issue(of(kes, due_in=-1)) for kes in (100, 200, 300)]
    await shop.billing.void(void.invoice.id, by=NJERI, why="", closing=Closing())
    await shop.billing.write_off(gone.invoice.id, by=NJERI, why="", closing=Closing())

    await shop.make(of(400, due_in=-1), draft=True)

    found = await ledgers.search(NJERI, "Peter")
    lines = list_text(found, Texts.load(), language, today=TODAY)

    word = {"en": "since", "sw": "tangu"}[language]
    late = {each.partition("KES ")[2][:3]: word in each for each in lines}
    assert late == {"100": False, "200": False, "300": True, "400": False}


@pytest.mark.both_engines
async def test_a_long_list_is_turned_both_ways_without_gap_or_twin(
    shop: Shop, ledgers: Ledgers
) -> None:
    for _ in range(14):
        await shop.issue(of(10))
    seen: list[int | None] = []
    page = await ledgers.page(NJERI, Which.OPEN)
    while True:
        seen += [each.invoice.number for each in page.found]
        if page.older is None:
            break
        page = await ledgers.page(NJERI, Which.OPEN, below=page.older)
    assert seen == list(range(14, 0, -1))

    back = [each.invoice.number for each in page.found]
    while page.newer is not None:
        page = await ledgers.page(NJERI, Which.OPEN, above=page.newer)
        back = [each.invoice.number for each in page.found] + back
    assert back == seen


@pytest.mark.both_engines
async def test_drafts_are_turned_both_ways_without_gap_or_twin(
    shop: Shop, ledgers: Ledgers
) -> None:
    made: list[str] = []
    for _ in range(14):
        done = await shop.make(of(10), draft=True)
        assert isinstance(done, Done), done
        made.insert(0, done.view.invoice.id)
        shop.desk.clock.advance(1)
    await shop.make(of(10), by=AMINA, draft=True)
    await shop.issue(of(10))

    seen: list[str] = []
    page = await ledgers.page(NJERI, Which.DRAFTS)
    while True:
        seen += [each.invoice.id for each in page.found]
        if page.older is None:
            break
        page = await ledgers.page(NJERI, Which.DRAFTS, below=page.older)
    assert seen == made

    back = [each.invoice.id for each in page.found]
    while page.newer is not None:
        page = await ledgers.page(NJERI, Which.DRAFTS, above=page.newer)
        back = [each.invoice.id for each in page.found] + back
    assert back == made


async def test_what_is_searched_for_is_found_in_ones_own_books(
    shop: Shop, ledgers: Ledgers
) -> None:
    await shop.issue(of(10, customer="Wanjikũ"))
    await shop.issue(of(10, customer="Wanjikũ"), by=AMINA)

    for words in ("wanjikũ", "INV-0001", "tiles 1"):
        [found] = await ledgers.search(NJERI, words)
        assert found.invoice.merchant_id == NJERI
    assert await ledgers.search(NJERI, "nobody") == ()


async def test_a_statement_holds_every_shilling_once_and_only_ones_own(
    desk: Desk, shop: Shop, statements: Statements
) -> None:
    mine, theirs = await shop.issue(of(100)), await shop.issue(of(900), by=AMINA)
    kept = await shop.paid(mine, by=PETER)
    gone = await shop.paid(theirs, phone="254712000002", by=3002)
    await shop.reverse(gone)
    other = await shop.issue(of(50))
    await shop.cash_book.cash(
        other.invoice.id, cents=700, by=NJERI, why="his brother", key="k", closing=Closing()
    )

    async def rows(held: Scope) -> list[PaymentRow | CashRow | BackRow]:
        return [each async for each in statements.rows(held)]

    cash, paid = sorted(await rows(scope(Whose.MERCHANT)), key=lambda each: type(each).__name__)
    assert isinstance(paid, PaymentRow)
    assert (paid.id, paid.number, paid.customer, paid.cents) == (kept.id, 1, "Peter", 10_000)
    assert isinstance(cash, CashRow)
    assert (cash.cents, cash.why) == (700, "his brother")
    [his] = await rows(scope(Whose.PERSON, PETER))
    assert isinstance(his, PaymentRow)
    assert his.id == kept.id
    assert len(await rows(scope(Whose.EVERYBODY, OPERATOR))) == 4, "one of them went back"
    late = Scope(
        whose=Whose.EVERYBODY,
        person_id=OPERATOR,
        since=at_eat(TODAY + timedelta(days=1)),
        until=at_eat(TODAY + timedelta(days=9)),
    )
    assert await rows(late) == []


class OneByOne(Statements):
    """Statements whose pages are full with one row."""

    page_rows = 1


async def test_a_statement_of_many_pages_holds_every_row_once(desk: Desk, shop: Shop) -> None:
    paid = [
        await shop.paid(await shop.issue(of(each)), phone=f"2547120000{each}")
        for each in (10, 20, 30)
    ]
    statements = OneByOne(store=desk.store)

    for each in paid:
        await shop.reverse(each, 500)

    rows = [each async for each in statements.rows(scope(Whose.MERCHANT))]

    came = [each.id for each in rows if isinstance(each, PaymentRow)]
    back = [each.of.id for each in rows if isinstance(each, BackRow)]
    assert sorted(came) == sorted(back) == sorted(each.id for each in paid)


@pytest.mark.both_engines
async def test_a_picture_is_drawn_from_days_and_customers(
    shop: Shop, statements: Statements
) -> None:
    await shop.paid(await shop.issue(of(100)))
    await shop.paid(await shop.issue(of(200, customer="Mary")), phone="254712000002")
    gone = await shop.paid(await shop.issue(of(400)), phone="254712000003")
    await shop.reverse(gone)
    asked = await shop.pay(await shop.issue(of(50)), phone="254712000004")
    assert isinstance(asked, Asked)
    shop.desk.clock.advance(12.5 * 3600)  # 00:30 of the next day in Nairobi
    await shop.complete(asked.payment)

    days = await statements.by_day(scope(Whose.MERCHANT, days=2))
    names = await statements.by_customer(scope(Whose.MERCHANT, days=2))

    assert days == [((TODAY - EPOCH).days, 35_000)]  # the body says when it was paid
    assert names == [("Mary", 20_000), ("Peter", 15_000)]
    assert await statements.by_day(scope(Whose.MERCHANT, AMINA, days=2)) == []
