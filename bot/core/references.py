"""References: what people type as the account, read as kindly as it can be, and never guessed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.core.ports import REFERENCE_LETTERS, REFERENCE_RANDOM
from storage.tx import Tx

__all__ = ["ByHand", "FindByHand", "by_hand_of_intents", "read_reference"]

REFERENCE = re.compile(rf"([A-Z0-9]{{1,6}})([{REFERENCE_LETTERS}]{{{REFERENCE_RANDOM}}})")
DRESSING = str.maketrans("", "", " \t-/_.")


def read_reference(typed: str) -> str | None:
    """
    A reference of ours in its own form, `LIPA-7K2QX`; None if this cannot be one.

    Case, spaces and dashes do not matter.
    """
    found = REFERENCE.fullmatch(typed.translate(DRESSING).upper())
    return None if found is None else f"{found[1]}-{found[2]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """
    Whose money it is that was paid by hand: the intent that it is filed under.

    `amount_kes` is what was asked for, None where any amount is welcome. `account` is the one that
    was to have it; the books that come to us are those of the first, whose name is empty.
    """

    intent_id: str
    subject: str | None = None
    amount_kes: int | None = None
    account: str = ""


FindByHand = Callable[[Tx, str], Awaitable[ByHand | None]]
"""
Who has this by-hand reference (`LIPA-7K2QX`)? None: nobody that is known here.

It runs in the write transaction that books the money, and may make the intent to file it under.
"""


async def by_hand_of_intents(tx: Tx, reference: str) -> ByHand | None:
    """The intents' own references."""
    found = await tx.record.by_hand_intent(reference)
    if found is None:
        return None
    intent_id, subject, account = found
    intent = await tx.payments.intent(intent_id)
    return ByHand(
        intent_id=intent_id, subject=subject, amount_kes=intent.amount_kes, account=account
    )
