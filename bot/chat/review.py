"""Review: `/pending`, `/review`: what was heard about a payment, what an operator decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from bot.chat.alarms import pending_card, short_id
from bot.chat.answers import check_answer, with_prompted
from bot.chat.context import Press, Toast, Turn
from bot.chat.keyboards import keyboard
from bot.chat.parse import Unclear, read_amount
from bot.core.decisions import Deciding, Ruling, Verdict, decided_cents
from bot.core.receipt_words import receipt_typed
from bot.core.review import Proposal, ReviewItem
from bot.core.rulings import Ruling as Ruled
from bot.texts import money, plain
from storage.records import (
    Button,
    Deed,
    Draft,
    DraftKind,
    Evidence,
    Keyboard,
    Kind,
    Payment,
    Reply,
    Status,
    is_reversal_key,
    shown_receipt,
)

__all__ = [
    "Act",
    "agree",
    "ask_again",
    "code_typed",
    "credit",
    "decide",
    "give_back",
    "give_back_now",
    "pending",
    "reverse",
    "void",
]

SHOWN = 5


class Act(StrEnum):
    """What a button below a payment under review does."""

    CREDIT = "rv-credit"
    VOID = "rv-void"
    REVERSE = "rv-reverse"
    ASK = "rv-ask"
    YES = "rv-yes"
    AGREE = "rv-agree"
    GIVE_BACK = "rv-back"  # through Safaricom, where that is enabled
    GIVE_BACK_YES = "rv-back-yes"


_DRAFT_LIFE = timedelta(minutes=30)
_DRAFTS = {
    Deciding.CREDIT: DraftKind.REVIEW_CREDIT,
    Deciding.REVERSE: DraftKind.REVIEW_REVERSE,
}
HEARD_SHOWN = 8
SHILLINGS_DIGITS_MAX = 12
"""As many as Safaricom's own books may write; no column holds much more in cents."""
AMOUNT_IN_MESSAGE = re.compile(r"\bKSH\.?\s*([\d,]+(?:\.\d{2})?)", re.IGNORECASE)


async def pending(turn: Turn) -> None:
    """
    The oldest payments that wait for a person, one message each; or the one that is named.

    Whole numbers, so in private only.
    """
    wanted = "".join(turn.words.split()).upper()
    if wanted:
        await _one(turn, wanted)
        return
    total, items = await turn.core.review.waiting(by=turn.person.id, limit=SHOWN)
    if not items:
        await turn.answer(turn.say("pending.none"))
        return
    title = turn.say("pending.title", total=total, shown=len(items))
    replies = [turn.reply(title), *(_card(turn, item) for item in items)]
    await turn.core.post.say(turn.closing(*replies))


async def _one(turn: Turn, wanted: str) -> None:
    view = await turn.core.books.find(wanted)
    item = None
    if view is not None:
        item = await turn.core.review.one(view.payment.id, by=turn.person.id)
    if item is None:
        await turn.answer(turn.say("review.not-found", wanted=wanted))
        return
    await turn.core.post.say(turn.closing(_card(turn, item)))


def _card(turn: Turn, item: ReviewItem) -> Reply:
    card = pending_card(item.pending, turn.paper, language=turn.language)
    lines = [card.text, turn.say("review.heard"), *_heard(turn, item.evidence)]
    if item.proposal is not None:
        lines.append(_proposed(turn, item.pending.view.payment, item.proposal))
    return turn.reply("\n".join(lines), keyboard(_buttons(turn, item)))


def _heard(turn: Turn, evidence: Sequence[Evidence]) -> list[str]:
    """The newest of what was heard, oldest first, one plain line each."""
    lines = []
    for each in evidence[-HEARD_SHOWN:]:
        line = turn.say(
            f"heard.{_kind(each)}",
            when=turn.paper.texts.when(turn.language, each.at),
            who=each.by or "",
        )
        extras = []
        if each.amount_cents is not None:
            extras.append(money(each.amount_cents))
        if each.receipt is not None:
            extras.append(shown_receipt(each.receipt))
        if each.held:
            extras.append(turn.say("heard.held"))
        lines.append(" · ".join([f"• {line}", *extras]))
    return lines


def _kind(each: Evidence) -> str:
    """What a claim on a reversal that moved says is another sentence than of money that came."""
    moved = each.kind is Kind.RECEIPT_MOVED and is_reversal_key(each.receipt or "")
    return "reversal-moved" if moved else each.kind


def _proposed(turn: Turn, payment: Payment, proposal: Proposal) -> str:
    return turn.say(
        f"proposal.{proposal.deciding}",
        who=proposal.by,
        amount=money(decided_cents(proposal.deciding, proposal.amount_cents, payment)),
        receipt=proposal.receipt or "",
    )


