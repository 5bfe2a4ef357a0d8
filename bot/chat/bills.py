"""Bills: an invoice as its customer has it: opened by a link, paid, asked about, disowned."""

from __future__ import annotations

import json

from bot.chat.answers import refusal_text
from bot.chat.asides import answered_in_time, key_of_press, pressed_before
from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.invoice_cards import customer_card
from bot.chat.invoices import DRAFT_LIFE, paper_notice, quill_of
from bot.chat.keyboards import keyboard, share_number
from bot.chat.parse import Unclear, read_amount
from bot.chat.pay import INVOICE_LINK
from bot.chat.read_late import bill_read_late, read_late
from bot.core.ask import Asked, Refusal
from bot.core.bills import Standing
from bot.core.invoice_talk import WORDS_CHARS_MAX
from bot.core.invoices import InvoiceView, PayInvoice
from bot.core.people import is_forgotten
from bot.core.phones import mask
from bot.texts import clean, kes, plain
from storage.records import Draft, DraftKind, Keyboard

__all__ = [
    "ask_merchant",
    "not_mine",
    "open_link",
    "part",
    "part_of",
    "pay",
    "pdf",
    "question",
    "typed",
]

PARTS_OF = (2, 3, 4)


async def open_link(turn: Turn, code: str) -> None:
    """Somebody came by the link: the invoice is shown, to its merchant as theirs."""
    view = await turn.core.invoices.open(code, person_id=turn.person.id, closing=turn.closing())
    if view is None:
        await turn.answer(turn.say("bill.unknown"))


async def pay(press: DeedPress) -> Toast:
    """All that is left, from one's own phone; or from another, which is asked for."""
    if (before := await pressed_before(press.turn)) is not None:
        return before
    view = await press.turn.core.invoices.by_code(press.deed.subject)
    if view is None:
        return press.turn.toast("toast.old")
    if not view.ask_kes:
        return press.turn.toast(_why_closed(view), alert=True)
    asked = press.deed.argument
    if asked.isdecimal() and view.ask_kes != int(asked):
        text = press.turn.say("bill.changed", amount=kes(view.ask_kes))
        await _look_again(press.turn, view, text)
        return Toast()
    return await _pay(press, view, view.ask_kes, other=asked == "other")


