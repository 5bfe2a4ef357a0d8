"""Pay: `/pay`, the phone it is asked from, and the buttons under a payment's messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from telegram import Contact

from bot.chat.asides import hide_number
from bot.chat.cards import by_hand_card, check_answer, refusal_text, unclear_text, why
from bot.chat.context import Press, Toast, Turn
from bot.chat.giving import phone_shared
from bot.chat.keyboards import Action, action_buttons, keyboard, share_number
from bot.chat.outcomes import standing
from bot.chat.parse import PayWords, Unclear, pay_words
from bot.chat.read_late import FRESH_FOR, bill_read_late, read_late
from bot.core.ask import Asked, AskRequest, Refusal, RefusalReason
from bot.core.invoices import PayInvoice
from bot.core.phones import BadPhone, mask, read_phone
from bot.core.reconcile import CheckNow
from bot.texts import kes, plain
from storage.records import (
    OPEN,
    Button,
    Closing,
    Draft,
    DraftKind,
    Keyboard,
    NewNotice,
    NoticeKind,
    Payment,
    Status,
)

__all__ = [
    "again",
    "by_hand",
    "check",
    "contact",
    "paper",
    "pay",
    "phone_typed",
    "why_not",
]

DRAFT_LIFE = timedelta(minutes=30)

INVOICE_LINK = "i_"
"""How the payload of an invoice's link begins, and what a phone is asked for begins alike."""

NO_KEYS = Keyboard(remove=True)


async def pay(turn: Turn) -> None:
    """`/pay <amount> <phone> [note]`, either order; without a phone, the remembered one."""
    words = pay_words(turn.words)
    if isinstance(words, Unclear):
        text = unclear_text(words, turn.language, turn.paper.texts, pay=turn.command("pay"))
        await turn.answer(text, _offers(turn, words))
        return
    late = turn.written_at + FRESH_FOR < turn.core.clock.now()
    before = await turn.core.asking.known(_ask_key(turn)) if turn.edited or late else None
    if late and before is None:
        await turn.answer(_too_old(turn))
        return
    phone = turn.person.phone
    if words.phone_text is not None:
        try:
            phone = read_phone(words.phone_text)
        except BadPhone as exc:
            await turn.answer(_bad_phone(turn, exc))
            return
    if phone is None:
        if before is None:
            await _ask_for_phone(turn, words)
        else:
            await _asked_before(turn, before, words, before.phone_mask)
        return
    answer = await _open(turn, words, phone)
    match answer:
        case Asked(again=False):
            turn.closed = True
        case Asked():
            await _asked_before(turn, answer.payment, words, mask(phone))
        case Refusal():
            await turn.answer(_refused(turn, answer))
    if words.phone_text is not None and not turn.private and turn.message_id is not None:
        turn.desk.beside(hide_number(turn, turn.message_id))


async def phone_typed(turn: Turn, draft: Draft) -> None:
    """The answer to "which number pays?", typed: used for this payment, not remembered."""
    try:
        phone = read_phone(turn.words)
    except BadPhone as exc:
        await turn.answer(_bad_phone(turn, exc))
        return
    await _resume(turn, draft, phone, turn.say("phone.used", phone=mask(phone)))


async def contact(turn: Turn, shared: Contact) -> None:
    """A shared contact: accepted as one's own number only when Telegram says it is theirs."""
    if shared.user_id != turn.person.id:
        await turn.answer(turn.say("phone.not-yours"))
        return
    try:
        phone = read_phone(shared.phone_number)
    except BadPhone as exc:
        await turn.answer(_bad_phone(turn, exc), NO_KEYS)
        return
    thanks = turn.say("phone.remembered", phone=mask(phone))
    draft = await turn.core.people.draft(chat_id=turn.chat_id, person_id=turn.person.id)
    if draft is not None and draft.kind is DraftKind.GIVE:
        # A crash between the two replays the update, and remembering twice is once.
        await turn.core.people.remember_phone(turn.person.id, phone, Closing())
        await phone_shared(turn, draft, phone)
        return
    if draft is None or draft.kind is not DraftKind.PAY_PHONE:
        closing = turn.closing(turn.reply(thanks, NO_KEYS))
        await turn.core.people.remember_phone(turn.person.id, phone, closing)
        return
    # Not the end of the update yet: a crash here replays it, and remembering twice is once.
    await turn.core.people.remember_phone(turn.person.id, phone, Closing())
    await _resume(turn, draft, phone, thanks)


