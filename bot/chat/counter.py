"""Counter: `/verify` for merchants: what a customer's code is worth, and for which invoice."""

from __future__ import annotations

from bot.chat.context import DeedPress, Toast, Turn
from bot.chat.invoices import may_invoice
from bot.core.counter import Listed, Shown, Whose
from bot.texts import money, plain
from storage.records import Button, Deed, Keyboard, Reply

__all__ = ["give", "give_now", "look", "show"]


async def show(turn: Turn, receipt: str) -> None:
    """What the code is, for the merchant who asks."""
    await turn.core.post.say(turn.closing(await _shown(turn, receipt)))


async def look(press: DeedPress) -> Toast:
    """Once more: Safaricom may have answered."""
    if await may_invoice(press.turn) is not None:
        await show(press.turn, press.deed.subject)
    return Toast()


async def give(press: DeedPress) -> Toast:
    """It is for this invoice: asks whether that is so."""
    turn, receipt = press.turn, press.deed.subject
    if await may_invoice(turn) is None:
        return Toast()
    known = await turn.core.record.counter.shown(receipt, merchant_id=turn.person.id)
    offer = next((each for each in known.offers if each.invoice.id == press.deed.argument), None)
    if offer is None:
        return turn.toast("toast.old")
    text = turn.say(
        "counter.sure",
        receipt=receipt,
        amount=money(known.amount_cents or 0),
        label=offer.invoice.label,
        customer=offer.invoice.bill.customer,
        left=money(offer.left_cents),
    )
    yes = _button(turn, "ct-yes", receipt, "button.rv-yes", argument=offer.invoice.id)
    await turn.answer(text, Keyboard(rows=((yes,),)))
    return Toast()


async def give_now(press: DeedPress) -> Toast:
    """They are sure."""
    turn = press.turn
    if await may_invoice(turn) is None:
        return Toast()
    ruling = await turn.core.record.counter.give(
        press.deed.subject, press.deed.argument, merchant_id=turn.person.id
    )
    text = turn.say(f"took.{ruling}")
    await turn.answer(text)
    return Toast(plain(text))


async def _shown(turn: Turn, receipt: str) -> Reply:
    known = await turn.core.record.counter.shown(receipt, merchant_id=turn.person.id)
    lines = [_what(turn, known)]
    if known.gone_back_cents:
        lines.append(turn.say("counter.gone-back", amount=money(known.gone_back_cents)))
    buttons = [_offer(turn, receipt, each) for each in known.offers]
    if buttons:
        lines.append(turn.say("counter.whose"))
    elif known.whose is Whose.FREE:
        lines.append(turn.say("counter.none-open"))
    if known.asked:
        lines.append(turn.say("verify.asked"))
        buttons.append(_button(turn, "ct-look", receipt, "button.bk-look"))
    elif known.whose is Whose.UNKNOWN:
        lines.append(turn.say("counter.ask-operator"))
    keyboard = Keyboard(rows=tuple((each,) for each in buttons)) if buttons else None
    return turn.reply("\n".join(lines), keyboard)


def _what(turn: Turn, known: Shown) -> str:
    if known.whose in (Whose.INVOICE, Whose.PAYMENT) and not known.sure:
        return turn.say("counter.not-sure", receipt=known.receipt)
    invoice = known.invoice
    return turn.say(
        f"shown.{known.whose}",
        receipt=known.receipt,
        amount=money(known.amount_cents or 0),
        when="–" if known.at is None else turn.paper.texts.when(turn.language, known.at),
        label="" if invoice is None else invoice.label,
        customer="" if invoice is None else invoice.bill.customer,
    )


def _offer(turn: Turn, receipt: str, each: Listed) -> Button:
    return _button(
        turn,
        "ct-give",
        receipt,
        "choice.ct-give",
        argument=each.invoice.id,
        label=each.invoice.label,
        customer=each.invoice.bill.customer,
        left=money(each.left_cents),
    )


def _button(
    turn: Turn, action: str, subject: str, key: str, *, argument: str = "", **values: object
) -> Button:
    deed = Deed(action=action, subject=subject, argument=argument, owner=turn.person.id)
    return Button(label=plain(turn.say(key, **values)), does=deed)
