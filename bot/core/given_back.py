"""
Given back: money that was given back by hand counts once, though M-Pesa says it as well.

A merchant writes down that what was paid too much went back, and Safaricom's books then say the
same of one of the payments. What went back of payments that were there when it was written down
is taken for that very money, as far as it goes, and an entry of its own says so; the merchant is
told, and can say that both went back. No clock is asked what came first: each time something is
said of too much, the payments that are there are noted, with what had gone back of them by then. A
gift that treasurers handed back names its payment, and what was left of it.

The books, or a person, may take a reversal from a payment again, or make it less: of another
payment it is, or another amount. What was counted once for it is then entered the other way round,
what came last first, and is free to be counted for another. What still counts once keeps its
place: nothing is moved to another word so that more finds one.

What stays with a merchant as agreed is part of what is too much. Where less is too much by now
(more is billed, cash was wrong, money went back), less stays: it pays the bill. If that money had
not gone back, it stays as it did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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

__all__ = [
    "SAID_OF_EXCESS",
    "count_gifts_once",
    "count_once",
    "note_standing",
    "still_once_cents",
    "sums_of",
]

SAID_OF_EXCESS = (InvoiceEntryKind.KEPT, InvoiceEntryKind.GIVEN_BACK)
ANSWERS = (
    InvoiceEntryKind.STOOD,
    InvoiceEntryKind.WENT_BACK,
    InvoiceEntryKind.BOTH_WENT_BACK,
)

# How the keys begin of what answers a word about too much. What follows tells it from all others,
# for the same sum may go back, come again, and go back once more.
STOOD = "stood"  # :<word>:<payment>:<cents that had gone back of it>
ONCE = ("went-back", "kept-less")  # :<word>:<payment>:…
LESS_KEPT = "kept-over"  # :<word>:<cents left of it>:<unanswered cents>:…
UNTOLD = "untold"  # :<which of those two>:<cents left of that>


@dataclass(slots=True, kw_only=True)
class _Answer:
    """So much of what was given back counts once, or of what stays does not stay."""

    id: int = 0
    word: InvoiceEntry
    payment_id: str | None = None  # None: less is too much
    said_cents: int  # when it was entered
    cents: int  # of that: what has not been untold
    moves_cents: int = 0  # of that: what makes up for a reversal, unless both went back
    unanswered_cents: int = 0  # when it was entered, of the invoice: see `_Book`


@dataclass(slots=True, kw_only=True)
class _Book:
    """What was said of too much for an invoice, and what answers it."""

    said: list[InvoiceEntry] = field(default_factory=list)
    left: dict[int, int] = field(default_factory=dict)  # by word: what nothing answers yet
    stood: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    answers: list[_Answer] = field(default_factory=list)  # the oldest first
    entries: int = 0  # that there are: makes keys new

    def once(self, payment_id: str) -> list[_Answer]:
        return [each for each in self.answers if each.payment_id == payment_id]

    def room_cents(self, payment: Payment, word_id: int) -> int:
        """
        What went back of *payment* since this word was said, and answers none; below nothing:
        more answers one than went back.

        What answers a word went back since every other of which less had gone back when it was
        said: it takes up their room, and this word's where that is one of them.
        """
        stood, once = self.stood[payment.id], self.once(payment.id)
        return min(
            payment.reversed_cents
            - by_then
            - sum(each.cents for each in once if stood[each.word.id] >= by_then)
            for by_then in stood.values()
            if by_then <= stood[word_id]
        )

    def unanswered_cents(self, credited: Sequence[Payment]) -> int:
        """What went back and is neither made up for nor taken off what stays: less is too much."""
        answered = sum(
            each.moves_cents if each.word.kind is InvoiceEntryKind.GIVEN_BACK else each.cents
            for each in self.answers
            if each.payment_id is not None
        )
        return sum(each.reversed_cents for each in credited) - answered


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
    book = _read(await tx.invoices.entries(invoice.id, *SAID_OF_EXCESS, *ANSWERS, limit=None))
    if not book.said:
        return
    if credited is None:
        credited = await tx.invoices.credited(invoice.id)
    for payment in credited:
        for answer in reversed(book.once(payment.id)):
            untold = min(-book.room_cents(payment, answer.word.id), answer.cents)
            await _take_back(tx, book, answer, untold, now)
    for payment in credited:
        for word in book.said:
            if word.id not in book.stood[payment.id]:
                continue
            if word.kind is InvoiceEntryKind.GIVEN_BACK:
                await _prefer(tx, book, word, payment, now)
            same = min(book.room_cents(payment, word.id), book.left[word.id])
            if same > 0:
                await _answer(tx, book, word, payment, same, now)
    unanswered = book.unanswered_cents(credited)
    for less in [each for each in book.answers if each.payment_id is None]:
        stays = min(less.said_cents, less.unanswered_cents - unanswered)
        await _take_back(tx, book, less, stays - (less.said_cents - less.cents), now)
    if any(book.left[each.id] for each in book.said if each.kind is InvoiceEntryKind.KEPT):
        over = over_cents(invoice, await sums_of(tx, invoice, credited))
        await _keep_no_more(tx, book, over, unanswered, now)


def _read(entries: Sequence[InvoiceEntry]) -> _Book:
    book = _Book(entries=len(entries))
    words: dict[int, InvoiceEntry] = {}
    answers: dict[int | None, _Answer] = {}
    for entry in entries:
        what, *of = entry.key.split(":")
        if what == STOOD:
            book.stood[of[1]][int(of[0])] = int(of[2])
        elif what in (*ONCE, LESS_KEPT):
            cents = abs(entry.about_cents)
            book.left[int(of[0])] -= cents
            answers[entry.id] = _Answer(
                id=entry.id,
                word=words[int(of[0])],
                payment_id=of[1] if what in ONCE else None,
                said_cents=cents,
                cents=cents,
                moves_cents=entry.cents,
                # Of one that does not say it, nothing is known to have come again.
                unanswered_cents=int(of[2]) if what == LESS_KEPT and of[2:] else 0,
            )
        elif entry.answers in answers:  # it was untold, or both went back
            answer = answers[entry.answers]
            untold = abs(entry.about_cents)
            answer.cents -= untold
            answer.moves_cents += entry.cents
            book.left[answer.word.id] += untold
        else:
            words[entry.id] = entry
            book.left[entry.id] = entry.about_cents
    # Given back before kept; and the oldest first, which leaves the newest words to the newest
    # payments: those were not there when the others were said.
    book.said = sorted(
        words.values(), key=lambda each: (each.kind is InvoiceEntryKind.KEPT, each.id)
    )
    book.answers = list(answers.values())
    return book


async def _prefer(tx: Tx, book: _Book, word: InvoiceEntry, payment: Payment, now: datetime) -> None:
    """What went back is *word*'s before it is what does not stay: so it was, had that been free."""
    stood = book.stood[payment.id]
    for answer in book.once(payment.id):
        if answer.word.kind is InvoiceEntryKind.KEPT and stood[answer.word.id] >= stood[word.id]:
            wanted = book.left[word.id] - book.room_cents(payment, word.id)
            await _take_back(tx, book, answer, min(wanted, answer.cents), now)


