"""By hand: money that names a drive or an invoice as its account is a payment of its own."""

from __future__ import annotations

from bot.core.drive_words import typed_reference
from bot.core.ports import Clock, Ids
from bot.core.references import ByHand, FindByHand
from storage.records import NOBODY, Decided, Intent, IntentKind
from storage.tx import Tx

__all__ = ["by_hand_of_drives", "by_hand_of_invoices"]

LABEL = "HAND"
"""Begins the reference of an intent that nobody was ever shown."""


def by_hand_of_drives(ids: Ids, clock: Clock) -> FindByHand:
    """The drives' own references; each payment by hand gets an intent to itself."""

    async def find(tx: Tx, reference: str) -> ByHand | None:
        drive = await tx.drives.by_reference(typed_reference(reference))
        if drive is None:
            return None
        intent = _intent(ids, clock, IntentKind.GIFT, language=drive.language)
        await tx.payments.add_intent(intent)
        return ByHand(intent_id=intent.id, subject=f"d:{drive.id}", amount_kes=None)

    return find


def by_hand_of_invoices(ids: Ids, clock: Clock) -> FindByHand:
    """
    The references that stand on invoices; what is paid so may be a part, or too much.

    Not of invoices that are paid to another account: this is the record of the first one, and
    money that came to the wrong Paybill is for a person to place.
    """

    async def find(tx: Tx, reference: str) -> ByHand | None:
        invoice = await tx.invoices.by_hand_ref(reference)
        if invoice is None or invoice.decided is Decided.DRAFT or invoice.account:
            return None
        intent = _intent(
            ids, clock, IntentKind.INSTALMENT, language=invoice.language, note=invoice.label
        )
        await tx.payments.add_intent(intent)
        return ByHand(intent_id=intent.id, subject=invoice.subject, amount_kes=None)

    return find


def _intent(ids: Ids, clock: Clock, kind: IntentKind, *, language: str, note: str = "") -> Intent:
    """From nobody we know, and told to nobody but those whose drive or invoice it is."""
    now = clock.now()
    return Intent(
        id=ids.new(now),
        kind=kind,
        asked_by=NOBODY,
        chat_id=NOBODY,
        thread_id=None,
        reply_to=None,
        private=True,
        language=language,
        amount_kes=1,  # any amount is welcome, and a column wants one
        note=note,
        by_hand_ref=ids.by_hand_reference(LABEL),
        created_at=now,
    )
