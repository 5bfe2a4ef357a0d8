"""By hand: money that names a drive as its account is a gift of its own, from nobody we know."""

from __future__ import annotations

from bot.core.drive_words import typed_reference
from bot.core.ports import Clock, Ids
from bot.core.references import ByHand, FindByHand
from storage.records import NOBODY, Intent, IntentKind
from storage.tx import Tx

__all__ = ["by_hand_of_drives"]

LABEL = "HAND"
"""Begins the reference of an intent that nobody was ever shown."""


def by_hand_of_drives(ids: Ids, clock: Clock) -> FindByHand:
    """The drives' own references; each payment by hand gets an intent to itself."""

    async def find(tx: Tx, reference: str) -> ByHand | None:
        drive = await tx.drives.by_reference(typed_reference(reference))
        if drive is None:
            return None
        now = clock.now()
        intent = Intent(
            id=ids.new(now),
            kind=IntentKind.GIFT,
            asked_by=NOBODY,
            chat_id=NOBODY,
            thread_id=None,
            reply_to=None,
            private=True,
            language=drive.language,
            amount_kes=1,  # any amount is welcome, and a column wants one
            note="",
            by_hand_ref=ids.by_hand_reference(LABEL),
            created_at=now,
        )
        await tx.payments.add_intent(intent)
        return ByHand(intent_id=intent.id, subject=f"d:{drive.id}", amount_kes=None)

    return find
