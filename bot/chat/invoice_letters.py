"""Invoice letters: cards and news about invoices, made from the books when their turn comes."""

from __future__ import annotations

from datetime import date

from markupsafe import Markup

from bot.chat.context import language_of
from bot.chat.invoice_cards import (
    Quill,
    customer_card,
    decide_buttons,
    excess_buttons,
    merchant_card,
)
from bot.chat.invoice_papers import invoice_code, invoice_paper
from bot.chat.keyboards import Stationery, keyboard
from bot.chat.ledger_words import day_text
from bot.chat.reports import report_picture
from bot.core.bills import Standing
from bot.core.core import Core
from bot.core.eat import day_of
from bot.core.invoice_talk import WORDS_CHARS_MAX
from bot.core.invoices import InvoiceNewsView
from bot.core.people import is_forgotten
from bot.texts import Texts, apart, clean, kes, money
from storage.records import Button, InvoiceEntry, Keyboard, Notice, Reply

__all__ = ["about_invoice", "about_merchant"]

OF_MONEY = ("paid", "reversed", "again", "overpaid", "went-back")
"""Topics that operators read where no merchant is left to."""


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
        case "qr":
            return await invoice_code(quill, chat_id=notice.chat_id)
        case "pdf":
            return await invoice_paper(core, quill, chat_id=notice.chat_id)
        case _:
            text, keys = _news(core, quill, found, topic, detail, await _owed(core, quill))
            if text and topic in OF_MONEY and _inherits(core, quill):
                text = _lines(text, quill.say("news.merchant-gone"))
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
    of_day = date.fromordinal(int(day))
    text = day_text(
        await core.ledgers.day(notice.chat_id, day=of_day, summed_up=True),
        paper.texts,
        language,
        today=day_of(core.clock.now()),
        evening_before=await core.ledgers.evening_before(notice.chat_id, of_day),
    )
    return Reply(chat_id=notice.chat_id, text=text)


def _inherits(core: Core, quill: Quill) -> bool:
    """Whether an operator reads it because its merchant was forgotten."""
    return is_forgotten(quill.view.invoice.merchant_id) and quill.owner in core.operators


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
    inherits = _inherits(core, quill)
    mine = inherits or quill.owner == quill.view.invoice.merchant_id
    match topic:
        case "paid" | "reversed" | "again":
            return _money(quill, found, topic, owed, mine=mine), None
        case "cash" if found.entry is not None:
            amount = money(found.entry.cents)
            return _lines(quill.say("news.cash", amount=amount), _left(quill)), None
        case "cash-undone" if found.entry is not None:
            text = quill.say("news.cash-undone", amount=money(-found.entry.cents))
            return _lines(text, _left(quill)), _objection(quill)
        case "given-back" if found.entry is not None:
            text = quill.say("news.given-back", amount=money(-found.entry.cents))
            return text, _objection(quill)
        case "overpaid":
            if not quill.view.excess_cents:
                return "", None
            key = "news.overpaid"
            if quill.view.standing is Standing.VOID:
                key = "news.overpaid-void-gone" if inherits else "news.overpaid-void"
            return quill.say(key), keyboard(excess_buttons(quill))
        case "went-back" if found.entry is not None:
            amount = money(abs(found.entry.about_cents))
            if found.entry.about_cents < 0:
                return quill.say("news.untold", amount=amount), None
            both = quill.button("inv-both", "inv-both", str(found.entry.id))
            return quill.say("news.went-back", amount=amount), keyboard([both])
        case "late":
            buttons = (
                quill.button("inv-remind", "inv-remind", "now", style="primary"),
                quill.button("inv-snooze", "inv-remind", "snooze"),
                quill.button("inv-cash", "inv-ask", "cash"),
            )
            text = _lines(quill.say("news.late"), quill.waiting())
            return (text, keyboard(buttons)) if quill.is_late else ("", None)
        case "remind" if not quill.view.left_cents or quill.view.may_be_paid:
            return "", None
        case "remind":
            card = customer_card(quill)
            return _lines(quill.say("bill.reminder"), card.text), card.keyboard
        case _ if found.entry is not None:
            return _talk(quill, found, found.entry, topic)
        case _:
            return "", None


def _talk(
    quill: Quill, found: InvoiceNewsView, entry: InvoiceEntry, topic: str
) -> tuple[str, Keyboard | None]:
    """What a customer says to the merchant, and what the merchant says to that."""
    values = {
        "name": found.name or quill.say("news.on-page"),
        "text": _whole(entry.why),
        "asked": _whole(found.asked),
    }
    show = quill.button("inv-show", "inv-show")
    answer = quill.button("inv-answer", "inv-ask", f"answer:{entry.id}", style="primary")
    match topic:
        case "question":
            how = quill.say("news.how-to-answer" if found.name else "news.answer-on-page")
            return _lines(quill.say("news.question", **values), how), keyboard((answer, show))
        case "not-mine":
            text = quill.say("news.not-mine", **values)
            more = quill.say("invoice.disowned") if quill.is_disowned else ""
            asked = [answer] if found.name else []
            return _lines(text, more), keyboard((*decide_buttons(quill), *asked, show))
        case "answer":
            again = quill.button("bill-question", "bill-question")
            key = "news.answer" if found.asked else "news.answer-plain"
            return quill.say(key, **values), keyboard((again, *_pay_button(quill)))
        case _:
            text, card = quill.say("news.theirs"), customer_card(quill)
            return _lines(text, card.text), card.keyboard


def _whole(text: str) -> Markup:
    """What somebody wrote, to its end, and with nothing in it to be tapped."""
    return Markup.escape(apart(clean(text, limit=WORDS_CHARS_MAX)))


def _objection(quill: Quill) -> Keyboard | None:
    """What a customer can do who is told that money does not count, or went back."""
    return keyboard([quill.button("bill-question", "bill-question"), *_pay_button(quill)])


def _pay_button(quill: Quill) -> list[Button]:
    amount = quill.view.ask_kes
    if not amount or quill.view.may_be_paid:
        return []
    return [quill.button("bill-pay", "bill-pay", str(amount), amount=kes(amount))]


def _money(quill: Quill, found: InvoiceNewsView, topic: str, owed: str, *, mine: bool) -> str:
    payment = found.payment
    if payment is None:
        return ""
    if topic == "reversed" and found.back_cents < payment.arrived_cents:
        topic = "part-reversed"
    values: dict[str, object] = {
        "amount": money(payment.arrived_cents),
        "back": money(found.back_cents),
        "name": found.name or quill.view.invoice.bill.customer,
        "phone": payment.phone_mask,
        "receipt": payment.receipt or quill.say("code-to-follow"),
    }
    whose = "merchant" if mine else "customer"
    return _lines(quill.say(f"news.{topic}.{whose}", **values), _left(quill), owed)


def _left(quill: Quill) -> str:
    """What is paid of it and what is left, if anything is, and what may have come besides."""
    view = quill.view
    left = quill.say("news.left") if view.left_cents and view.sums.paid_cents else ""
    return _lines(left, quill.waiting())


def _lines(*lines: str) -> str:
    return "\n".join(filter(None, lines))
