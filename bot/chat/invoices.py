"""Invoices: `/invoice`, and the buttons under a merchant's own invoice."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from zlib import crc32

from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.invoice_cards import Quill, excess_buttons, quantity
from bot.chat.keyboards import keyboard
from bot.chat.parse import Unclear
from bot.chat.parse_invoice import invoice_words
from bot.core.billing import NewInvoice
from bot.core.eat import day_of
from bot.core.invoice_acts import Done, No
from bot.core.invoices import InvoiceView
from bot.texts import clean, money, plain
from storage.records import (
    Bill,
    BillItem,
    Button,
    Draft,
    DraftKind,
    InvoiceEntryKind,
    Keyboard,
    Merchant,
    NewNotice,
    NoticeKind,
)

__all__ = [
    "DRAFT_LIFE",
    "ask",
    "both_went_back",
    "close",
    "close_as",
    "code",
    "edit",
    "excess",
    "invoice",
    "issue",
    "items",
    "mark_of",
    "may_invoice",
    "pdf",
    "quill_of",
    "refused",
    "reopen",
    "say_unclear",
    "show",
    "today_of",
    "uncash",
]

DRAFT_LIFE = timedelta(minutes=30)
LABEL_CHARS_MAX = 24
ENTRIES_SHOWN = 3

QUESTIONS = ("item", "cash", "customer", "due", "note", "vat", "etims", "answer")


async def invoice(turn: Turn) -> None:
    """`/invoice 1500 Peter 2 bags charcoal, due Friday`: issued at once; no amount: a draft."""
    merchant = await may_invoice(turn)
    if merchant is None:
        return
    words = invoice_words(turn.words, today=day_of(turn.written_at))
    if isinstance(words, Unclear):
        await say_unclear(turn, words)
        return
    items: tuple[BillItem, ...] = ()
    if words.total_cents is not None:
        what = words.what or plain(turn.say("invoice.goods"))
        items = (BillItem(what=what, price_cents=words.total_cents),)
    due_on = words.due_on or today_of(turn) + timedelta(days=merchant.due_days)
    answer = await turn.core.billing.make(
        NewInvoice(
            merchant_id=turn.person.id,
            bill=Bill(customer=words.customer, username=words.username, items=items, due_on=due_on),
            issue_key=f"m:{turn.chat_id}:{turn.message_id}",
            draft=not items,
        ),
        turn.closing(),
    )
    match answer:
        case Done(again=True):
            await turn.answer(turn.say("invoice.made-before", label=answer.view.invoice.label))
        case No():
            await turn.answer(refused(turn, answer))


async def may_invoice(turn: Turn) -> Merchant | None:
    """The merchant who speaks; None, and told so, if this person is none."""
    merchant = await turn.core.merchants.get(turn.person.id)
    if merchant is None:
        await turn.answer(turn.say("merchant.not-you", collector=turn.core.collector.name))
    return merchant


async def issue(press: DeedPress) -> Toast:
    """A draft becomes an invoice."""
    turn = press.turn
    answer = await turn.core.billing.issue(
        press.deed.subject, by=turn.person.id, closing=turn.closing()
    )
    return _toast(turn, answer, "toast.issued")


async def show(press: DeedPress) -> Toast:
    """The invoice once more, as the newest message."""
    turn = press.turn
    view = await turn.core.billing.show(
        press.deed.subject, by=turn.person.id, closing=turn.closing()
    )
    return Toast() if view is not None else _toast(turn, No.NOT_YOURS, "")


async def ask(press: DeedPress) -> Toast:
    """A question about an invoice, whose answer is the next message: an item, cash, a day …"""
    turn = press.turn
    what, _, place = press.deed.argument.partition(":")
    view = await turn.core.billing.view(press.deed.subject, by=turn.person.id)
    if view is None or what not in QUESTIONS:
        return _toast(turn, No.NOT_YOURS, "")
    quill = quill_of(turn, view)
    draft = Draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        kind=DraftKind.INVOICE,
        message_id=turn.message_id,
        data=json.dumps({"what": what, "invoice": view.invoice.id, "place": place}),
        expires_at=turn.core.clock.now() + DRAFT_LIFE,
    )
    text = quill.say(f"ask.{what}", most=money(view.left_cents))
    await turn.core.people.keep_draft(draft, turn.closing(turn.reply(text, _choices(quill, what))))
    return Toast()


def _choices(quill: Quill, what: str) -> Keyboard | None:
    """Answers that can be pressed instead of typed."""
    match what:
        case "due":
            today = quill.today
            to_friday = (4 - today.weekday()) % 7 or 7
            days = [today + timedelta(days=each) for each in sorted({1, to_friday, 7, 14, 30})]
            buttons = [
                Button(
                    label=quill.day(day),
                    does=quill.button("inv-edit", "inv-due", str(day.toordinal())).does,
                )
                for day in days
            ]
        case "vat":
            buttons = [
                quill.button(f"inv-vat-{mode}", "inv-vat", argument)
                for mode, argument in (
                    ("none", "none:0"),
                    ("inclusive", "inclusive:1600"),
                    ("exclusive", "exclusive:1600"),
                )
            ]
        case "cash":
            cents = quill.view.beside_cents  # of what may be in M-Pesa they say it by typing it
            if not cents:
                return None
            amount = money(cents)
            buttons = [quill.button("inv-cash-all", "inv-cash", str(cents), amount=amount)]
        case _:
            return Keyboard(force_reply=clean(plain(quill.say(f"ask.{what}-like")), limit=64))
    return keyboard(buttons)


async def edit(press: DeedPress) -> Toast:
    """What can be changed about it, and the cash that can be taken back."""
    turn = press.turn
    view = await turn.core.billing.view(press.deed.subject, by=turn.person.id)
    if view is None:
        return _toast(turn, No.NOT_YOURS, "")
    quill = quill_of(turn, view)
    buttons = [
        quill.button("inv-items", "inv-items"),
        *(
            quill.button(f"inv-{what}", "inv-ask", what)
            for what in ("due", "customer", "note", "vat", "etims")
        ),
    ]
    buttons += [
        quill.button("inv-plan", "inv-remind", "plan"),
        quill.button("inv-unplan", "inv-remind", "stop"),
    ]
    entries = await turn.core.billing.entries(
        view.invoice.id, InvoiceEntryKind.CASH, by=turn.person.id
    )
    buttons += [
        quill.button("inv-uncash", "inv-uncash", str(each.id), amount=money(each.cents))
        for each in entries[-ENTRIES_SHOWN:]
    ]
    await turn.answer(quill.say("invoice.edit-which"), keyboard(buttons))
    return Toast()


def mark_of(item: BillItem) -> str:
    """Tells one line of a bill from another that has taken its place."""
    return f"{crc32(repr(item).encode()):08x}"


async def items(press: DeedPress) -> Toast:
    """Its items as buttons: the pressed one is typed anew, or taken out."""
    turn = press.turn
    view = await turn.core.billing.view(press.deed.subject, by=turn.person.id)
    if view is None:
        return _toast(turn, No.NOT_YOURS, "")
    quill = quill_of(turn, view)
    buttons = [
        Button(
            label=clean(
                f"{place + 1}. {quantity(item.quantity_milli)} × {item.what}",
                limit=LABEL_CHARS_MAX,
            ),
            does=quill.button("inv-item", "inv-ask", f"item:{place}:{mark_of(item)}").does,
        )
        for place, item in enumerate(view.invoice.bill.items)
    ]
    buttons.append(quill.button("inv-item", "inv-ask", "item"))
    await turn.answer(quill.say("invoice.items-which"), keyboard(buttons))
    return Toast()


async def close(press: DeedPress) -> Toast:
    """Take it back, or give it up: asked once more, for both can be regretted."""
    turn = press.turn
    view = await turn.core.billing.view(press.deed.subject, by=turn.person.id)
    if view is None:
        return _toast(turn, No.NOT_YOURS, "")
    quill = quill_of(turn, view)
    buttons = [
        quill.button("inv-void", "inv-close-as", "void", style="danger"),
        quill.button("inv-write-off", "inv-close-as", "write-off"),
    ]
    await turn.answer(quill.say("invoice.close-how"), keyboard(buttons))
    return Toast()


async def close_as(press: DeedPress) -> Toast:
    """Void, or written off."""
    turn = press.turn
    billing = turn.core.billing
    act = billing.void if press.deed.argument == "void" else billing.write_off
    answer = await act(press.deed.subject, by=turn.person.id, why="", closing=turn.closing())
    return _toast(turn, answer, "toast.done")


async def reopen(press: DeedPress) -> Toast:
    """It was closed by mistake."""
    turn = press.turn
    answer = await turn.core.billing.reopen(
        press.deed.subject, by=turn.person.id, closing=turn.closing()
    )
    return _toast(turn, answer, "toast.done")


async def excess(press: DeedPress) -> Toast:
    """What was paid too much: given back, or kept as agreed; what came since is asked about."""
    turn = press.turn
    what, _, mark = press.deed.argument.partition(":")
    answer = await turn.core.cash_book.settle_excess(
        press.deed.subject,
        keep=what == "keep",
        by=turn.person.id,
        button=press.button,
        closing=turn.closing(),
        mark=mark,
    )
    if answer is No.OTHER_EXCESS:
        view = await turn.core.billing.view(press.deed.subject, by=turn.person.id)
        if view is not None and view.excess_cents:
            quill = quill_of(turn, view)
            await turn.answer(quill.say("invoice.other-excess"), keyboard(excess_buttons(quill)))
            return Toast()
        answer = No.NO_EXCESS
    return _toast(turn, answer, "toast.noted")


async def both_went_back(press: DeedPress) -> Toast:
    """What was given back, and what M-Pesa took back, are two."""
    return await _about_entry(press, press.turn.core.cash_book.both_went_back)


async def uncash(press: DeedPress) -> Toast:
    """An entry of cash was wrong."""
    return await _about_entry(press, press.turn.core.cash_book.undo_cash)


async def _about_entry(press: DeedPress, act: Callable[..., Awaitable[Done | No]]) -> Toast:
    """Carry out what a button says of one entry in an invoice's books."""
    turn = press.turn
    answer = await act(
        press.deed.subject,
        entry_id=int(press.deed.argument),
        by=turn.person.id,
        closing=turn.closing(),
    )
    return _toast(turn, answer, "toast.noted")