def _buttons(turn: Turn, item: ReviewItem) -> list[Button]:
    """What can be done about it; whoever proposed it cannot agree with themselves."""
    payment = item.pending.view.payment
    # What comes after this card was made, whoever writes the payment off by it has not read; and
    # whoever agrees by it agrees to what it says is proposed.
    carries = {Act.VOID: str(item.read_up_to)}
    acts = []
    if item.proposal is not None and item.proposal.by != turn.person.id:
        carries[Act.AGREE] = str(item.proposal.id)
        acts.append(Act.AGREE)
    if payment.status is Status.PAID:
        acts += [Act.CREDIT, Act.REVERSE] if payment.credited_cents else []
    else:
        acts += [Act.CREDIT, Act.VOID]
    ours = not payment.account
    if payment.credited_cents and ours and turn.core.record.reversals.enabled:
        acts.append(Act.GIVE_BACK)
    if payment.status is not Status.PAID and payment.checkout_index is not None:
        acts.append(Act.ASK)
    return [_button(turn, payment.id, act, carries.get(act, "")) for act in acts]


def _button(turn: Turn, payment_id: str, act: Act, argument: str = "") -> Button:
    deed = Deed(action=act, subject=payment_id, argument=argument, owner=turn.person.id)
    return Button(label=plain(turn.say(f"button.rv-{act.removeprefix('rv-')}")), does=deed)


# -- presses -----------------------------------------------------------------------------------


async def credit(press: Press) -> Toast:
    """ "The money is there": asks for the code that it stands under in the portal."""
    return await _ask_for_code(press, Deciding.CREDIT)


async def reverse(press: Press) -> Toast:
    """ "It went back": asks for the code of the reversal that was made in the portal."""
    return await _ask_for_code(press, Deciding.REVERSE)


async def _ask_for_code(press: Press, deciding: Deciding) -> Toast:
    turn, payment = press.turn, press.view.payment
    if not turn.is_operator:
        return turn.toast("toast.not-yours")
    draft = Draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        kind=_DRAFTS[deciding],
        payment_id=payment.id,
        message_id=turn.message_id,
        expires_at=turn.core.clock.now() + _DRAFT_LIFE,
    )
    amount = money(decided_cents(deciding, None, payment))
    text = turn.say(f"review.{deciding}-code", id=short_id(payment.id), amount=amount)
    placeholder = plain(turn.say("review.code-placeholder"))
    reply = turn.reply(text, Keyboard(force_reply=placeholder))
    await turn.core.people.keep_draft(draft, turn.closing(reply))
    return Toast()


async def void(press: Press) -> Toast:
    """ "Nothing came": asks once more before it is written off."""
    turn, payment = press.turn, press.view.payment
    if not turn.is_operator:
        return turn.toast("toast.not-yours")
    text = turn.say(
        "sure.void",
        id=short_id(payment.id),
        amount=money(payment.amount_kes * 100),
        phone=payment.phone_mask,
    )
    code = _Code(Deciding.VOID, read_up_to=int(press.argument or 0))
    await turn.answer(text, _sure(turn, payment.id, code))
    return Toast()


async def ask_again(press: Press) -> Toast:
    """Asks Safaricom once more."""
    turn = press.turn
    if not turn.is_operator:
        return turn.toast("toast.not-yours")
    answer = await turn.core.reconcile.check_now(
        press.view.payment.id, by=turn.person.id, update_id=turn.update_id
    )
    turn.closed = True
    return Toast(check_answer(answer, turn.language, turn.paper.texts))


async def decide(press: Press) -> Toast:
    """ "Yes": the decision that the button carries."""
    turn = press.turn
    if not turn.is_operator:
        return turn.toast("toast.not-yours")
    code = _Code.read(press.argument)
    verdict = await turn.core.review.decide(
        Ruling(
            payment_id=press.view.payment.id,
            deciding=code.deciding,
            by=turn.person.id,
            key=press.button,
            receipt=code.receipt,
            amount_cents=code.amount_cents,
            read_up_to=code.read_up_to,
        )
    )
    return await _say(press, verdict, code.receipt)


async def agree(press: Press) -> Toast:
    """The second operator's yes."""
    turn = press.turn
    if not turn.is_operator:
        return turn.toast("toast.not-yours")
    proposal_id = int(press.argument or 0)
    verdict = await turn.core.review.agree(
        press.view.payment.id, proposal_id=proposal_id, by=turn.person.id, key=press.button
    )
    item = await turn.core.review.one(press.view.payment.id, by=turn.person.id)
    told = () if item is None else item.evidence
    code = next((each.receipt for each in told if each.id == proposal_id), None)
    return await _say(press, verdict, code)


