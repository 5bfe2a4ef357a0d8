"""Owns the judgement of drives and invoices: what each has come to, and what its chats show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from bot.core.bills import Standing
from bot.core.drive_news import AWAITED, UNNAMED, came_after_closing, card_key
from bot.core.invoices import InvoiceView, view_of
from bot.texts import money
from mpesa.simulator.books import Row
from storage.drive_tables import drive_thanked, drives
from storage.invoice_tables import invoices
from storage.records import (
    Drive,
    DriveStatus,
    Entry,
    EntryKind,
    InvoiceEntryKind,
    Payment,
    Status,
    Word,
)
from storage.schema import notices
from storage.tx import Tx
from tests.prove.histories.history import MOVED_TO, History
from tests.prove.histories.saying import Verdict
from tests.prove.histories.truth import judge_journal

__all__ = ["judge_subjects"]

CASH_KEPT = re.compile(r"KES ([\d,]+) in cash written down")
SHOWN = {
    Standing.PAID: "Paid.",
    Standing.PART_PAID: " left",
    Standing.OVERPAID: "too much",
    Standing.VOID: "Void:",
    Standing.WRITTEN_OFF: "Written off:",
}


class _Side:
    """What is paid for one subject, in our books and in Safaricom's."""

    def __init__(
        self, subject: str, ours: dict[str, Payment], theirs: dict[str, list[Row]]
    ) -> None:
        self.subject = subject
        self.payments = [each for each in ours.values() if each.subject == subject]
        self.paid = [each for each in self.payments if each.status is Status.PAID]
        self._theirs = theirs

    def must_come_to(self, cents: int, verdict: Verdict) -> None:
        """Safaricom's statement, less what waits for a person, and what one wrong word credited."""
        expected = 0
        for each in self.paid:
            arrived = sum(row.amount_cents for row in self._rows(each)) or each.arrived_cents
            expected += arrived - each.reversed_cents
        verdict.must(cents == expected, "I10 sums", self.subject, cents, "is not", expected)

    def _rows(self, payment: Payment) -> list[Row]:
        return self._theirs.get(payment.push_ref, [])


async def judge_subjects(
    history: History,
    tx: Tx,
    ours: dict[str, Payment],
    theirs: dict[str, list[Row]],
    verdict: Verdict,
) -> None:
    """Every drive and every invoice that there is."""
    connection = tx.payments._connection
    rows = (await connection.execute(select(notices))).mappings().all()
    told = {row["key"]: row for row in rows}
    journal: list[Entry] = []
    for drive_id in (await connection.execute(select(drives.c.id))).scalars().all():
        drive = await tx.drives.get(drive_id)
        assert drive is not None, "it stands there"
        side = _Side(drive.subject, ours, theirs)
        journal += await _drive(history, tx, drive, side, told, verdict)
    _cash(history, journal, verdict)
    judge_journal(history, journal, verdict)
    for invoice_id in (await connection.execute(select(invoices.c.id))).scalars().all():
        invoice = await tx.invoices.get(invoice_id)
        assert invoice is not None, "it stands there"
        view = await view_of(tx, invoice)
        readers = await tx.invoices.readers(invoice_id)
        await _invoice(
            history, tx, view, readers, _Side(invoice.subject, ours, theirs), told, verdict
        )


