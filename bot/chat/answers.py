"""Answers: a no, or a question back, to what somebody has just written or pressed."""

from __future__ import annotations

from datetime import datetime

from bot.chat.alarms import payment_facts
from bot.chat.context import Turn
from bot.chat.parse import Unclear
from bot.core.limits import Refusal
from bot.core.money import AMOUNT_KES_MAX
from bot.core.reconcile import CheckNow
from bot.texts import Texts, kes, plain

__all__ = ["check_answer", "refusal_text", "unclear_text", "with_prompted"]


def refusal_text(refusal: Refusal, language: str, texts: Texts, *, now: datetime) -> str:
    """Why no prompt was sent, and what can be done instead; HTML. Says nothing of any payer."""
    return texts.say(
        language,
        f"refusal.{refusal.reason}",
        phone=refusal.phone_mask,
        amount=kes(refusal.amount_kes),
        most=kes(AMOUNT_KES_MAX),
        until=texts.until(language, refusal.until or now, now=now),
    )


def unclear_text(unclear: Unclear, language: str, texts: Texts, *, pay: str = "/pay") -> str:
    """The one kind sentence about what could not be read; *pay* is the command as typed here."""
    return texts.say(language, unclear.key, **{**unclear.values, "pay": pay})


def check_answer(answer: CheckNow, language: str, texts: Texts) -> str:
    """What a press of "check now" did; plain, short enough for a toast."""
    return plain(texts.say(language, f"check.{answer}"))


async def with_prompted(turn: Turn, text: str, receipt: str) -> str:
    """Below *text* the payment whose prompt's account the books name for that code."""
    found = await turn.core.review.prompted_by(receipt)
    if found is None:
        return text
    lines = [text, "", payment_facts(found, turn.paper, language=turn.language)]
    if found.receipt is not None:
        lines.append(turn.say("pending.receipt", receipt=found.receipt))
    return "\n".join(lines)