async def give_back(press: Press) -> Toast:
    """Asks once more before money is moved; it takes two operators whatever the amount."""
    turn, payment = press.turn, press.view.payment
    if not turn.is_operator:
        return turn.toast("toast.not-yours")
    text = turn.say(
        "sure.give-back",
        id=short_id(payment.id),
        amount=money(payment.credited_cents or 0),
        phone=payment.phone_mask,
    )
    await turn.answer(text, keyboard([_button(turn, payment.id, Act.GIVE_BACK_YES)]))
    return Toast()


async def give_back_now(press: Press) -> Toast:
    """The first operator's word, or the second one's, which sends it."""
    turn, payment = press.turn, press.view.payment
    if not turn.is_operator:
        return turn.toast("toast.not-yours")
    ruling = await turn.core.record.reverse(
        payment.id, by=turn.person.id, why=plain(turn.say("books.by-button"))
    )
    became = "sent" if ruling is Ruled.DONE else ruling
    text = turn.say(f"ruled.{became}", receipt=payment.receipt or "")
    await turn.answer(text)
    return Toast(plain(text))


async def _say(press: Press, verdict: Verdict, receipt: str | None) -> Toast:
    """In the chat too: an operator reads later what was decided, by whom."""
    turn, payment = press.turn, press.view.payment
    text = turn.say(f"ruling.{verdict}", id=short_id(payment.id), receipt=receipt or "")
    said = await with_prompted(turn, text, receipt or "") if verdict is Verdict.COUNTED else text
    replies = [turn.reply(said)]
    if verdict in (Verdict.HEARD_SINCE, Verdict.GONE):
        item = await turn.core.review.one(payment.id, by=turn.person.id)
        assert item is not None, "a button stands below a payment that we have"
        replies.append(_card(turn, item))
    await turn.core.post.say(turn.closing(*replies))
    return Toast(plain(text))


# -- the code that is typed ----------------------------------------------------------------------


async def code_typed(turn: Turn, draft: Draft) -> None:
    """The code from the portal, with another amount behind it if another one came."""
    assert draft.payment_id is not None, "a decision is about a payment"
    deciding = Deciding.CREDIT
    if draft.kind is DraftKind.REVIEW_REVERSE:
        deciding = Deciding.REVERSE
    view = await turn.core.books.view(draft.payment_id)
    assert view is not None, "the draft was made about a payment that we have"
    code = _read_code(turn.words, deciding)
    if code is None or not turn.is_operator:
        await turn.answer(turn.say("review.no-code"))
        return
    payment = view.payment
    code = await _as_booked(turn, code)
    text = turn.say(
        f"sure.{deciding}",
        id=short_id(payment.id),
        amount=money(decided_cents(deciding, code.amount_cents, payment)),
        phone=payment.phone_mask,
        receipt=code.receipt or "",
    )
    await turn.core.people.drop_draft(
        chat_id=turn.chat_id,
        person_id=turn.person.id,
        closing=turn.closing(turn.reply(text, _sure(turn, payment.id, code))),
    )


@dataclass(frozen=True, slots=True)
class _Code:
    """
    What a "yes" button carries: the decision, the receipt, and another amount if one came.

    Also up to where whoever presses it had read; a button of old says nothing of that.
    """

    deciding: Deciding
    receipt: str | None = None
    amount_cents: int | None = None
    read_up_to: int = 0

    def written(self) -> str:
        words = (self.deciding, self.receipt or "", self.amount_cents or "", self.read_up_to or "")
        return ":".join(map(str, words))

    @classmethod
    def read(cls, argument: str) -> _Code:
        deciding, receipt, cents, *read = argument.split(":")
        up_to = int("".join(read) or 0)
        return cls(Deciding(deciding), receipt or None, int(cents) if cents else None, up_to)


async def _as_booked(turn: Turn, code: _Code) -> _Code:
    """What is asked, and then done, is about what the books say came under a code alone."""
    if code.deciding is not Deciding.CREDIT or code.receipt is None or code.amount_cents:
        return code
    return replace(code, amount_cents=await turn.core.review.booked_cents(code.receipt))


def _read_code(words: str, deciding: Deciding) -> _Code | None:
    """`UKN4ABCDE7`, `UKN4ABCDE7 450`, or a whole M-PESA message."""
    typed = receipt_typed(words)
    if typed is None:
        return None
    receipt, rest = typed
    in_message = AMOUNT_IN_MESSAGE.search(words)
    if in_message is not None:
        shillings, _, cents = in_message[1].replace(",", "").partition(".")
        if len(shillings) > SHILLINGS_DIGITS_MAX:
            return None
        return _Code(deciding, receipt, int(shillings or 0) * 100 + int(cents or 0))
    if not rest:
        return _Code(deciding, receipt)
    amount = read_amount(rest)
    return None if isinstance(amount, Unclear) else _Code(deciding, receipt, amount * 100)


def _sure(turn: Turn, payment_id: str, code: _Code) -> Keyboard | None:
    return keyboard([_button(turn, payment_id, Act.YES, code.written())])