async def _drive(
    history: History,
    tx: Tx,
    drive: Drive,
    side: _Side,
    told: dict[str, Any],
    verdict: Verdict,
) -> list[Entry]:
    """Judge it; returns its journal."""
    totals = await tx.gifts.totals(drive.id)
    side.must_come_to(totals.mpesa_cents, verdict)
    journal = await tx.drives.entries(drive.id)
    added = sum(each.cents for each in journal)
    verdict.must(totals.cash_cents == added, "I10 sums", drive.code, "journal", totals.cash_cents)
    row = told.get(card_key(drive))
    verdict.must(row is not None, "I7 told", drive.code, "has no card")
    if row is not None and row["state"] == "told" and row["message_id"] is not None:
        verdict.must(row["told"] == row["wanted"], "I7 told", drive.code, "an old card")
        card = history.message(row["chat_id"], row["message_id"])
        shows = "" if card is None else card.text
        right = money(totals.cents) in shows
        right &= ("🏁" in shows) == (drive.status is DriveStatus.CLOSED)
        verdict.must(right, "I7 told", drive.code, totals.cents, drive.status, shows)
    # Where a clock was set back, a drive was closed "before" what its treasurers knew of already.
    thanks = await _thanks(tx, drive)
    late = [
        each
        for each in side.paid
        if (came_after_closing(drive, each) and thanks.get(each.id, UNNAMED) <= UNNAMED)
        or (drive.status is DriveStatus.CLOSED and thanks.get(each.id) == AWAITED)
    ]
    for payment in late:
        key = f"drive:{drive.id}:late:{payment.id}:{drive.opened_by}"
        verdict.must(key in told, "I7 told", "nobody was asked about a late gift", payment.push_ref)
    seen = {
        "a gift was paid": len(side.paid),
        "a gift was not paid": len(side.payments) - len(side.paid),
        "a gift came after closing": len(late),
        "cash was written down": len(journal),
        "a drive was closed": drive.status is DriveStatus.CLOSED,
        "a card followed its group": drive.chat_id == MOVED_TO and row is not None,
    }
    for name, many in seen.items():
        verdict.effects[name] += many
    return journal


async def _thanks(tx: Tx, drive: Drive) -> dict[str, int]:
    """Which thanks names a gift, or what was noted of it instead."""
    found = await tx.payments._connection.execute(
        select(drive_thanked.c.payment_id, drive_thanked.c.thanks).where(
            drive_thanked.c.drive_id == drive.id
        )
    )
    return {row.payment_id: row.thanks for row in found}