async def _answer(
    tx: Tx, book: _Book, word: InvoiceEntry, payment: Payment, cents: int, now: datetime
) -> None:
    """So much of *payment* went back, and is what *word* is about."""
    kept = word.kind is InvoiceEntryKind.KEPT
    moves = 0 if kept else cents
    book.left[word.id] -= cents
    book.answers.append(
        _Answer(word=word, payment_id=payment.id, said_cents=cents, cents=cents, moves_cents=moves)
    )
    key = f"{ONCE[kept]}:{word.id}:{payment.id}:{payment.reversed_cents}:{book.entries}"
    await _enter(tx, book, word, key, now, cents=moves, about_cents=-cents if kept else cents)


async def _take_back(tx: Tx, book: _Book, answer: _Answer, cents: int, now: datetime) -> None:
    """So much of *answer* is so no more; nothing if that is nothing."""
    if cents <= 0:
        return
    kept = answer.word.kind is InvoiceEntryKind.KEPT
    moves = min(cents, answer.moves_cents)
    answer.cents -= cents
    answer.moves_cents -= moves
    book.left[answer.word.id] += cents
    key = f"{UNTOLD}:{answer.id}:{answer.cents}"
    about = cents if kept else -cents
    await _enter(
        tx, book, answer.word, key, now, cents=-moves, about_cents=about, answers=answer.id
    )


async def _keep_no_more(
    tx: Tx, book: _Book, over: int, unanswered_cents: int, now: datetime
) -> None:
    """Of what stays, take off what is not too much, the oldest word first."""
    kept = [each for each in book.said if each.kind is InvoiceEntryKind.KEPT]
    beyond = sum(book.left[each.id] for each in kept) - over
    for word in kept:
        less = min(beyond, book.left[word.id])
        if less <= 0:
            continue
        beyond -= less
        book.left[word.id] -= less
        key = f"{LESS_KEPT}:{word.id}:{book.left[word.id]}:{unanswered_cents}:{book.entries}"
        await _enter(tx, book, word, key, now, about_cents=-less)


async def _enter(
    tx: Tx,
    book: _Book,
    word: InvoiceEntry,
    key: str,
    now: datetime,
    *,
    cents: int = 0,
    about_cents: int,
    answers: int | None = None,
) -> None:
    book.entries += 1
    kept = word.kind is InvoiceEntryKind.KEPT
    entry = InvoiceEntry(
        invoice_id=word.invoice_id,
        kind=InvoiceEntryKind.KEPT if kept else InvoiceEntryKind.WENT_BACK,
        cents=cents,
        about_cents=about_cents,
        by=NOBODY,
        at=now,
        key=key,
        answers=word.id if answers is None else answers,
    )
    written = await tx.invoices.enter(entry)
    assert written, "the invoice is locked, and nothing was entered under this key before"


async def still_once_cents(tx: Tx, once: InvoiceEntry) -> int:
    """Of what counts once by this entry: what was not untold, and is not two."""
    kinds = (InvoiceEntryKind.WENT_BACK, InvoiceEntryKind.BOTH_WENT_BACK)
    entries = await tx.invoices.entries(once.invoice_id, *kinds, limit=None)
    return once.cents + sum(each.cents for each in entries if each.answers == once.id)


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
                key=f"{STOOD}:{word.id}:{payment.id}:{payment.reversed_cents}",
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

    So, too, what it had not taken back after all: the journal then comes to what there is again.

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
        same_cents = max(0, min(handed_cents, lost_cents, payment.reversed_cents))
        known = [
            each.cents
            for each in journal
            if each.kind is EntryKind.WENT_BACK and each.payment_id == payment.id
        ]
        if same_cents != sum(known):
            await tx.drives.write_entry(
                Entry(
                    drive_id=drive.id,
                    kind=EntryKind.WENT_BACK,
                    cents=same_cents - sum(known),  # below nothing: it had not gone back after all
                    name=back.name,
                    payment_id=payment.id,
                    corrects=back.id,
                    by=NOBODY,
                    at=now,
                    key=f"{EntryKind.WENT_BACK}:{payment.id}:{same_cents}:{len(known)}",
                )
            )
    after = await tx.drives.handed_back(drive.id) if journal else []
    return [each for each in after if each.kind is EntryKind.WENT_BACK]