async def again(press: Press) -> Toast:
    """Ask once more: "try again", and "no prompt came"."""
    turn, payment = press.turn, press.view.payment
    answer = await turn.core.asking.again(
        payment.id,
        by=turn.person.id,
        update_id=turn.update_id,
        language=turn.language,
        button=press.button,
    )
    match answer:
        case Asked(again=False):
            turn.closed = True
            return turn.toast("toast.sending", phone=payment.phone_mask)
        case Asked():
            return turn.toast(f"toast.pressed.{standing(answer.payment)}")
        case Refusal(reason=RefusalReason.STALE):
            return await _ask_anew(press, answer)
        case Refusal():
            return _said_no(turn, answer)


async def _ask_anew(press: Press, refusal: Refusal) -> Toast:
    """
    Pressed too late, or read too late: say so, and offer the same with a fresh button.

    In the chat, not only to the one who pressed: Telegram shows no toast for an old press. Once
    for a button, however often it was pressed meanwhile.
    """
    turn = press.turn
    text = _refused(turn, refusal)
    buttons = action_buttons([Action.AGAIN], press.view, turn.paper)
    closing = turn.closing(turn.reply(text, keyboard(buttons)))
    await turn.core.post.say(replace(closing, once_as=f"stale:{press.button}"))
    return Toast(plain(text))


async def check(press: Press) -> Toast:
    """Ask Safaricom now."""
    turn = press.turn
    answer = await turn.core.reconcile.check_now(
        press.view.payment.id, by=turn.person.id, update_id=turn.update_id
    )
    turn.closed = True
    text = check_answer(answer, turn.language, turn.paper.texts)
    return Toast(text, alert=answer is CheckNow.CANNOT)


async def by_hand(press: Press) -> Toast:
    """How to pay the same by Paybill or till; nothing of it where that would be twice."""
    view, turn = press.view, press.turn
    if (refusal := await turn.core.books.no_more(view)) is not None:
        return _said_no(turn, refusal)
    card = by_hand_card(view, turn.paper)
    await turn.answer(card.text, card.keyboard)
    return Toast()


async def paper(press: Press) -> Toast:
    """The receipt as a PDF, made when its turn comes."""
    turn, payment = press.turn, press.view.payment
    if payment.status is not Status.PAID:
        return turn.toast("toast.old")
    notice = NewNotice(
        key=f"p:{payment.id}:{turn.update_id}",
        kind=NoticeKind.NEWS,
        chat_id=turn.chat_id,
        subject=f"p:{payment.id}",
        topic="receipt",
    )
    await turn.core.post.say(turn.closing_with(notice))
    return turn.toast("toast.paper")


async def why_not(press: Press) -> Toast:
    """In a group: tells the one who asked, and no one else, why it was not paid."""
    return Toast(why(press.view, press.turn.paper), alert=True)


def _ask_key(turn: Turn) -> str:
    return f"m:{turn.chat_id}:{turn.message_id}"


async def _open(turn: Turn, words: PayWords, phone: str) -> Asked | Refusal:
    return await turn.core.asking.open(
        AskRequest(
            asked_by=turn.person.id,
            chat_id=turn.chat_id,
            thread_id=turn.thread_id,
            reply_to=None if turn.private else turn.message_id,
            private=turn.private,
            language=turn.language,
            amount_kes=words.amount_kes,
            phone=phone,
            note=words.note,
            ask_key=_ask_key(turn),
            update_id=turn.update_id,
        )
    )


async def _resume(turn: Turn, draft: Draft, phone: str, thanks: str) -> None:
    """
    The phone is known now: go on with the `/pay` that asked for it.

    The payment is committed before the draft is dropped and the update done: a crash between
    the two replays the answer, and the key of the first message finds the same payment.
    """
    assert draft.amount_kes is not None, "the amount was known when the phone was asked for"
    if draft.data.startswith(INVOICE_LINK):
        await _resume_invoice(turn, draft, phone, thanks)
        return
    key = f"m:{turn.chat_id}:{draft.message_id}"
    if await read_late(turn, key):
        await turn.core.post.say(turn.answered(turn.reply(_too_old(turn), NO_KEYS)))
        return
    answer = await turn.core.asking.open(
        AskRequest(
            asked_by=turn.person.id,
            chat_id=turn.chat_id,
            thread_id=turn.thread_id,
            reply_to=None,
            private=turn.private,
            language=turn.language,
            amount_kes=draft.amount_kes,
            phone=phone,
            note=draft.note,
            ask_key=key,
            update_id=None,
        )
    )
    text = thanks
    if isinstance(answer, Refusal):
        text = _refused(turn, answer)
    elif answer.again and not (
        # Replayed after a crash, that very prompt is out.
        answer.payment.status in OPEN and _same(answer.payment, draft.amount_kes, mask(phone))
    ):
        text = _before(turn, answer.payment)
    await turn.core.people.drop_draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        closing=turn.closing(turn.reply(text, NO_KEYS)),
    )


