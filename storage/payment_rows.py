"""Rows of payments: how a whole one is read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import RowMapping

from storage.records import Payment, Status, Word

__all__ = ["FIELDS", "read_payment", "row_of"]

FIELDS = tuple(field.name for field in fields(Payment))


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