async def pdf(press: DeedPress) -> Toast:
    """The invoice on paper, with its QR code."""
    turn = press.turn
    view = await turn.core.billing.view(press.deed.subject, by=turn.person.id)
    if view is None:
        return _toast(turn, No.NOT_YOURS, "")
    await turn.core.post.say(turn.closing_with(paper_notice(turn, view)))
    return turn.toast("toast.paper")


async def code(press: DeedPress) -> Toast:
    """Its link as a code to be scanned from this screen."""
    turn = press.turn
    view = await turn.core.billing.view(press.deed.subject, by=turn.person.id)
    if view is None:
        return _toast(turn, No.NOT_YOURS, "")
    await turn.core.post.say(turn.closing_with(paper_notice(turn, view, "qr")))
    return Toast()


def paper_notice(turn: Turn, view: InvoiceView, what: str = "pdf") -> NewNotice:
    """The invoice as a PDF, or its code ("qr"), made when its turn comes."""
    return NewNotice(
        key=f"i:{view.invoice.id}:{what}:{turn.update_id}",
        kind=NoticeKind.NEWS,
        chat_id=turn.chat_id,
        subject=view.invoice.subject,
        topic=f"{what}:{turn.person.id}",
    )


def quill_of(turn: Turn, view: InvoiceView) -> Quill:
    """A pen for the one who speaks."""
    return Quill(
        view=view,
        paper=turn.paper,
        language=turn.language,
        today=today_of(turn),
        owner=turn.person.id,
    )


def today_of(turn: Turn) -> date:
    """The day it is in Nairobi."""
    return day_of(turn.core.clock.now())


def refused(turn: Turn, no: No) -> str:
    """Why nothing was done."""
    return turn.say(f"no.{no}", pay=turn.command("pay"))


async def say_unclear(turn: Turn, unclear: Unclear) -> None:
    """The one kind sentence about what could not be read."""
    values = {**unclear.values, "invoice": turn.command("invoice"), "pay": turn.command("invoice")}
    await turn.answer(turn.say(unclear.key, **values))


def _toast(turn: Turn, answer: Done | No, key: str) -> Toast:
    if isinstance(answer, No):
        # Nothing was written; whoever handles presses marks the update done.
        turn.closed = False
        return Toast(plain(refused(turn, answer)), alert=True)
    return turn.toast(key)
