"""
Given back: money that was given back by hand counts once, though M-Pesa says it as well.

A merchant writes down that what was paid too much went back, and Safaricom's books then say the
same of one of the payments. What went back of payments that were there when it was written down
is taken for that very money, as far as it goes, and an entry of its own says so; the merchant is
told, and can say that both went back. No clock is asked what came first: each time something is
said of too much, the payments that are there are noted, with what had gone back of them by then. A
gift that treasurers handed back names its payment, and what was left of it.

What stays with a merchant as agreed is part of what is too much. Where less is too much by now
(more is billed, cash was wrong, money went back), less stays: it pays the bill.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.core.bills import over_cents
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

__all__ = ["SAID_OF_EXCESS", "count_gifts_once", "count_once", "note_standing", "sums_of"]

SAID_OF_EXCESS = (InvoiceEntryKind.KEPT, InvoiceEntryKind.GIVEN_BACK)

ABOUT_A_PAYMENT = frozenset({"stood", "went-back", "kept-less"})
"""
How the keys begin of what answers a word about too much: `<this>:<entry>:<payment>:<cents>`, with
how much of the payment had gone back by then.
"""

LESS_KEPT = "kept-over"
"""How the keys begin of what takes something off a word: `<this>:<entry>:<cents left of it>`."""


async def count_once(
    tx: Tx, invoice: Invoice, now: datetime, credited: Sequence[Payment] | None = None
) -> None:
    """
    Enter what went back through M-Pesa and was written down as given back before.

    What goes back beyond that is taken off what stays as agreed: it has not stayed, and would
    hide what comes too much later. So would what stays of more than is too much at all. The
    invoice is locked and as it is now, so that two of these follow one another. *credited* is
    read here unless the caller needs it to be the same for something else.
    """
    kinds = (InvoiceEntryKind.STOOD, InvoiceEntryKind.WENT_BACK)
    entries = await tx.invoices.entries(invoice.id, *SAID_OF_EXCESS, *kinds, limit=None)
    said: list[InvoiceEntry] = []
    answers: list[InvoiceEntry] = []
    for entry in entries:
        is_answer = entry.key.partition(":")[0] in (*ABOUT_A_PAYMENT, LESS_KEPT)
        (answers if is_answer else said).append(entry)
    if not said:
        return
    if credited is None:
        credited = await tx.invoices.credited(invoice.id)
    left = {each.id: each.about_cents for each in said}
    stood: dict[str, set[int]] = defaultdict(set)
    known: dict[str, int] = defaultdict(int)  # by payment: what went back and was looked at
    for entry in answers:
        what, said_id, *of = entry.key.split(":")
        if entry.kind is not InvoiceEntryKind.STOOD:
            left[int(said_id)] -= abs(entry.about_cents)
        if what in ABOUT_A_PAYMENT:
            payment_id, cents = of
            stood[payment_id].add(int(said_id))
            known[payment_id] = max(known[payment_id], int(cents))
    # Given back before kept; and the oldest first, which leaves the newest words to the newest
    # payments: those were not there when the others were said.
    said.sort(key=lambda each: (each.kind is InvoiceEntryKind.KEPT, each.id))
    for payment in credited:
        for word in said:
            same = min(payment.reversed_cents - known[payment.id], left[word.id])
            if word.id not in stood[payment.id] or same <= 0:
                continue
            known[payment.id] += same
            left[word.id] -= same
            await tx.invoices.enter(_answer(word, payment, same, known[payment.id], now))
    kept = {word.id: left[word.id] for word in said if word.kind is InvoiceEntryKind.KEPT}
    if any(kept.values()):
        await _keep_no_more_than_is_over(
            tx, invoice, kept, await sums_of(tx, invoice, credited), now
        )


async def _keep_no_more_than_is_over(
    tx: Tx, invoice: Invoice, kept: dict[int, int], sums: InvoiceSums, now: datetime
) -> None:
    """Of *kept*, what stays by each word, take off what is not too much, the oldest first."""
    beyond = sum(kept.values()) - over_cents(invoice, sums)
    for word_id, cents in kept.items():
        less = min(beyond, cents)
        if less <= 0:
            continue
        beyond -= less
        await tx.invoices.enter(
            InvoiceEntry(
                invoice_id=invoice.id,
                kind=InvoiceEntryKind.KEPT,
                about_cents=-less,
                by=NOBODY,
                at=now,
                key=f"{LESS_KEPT}:{word_id}:{cents - less}",
                answers=word_id,
            )
        )


async def note_standing(
    tx: Tx, invoice: Invoice, key: str, credited: Sequence[Payment], now: datetime
) -> None:
    """Of the entry with this *key*, which is new: which payments there are, each as it is."""
    word = await tx.invoices.entered_as(key)
    assert word is not None, "it was written a moment ago"
    for payment in credited:
        await tx.invoices.enter(
            InvoiceEntry(
                invoice_id=invoice.id,
                kind=InvoiceEntryKind.STOOD,
                by=NOBODY,
                at=now,
                key=f"stood:{word.id}:{payment.id}:{payment.reversed_cents}",
                answers=word.id,
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


def _answer(
    word: InvoiceEntry, payment: Payment, cents: int, known_cents: int, now: datetime
) -> InvoiceEntry:
    """So much of what was given back counts once, or of what stays does not stay."""
    kept = word.kind is InvoiceEntryKind.KEPT
    return InvoiceEntry(
        invoice_id=word.invoice_id,
        kind=InvoiceEntryKind.KEPT if kept else InvoiceEntryKind.WENT_BACK,
        cents=0 if kept else cents,
        about_cents=-cents if kept else cents,
        by=NOBODY,
        at=now,
        key=f"{'kept-less' if kept else 'went-back'}:{word.id}:{payment.id}:{known_cents}",
        answers=word.id,
    )
