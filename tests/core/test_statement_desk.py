"""Statements of anybody: found by name or number, and never more than one's part allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from bot.core.eat import at_eat, day_of
from bot.core.giving import guard_gift
from bot.core.invoices import guard_instalment
from bot.core.people import People
from bot.core.statement_desk import Choice, StatementDesk
from bot.core.statements import PaymentRow, Statements, Whose
from storage.records import Closing, Drive, IntentKind, Person, TreasurerState
from storage.schema import looks
from storage.tx import Tx
from tests.core.conftest import Desk
from tests.core.drive_life import OPENER, DriveLife, drives
from tests.core.shop import COLLECTORS, NJERI, OPERATOR, Shop, a_bill, make_shop

__all__ = ["drives"]

AMINA, PETER, MARY = 2002, 3001, 3002
PHONE_OF_PETER = "254712000001"
FAR = at_eat(date(2030, 1, 1))


@dataclass
class Office:
    """A desk for statements, over a shop and drives."""

    shop: Shop
    desk: StatementDesk
    statements: Statements
    people: People
    drive: Drive

    async def person(self, person_id: int) -> Person:
        async with self.shop.desk.store.read() as tx:
            return await tx.people.get(person_id) or Person(id=person_id)

    async def sum(self, asker: int, choice: Choice) -> int | None:
        """What the statement adds up to, in shillings; None: this person may not have it."""
        person = await self.person(asker)
        checked = await self.desk.choice(person, choice.whose, choice.about)
        if checked is None:
            return None
        today = day_of(self.shop.desk.clock.now())
        scope = await self.desk.scope(
            person, checked, at_eat(today), at_eat(today + timedelta(days=1))
        )
        rows = [each async for each in self.statements.rows(scope)]
        return sum(each.cents for each in rows) // 100

    async def found(self, asker: int, words: str) -> list[tuple[Whose, str]]:
        return [(each.whose, each.title) for each in await self.desk.find(asker, words)]


@pytest.fixture
async def office(desk: Desk, drives: DriveLife) -> Office:
    """Njeri billed Peter 100 and 200 and Mary 400, Amina billed Peter 800; a gift of 500."""
    shop = make_shop(desk)
    desk.asking._guards = {
        IntentKind.INSTALMENT: guard_instalment,
        IntentKind.GIFT: guard_gift,
    }
    people = People(store=desk.store, settle=desk.hear._settle, clock=desk.clock, wake=lambda: None)
    names = ((OPERATOR, "Boss"), (NJERI, "Njeri"), (AMINA, "Amina"), (PETER, "Peter Kamau"))
    for person_id, name in (*names, (MARY, "Mary")):
        await people.meet(
            user_id=person_id,
            first_name=name,
            telegram_language="en",
            private=True,
            username=name.split()[0].lower(),
        )
    await people.remember_phone(PETER, PHONE_OF_PETER, Closing())
    for merchant in (NJERI, AMINA):
        await shop.appoint(merchant)
    await shop.merchants.change(AMINA, name="Amina Fish", closing=Closing())
    bills = ((NJERI, "Peter", 100), (NJERI, "PETER", 200), (NJERI, "Mary", 400))
    for merchant, customer, kes in (*bills, (AMINA, "Peter", 800)):
        view = await shop.issue(a_bill(customer=customer), by=merchant)
        phone = "254712000002" if customer == "Mary" else PHONE_OF_PETER
        await shop.paid(view, kes, phone=phone, by=MARY if customer == "Mary" else PETER)
        desk.clock.advance(200)
    drive = await drives.open()
    await drives.paid(drive, len(desk.daraja.pushes) + 1, phone="254712000009")
    return Office(
        shop=shop,
        desk=StatementDesk(
            store=desk.store,
            clock=desk.clock,
            merchants=shop.merchants,
            operators={OPERATOR},
            collector=COLLECTORS[""],
        ),
        statements=Statements(store=desk.store),
        people=people,
        drive=drive,
    )


@pytest.mark.both_engines
async def test_operators_choose_a_merchant_a_drive_a_person_or_a_number(office: Office) -> None:
    for words, whose, kes in (
        ("fish", Whose.MERCHANT, 800),
        ("akinyi hospital", Whose.DRIVE, 500),
        ("kamau", Whose.PERSON, 1100),
        ("0712 000 002", Whose.LINE, 400),
    ):
        [choice, *_] = await office.desk.find(OPERATOR, words)
        assert choice.whose is whose
        assert await office.sum(OPERATOR, choice) == kes
    assert await office.found(OPERATOR, "@amina") == [
        (Whose.MERCHANT, "Amina Fish"),
        (Whose.PERSON, "Amina"),
    ]
    assert await office.found(OPERATOR, "0712000001") == [
        (Whose.LINE, "0712***001"),
        (Whose.PERSON, "Peter Kamau"),
    ]
    assert await office.found(OPERATOR, "0712000099") == []
    own = await office.desk.own(await office.person(OPERATOR))
    assert await office.sum(OPERATOR, own) == 2000


@pytest.mark.both_engines
async def test_a_picture_for_operators_names_customers_and_drives(office: Office) -> None:
    boss = await office.person(OPERATOR)
    own = await office.desk.own(boss)
    today = day_of(office.shop.desk.clock.now())
    scope = await office.desk.scope(boss, own, at_eat(today), at_eat(today + timedelta(days=1)))

    names = dict(await office.statements.by_customer(scope))

    assert names == {
        "Peter": 90_000,
        office.drive.title: 50_000,
        "Mary": 40_000,
        "PETER": 20_000,
    }


@pytest.mark.both_engines
async def test_a_merchant_chooses_a_customer_of_theirs(office: Office) -> None:
    [peter] = await office.desk.find(NJERI, "peter")
    [mary] = await office.desk.find(NJERI, "mar")

    assert (peter.whose, await office.sum(NJERI, peter)) == (Whose.CUSTOMER, 300)
    assert await office.sum(NJERI, mary) == 400
    shown = await office.desk.newest(NJERI, Whose.CUSTOMER)
    assert [each.title for each in shown] == ["Mary", "PETER"]
    assert await office.sum(AMINA, peter) is None
    assert await office.sum(OPERATOR, peter) is None
    own = await office.desk.own(await office.person(NJERI))
    assert await office.sum(NJERI, own) == 700
    await office.shop.merchants.revoke(NJERI, by=OPERATOR, say=lambda _: Closing())
    assert await office.sum(NJERI, peter) is None
    assert await office.sum(NJERI, own) is None


async def test_nobody_sees_more_than_their_part_allows(office: Office) -> None:
    everything = [
        await office.desk.own(await office.person(OPERATOR)),
        *await office.desk.find(OPERATOR, "fish"),
        *await office.desk.find(OPERATOR, "0712000001"),
        *await office.desk.find(OPERATOR, "hospital"),
        *await office.desk.find(AMINA, "peter"),
    ]
    assert len(everything) == 6

    for asker in (NJERI, MARY):
        assert [await office.sum(asker, each) for each in everything] == [None] * 6
        assert await office.found(asker, "kamau") == []
        assert await office.found(asker, "0712000001") == []
        assert await office.found(asker, "@peter") == (
            [(Whose.CUSTOMER, "PETER")] if asker == NJERI else []
        )
    assert await office.desk.kinds(MARY) == ()
    assert await office.desk.newest(MARY, Whose.MERCHANT) == []
    own = await office.desk.own(await office.person(MARY))
    assert await office.sum(MARY, own) == 400


async def test_a_treasurer_has_the_statement_of_their_drive(office: Office) -> None:
    [drive] = await office.desk.find(OPENER, "akinyi")

    assert await office.sum(OPENER, drive) == 500
    assert await office.desk.kinds(OPENER) == (Whose.DRIVE,)
    assert [each.title for each in await office.desk.newest(OPENER, Whose.DRIVE)] == [
        office.drive.title
    ]
    rows = await office.desk.scope(
        await office.person(OPENER), drive, at_eat(day_of(office.shop.desk.clock.now())), FAR
    )
    [gift] = [each async for each in office.statements.rows(rows)]
    assert isinstance(gift, PaymentRow)
    assert gift.customer == "Jane"


async def test_a_treasurer_who_left_has_the_statement_no_more(office: Office) -> None:
    [drive] = await office.desk.find(OPENER, "akinyi")
    asker = await office.person(OPENER)
    assert await office.desk.choice(asker, Whose.DRIVE, drive.about) == drive

    async def leave(tx: Tx) -> None:
        for each in await tx.drives.treasurers(drive.about):
            await tx.drives.invite(replace(each, state=TreasurerState.LEFT))

    await office.shop.desk.store.write(leave)

    assert await office.desk.choice(asker, Whose.DRIVE, drive.about) is None


@pytest.mark.both_engines
async def test_looks_at_numbers_and_books_are_kept(office: Office) -> None:
    [line, *_] = await office.desk.find(OPERATOR, "0712000001")
    await office.desk.looked(OPERATOR, line)
    await office.desk.find(NJERI, "0712000001")

    async with office.shop.desk.store.read() as tx:
        kept = await tx.payments._connection.execute(
            select(looks.c.by, looks.c.payment_id, looks.c.what)
        )
        assert [tuple(each) for each in kept] == [
            (OPERATOR, f"line:{line.about}", "number"),
            (OPERATOR, line.about, "statement-line"),
        ]


async def test_who_asked_for_much_gets_every_invoice_of_a_customer_and_no_other(
    office: Office,
) -> None:
    for number in range(3):
        await office.shop.issue(a_bill(customer=f"Peter {number}"))
        await office.shop.issue(a_bill(customer="peter"))
    [first, *_] = [
        each for each in await office.desk.find(NJERI, "peter") if each.title.lower() == "peter"
    ]
    scope = await office.desk.scope(await office.person(NJERI), first, FAR, FAR)

    assert len(scope.invoice_ids) == 5


@pytest.mark.both_engines
async def test_a_name_in_telegram_that_two_were_seen_under_is_neithers(office: Office) -> None:
    assert await office.found(OPERATOR, "@peter") == [(Whose.PERSON, "Peter Kamau")]

    await office.people.meet(
        user_id=MARY, first_name="Mary", telegram_language="en", private=True, username="peter"
    )

    assert await office.found(OPERATOR, "@peter") == []
