"""Outcomes: for every reason a payment was not made, its sentence, its mark and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bot.chat.keyboards import Action
from bot.core.outcomes import Outcome, outcome_of, standing
from storage.records import Status

__all__ = ["DECLINED", "VOID", "Failure", "Outcome", "failure", "outcome_of", "standing"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a payment was not made: the sentence, the mark before it, the buttons that help."""

    key: str
    icon: str
    actions: tuple[Action, ...] = ()


_RETRY = (Action.AGAIN, Action.BYHAND)

DECLINED: Mapping[str, Failure] = MappingProxyType(
    {
        "no-balance": Failure("declined.no-balance", "💰", _RETRY),
        "below-minimum": Failure("declined.below-minimum", "❌"),
        "above-maximum": Failure("declined.above-maximum", "❌"),
        "daily-limit": Failure("declined.daily-limit", "📅"),
        "merchant-full": Failure("declined.merchant-full", "🛠"),
        "account-inactive": Failure("declined.account-inactive", "☎️"),
        "same-amount-too-soon": Failure("declined.same-amount-too-soon", "⏰", _RETRY),
        "busy": Failure("declined.busy", "🛠", _RETRY),
        "line-busy": Failure("declined.line-busy", "✋", _RETRY),
        "expired": Failure("declined.expired", "⌛", _RETRY),
        "prompt-failed": Failure("declined.prompt-failed", "📴", _RETRY),
        "cancelled": Failure("declined.cancelled", "🚫", (Action.AGAIN,)),
        "no-answer": Failure("declined.no-answer", "⌛", _RETRY),
        "wrong-pin": Failure("declined.wrong-pin", "❌", _RETRY),
        "pin-locked": Failure("declined.pin-locked", "🔒"),
        "not-registered": Failure("declined.not-registered", "❌"),
        "misconfigured": Failure("declined.misconfigured", "🛠"),
        "bad-phone": Failure("declined.bad-phone", "❌"),
        "bad-amount": Failure("declined.bad-amount", "❌"),
        "auth-failed": Failure("declined.auth-failed", "🛠", _RETRY),
        "sandbox-refused": Failure("declined.sandbox-refused", "🧪"),
        "duplicate": Failure("declined.duplicate", "✋", (Action.CLAIM,)),
        "processing": Failure("declined.unlisted", "❌", (Action.AGAIN, Action.CLAIM)),
        "unclear": Failure("declined.unlisted", "❌", (Action.AGAIN, Action.CLAIM)),
        "unlisted": Failure("declined.unlisted", "❌", (Action.AGAIN, Action.CLAIM)),
    }
)
"""By `Meaning`, when Safaricom said no: about the prompt, or to the push itself."""

VOID: Mapping[str, Failure] = MappingProxyType(
    {
        "too-late": Failure("void.too-late", "⏰", (Action.AGAIN,)),
        "unreachable": Failure("void.unreachable", "🛠", _RETRY),
        "bad-credentials": Failure("void.bad-credentials", "🛠"),
        "restored": Failure("void.restored", "⏸"),
        "paid-meanwhile": Failure("void.paid-meanwhile", "✋", (Action.AGAIN,)),
        "operator": Failure("void.operator", "❌", (Action.CLAIM,)),
    }
)
"""By our own words, when nothing ever left or a person closed it."""


def failure(status: Status, reason: str | None) -> Failure:
    """The words for an unpaid payment; a reason we do not know gets the ones that fit any."""
    if status is Status.VOID:
        return VOID.get(reason or "", VOID["operator"])
    return DECLINED.get(reason or "", DECLINED["unlisted"])
