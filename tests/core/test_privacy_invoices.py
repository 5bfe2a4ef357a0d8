"""Forgotten customers and merchants: nothing leads to them, and every book says what it said."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from bot.core.ask import Asked
from bot.core.invoice_acts import Done, No
from bot.core.invoices import InvoiceView
from bot.core.people import is_forgotten
from bot.core.privacy import Forgotten, Privacy, PrivacySettings
from storage import schema
from storage.errors import StoreFailed
from storage.invoice_tables import bills, invoice_entries, merchants
from storage.records import Closing, InvoiceEntryKind
from storage.tx import Tx
from tests.core.bodies import failure
from tests.core.conftest import Desk
from tests.core.shop import NJERI, OPERATOR, Shop, shop
from tests.core.test_given_back import give_back
from tests.core.test_privacy import everywhere, forget_whom
from tests.stores import TestClock

__all__ = ["shop"]

PETER, MARY = 3001, 3002


@pytest.fixture
def privacy(desk: Desk, clock: TestClock) -> Privacy:
    return Privacy(store=desk.store, clock=clock, settings=PrivacySettings(), wake=lambda: None)


@pytest.fixture
async def view(shop: Shop) -> InvoiceView:
    """An invoice that Peter has opened."""
    issued = await shop.issue()
    await opened(shop, issued, PETER)
    return issued


async def opened(shop: Shop, view: InvoiceView, person_id: int) -> None:
    await shop.invoices.open(view.invoice.code, person_id=person_id, closing=Closing())


async def entries(shop: Shop, view: InvoiceView) -> list[tuple[str, str, bool]]:
    """Of every entry: its kind, its words, and whether who wrote it is forgotten."""
    async with shop.desk.store.read() as tx:
        found = await tx.invoices.entries(view.invoice.id)
    return [(each.kind.value, each.why, is_forgotten(each.by)) for each in found]


@pytest.mark.both_engines
async def test_a_customer_who_is_forgotten_stands_nowhere_and_the_invoice_stays(
    shop: Shop, view: InvoiceView, privacy: Privacy
) -> None:
    await shop.paid(view, 500, by=PETER)
    code, talk = view.invoice.code, shop.talk
    await talk.ask(
        code,
        person_id=PETER,
        text="I am Peter",
        key=f"question:{PETER}:7",
        closing=Closing(),
        gone=Closing(),
    )
    [asked] = await shop.billing.entries(view.invoice.id, InvoiceEntryKind.QUESTION, by=NJERI)
    await talk.not_mine(code, person_id=PETER, closing=Closing(), gone=Closing())
    before = await shop.view(view)
    assert before.invoice.disowned_by == PETER
    shop.desk.clock.advance(3600)

    assert await forget_whom(privacy, PETER) is Forgotten.DONE

    store = shop.desk.store
    assert await everywhere(store, PETER) == set()
    now = await shop.view(view)
    assert (now.invoice.bill, now.sums) == (before.invoice.bill, before.sums)
    assert now.invoice.customer_id is None
    assert await entries(shop, view) == [("question", "", True), ("not-mine", "", True)]
    told = len(await shop.news(PETER))
    answer = await talk.answer(
        view.invoice.id, entry_id=asked.id, by=NJERI, text="Yes", key="a:1", closing=Closing()
    )
    theirs = await talk.decide(view.invoice.id, theirs=True, by=NJERI, closing=Closing())
    assert answer is No.ASKER_GONE
    assert isinstance(theirs, Done)
    assert theirs.view.invoice.customer_id is None
    assert theirs.view.invoice.disowned_by is None
    assert len(await shop.news(PETER)) == told
    async with store.read() as tx:
        query = select(schema.notices.c.topic).where(schema.notices.c.chat_id >= 2**60)
        topics = set((await tx.payments._connection.execute(query)).scalars())
    assert not {each for each in topics if each.startswith(("answer", "theirs"))}


async def test_what_stands_on_invoices_is_given_too(
    shop: Shop, view: InvoiceView, privacy: Privacy
) -> None:
    code = view.invoice.code
    await shop.talk.ask(
        code, person_id=PETER, text="Which bags?", key="q:1", closing=Closing(), gone=Closing()
    )
    await shop.cash_book.cash(
        view.invoice.id, cents=20_050, by=NJERI, why="at the gate", key="c:1", closing=Closing()
    )

    peters, njeris = [await privacy.my_data(each) for each in (PETER, NJERI)]

    named = [(each.what, each.label, each.merchant, each.words) for each in peters.on_invoices]
    assert sorted(named) == [
        ("opened", "INV-0001", "Njeri", ""),
        ("question", "INV-0001", "Njeri", "Which bags?"),
    ]
    assert peters.merchant is None
    [cash] = njeris.on_invoices
    assert (cash.what, cash.cents, cash.words) == ("cash", 20_050, "at the gate")
    assert njeris.merchant is not None
    assert njeris.merchant.name == "Njeri"
    assert (await privacy.my_data(MARY)).on_invoices == ()


async def test_who_opened_it_next_is_the_customer_after_a_forgotten_one(
    shop: Shop, view: InvoiceView, privacy: Privacy
) -> None:
    other = await shop.issue()
    await opened(shop, other, MARY)
    await opened(shop, view, MARY)

    assert await forget_whom(privacy, PETER) is Forgotten.DONE

    assert (await shop.view(view)).invoice.customer_id == MARY
    assert (await shop.view(other)).invoice.customer_id == MARY


@pytest.mark.both_engines
async def test_a_merchant_is_forgotten_once_nothing_is_owed_to_them(
    shop: Shop, view: InvoiceView, privacy: Privacy
) -> None:
    desk, store = shop.desk, shop.desk.store
    await shop.paid(view, 500)
    assert await forget_whom(privacy, NJERI) is Forgotten.OWED
    await shop.merchants.revoke(NJERI, by=OPERATOR, say=lambda _: Closing())
    assert await forget_whom(privacy, NJERI) is Forgotten.OWED
    assert (await shop.view(view)).invoice.merchant_id == NJERI
    await shop.appoint()
    await shop.paid(view, 1000, phone="254712000002")
    before = await shop.view(view)

    assert await forget_whom(privacy, NJERI) is Forgotten.DONE

    assert await everywhere(store, NJERI) == set()
    now = await shop.view(view)
    assert (now.invoice.bill, now.invoice.label) == (before.invoice.bill, before.invoice.label)
    assert now.sums == before.sums
    assert now.sums.paid_cents == 150_000
    assert is_forgotten(now.invoice.merchant_id)
    async with store.read() as tx:
        kept = await tx.merchants.get(now.invoice.merchant_id)
    assert kept is not None
    assert (kept.name, kept.summary, kept.revoked_at) == ("Njeri", False, desk.clock.now())
    assert await shop.merchants.get(NJERI) is None
    assert await shop.merchants.revoked() == []
    await shop.appoint()
    again = await shop.issue()
    assert (again.invoice.label, again.invoice.merchant_id) == ("INV-0001", NJERI)


@pytest.mark.both_engines
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("how", ["paid", "void", "write_off"])
async def test_a_merchant_first_says_what_became_of_what_is_too_much(
    shop: Shop, privacy: Privacy, how: str, keep: bool
) -> None:
    view = await shop.issue()
    prompts = 1 if how == "void" else 2
    asked = [await shop.pay(view, phone=f"25472200000{number}") for number in range(prompts)]
    if how != "paid":
        await getattr(shop.billing, how)(view.invoice.id, by=NJERI, why="", closing=Closing())
    for each in asked:
        assert isinstance(each, Asked)
        await shop.complete(each.payment)
    await shop.touched.run_due()

    assert await forget_whom(privacy, NJERI) is Forgotten.OWED

    assert (await shop.view(view)).invoice.merchant_id == NJERI
    assert isinstance(await give_back(shop, view, keep=keep), Done)
    assert await forget_whom(privacy, NJERI) is Forgotten.DONE


@pytest.mark.both_engines
@pytest.mark.parametrize("how", ["void", "write_off"])
async def test_a_merchant_is_not_forgotten_while_a_prompt_is_on_a_phone(
    shop: Shop, privacy: Privacy, how: str
) -> None:
    view = await shop.issue()
    asked = await shop.pay(view)
    assert isinstance(asked, Asked)
    await getattr(shop.billing, how)(view.invoice.id, by=NJERI, why="", closing=Closing())

    assert await forget_whom(privacy, NJERI) is Forgotten.OWED

    await shop.desk.post(asked.payment, failure(1037, shop.number_of(asked.payment)))
    assert await forget_whom(privacy, NJERI) is Forgotten.DONE


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("invoice_entries", {"cents": 100}),
        ("invoice_entries", {"kind": "cash"}),
        ("invoice_entries", {"key": "another"}),
        ("bills", {"total_cents": 1}),
        ("bills", {"body": b"another"}),
        ("bills", {"revision": 9}),
    ],
)
@pytest.mark.both_engines
async def test_what_the_books_say_cannot_be_changed(
    shop: Shop, view: InvoiceView, table: str, values: dict[str, object]
) -> None:
    await shop.talk.ask(
        view.invoice.code,
        person_id=PETER,
        text="Why?",
        key="q:1",
        closing=Closing(),
        gone=Closing(),
    )
    forge = update({"bills": bills, "invoice_entries": invoice_entries}[table]).values(**values)

    async def run(tx: Tx) -> None:
        await tx.invoices._connection.execute(forge)

    before = (await shop.view(view), await entries(shop, view))
    with pytest.raises((StoreFailed, DBAPIError)):
        await shop.desk.store.write(run)
    assert (await shop.view(view), await entries(shop, view)) == before


@pytest.mark.both_engines
async def test_why_a_merchant_did_something_cannot_be_changed(
    shop: Shop, view: InvoiceView
) -> None:
    await shop.talk.ask(
        view.invoice.code,
        person_id=PETER,
        text="Why?",
        key="q:1",
        closing=Closing(),
        gone=Closing(),
    )
    [asked] = await shop.billing.entries(view.invoice.id, InvoiceEntryKind.QUESTION, by=NJERI)
    await shop.talk.answer(
        view.invoice.id, entry_id=asked.id, by=NJERI, text="So", key="a:1", closing=Closing()
    )

    async def run(tx: Tx) -> None:
        await tx.invoices._connection.execute(update(invoice_entries).values(why=b"another"))

    with pytest.raises((StoreFailed, DBAPIError)):
        await shop.desk.store.write(run)
    assert [each[:2] for each in await entries(shop, view)] == [
        ("question", "Why?"),
        ("answer", "So"),
    ]


@pytest.mark.both_engines
async def test_an_operator_who_appointed_is_forgotten_as_such(shop: Shop, privacy: Privacy) -> None:
    assert await forget_whom(privacy, OPERATOR) is Forgotten.DONE

    async with shop.desk.store.read() as tx:
        query = select(merchants.c.appointed_by)
        [by] = (await tx.merchants._connection.execute(query)).scalars()
    assert is_forgotten(by)
