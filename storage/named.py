"""Named: whose the accounts are that people typed, looked up by the hundred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, literal_column, select

from storage.drive_tables import drives
from storage.invoice_tables import invoices
from storage.records import Decided
from storage.schema import intents, payments
from storage.setwise import Among

__all__ = ["Named", "named"]

_PUSHES = Among(select(payments.c.push_ref, payments.c.id), payments.c.push_ref)
_BY_HAND = Among(select(intents.c.by_hand_ref), intents.c.by_hand_ref)
_DRIVES = Among(select(drives.c.reference, drives.c.id), drives.c.reference)
# A draft asks nobody for money yet, and what another account is to have is in other books.
_INVOICES = Among(
    select(invoices.c.by_hand_ref, invoices.c.id).where(
        invoices.c.decided != literal_column(f"'{Decided.DRAFT}'"),
        invoices.c.account == literal_column("''"),
    ),
    invoices.c.by_hand_ref,
)


@dataclass(frozen=True, slots=True)
class Named:
    """Whose some references are."""

    pushes: Mapping[str, str]  # push reference -> payment
    by_hand: frozenset[str]  # those of intents
    subjects: Mapping[str, str]  # those of drives and issued invoices -> `d:…` or `i:…`


def named(connection: Connection, references: list[str]) -> Named:
    """Whose these references are, of payments, intents, drives and invoices."""
    if not references:
        return Named({}, frozenset(), {})
    subjects = {
        reference: f"{kind}:{one}"
        for kind, table in (("d", _DRIVES), ("i", _INVOICES))
        for reference, one in table(connection, references)
    }
    return Named(
        dict(tuple(row) for row in _PUSHES(connection, references)),
        frozenset(row[0] for row in _BY_HAND(connection, references)),
        subjects,
    )