def _cash(history: History, journal: Sequence[Entry], verdict: Verdict) -> None:
    """What was said once stands in one journal once at most, and what we answered to for sure."""
    kept = Counter(each.cents // 100 for each in journal if each.kind is EntryKind.CASH)
    twice = [amount for amount, many in kept.items() if many > 1]
    verdict.must(not twice, "I4 once", "cash twice", twice)
    never_said = set(kept) - set(history.diary.cash_said)
    verdict.must(not never_said, "I1 phantom", "cash that nobody gave", never_said)
    lost = set(history.diary.cash_told) - set(kept)
    verdict.must(not lost, "I2 loss", "cash that was written down", lost)


async def _invoice(
    history: History,
    tx: Tx,
    view: InvoiceView,
    readers: Sequence[int],
    side: _Side,
    told: dict[str, Any],
    verdict: Verdict,
) -> None:
    invoice = view.invoice
    side.must_come_to(view.sums.mpesa_cents, verdict)
    entries = await tx.invoices.entries(invoice.id, InvoiceEntryKind.CASH)
    kept = Counter(each.cents // 100 for each in entries)
    said = set(history.diary.bill_cash_said)
    verdict.must(max(kept.values(), default=1) == 1, "I4 once", invoice.label, "cash", kept)
    verdict.must(set(kept) <= said, "I1 phantom", invoice.label, "cash that nobody gave", kept)
    chat = history.telegram.world.chats[invoice.merchant_id]
    answered = (CASH_KEPT.search(each.text) for each in chat.from_bot if invoice.label in each.text)
    lost = {int(each[1].replace(",", "")) for each in answered if each} - set(kept)
    verdict.must(not lost, "I2 loss", invoice.label, "cash that was written down", lost)
    await _past_mpesa(history, tx, view, verdict)
    for chat_id in {invoice.merchant_id, *readers}:
        row = told.get(f"i:{invoice.id}:card:{chat_id}")
        verdict.must(row is not None, "I7 told", invoice.label, "has no card in", chat_id)
        if row is None or row["state"] != "told" or view.standing not in SHOWN:
            continue
        card = history.message(chat_id, row["message_id"])
        right = card is not None and SHOWN[view.standing] in card.text
        right &= row["told"] == row["wanted"]
        verdict.must(right, "I7 told", invoice.label, view.standing, card and card.text)
    for payment in side.paid:
        if Word.REVERSED not in payment.words:
            _both_told(history, view, payment, told, verdict)
    seen = {
        "an instalment was paid": len(side.paid),
        "an instalment was not paid": len(side.payments) - len(side.paid),
        "an invoice was paid": view.standing is Standing.PAID,
        "an invoice was paid in part": view.standing is Standing.PART_PAID,
        "an invoice was overpaid": view.standing is Standing.OVERPAID,
        "cash came for an invoice": len(entries),
    }
    for name, many in seen.items():
        verdict.effects[name] += many


async def _past_mpesa(history: History, tx: Tx, view: InvoiceView, verdict: Verdict) -> None:
    """What a merchant wrote down, gave back and took back adds up, and each is there once."""
    invoice = view.invoice
    every = await tx.invoices.entries(invoice.id, *InvoiceEntryKind, limit=None)
    added = sum(each.cents for each in every)
    verdict.must(view.sums.entries_cents == added, "I10 sums", invoice.label, "journal", added)
    undone = [each for each in every if each.kind is InvoiceEntryKind.CASH_UNDONE]
    wrong = Counter(-each.cents // 100 for each in undone)
    said = Counter(history.diary.bill_cash_wrong)
    verdict.must(set(wrong) <= set(said), "I1 phantom", invoice.label, "cash undone", wrong)
    verdict.must(max(wrong.values(), default=1) == 1, "I4 once", invoice.label, "undone", wrong)
    back = [each for each in every if each.kind is InvoiceEntryKind.GIVEN_BACK]
    # Later less may be too much: cash was wrong, or M-Pesa took something back.
    less = undone or any(each.kind is InvoiceEntryKind.WENT_BACK for each in every)
    less = less or any(each.reversed_cents for each in await tx.invoices.credited(invoice.id))
    left = view.sums.paid_cents - invoice.total_cents
    voided = any(each.kind is InvoiceEntryKind.VOIDED for each in every)
    verdict.must(
        not back or bool(less) or voided or left >= 0, "I10 sums", invoice.label, "gave back", left
    )
    seen = {
        "a merchant took cash back": len(undone),
        "a merchant gave back": len(back),
        "a merchant let it stay": sum(e.kind is InvoiceEntryKind.KEPT for e in every),
        "an invoice was closed": sum(
            e.kind in (InvoiceEntryKind.VOIDED, InvoiceEntryKind.WRITTEN_OFF) for e in every
        ),
        "an invoice was opened again": sum(e.kind is InvoiceEntryKind.REOPENED for e in every),
    }
    for name, many in seen.items():
        verdict.effects[name] += many


def _both_told(
    history: History, view: InvoiceView, payment: Payment, told: dict[str, Any], verdict: Verdict
) -> None:
    """The merchant once; whoever paid reads it in the status message, as every payer does."""
    merchant_id = view.invoice.merchant_id
    row = told.get(f"i:{view.invoice.id}:paid:{payment.id}:{merchant_id}")
    verdict.must(row is not None, "I7 told", "the merchant", payment.push_ref)
    if row is None or row["state"] != "told":
        return
    news = history.message(merchant_id, row["message_id"])
    if news is None:
        verdict.must(False, "I7 told", payment.push_ref, "the news stands in no chat")
        return
    right = "paid by" in news.text and money(payment.credited_cents or 0) in news.text
    verdict.must(right, "I7 told", payment.push_ref, news.text)
    chat = history.telegram.world.chats[merchant_id]
    # Where the first part went back, the same of another part is news of its own.
    about = f"i:{view.invoice.id}:paid:"
    own = {each["message_id"] for key, each in told.items() if key.startswith(about)}
    alike = [each for each in chat.from_bot if each.text == news.text]
    twins = len(alike) - max(1, sum(each.id in own for each in alike))
    verdict.effects["a message came twice"] += twins
    may = history.witness.excused(merchant_id, news.text)
    verdict.must(twins <= may, "I7 twins", payment.push_ref, twins, may)