async def part(press: DeedPress) -> Toast:
    """A part of it: some are offered, any other is typed."""
    turn = press.turn
    view = await turn.core.invoices.by_code(press.deed.subject)
    if view is None:
        return turn.toast("toast.old")
    if not view.ask_kes:
        return turn.toast(_why_closed(view), alert=True)
    quill = quill_of(turn, view)
    parts = sorted({max(1, view.ask_kes // each) for each in PARTS_OF})
    buttons = [
        quill.button("bill-pay", "bill-part-of", str(each), amount=kes(each)) for each in parts
    ]
    draft = _draft(turn, view, "part")
    text = quill.say("bill.how-much", most=kes(view.ask_kes))
    closing = turn.closing(turn.reply(text, keyboard(buttons)))
    await turn.core.people.keep_draft(draft, closing)
    return Toast()


async def part_of(press: DeedPress) -> Toast:
    """One of the offered parts."""
    if (before := await pressed_before(press.turn)) is not None:
        return before
    view = await press.turn.core.invoices.by_code(press.deed.subject)
    if view is None:
        return press.turn.toast("toast.old")
    return await _pay(press, view, int(press.deed.argument), other=False)


async def question(press: DeedPress) -> Toast:
    """A question to the merchant: the next message."""
    turn = press.turn
    view = await turn.core.invoices.by_code(press.deed.subject)
    if view is None:
        return turn.toast("toast.old")
    if is_forgotten(view.invoice.merchant_id):
        await turn.answer(_nobody_to_ask(turn, view))
        return Toast()
    quill = quill_of(turn, view)
    keys = Keyboard(force_reply=clean(plain(quill.say("bill.question-like")), limit=64))
    closing = turn.closing(turn.reply(quill.say("bill.ask-what"), keys))
    await turn.core.people.keep_draft(_draft(turn, view, "question"), closing)
    return Toast()


async def not_mine(press: DeedPress) -> Toast:
    """It was sent to the wrong person."""
    turn = press.turn
    view = await turn.core.invoice_talk.not_mine(
        press.deed.subject,
        person_id=turn.person.id,
        closing=turn.closing(turn.reply(turn.say("bill.not-mine-noted"))),
        gone=turn.closing(turn.reply(turn.say("bill.not-mine-gone"))),
    )
    return Toast() if view is not None else turn.toast("toast.old")


async def pdf(press: DeedPress) -> Toast:
    """The invoice on paper."""
    turn = press.turn
    view = await turn.core.invoices.by_code(press.deed.subject)
    if view is None:
        return turn.toast("toast.old")
    await turn.core.post.say(turn.closing_with(paper_notice(turn, view)))
    return turn.toast("toast.paper")


async def typed(turn: Turn, draft: Draft) -> None:
    """The answer to "how much?" or "what is your question?"."""
    asked: dict[str, str] = json.loads(draft.data)
    view = await turn.core.invoices.by_code(asked["code"])
    if view is None:
        await turn.core.post.say(turn.answered(turn.reply(turn.say("bill.unknown"))))
    elif asked["what"] == "question":
        await ask_merchant(turn, view.invoice.code)
    else:
        await _part_typed(turn, view)


async def ask_merchant(turn: Turn, code: str) -> None:
    """These words are a question to the merchant."""
    view = await turn.core.invoices.by_code(code)
    nobody = turn.say("bill.unknown") if view is None else _nobody_to_ask(turn, view)
    await turn.core.invoice_talk.ask(
        code,
        person_id=turn.person.id,
        text=turn.words.strip()[:WORDS_CHARS_MAX],
        key=turn.key_of_words("question"),
        closing=turn.answered(turn.reply(turn.say("bill.question-sent"))),
        gone=turn.answered(turn.reply(nobody)),
    )


def _nobody_to_ask(turn: Turn, view: InvoiceView) -> str:
    """Its merchant was forgotten; whose account it is paid to can still be asked, elsewhere."""
    collector = turn.core.invoices.collector(view.invoice.account)
    return turn.say("bill.nobody-to-ask", merchant=view.merchant.name, collector=collector.name)


async def _part_typed(turn: Turn, view: InvoiceView) -> None:
    amount_kes = read_amount(turn.words)
    if isinstance(amount_kes, Unclear):
        values = {**amount_kes.values, "pay": turn.command("pay")}
        await turn.answer(turn.say(amount_kes.key, **values))
        return
    if await read_late(turn, key_of_press(turn)):
        await bill_read_late(turn, view)
        return
    if turn.person.phone is None:
        await _ask_for_phone(turn, view, amount_kes)
        return
    answer = await _prompt(turn, view, amount_kes, turn.person.phone)
    text = "" if isinstance(answer, Asked) else _said(turn, answer)
    replies = [turn.reply(text)] if text else []
    await turn.core.post.say(turn.answered(*replies))


async def _pay(press: DeedPress, view: InvoiceView, amount_kes: int, *, other: bool) -> Toast:
    turn = press.turn
    phone = turn.person.phone
    if phone is None or other:
        await _ask_for_phone(turn, view, amount_kes)
        return Toast()
    toast = turn.toast("give.toast", phone=mask(phone), amount=kes(amount_kes))
    if not await answered_in_time(press, toast.text):
        await _look_again(turn, view, turn.say("bill.pressed-late"))
        return Toast(given=True)
    answer = await _prompt(turn, view, amount_kes, phone, update_id=turn.update_id)
    if isinstance(answer, Asked):
        turn.closed = not answer.again
    else:
        await turn.answer(_said(turn, answer))
    return Toast(given=True)


async def _look_again(turn: Turn, view: InvoiceView, text: str) -> None:
    """Nothing is sent, and here is what a press would pay for now."""
    card = customer_card(quill_of(turn, view))
    await turn.answer(f"{text}\n\n{card.text}", card.keyboard)


async def _prompt(
    turn: Turn, view: InvoiceView, amount_kes: int, phone: str, *, update_id: int | None = None
) -> Asked | Refusal | None:
    return await turn.core.invoices.pay(
        PayInvoice(
            code=view.invoice.code,
            amount_kes=amount_kes,
            phone=phone,
            ask_key=key_of_press(turn),
            language=turn.language,
            asked_by=turn.person.id,
            chat_id=turn.chat_id,
            update_id=update_id,
        )
    )


async def _ask_for_phone(turn: Turn, view: InvoiceView, amount_kes: int) -> None:
    """The question of `/pay`, whose answer goes on with this invoice."""
    draft = Draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        kind=DraftKind.PAY_PHONE,
        amount_kes=amount_kes,
        message_id=turn.message_id,
        data=f"{INVOICE_LINK}{view.invoice.code}",
        expires_at=turn.core.clock.now() + DRAFT_LIFE,
    )
    text = turn.say("pay.which-phone", amount=kes(amount_kes), collector=view.merchant.name)
    keys = share_number(turn.paper.texts, turn.language)
    await turn.core.people.keep_draft(draft, turn.closing(turn.reply(text, keys)))


def _draft(turn: Turn, view: InvoiceView, what: str) -> Draft:
    return Draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        kind=DraftKind.BILL,
        message_id=turn.message_id,
        data=json.dumps({"what": what, "code": view.invoice.code}),
        expires_at=turn.core.clock.now() + DRAFT_LIFE,
    )


def _said(turn: Turn, answer: Refusal | None) -> str:
    if answer is None:
        return turn.say("bill.unknown")
    return refusal_text(answer, turn.language, turn.paper.texts, now=turn.core.clock.now())


def _why_closed(view: InvoiceView) -> str:
    if view.may_be_paid:
        return "refusal.invoice-waiting"
    closed = view.standing in (Standing.VOID, Standing.WRITTEN_OFF)
    return "refusal.invoice-closed" if closed else "refusal.invoice-paid"
