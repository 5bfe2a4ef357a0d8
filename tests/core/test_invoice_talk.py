"""Talk: words reach the other side once, and "not mine" stops reminders until it is decided."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.ask import PageAsk
from bot.core.invoice_acts import Done, No
from bot.core.invoices import InvoiceView
from bot.core.limits import Refusal, RefusalReason
from bot.core.reminders import Remind, Reminded, Reminders
from storage.records import NOBODY, Closing, InvoiceEntryKind
from tests.core.shop import NJERI, Shop, shop

__all__ = ["shop"]

PETER, MARY, OTHER = 3001, 3002, 2002


@pytest.fixture
async def view(shop: Shop) -> InvoiceView:
    """An invoice that Peter has opened."""
    issued = await shop.issue()
    opened = await shop.invoices.open(issued.invoice.code, person_id=PETER, closing=Closing())
    assert opened is not None
    return opened


def reminders_of(shop: Shop) -> Reminders:
    return Reminders(store=shop.desk.store, clock=shop.desk.clock, wake=lambda: None)


async def asked(shop: Shop, view: InvoiceView, *, by: int = PETER, key: str = "q:1") -> int:
    await shop.talk.ask(
        view.invoice.code,
        person_id=by,
        text="Which bags?",
        key=key,
        closing=Closing(),
        gone=Closing(),
    )
    [*_, newest] = await shop.billing.entries(view.invoice.id, InvoiceEntryKind.QUESTION, by=NJERI)
    return newest.id


async def answered(
    shop: Shop, view: InvoiceView, entry_id: int, *, by: int = NJERI, key: str = "a:1"
) -> Done | No:
    return await shop.talk.answer(
        view.invoice.id, entry_id=entry_id, by=by, text="Big ones", key=key, closing=Closing()
    )


def of_page(view: InvoiceView, address: str = "203.0.113.7") -> PageAsk:
    return PageAsk(address=address, page=view.invoice.subject)


async def topics(shop: Shop, chat_id: int, kind: str) -> int:
    return len([each for each in await shop.news(chat_id) if each.partition(":")[0] == kind])


async def test_an_answer_goes_to_whoever_asked_once(shop: Shop, view: InvoiceView) -> None:
    entry_id = await asked(shop, view)

    first, again = [await answered(shop, view, entry_id) for _ in range(2)]

    assert isinstance(first, Done)
    assert isinstance(again, Done)
    assert again.again
    assert await topics(shop, PETER, "answer") == 1
    [said] = await shop.billing.entries(view.invoice.id, InvoiceEntryKind.ANSWER, by=NJERI)
    told = await shop.invoices.news_view(view.invoice.id, f"answer:{said.id}")
    assert told is not None
    assert told.entry is not None
    assert (told.asked, told.entry.why) == ("Which bags?", "Big ones")


async def test_nobody_answers_for_another_merchant(shop: Shop, view: InvoiceView) -> None:
    await shop.appoint(OTHER)
    other = await shop.issue(by=OTHER)
    entry_id = await asked(shop, view)

    assert await answered(shop, view, entry_id, by=OTHER) is No.NOT_YOURS
    assert await answered(shop, other, entry_id, by=OTHER) is No.NOT_YOURS
    assert await answered(shop, view, entry_id + 99) is No.NOT_YOURS
    assert await topics(shop, PETER, "answer") == 0


async def test_not_mine_stops_reminders_until_the_merchant_decides(
    shop: Shop, view: InvoiceView
) -> None:
    reminders, clock = reminders_of(shop), shop.desk.clock
    invoice_id, code = view.invoice.id, view.invoice.code
    await reminders.remind(invoice_id, Remind.PLAN, by=NJERI, closing=Closing())
    await shop.talk.not_mine(code, person_id=PETER, closing=Closing(), gone=Closing())
    assert (await shop.view(view)).invoice.disowned_by == PETER
    await shop.invoices.open(code, person_id=MARY, closing=Closing())

    for _ in range(10):
        clock.advance(timedelta(days=1).total_seconds())
        await reminders.run_due()
    now = await reminders.remind(invoice_id, Remind.NOW, by=NJERI, closing=Closing())

    assert now is Reminded.DISOWNED
    assert await topics(shop, PETER, "remind") + await topics(shop, MARY, "remind") == 0
    done = await shop.talk.decide(invoice_id, theirs=False, by=NJERI, closing=Closing())
    assert isinstance(done, Done)
    clock.advance(timedelta(days=1).total_seconds())
    await reminders.run_due()
    assert await topics(shop, MARY, "remind") > 0
    assert await topics(shop, PETER, "remind") == 0


async def test_the_merchant_says_that_it_is_theirs_all_the_same(
    shop: Shop, view: InvoiceView
) -> None:
    invoice_id = view.invoice.id
    await shop.talk.not_mine(view.invoice.code, person_id=PETER, closing=Closing(), gone=Closing())

    stolen = await shop.talk.decide(invoice_id, theirs=True, by=OTHER, closing=Closing())
    done = await shop.talk.decide(invoice_id, theirs=True, by=NJERI, closing=Closing())
    again = await shop.talk.decide(invoice_id, theirs=True, by=NJERI, closing=Closing())

    assert (stolen, again) == (No.NOT_YOURS, No.STALE)
    assert isinstance(done, Done)
    assert (done.view.invoice.customer_id, done.view.invoice.disowned_by) == (PETER, None)
    assert await topics(shop, PETER, "theirs") == 1
    sent = await reminders_of(shop).remind(invoice_id, Remind.NOW, by=NJERI, closing=Closing())
    assert sent is Reminded.SENT


@pytest.mark.both_engines
async def test_not_mine_after_all_is_told_anew_and_decided_anew(
    shop: Shop, view: InvoiceView
) -> None:
    invoice_id, code, reminders = view.invoice.id, view.invoice.code, reminders_of(shop)
    await shop.talk.not_mine(code, person_id=PETER, closing=Closing(), gone=Closing())
    await shop.talk.decide(invoice_id, theirs=True, by=NJERI, closing=Closing())
    await reminders.remind(invoice_id, Remind.PLAN, by=NJERI, closing=Closing())

    for _ in range(2):
        shop.desk.clock.advance(60)
        await shop.talk.not_mine(code, person_id=PETER, closing=Closing(), gone=Closing())

    assert (await shop.view(view)).invoice.disowned_by == PETER
    assert await topics(shop, NJERI, "not-mine") == 2
    for _ in range(5):
        shop.desk.clock.advance(timedelta(days=1).total_seconds())
        await reminders.run_due()
    now = await reminders.remind(invoice_id, Remind.NOW, by=NJERI, closing=Closing())
    assert now is Reminded.DISOWNED
    await shop.talk.decide(invoice_id, theirs=True, by=NJERI, closing=Closing())
    assert await topics(shop, PETER, "theirs") == 2
    shop.desk.clock.advance(timedelta(days=1).total_seconds())
    await reminders.run_due()
    assert await topics(shop, PETER, "remind") > 0, "what was planned was not dropped"


async def test_who_has_it_no_more_cannot_stop_the_reminders_of_whoever_has(
    shop: Shop, view: InvoiceView
) -> None:
    code = view.invoice.code
    await shop.talk.not_mine(code, person_id=PETER, closing=Closing(), gone=Closing())
    await shop.invoices.open(code, person_id=MARY, closing=Closing())
    await shop.talk.decide(view.invoice.id, theirs=False, by=NJERI, closing=Closing())

    await shop.talk.not_mine(code, person_id=PETER, closing=Closing(), gone=Closing())

    assert (await shop.view(view)).invoice.disowned_by is None
    assert await topics(shop, NJERI, "not-mine") == 1
    await shop.invoices.open(code, person_id=PETER, closing=Closing())
    await shop.talk.not_mine(code, person_id=PETER, closing=Closing(), gone=Closing())
    assert (await shop.view(view)).invoice.disowned_by == PETER, "they had it again"
    assert await topics(shop, NJERI, "not-mine") == 2


async def test_what_is_paid_needs_no_decision(shop: Shop, view: InvoiceView) -> None:
    await shop.talk.not_mine(view.invoice.code, person_id=PETER, closing=Closing(), gone=Closing())
    await shop.paid(view, by=MARY)

    sent = await reminders_of(shop).remind(view.invoice.id, Remind.NOW, by=NJERI, closing=Closing())

    assert sent is Reminded.PAID


async def test_words_of_a_page_are_answered_on_it(shop: Shop, view: InvoiceView) -> None:
    code, page = view.invoice.code, of_page(view)
    in_chat = await asked(shop, view)
    for _ in range(2):
        said = await shop.talk.from_page(code, text="Do you deliver?", key="w:1", page=page)
        assert isinstance(said, InvoiceView)
    on_page = await asked(shop, view, by=NOBODY, key="w:1")
    await answered(shop, view, on_page, key="a:2")
    await answered(shop, view, in_chat, key="a:3")

    [shown] = await shop.talk.on_page(code)

    assert (shown.text, shown.answers) == ("Do you deliver?", ("Big ones",))
    assert await topics(shop, NJERI, "question") == 2
    assert await shop.news(NOBODY) == []


@pytest.mark.both_engines
async def test_not_mine_from_a_page_marks_the_invoice(shop: Shop, view: InvoiceView) -> None:
    await shop.talk.from_page(view.invoice.code, text="", key="w:1", page=of_page(view))

    marked = await shop.view(view)
    assert (marked.invoice.disowned_by, marked.invoice.customer_id) == (NOBODY, PETER)
    done = await shop.talk.decide(view.invoice.id, theirs=True, by=NJERI, closing=Closing())
    assert isinstance(done, Done)
    assert (done.view.invoice.disowned_by, done.view.invoice.customer_id) == (None, PETER)
    await shop.talk.from_page(view.invoice.code, text="", key="w:2", page=of_page(view))
    assert (await shop.view(view)).invoice.disowned_by == NOBODY, "another may have come"
    assert await topics(shop, NJERI, "not-mine") == 2


async def test_pages_are_not_a_way_to_flood_a_merchant(shop: Shop, view: InvoiceView) -> None:
    code, clock = view.invoice.code, shop.desk.clock

    async def said(number: int, address: str) -> object:
        answer = await shop.talk.from_page(
            code, text=f"{number}?", key=f"w:{number}", page=of_page(view, address)
        )
        return answer.reason if isinstance(answer, Refusal) else None

    of_one = [await said(number, "203.0.113.7") for number in range(7)]
    of_all = [await said(number, f"198.51.100.{number}") for number in range(10, 206)]
    clock.advance(timedelta(hours=1, seconds=1).total_seconds())
    later = await said(999, "203.0.113.7")

    assert of_one == [None] * 5 + [RefusalReason.PAGE_ADDRESS] * 2
    assert of_all == [None] * 195 + [RefusalReason.PAGE_FULL]
    assert later is None
    gone = await shop.talk.from_page("x" * 22, text="?", key="w:0", page=of_page(view))
    assert gone is None


async def test_of_very_many_entries_the_newest_are_read(shop: Shop, view: InvoiceView) -> None:
    for number in range(3):
        await asked(shop, view, key=f"q:{number}")

    async with shop.desk.store.read() as tx:
        found = await tx.invoices.entries(view.invoice.id, InvoiceEntryKind.QUESTION, limit=2)

    assert [each.key for each in found] == ["q:1", "q:2"]
