"""Invoice letters: cards and news about invoices, made from the books when their turn comes."""

from __future__ import annotations

from datetime import date

from bot.chat.context import language_of
from bot.chat.invoice_cards import Quill, customer_card, merchant_card
from bot.chat.invoice_papers import invoice_paper
from bot.chat.keyboards import Stationery, keyboard
from bot.chat.ledger_words import day_text
from bot.chat.reports import report_picture
from bot.core.core import Core
from bot.core.eat import day_of
from bot.core.invoices import InvoiceNewsView
from bot.texts import Texts, money
from storage.records import Keyboard, Notice, Reply

__all__ = ["about_invoice", "about_merchant"]

QUESTION_CHARS_MAX = 500


async def about_invoice(core: Core, paper: Stationery, notice: Notice) -> Reply | None:
    """A CARD or NEWS about one invoice; None where there is nothing left to say."""
    topic, _, detail = notice.topic.partition(":")
    found = await core.invoices.news_view((notice.subject or "").partition(":")[2], notice.topic)
    if found is None:
        return None
    language = await _language(core, paper.texts, notice.chat_id, found.view.invoice.language)
    quill = Quill(
        view=found.view,
        paper=paper,
        language=language,
        today=day_of(core.clock.now()),
        owner=notice.chat_id,
        page_url=core.invoices.page_url(found.view.invoice.code),
    )
    match topic:
        case "merchant":
            card = merchant_card(quill)
            return Reply(chat_id=notice.chat_id, text=card.text, keyboard=card.keyboard)
        case "customer":
            card = customer_card(quill)
            return Reply(chat_id=notice.chat_id, text=card.text, keyboard=card.keyboard)
        case "pdf":
            return await invoice_paper(core, quill, chat_id=notice.chat_id)
        case _:
            text, keys = _news(core, quill, found, topic, detail, await _owed(core, quill))
            return None if not text else Reply(chat_id=notice.chat_id, text=text, keyboard=keys)


async def about_merchant(core: Core, paper: Stationery, notice: Notice) -> Reply | None:
    """The summary of a day, or a picture of many."""
    kind, _, day = notice.topic.partition(":")
    merchant = await core.merchants.get(notice.chat_id)
    if merchant is None or not day:
        return None
    language = await _language(core, paper.texts, notice.chat_id, merchant.language)
    if kind == "report":
        return await report_picture(core, paper.texts, language, notice, title=merchant.name)
    shown = await core.ledgers.day(notice.chat_id, day=date.fromordinal(int(day)))
    text = day_text(shown, paper.texts, language, today=day_of(core.clock.now()))
    return Reply(chat_id=notice.chat_id, text=text)


async def _language(core: Core, texts: Texts, person_id: int, otherwise: str) -> str:
    person = await core.people.get(person_id)
    if person is None:
        return otherwise
    return language_of(person.language, person.telegram_language)


async def _owed(core: Core, quill: Quill) -> str:
    """What else the merchant has open; only the merchant reads it."""
    invoice = quill.view.invoice
    if quill.owner != invoice.merchant_id:
        return ""
    count, left_cents = await core.ledgers.owed(invoice.merchant_id)
    if not count:
        return quill.say("news.nothing-open")
    return quill.say("news.open", count=count, sum=money(left_cents))


def _news(
    core: Core, quill: Quill, found: InvoiceNewsView, topic: str, detail: str, owed: str
) -> tuple[str, Keyboard | None]:
    mine = quill.owner == quill.view.invoice.merchant_id
    match topic:
        case "paid" | "reversed":
            return _money(quill, found, topic, owed, mine=mine), None
        case "cash":
            amount = money(0 if found.entry is None else found.entry.cents)
            return _lines(quill.say("news.cash", amount=amount), _left(quill)), None
        case "overpaid":
            if not quill.view.excess_cents:
                return "", None
            back = quill.button("inv-given-back", "inv-excess", "back")
            keep = quill.button("inv-keep", "inv-excess", "keep")
            return quill.say("news.overpaid"), keyboard([back, keep])
        case "late":
            buttons = (
                quill.button("inv-remind", "inv-remind", "now", style="primary"),
                quill.button("inv-snooze", "inv-remind", "snooze"),
                quill.button("inv-cash", "inv-ask", "cash"),
            )
            return (quill.say("news.late"), keyboard(buttons)) if quill.is_late else ("", None)
        case "remind":
            card = customer_card(quill)
            return _lines(quill.say("bill.reminder"), card.text), card.keyboard
        case "question" | "not-mine" if found.entry is not None:
            words = {"name": found.name, "text": found.entry.why[:QUESTION_CHARS_MAX]}
            link = quill.button("inv-show", "inv-show")
            if topic == "not-mine":
                return quill.say("news.not-mine", name=found.name), keyboard((link,))
            return quill.say("news.question", **words), keyboard((link,))
        case _:
            return "", None


def _money(quill: Quill, found: InvoiceNewsView, topic: str, owed: str, *, mine: bool) -> str:
    payment = found.payment
    if payment is None:
        return ""
    cents = payment.reversed_cents if topic == "reversed" else payment.credited_cents
    values: dict[str, object] = {
        "amount": money(cents or 0),
        "name": found.name or quill.view.invoice.bill.customer,
        "phone": payment.phone_mask,
        "receipt": payment.receipt or quill.say("code-to-follow"),
    }
    whose = "merchant" if mine else "customer"
    return _lines(quill.say(f"news.{topic}.{whose}", **values), _left(quill), owed)


def _left(quill: Quill) -> str:
    """What is paid of it and what is left, if anything is."""
    view = quill.view
    return quill.say("news.left") if view.left_cents and view.sums.paid_cents else ""


def _lines(*lines: str) -> str:
    return "\n".join(filter(None, lines))