async def _resume_invoice(turn: Turn, draft: Draft, phone: str, thanks: str) -> None:
    """The same for an invoice that somebody is about to pay."""
    code, key = draft.data.removeprefix(INVOICE_LINK), f"i:{turn.chat_id}:{turn.message_id}"
    view = await turn.core.invoices.by_code(code)
    if view is not None and await read_late(turn, key):
        await bill_read_late(turn, view)
        return
    answer = await turn.core.invoices.pay(
        PayInvoice(
            code=code,
            amount_kes=draft.amount_kes,
            phone=phone,
            ask_key=key,
            language=turn.language,
            asked_by=turn.person.id,
            chat_id=turn.chat_id,
        )
    )
    text = thanks
    if isinstance(answer, Refusal):
        text = _refused(turn, answer)
    elif answer is None:
        text = turn.say("bill.unknown")
    await turn.core.post.say(turn.answered(turn.reply(text, NO_KEYS)))


async def _ask_for_phone(turn: Turn, words: PayWords) -> None:
    amount = kes(words.amount_kes)
    if not turn.private:
        # Telegram shows the key that shares a number in private chats only.
        text = turn.say("pay.group-no-phone", pay=turn.command("pay"), amount=words.amount_kes)
        await turn.answer(text, _link(turn, "button.share-privately", "phone"))
        return
    draft = Draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        kind=DraftKind.PAY_PHONE,
        amount_kes=words.amount_kes,
        note=words.note,
        message_id=turn.message_id,
        expires_at=turn.core.clock.now() + DRAFT_LIFE,
    )
    text = turn.say("pay.which-phone", amount=amount, collector=turn.core.collector.name)
    keys = share_number(turn.paper.texts, turn.language)
    await turn.core.people.keep_draft(draft, turn.closing(turn.reply(text, keys)))


def _too_old(turn: Turn) -> str:
    when = turn.paper.texts.when(turn.language, turn.written_at)
    return turn.say("pay.too-old", when=when, pay=turn.command("pay"))


async def _asked_before(turn: Turn, payment: Payment, words: PayWords, phone_mask: str) -> None:
    """
    These very words made a payment before.

    Telegram also reports edits that nobody made (a link preview, say): then there is nothing to
    tell. A person who mended the amount or the phone must learn that it changed nothing.
    """
    if turn.edited and _same(payment, words.amount_kes, phone_mask):
        return
    await turn.answer(_before(turn, payment))


def _before(turn: Turn, payment: Payment) -> str:
    amount, command = kes(payment.amount_kes), turn.command("pay")
    return turn.say("pay.asked-before", amount=amount, phone=payment.phone_mask, pay=command)


def _same(payment: Payment, amount_kes: int, phone_mask: str) -> bool:
    return payment.amount_kes == amount_kes and payment.phone_mask == phone_mask


def _refused(turn: Turn, refusal: Refusal) -> str:
    now = turn.core.clock.now()
    return refusal_text(refusal, turn.language, turn.paper.texts, now=now)


def _said_no(turn: Turn, refusal: Refusal) -> Toast:
    return Toast(plain(_refused(turn, refusal)), alert=True)


def _bad_phone(turn: Turn, exc: BadPhone) -> str:
    return turn.say(f"phone-problem.{exc.reason}")


def _offers(turn: Turn, unclear: Unclear) -> Keyboard | None:
    """What may have been meant, ready to be copied."""
    if not unclear.offers:
        return None
    buttons = tuple(
        Button(label=f"📋 {kes(offer)}", copy=f"{turn.command('pay')} {offer}")
        for offer in unclear.offers
    )
    return Keyboard(rows=(buttons,))


def _link(turn: Turn, label_key: str, payload: str) -> Keyboard:
    return Keyboard(rows=((Button(label=plain(turn.say(label_key)), url=turn.link(payload)),),))
