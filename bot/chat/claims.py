"""Claims: "I have paid", and the M-PESA message that is pasted to show it."""

from __future__ import annotations

from bot.chat.context import Press, Toast, Turn
from bot.chat.pay import DRAFT_LIFE
from bot.core.receipt_words import receipts_in
from bot.texts import kes, plain
from storage.records import Draft, DraftKind, Keyboard, Payment, Status

__all__ = ["claim", "pasted"]

PASTED_CHARS_MAX = 1000


async def claim(press: Press) -> Toast:
    """ "I have paid": ask for the M-PESA message, in private, as it names people and balances."""
    turn, view = press.turn, press.view
    if not turn.private:
        return turn.toast("toast.private-only", alert=True)
    if view.payment.status is Status.PAID:
        return turn.toast("toast.paid-already")
    draft = Draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        kind=DraftKind.CLAIM,
        payment_id=view.payment.id,
        message_id=turn.message_id,
        expires_at=turn.core.clock.now() + DRAFT_LIFE,
    )
    placeholder = plain(turn.say("claim.placeholder"))
    text = turn.say("claim.question", **_named(view.payment))
    question = turn.reply(text, Keyboard(force_reply=placeholder))
    await turn.core.people.keep_draft(draft, turn.closing(question))
    return Toast()


async def pasted(turn: Turn, draft: Draft) -> None:
    """The answer to "paste the M-PESA message": a claim, for a person to look at."""
    if not receipts_in(turn.words):
        await turn.answer(turn.say("claim.no-code"))
        return
    assert draft.payment_id is not None, "a claim is about a payment"
    view = await turn.core.books.view(draft.payment_id)
    assert view is not None, "the question was asked about a payment that we have"
    await turn.core.people.claim(
        payment_id=draft.payment_id,
        by=turn.person.id,
        text=turn.words[:PASTED_CHARS_MAX],
        closing=turn.closing(turn.reply(turn.say("claim.kept", **_named(view.payment)))),
    )


def _named(payment: Payment) -> dict[str, str]:
    """How a person knows one payment from another."""
    return {"amount": kes(payment.amount_kes), "phone": payment.phone_mask}
