"""
Limits: who may have a prompt put on which phone, and when. They protect the payer's line.

Safaricom blocks a line for 24 hours after five consecutive prompts that were not completed, so
we warn at three and stop at four, counted over all chats. Every rule is answered from facts
read under the line's lock, inside the transaction that would write the payment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.money import may_be_prompted
from storage.records import UNDECIDED, LineFacts, PageFacts, Payment, Status

__all__ = [
    "OPEN_FOR",
    "PAGE_COUNTS_FOR",
    "SAME_AMOUNT_WITHIN",
    "STRANGERS_COUNT_FOR",
    "UNKNOWN_LINE_FOR",
    "WIDER_TIMES",
    "LimitSettings",
    "Refusal",
    "RefusalReason",
    "check",
    "check_page",
]

OPEN_FOR = timedelta(seconds=180)
"""How long a prompt may be on a phone, as we reckon: one per line."""

SAME_AMOUNT_WITHIN = timedelta(seconds=120)
"""Safaricom's own rule (result 17): the same amount from the same customer."""


UNKNOWN_LINE_FOR = timedelta(hours=24)
"""How long a number that we do not know is left alone after a page's prompt it did not answer."""

PAGE_COUNTS_FOR = timedelta(hours=1)

STRANGERS_COUNT_FOR = timedelta(hours=1)
WIDER_TIMES = 4
"""So much wider is the limit on other people's phones for treasurers, and merchants' counters."""

LEFT_ALONE = frozenset({"cancelled", "no-answer", "expired"})
"""Why a prompt was not paid although it may have been seen; after the others somebody was there."""


class RefusalReason(StrEnum):
    """Why no prompt is sent, in the order in which they are looked at."""

    AMOUNT = "amount"
    DECIDED = "decided"  # that payment is paid, or may be: there is nothing to try again
    STALE = "stale"  # "try again" pressed, or read, too long after it was shown
    TOO_SOON = "too-soon"  # "I saw no prompt" before the prompt can be gone
    PAUSED = "paused"
    STRANGER_PAUSED = "stranger-paused"
    LINE_BUSY = "line-busy"
    SAME_AMOUNT = "same-amount"
    STRANGERS_LIMIT = "strangers-limit"
    RESTORED = "restored"  # the books came from a backup, and the gap is not reconciled yet
    NO_ROOM = "no-room"  # what is left of the disk is for what people have paid already
    PAGE_ADDRESS = "page-address"  # too many prompts from one address, on all pages together
    PAGE_FULL = "page-full"  # too many prompts on one page, from anywhere
    PAGE_UNKNOWN = "page-unknown"  # a number nobody knows has left a page's prompt unanswered
    DRIVE_PAUSED = "drive-paused"
    DRIVE_CLOSED = "drive-closed"
    INVOICE_GONE = "invoice-gone"  # there is no such invoice
    INVOICE_CLOSED = "invoice-closed"  # the merchant took it back, or wrote it off
    INVOICE_PAID = "invoice-paid"
    INVOICE_WAITING = "invoice-waiting"  # a payment of all that is left is being made sure of
    INVOICE_LESS_LEFT = "invoice-less-left"  # less is left than is offered
    OUTAGE = "outage"  # Safaricom answers nobody's push


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """The `[limits]` of the configuration that prompts in chat need."""

    incomplete_before_pause: int = 4
    pause_h: float = 24
    strangers_per_person_per_hour: int = 30
    pushes_per_second: float = 20
    page_prompts_per_address_per_hour: int = 5
    page_prompts_per_page_per_hour: int = 200

    @property
    def pause(self) -> timedelta:
        return timedelta(hours=self.pause_h)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """No, and why. Nothing was written, nothing was sent."""

    reason: RefusalReason
    phone_mask: str
    amount_kes: int
    until: datetime | None = None  # when the answer may be another
    streak: int = 0


def check(
    facts: LineFacts,
    *,
    amount_kes: int,
    phone_mask: str,
    hourly: int | None,
    settings: LimitSettings,
    now: datetime,
) -> Refusal | None:
    """
    The first rule that says no, or None.

    *hourly* is how many phones of others this person may ask in an hour; None: any number. The
    pause of a line holds for everybody: it is the payer's line that would be blocked.
    """

    def no(reason: RefusalReason, until: datetime | None = None) -> Refusal:
        return Refusal(
            reason=reason,
            phone_mask=phone_mask,
            amount_kes=amount_kes,
            until=until,
            streak=facts.streak,
        )

    if not may_be_prompted(amount_kes):
        return no(RefusalReason.AMOUNT)
    pause_over_at = paused_until(facts.last_begun_at, settings)
    if pause_over_at is not None and pause_over_at > now:
        if facts.streak >= settings.incomplete_before_pause:
            return no(RefusalReason.PAUSED, pause_over_at)
        if facts.streak >= settings.incomplete_before_pause - 1 and not facts.own:
            return no(RefusalReason.STRANGER_PAUSED, pause_over_at)
    if facts.open_payment is not None:
        begun_at = facts.open_payment.begun_at or facts.open_payment.created_at
        # Begun by a clock that was ahead of this one, it does not last longer for that.
        return no(RefusalReason.LINE_BUSY, min(begun_at, now) + OPEN_FOR)
    if facts.same_amount_paid_at is not None:
        return no(RefusalReason.SAME_AMOUNT, facts.same_amount_paid_at + SAME_AMOUNT_WITHIN)
    if hourly is not None and not facts.own and facts.stranger_asks >= hourly:
        oldest = facts.oldest_stranger_ask_at or now
        return no(RefusalReason.STRANGERS_LIMIT, oldest + STRANGERS_COUNT_FOR)
    return None


def paused_until(last_begun_at: datetime | None, settings: LimitSettings) -> datetime | None:
    """When a pause that began with the last prompt ends."""
    return None if last_begun_at is None else last_begun_at + settings.pause


def check_page(
    facts: PageFacts,
    of_line: Refusal | None,
    *,
    amount_kes: int,
    phone_mask: str,
    settings: LimitSettings,
    now: datetime,
) -> Refusal | None:
    """
    The first rule that says no to somebody on a public page, or None.

    Nobody knows who sits there, so the limits go by address, by page, and by line: a number
    that has never paid and that nobody has shared gets one prompt a day unless it answers.
    *of_line* is what `check` said: told only within the counts, for it tells about the line.
    """

    def no(reason: RefusalReason, since: datetime | None, lasts: timedelta) -> Refusal:
        return Refusal(
            reason=reason,
            phone_mask=phone_mask,
            amount_kes=amount_kes,
            until=(since or now) + lasts,
        )

    if facts.by_address >= settings.page_prompts_per_address_per_hour:
        return no(RefusalReason.PAGE_ADDRESS, facts.first_by_address_at, PAGE_COUNTS_FOR)
    if facts.on_page >= settings.page_prompts_per_page_per_hour:
        return no(RefusalReason.PAGE_FULL, facts.first_on_page_at, PAGE_COUNTS_FOR)
    if of_line is not None:
        return of_line
    unanswered = next(filter(_left_alone, facts.to_line), None)
    if unanswered is not None and not facts.known:
        return no(RefusalReason.PAGE_UNKNOWN, unanswered.created_at, UNKNOWN_LINE_FOR)
    return None


def _left_alone(payment: Payment) -> bool:
    """Whether nobody has taken up this prompt, as far as we can tell."""
    if payment.status is Status.DECLINED:
        return payment.reason in LEFT_ALONE
    # A success that is being made sure of was answered by somebody.
    return payment.status in UNDECIDED and payment.status is not Status.CONFIRMING
