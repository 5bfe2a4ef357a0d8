"""
Given back: money that was given back by hand counts once, though M-Pesa says it as well.

A merchant writes down that what was paid too much went back, and Safaricom's books then say the
same of one of the payments. What went back of payments that were there when it was written down
is taken for that very money, as far as it goes, and an entry of its own says so; the merchant is
told, and can say that both went back. No clock is asked what came first: each time something is
given back, the payments that are there are noted, with what had gone back of them by then. A
gift that treasurers handed back names its payment, and what was left of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from storage.records import (
    NOBODY,
    Drive,
    Entry,
    EntryKind,
    Invoice,
    InvoiceEntry,
    InvoiceEntryKind,
    InvoiceSums,
    Payment,
)
from storage.tx import Tx

__all__ = ["count_gifts_once", "count_once", "note_standing", "sums_of"]

ABOUT_A_PAYMENT = (InvoiceEntryKind.STOOD, InvoiceEntryKind.WENT_BACK)
"""
They answer what was given back, and name how much of a payment had gone back by then; their keys
name both: `<kind>:<entry>:<payment>…`.
"""


async def count_once(
    tx: Tx, invoice: Invoice, now: datetime, credited: Sequence[Payment] | None = None
) -> None:
    """
    Enter what went back through M-Pesa and was written down as given back before.

    The invoice is locked, so that two of these follow one another. *credited* is read here
    unless the caller needs it to be the same for something else.
    """
    kinds = (InvoiceEntryKind.GIVEN_BACK, *ABOUT_A_PAYMENT)
    entries = await tx.invoices.entries(invoice.id, *kinds, limit=None)
    given = [each for each in entries if each.kind is InvoiceEntryKind.GIVEN_BACK]
    if not given:
        return
    if credited is None:
        credited = await tx.invoices.credited(invoice.id)
    left = {each.id: -each.cents for each in given}
    stood: dict[str, set[int]] = defaultdict(set)
    known: dict[str, int] = defaultdict(int)  # by payment: what went back and was looked at
    for entry in entries:
        if entry.kind in ABOUT_A_PAYMENT and entry.answers is not None:
            payment_id = entry.key.split(":")[2]
            stood[payment_id].add(entry.answers)
            known[payment_id] = max(known[payment_id], entry.about_cents)
            left[entry.answers] -= entry.cents
    for payment in credited:
        for back in reversed(given):
            fresh = payment.reversed_cents - known[payment.id]
            same = min(fresh, left[back.id])
            if back.id not in stood[payment.id] or same <= 0:
                continue
            known[payment.id] += same
            left[back.id] -= same
            await tx.invoices.enter(_went_back(back, payment, same, known[payment.id], now))


async def note_standing(
    tx: Tx, invoice: Invoice, key: str, credited: Sequence[Payment], now: datetime
) -> None:
    """Of the entry with this *key*, which is new: which payments there are, each as it is."""
    back = await tx.invoices.entered_as(key)
    assert back is not None, "it was written a moment ago"
    for payment in credited:
        await tx.invoices.enter(
            InvoiceEntry(
                invoice_id=invoice.id,
                kind=InvoiceEntryKind.STOOD,
                about_cents=payment.reversed_cents,
                by=NOBODY,
                at=now,
                key=f"{InvoiceEntryKind.STOOD}:{back.id}:{payment.id}",
                answers=back.id,
            )
        )


async def sums_of(tx: Tx, invoice: Invoice, credited: Sequence[Payment]) -> InvoiceSums:
    """What has come, by these payments: money that moves meanwhile is not half in it."""
    sums = await tx.invoices.sums(invoice.id)
    return replace(sums, mpesa_cents=sum(each.credited_cents or 0 for each in credited))


async def count_gifts_once(tx: Tx, drive: Drive, now: datetime) -> list[Entry]:
    """
    Write down which gifts M-Pesa took back that treasurers had handed back; returns all of them.

    The drive is locked, so that two of these follow one another.
    """
    journal = await tx.drives.handed_back(drive.id)
    for back in journal:
        if back.kind is not EntryKind.RETURNED or back.payment_id is None:
            continue
        payment = await tx.payments.get(back.payment_id)
        assert payment is not None, "a payment is never taken out of the books"
        handed_cents = -back.cents  # all that was left of it then
        lost_cents = handed_cents - (payment.credited_cents or 0)
        same_cents = min(handed_cents, lost_cents, payment.reversed_cents)
        known_cents = sum(
            each.cents
            for each in journal
            if each.kind is EntryKind.WENT_BACK and each.payment_id == payment.id
        )
        if same_cents > known_cents:
            await tx.drives.write_entry(
                Entry(
                    drive_id=drive.id,
                    kind=EntryKind.WENT_BACK,
                    cents=same_cents - known_cents,
                    name=back.name,
                    payment_id=payment.id,
                    corrects=back.id,
                    by=NOBODY,
                    at=now,
                    key=f"{EntryKind.WENT_BACK}:{payment.id}:{same_cents}",
                )
            )
    after = await tx.drives.handed_back(drive.id) if journal else []
    return [each for each in after if each.kind is EntryKind.WENT_BACK]


def _went_back(
    back: InvoiceEntry, payment: Payment, cents: int, known_cents: int, now: datetime
) -> InvoiceEntry:
    return InvoiceEntry(
        invoice_id=back.invoice_id,
        kind=InvoiceEntryKind.WENT_BACK,
        cents=cents,
        about_cents=known_cents,
        by=NOBODY,
        at=now,
        key=f"{InvoiceEntryKind.WENT_BACK}:{back.id}:{payment.id}:{known_cents}",
        answers=back.id,
    )
