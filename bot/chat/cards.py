"""
Cards: a payment as a message in the chat it was asked for in.

Pure: a payment, the time and the stationery go in, text and buttons come out. In private a card
says everything; in a group it shows masks only and never why a payment was not made.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from markupsafe import Markup

from bot.chat.alarms import alarm_card, pending_card
from bot.chat.answers import check_answer, refusal_text, unclear_text
from bot.chat.keyboards import Action, Stationery, action_buttons, copy_button, keyboard
from bot.chat.outcomes import VOID, Outcome, failure, outcome_of, standing
from bot.chat.pens import Card, Pen
from bot.core.attempts import Beside, of_others, paid_twice
from bot.core.outcomes import all_back, may_have_timed_out
from bot.core.phones import carrier_hint
from bot.core.ports import Collector
from bot.texts import Texts, apart, clean, money, plain
from storage.records import FINAL, Keyboard, Payment, PaymentView, Status, Word

__all__ = [
    "Card",
    "alarm_card",
    "by_hand_card",
    "check_answer",
    "history_line",
    "pending_card",
    "practice_line",
    "receipt_card",
    "refusal_text",
    "ring_card",
    "short_receipt",
    "status_card",
    "unclear_text",
    "why",
]

ALERT_CHARS_MAX = 200
MAYBE_NO_PROMPT = ("no-answer",)
MAYBE_OTHER_NETWORK = (
    "bad-phone",
    "no-answer",
    "not-registered",
    "prompt-failed",
    "sandbox-refused",
)
WARN_FROM_STREAK = 3


def status_card(view: PaymentView, paper: Stationery, *, now: datetime) -> Card:
    """The one status message of a payment, as things stand now."""
    pen = Pen(view, paper)
    match view.payment.status:
        case Status.CREATED | Status.ASKING:
            return pen.card([pen.say("status.sending"), pen.note()], [])
        case Status.PROMPTED | Status.UNSURE:
            return _waiting(pen)
        case Status.CONFIRMING:
            lines = [pen.say("status.confirming"), _claimed(pen), _superseded(pen)]
            return pen.card(lines, [Action.CHECK])
        case Status.REVIEW:
            lines = [pen.say("status.review"), _ask_message(pen), _superseded(pen)]
            return pen.card(lines, _claim(pen))
        case Status.LAPSED if of_others(view) is Beside.COUNTS:
            lines = [pen.say("status.another-counts"), _ask_message(pen), _superseded(pen)]
            return pen.card(lines, _claim(pen))
        case Status.LAPSED:
            lines = [pen.say("status.lapsed"), *_after_silence(pen), _superseded(pen)]
            return pen.card(lines, [*_claim(pen), Action.AGAIN])
        case Status.PAID:
            return _paid(pen)
        case Status.DECLINED | Status.REFUSED | Status.VOID:
            return _not_paid(pen, now)
        case unreachable:
            assert_never(unreachable)


def ring_card(view: PaymentView, paper: Stationery, *, now: datetime) -> Card:
    """
    A last word that came late, as one short new message.

    The status message is edited as well, but an edit does not ring.
    """
    pen = Pen(view, paper)
    payment = view.payment
    if payment.status is Status.PAID and Word.REVERSED not in payment.words:
        late = Word.LATE in payment.words
        lines = [pen.say("ring.late" if late else "ring.paid", **_arrived(pen)), _twice(pen)]
        return Card(text="\n".join(filter(None, lines)), keyboard=_copy_receipt(pen))
    card = status_card(view, paper, now=now)
    head, *more = card.text.split("\n")
    # What to do next is the newer attempt's to say, as long as it is under way.
    goes_on = payment.superseded and of_others(view) is not Beside.COUNTS
    said = [_superseded(pen)] if goes_on else more[:1]
    return Card(text="\n".join([head, *said]), keyboard=card.keyboard)


def why(view: PaymentView, paper: Stationery) -> str:
    """For an alert that only the one who asked reads: plain, at most 200 characters."""
    pen = Pen(view, paper)
    match outcome_of(view.payment.status):
        case Outcome.UNPAID:
            lines = _reasons(pen)
        case Outcome.UNKNOWN:
            lines = [pen.say("why.unknown")]
        case _:
            lines = [pen.say("why.nothing")]
    return clean(plain(" ".join(lines)), limit=ALERT_CHARS_MAX)


def by_hand_card(view: PaymentView, paper: Stationery) -> Card:
    """How to pay the same without a prompt, with what must be typed ready to be copied."""
    pen = Pen(view, paper)
    collector, reference = paper.paid_to(view.payment), view.intent.by_hand_ref
    claim = action_buttons([Action.CLAIM], view, paper)
    if collector.gone:
        return Card(text=pen.say("by-hand.gone"), keyboard=keyboard(claim))
    lines = [
        pen.say(f"by-hand.{collector.kind}", number=collector.number, reference=reference),
        pen.say("by-hand.practice") if collector.practice else "",
    ]
    copies = [copy_button(collector.number)]
    if collector.kind == "paybill":
        copies.append(copy_button(reference))
    return Card(
        text="\n".join(line for line in lines if line), keyboard=keyboard([*copies, *claim])
    )


def receipt_card(view: PaymentView, paper: Stationery) -> Card:
    """A paid payment whole, wherever it was asked for: only for a private chat of its owner."""
    assert view.payment.status is Status.PAID, "only a paid payment has a receipt"
    alone = replace(view, intent=replace(view.intent, private=True))
    return _paid(Pen(alone, paper))


def history_line(view: PaymentView, texts: Texts, *, language: str, private: bool) -> str:
    """One line of a list. Carries no ✅: only a paid message does."""
    payment = view.payment
    line = texts.say(
        language,
        f"line.{standing(payment)}",
        amount=money(_arrived_cents(payment)),
        phone=payment.phone_mask,
        when=texts.when(language, payment.paid_at or payment.created_at),
    )
    extras = [] if payment.receipt is None else [_shown(payment.receipt, private=private)]
    if payment.reversed_cents and payment.credited_cents:
        back = texts.say(language, "part-returned", back=money(payment.reversed_cents))
        extras.append(Markup(back))  # noqa: S704 -- escaped where it was made
    if private and (note := clean(view.intent.note)):
        extras.append(Markup.escape(apart(note)))
    return " · ".join([line, *extras])


def short_receipt(receipt: str) -> str:
    """`UKN…DE7`: enough for its owner to know it again, not enough for anyone to use it."""
    return f"{receipt[:3]}…{receipt[-3:]}"


def practice_line(collector: Collector, texts: Texts, language: str) -> str:
    """Said on /start and beside a paid message where no real money stays; else empty."""
    return texts.say(language, "practice") if collector.practice else ""


def _waiting(pen: Pen) -> Card:
    """A prompt is, or may be, on the phone."""
    payment = pen.payment
    can_check = payment.checkout_index is not None
    if of_others(pen.view) is Beside.COUNTS:
        # It may be paid as well: whoever says so is heard.
        unknown = payment.pending_at is not None
        lines = [pen.say("status.another-counts"), _ask_message(pen) if unknown else ""]
        actions = [*(_claim(pen) if unknown else []), *([Action.CHECK] if can_check else [])]
        return pen.card([*lines, _superseded(pen)], actions)
    asked = payment.not_yet > 0 or payment.unanswered > 0 or payment.user_check_at is not None
    actions = [*([Action.CHECK] if can_check else []), Action.UNSEEN]
    if payment.pending_at is not None:
        lines = [pen.say("status.unknown"), *_after_silence(pen), _superseded(pen)]
        return pen.card(lines, [*_claim(pen), *actions])
    if payment.status is Status.UNSURE and not asked:
        return pen.card([pen.say("status.unsure"), _superseded(pen)], actions)
    # Only a Paybill's prompt names an account; a till has none.
    till = pen.paper.paid_to(pen.payment).kind == "till"
    prompted = pen.say("status.prompted-till") if till else pen.say("status.prompted")
    head = pen.say("status.checking") if asked else prompted
    return pen.card([head, pen.note(), _superseded(pen)], actions)


def _paid(pen: Pen) -> Card:
    payment, words = pen.payment, pen.payment.words
    if Word.REVERSED in words:
        left = money(payment.credited_cents or 0)
        key = "paid.partly-reversed" if payment.credited_cents else "paid.reversed"
        back = money(payment.reversed_cents)
        return pen.card([pen.say(key, **_arrived(pen), back=back, left=left), _twice(pen)], [])
    asked_cents, credited_cents = payment.amount_kes * 100, _arrived_cents(payment)
    lines = [pen.say("paid.private" if pen.private else "paid.group", **_arrived(pen))]
    if Word.LATE in words:
        lines.append(pen.say("paid.late"))
    if Word.BY_HAND in words:
        lines.append(pen.say("paid.by-hand"))
    if Word.OTHER_AMOUNT in words:
        more = "paid.more" if credited_cents > asked_cents else "paid.less"
        difference = money(abs(credited_cents - asked_cents))
        lines.append(pen.say(more, arrived=money(credited_cents), difference=difference))
    lines += [_twice(pen), _contradicted(pen), pen.note()]
    if pen.private:
        lines.append(
            practice_line(pen.paper.paid_to(pen.payment), pen.paper.texts, pen.view.intent.language)
        )
    text = "\n".join(line for line in lines if line)
    return Card(text=text, keyboard=_copy_receipt(pen))


def _not_paid(pen: Pen, now: datetime) -> Card:
    why_not = failure(pen.payment.status, pen.payment.reason)
    counts = of_others(pen.view) is Beside.COUNTS
    paused_until = pen.view.paused_until
    if paused_until is not None and paused_until <= now:
        paused_until = None
    if not pen.private:
        again = Action.AGAIN in why_not.actions and paused_until is None and not counts
        actions = [*([Action.AGAIN] if again else []), Action.WHY]
        return pen.card([pen.say("not-paid.group"), _another(pen), _superseded(pen)], actions)
    lines = [pen.say("not-paid.private", icon=why_not.icon), *_reasons(pen)]
    if counts:
        actions = _claim(pen) if Action.CLAIM in why_not.actions else []
        return pen.card([*lines, _contradicted(pen), _claimed(pen), _superseded(pen)], actions)
    if of_others(pen.view) is Beside.NOTHING:
        lines += _hints(pen)
    actions = [each for each in why_not.actions if each is not Action.CLAIM or _claim(pen)]
    if paused_until is not None:
        until = pen.paper.texts.until(pen.view.intent.language, paused_until, now=now)
        lines.append(pen.say("streak.paused", until=until))
        actions = [Action.BYHAND]
    elif pen.view.streak >= WARN_FROM_STREAK:
        lines.append(pen.say("streak.warning", count=pen.view.streak))
        actions = [*actions, *([] if Action.BYHAND in actions else [Action.BYHAND])]
    return pen.card([*lines, _contradicted(pen), _claimed(pen), _superseded(pen)], actions)


def _hints(pen: Pen) -> list[str]:
    """What to look at on a phone that no prompt came to."""
    payment = pen.payment
    hints: list[str] = []
    if payment.reason in MAYBE_NO_PROMPT:
        hints.append(pen.say("hint.no-prompt"))
    if payment.reason in MAYBE_OTHER_NETWORK:
        # The mask shows the prefix, and the prefix is all that tells the network.
        shown = payment.phone_mask
        network = carrier_hint(f"254{shown[1:4]}000{shown[-3:]}")
        if network is not None and network != "Safaricom":
            hints.append(pen.say("hint.network", network=network))
    return hints


def _reasons(pen: Pen) -> list[str]:
    """Why; and of what would fail again, what another attempt says beside it."""
    beside = _final(pen.view) and of_others(pen.view) is Beside.MAYBE
    return [pen.say(_reason(pen.view)), *([_another(pen)] if beside else [])]


def _reason(view: PaymentView) -> str:
    """The sentence that says why, and what to do next."""
    payment = view.payment
    other = of_others(view)
    if other is Beside.COUNTS or (other is Beside.MAYBE and not _final(view)):
        return f"not-paid.another-{other}"  # then "no money has left" is no news of the whole
    if view.claimed and failure(payment.status, payment.reason) is VOID["operator"]:
        return "void.claimed"  # what is to be done next, they have done
    if payment.reason == "cancelled" and may_have_timed_out(payment):
        return "declined.cancelled-or-timed-out"
    return failure(payment.status, payment.reason).key


def _final(view: PaymentView) -> bool:
    """Whether to try again would only fail again: then the reason is what must be known."""
    payment = view.payment
    return Action.AGAIN not in failure(payment.status, payment.reason).actions


def _another(pen: Pen) -> str:
    """What another attempt says of the whole, where nothing else on the card does."""
    match of_others(pen.view):
        case Beside.COUNTS:
            return pen.say("not-paid.another-counts")
        case Beside.MAYBE:
            return pen.say("not-paid.another-look")
        case _:
            return ""


def _claim(pen: Pen) -> list[Action]:
    """An M-PESA message shows names and balances: it is asked for in private only."""
    return [Action.CLAIM] if pen.private and not pen.view.claimed else []


def _after_silence(pen: Pen) -> list[str]:
    """Nothing is known: what the person can look at, and what that then means."""
    lines = [_ask_message(pen)]
    told = pen.view.claimed or not pen.private or pen.payment.superseded
    return lines if told else [*lines, pen.say("claim.none")]


def _ask_message(pen: Pen) -> str:
    if pen.view.claimed:
        return pen.say("claim.looking")
    return pen.say("claim.paste" if pen.private else "claim.look")


def _claimed(pen: Pen) -> str:
    return pen.say("claim.looking") if pen.view.claimed else ""


def _superseded(pen: Pen) -> str:
    return pen.say("superseded") if pen.payment.superseded else ""


def _contradicted(pen: Pen) -> str:
    if Word.CONTRADICTED not in pen.payment.words:
        return ""
    paid = pen.payment.status is Status.PAID
    return pen.say("paid.contradicted" if paid else "not-paid.contradicted")


def _twice(pen: Pen) -> str:
    if Word.TWICE in pen.payment.words:
        return pen.say("paid.twice")
    if all_back(pen.payment):
        return ""
    said = [pen.say("paid.both")] if paid_twice(pen.view) else []
    prompts = {each.status for each in pen.view.others if each.retried}
    # One that may still be paid is to be cancelled, whatever else has come.
    if pen.payment.superseded and (prompts - {*FINAL} or Status.PAID not in prompts):
        said.append(pen.say("paid.superseded"))
    return "\n".join(said)


def _arrived(pen: Pen) -> dict[str, object]:
    """The amount that came, its receipt as this chat may see it, and when."""
    payment = pen.payment
    at = payment.paid_at or payment.decided_at or payment.created_at
    receipt = pen.say("code-to-follow")
    if payment.receipt is not None:
        receipt = _shown(payment.receipt, private=pen.private)
    return {
        "amount": money(_arrived_cents(payment)),
        "receipt": Markup(receipt),  # noqa: S704 -- escaped where it was made
        "when": pen.paper.texts.when(pen.view.intent.language, at),
    }


def _shown(receipt: str, *, private: bool) -> Markup:
    if private:
        return Markup("<code>{}</code>").format(receipt)
    return Markup.escape(short_receipt(receipt))


def _arrived_cents(payment: Payment) -> int:
    """What arrived, whatever of it went back since."""
    if payment.credited_cents is None:
        return payment.amount_kes * 100
    return payment.arrived_cents


def _copy_receipt(pen: Pen) -> Keyboard | None:
    receipt = pen.payment.receipt
    if not pen.private:
        return None
    copy = [] if receipt is None else [copy_button(receipt)]
    return keyboard([*copy, *action_buttons([Action.PAPER], pen.view, pen.paper)])
