"""Rows of payments: how a whole one is read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import RowMapping, and_, or_

from storage.records import Payment, Status, Word
from storage.schema import payments

__all__ = ["FIELDS", "MADE_SURE", "NOBODY_KNOWS", "UNDER_WAY", "read_payment", "row_of"]

FIELDS = tuple(field.name for field in fields(Payment))

_MADE_SURE = (Status.CONFIRMING, Status.REVIEW)
MADE_SURE = payments.c.status.in_(_MADE_SURE)
"""Somebody says that it is paid, and that is being made sure of."""
# A failed one waits for a person only while somebody claims to have paid it.
NOBODY_KNOWS = or_(
    payments.c.status.in_((Status.UNSURE, Status.LAPSED)),
    and_(payments.c.pending_at.is_not(None), payments.c.status.not_in((*_MADE_SURE, Status.PAID))),
)
"""It may be paid, and nobody can say so yet: what its payer claims has to be looked at first."""

UNDER_WAY = and_(
    payments.c.status.in_((Status.CREATED, Status.ASKING, Status.PROMPTED)),
    payments.c.pending_at.is_(None),
)
"""There is, or will be, a prompt for it, and no answer yet: for hours, where none can be had."""


def read_payment(row: RowMapping | Mapping[str, Any]) -> Payment:
    values = {name: row[name] for name in FIELDS}
    values["status"] = Status(values["status"])
    values["words"] = frozenset(Word(word) for word in values["words"].split() if word)
    return Payment(**values)


def row_of(payment: Payment, names: Sequence[str]) -> dict[str, Any]:
    """These fields as they are stored."""
    values = {name: getattr(payment, name) for name in names}
    if "words" in values:
        values["words"] = " ".join(sorted(payment.words))
    return values
