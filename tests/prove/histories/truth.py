"""Owns the judgement of what people decided, wrote down and were told, beside the books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from bot.core.hear import CLOCKS_DIFFER
from bot.playground.chats import Message
from mpesa.simulator.books import Row
from storage.record_tables import record_rows
from storage.records import (
    EntryKind,
    Evidence,
    Kind,
    OpenDifference,
    OpenKind,
    Payment,
    Status,
    Word,
)
from storage.tx import Tx
from tests.prove.histories.diary import BORN, Dropped, Ruled
from tests.prove.histories.history import OPERATOR, History
from tests.prove.histories.saying import Verdict

__all__ = ["judge_people"]

KINDS = {"credit": Kind.OPERATOR_PAID, "void": Kind.OPERATOR_VOID, "reverse": Kind.REVERSED}
BY_HAND = {kind: what for what, kind in KINDS.items()}
AFTER_VOID = (Status.VOID, Status.REVIEW, Status.PAID)
MANY = 1_000_000


async def judge_people(
    history: History,
    tx: Tx,
    ours: dict[str, Payment],
    evidence: dict[str, list[Evidence]],
    verdict: Verdict,
) -> None:
    """What everybody did, as far as they know, against what we made of it."""
    verdict.must(not history.broke, "I8 bounded", *history.broke[:2])
    verdict.must(not history.diary.untrue, "I7 told", *history.diary.untrue)
    for name, many in history.acts.done.items():
        verdict.effects[f"people: {name.replace('_', ' ')}"] += many
    open_now = await tx.record.differences(limit=MANY)
    born = {each.removeprefix(BORN) for each in ours if each.startswith(BORN)}
    for ref, payment in ours.items():
        _ruled(history, ref, payment, evidence.get(payment.id, []), verdict)
        _went_back(history, payment, born, open_now, verdict)
    _once_back(history, ours, verdict)
    refs = {each.ref for each in history.diary.ruled}
    verdict.must(refs <= set(ours), "I2 loss", "decided about what is not there", refs)
    _claims(history, evidence, verdict)
    await _statements(history, tx, ours, open_now, verdict)
    _talk(history, verdict)


def _ruled(
    history: History,
    ref: str,
    payment: Payment,
    evidence: Sequence[Evidence],
    verdict: Verdict,
) -> None:
    """Each yes of an operator once, nothing that none of them said, and what follows from it."""
    ruled = [
        each for each in history.diary.ruled if ref in (each.ref, f"{BORN}{each.code or None}")
    ]
    decided = [each for each in evidence if each.by is not None and each.kind in BY_HAND]
    kept = Counter((BY_HAND[each.kind], each.receipt or "") for each in decided)
    said = Counter((each.what, each.code) for each in ruled)
    verdict.must(kept <= said, "I1 phantom", ref, "ruled", kept, "where they said", said)
    moved = {each.receipt for each in evidence if each.kind is Kind.RECEIPT_MOVED}
    for each in ruled:
        _followed(each, payment, kept, moved, verdict)
    names = {(each.what, "done" in each.said) for each in ruled}
    words = {"credit": "an operator credited", "void": "an operator wrote off"}
    for what, name in (words | {"reverse": "an operator recorded a reversal"}).items():
        verdict.effects[name] += (what, True) in names
    verdict.effects["two operators were asked"] += any("proposed" in each.said for each in ruled)
    verdict.effects["operators contradicted each other"] += len({each.what for each in ruled}) > 1
    verdict.effects["a line was refused beside its prompt"] += any(
        "counted" in each.said for each in ruled
    )
    verdict.effects["an operator was wrong"] += not all(each.right for each in ruled)


def _followed(
    ruled: Ruled,
    payment: Payment,
    kept: Counter[tuple[str, str]],
    moved: set[str | None],
    verdict: Verdict,
) -> None:
    if "done" not in ruled.said:
        return
    ref, paid = ruled.ref, payment.status is Status.PAID
    there = kept[ruled.what, ruled.code]
    verdict.must(there > 0, "I2 loss", ref, "what was decided", ruled)
    match ruled.what:
        case "credit":
            verdict.must(paid, "I2 loss", ref, "credited by hand, and is", payment.status)
            codes = {payment.receipt, *moved}
            many = Word.TWICE in payment.words
            verdict.must(ruled.code in codes or many, "I9 cross-talk", ref, codes, ruled.code)
        case "reverse":
            back = Word.REVERSED in payment.words or f"back:{ruled.code}" in moved or bool(moved)
            verdict.must(back, "I2 loss", ref, "went back by hand", payment.words)
        case _:
            right = payment.status in AFTER_VOID
            verdict.must(right, "I6 order-free", ref, "written off, and is", payment.status)


def _went_back(
    history: History,
    payment: Payment,
    born: set[str],
    open_now: Sequence[OpenDifference],
    verdict: Verdict,
) -> None:
    """No more than Safaricom's books say; all of it, once those were compared."""
    every = _reversals(history)
    rows = [
        each
        for each in every
        # A line that a payment was made of is that one's, whatever prompt it names.
        if payment.push_ref
        == (BORN + each.linked_receipt if each.linked_receipt in born else each.account_reference)
    ]
    true_cents = sum(each.amount_cents for each in rows)
    about = payment.push_ref, payment.reversed_cents, true_cents
    if not history.diary.wrong_about(payment.push_ref, "reverse"):
        # But an operator goes by the prompt, and is right: that line may not be known, or waits.
        # And what was credited by another payment's code goes back when that one does.
        ruled = {
            (each.what, each.code)
            for each in history.diary.ruled
            if each.ref == payment.push_ref and (each.what == "reverse" or "done" in each.said)
        }
        most = true_cents + sum(
            each.amount_cents
            for each in every
            if each not in rows
            and {("reverse", each.receipt), ("credit", each.linked_receipt)} & ruled
        )
        verdict.must(payment.reversed_cents <= most, "I1 phantom", "went back", *about)
    known = [each for each in rows if _compared(history, each)]
    if known and payment.status is Status.PAID:
        waits = {each.receipt for each in open_now} & {
            *(each.receipt for each in known),
            *(each.linked_receipt for each in known),
        }
        verdict.must(
            bool(waits) or payment.reversed_cents >= true_cents, "I2 loss", "went back", *about
        )
    verdict.effects["a payment went back"] += payment.reversed_cents > 0


def _reversals(history: History) -> list[Row]:
    lines = history.safaricom.books.statement()
    return [each for each in lines if each.linked_receipt is not None]


def _once_back(history: History, ours: dict[str, Payment], verdict: Verdict) -> None:
    """Nothing is taken off twice, off the payment that a person named and another one."""
    true_cents = sum(each.amount_cents for each in _reversals(history))
    taken_cents = sum(each.reversed_cents for each in ours.values())
    right = all(each.right for each in history.diary.ruled if each.what == "reverse")
    verdict.must(
        not right or taken_cents <= true_cents, "I10 sums", "went back", taken_cents, true_cents
    )


def _compared(history: History, row: Row) -> bool:
    """Whether a statement that was dropped, and answered, has this row."""
    return any(each.told and row.receipt in each.receipts for each in history.diary.dropped)


def _claims(history: History, evidence: dict[str, list[Evidence]], verdict: Verdict) -> None:
    """Who pasted something was heard, and each message once."""
    claims = Counter(
        each.by for told in evidence.values() for each in told if each.kind is Kind.CLAIM
    )
    for by in {each.by for each in history.diary.claimed}:
        theirs = [each for each in history.diary.claimed if each.by == by]
        heard = [each for each in theirs if each.answer is not None]
        told = min(len({each.code for each in heard}), len({each.answer for each in heard}))
        verdict.must(claims[by] >= told, "I2 loss", by, "claimed", told, "kept", claims[by])
        verdict.must(claims[by] <= len(theirs), "I1 phantom", by, "claims", claims[by])
    verdict.effects["somebody claimed to have paid"] += sum(claims.values())


async def _statements(
    history: History,
    tx: Tx,
    ours: dict[str, Payment],
    open_now: Sequence[OpenDifference],
    verdict: Verdict,
) -> None:
    """Each line of a statement that was taken is in our books, or waits for a person."""
    dropped = [each for each in history.diary.dropped if each.told]
    verdict.effects["a statement was dropped"] += len(dropped)
    if not dropped:
        return
    rows = {each.receipt: each for each in history.safaricom.books.statement()}
    kept = set((await tx.payments._connection.execute(select(record_rows.c.receipt))).scalars())
    waits = {each.receipt for each in open_now}
    for receipt in {each for one in dropped for each in one.receipts}:
        verdict.must(receipt in kept, "I2 loss", receipt, "of a statement is not in the record")
        row, payment = rows[receipt], ours.get(rows[receipt].account_reference)
        if receipt in history.diary.by_hand:
            _past_us(row, ours.get(BORN + receipt), receipt in waits, verdict)
        if row.linked_receipt is not None or payment is None:
            continue
        counted = payment.status is Status.PAID and payment.receipt == receipt
        looked_at = receipt in waits or payment.pending_at is not None
        verdict.must(
            counted or looked_at, "I2 loss", payment.push_ref, payment.status, receipt, "compared"
        )
    everything = [each for each in dropped if each.everything]
    if everything:
        _only_ours(history, ours, everything[-1], open_now, verdict)


def _past_us(row: Row, made: Payment | None, waits: bool, verdict: Verdict) -> None:
    """Money that was paid by hand counts once, as a payment of its own, or waits for a person."""
    counts = made is not None and made.arrived_cents == row.amount_cents
    verdict.must(counts or waits, "I2 loss", row.receipt, "by hand", row.account_reference)
    verdict.effects["paid by hand, and counted"] += counts
    verdict.effects["paid by hand, and left to a person"] += waits and not counts


def _only_ours(
    history: History,
    ours: dict[str, Payment],
    dropped: Dropped,
    open_now: Sequence[OpenDifference],
    verdict: Verdict,
) -> None:
    """What is credited here, and in no line of the portal's, waits for a person."""
    rows = history.safaricom.books.statement()
    since, theirs = rows[0].completed_at, {each.account_reference for each in rows}
    theirs |= {BORN + each.receipt for each in rows}
    looked_at = (OpenKind.ONLY_OURS, OpenKind.REVIEW)  # or whose it is, is asked of its line
    noted = {each.payment_id for each in open_now if each.kind in looked_at}
    # Or how much, where the code that it was credited with is that of other money.
    noted |= {
        each.id
        for each in ours.values()
        for line in open_now
        if line.kind is OpenKind.AMOUNT_DIFFERS
        and (line.payment_id, line.receipt) == (each.id, each.receipt)
    }
    for ref, payment in ours.items():
        if payment.status is not Status.PAID or ref in theirs:
            continue
        verdict.effects["only ours, and noted"] += payment.id in noted
        # By our own clock: what credits names a day too, and may be a liar's.
        begun_at, heard_at = payment.begun_at or payment.created_at, payment.decided_at
        covered = heard_at is not None and since <= min(begun_at, heard_at) - CLOCKS_DIFFER
        covered &= heard_at is not None and heard_at + CLOCKS_DIFFER < dropped.until
        verdict.must(payment.id in noted or not covered, "I1 phantom", ref, "is only ours, unseen")


def _talk(history: History, verdict: Verdict) -> None:
    """Words between a customer and a merchant arrive once."""
    diary, chats = history.diary, history.telegram.world.chats
    merchant = chats[OPERATOR].from_bot
    customer_id = history.invoice.customer.id
    customer = chats[customer_id].from_bot
    may = history.witness.excused
    for words, told in diary.asked.items():
        many = _many(merchant, words)
        verdict.must(many >= 1 or not told, "I7 told", "never passed on", words)
        verdict.must(many <= 1 + may(OPERATOR, words), "I7 twins", words, many)
    for words in diary.answered:
        many = _many(customer, words)
        verdict.must(many <= 1 + may(customer_id, words), "I7 twins", words, many)
    verdict.effects["a customer asked a merchant"] += len(diary.asked)
    reminders = _many(customer, "Kind reminder")
    most = diary.reminded + may(customer_id, "Kind reminder")
    verdict.must(reminders <= most, "I7 twins", "reminders", reminders, "asked for", most)
    verdict.effects["a customer was reminded"] += reminders


def _many(messages: Sequence[Message], words: str) -> int:
    return sum(words in each.text for each in messages)


def judge_journal(history: History, journal: Sequence[Any], verdict: Verdict) -> None:
    """What a treasurer corrected, and said of late gifts."""
    diary = history.diary
    kept = Counter(each.cents // 100 for each in journal if each.kind is EntryKind.CORRECTION)
    verdict.must(max(kept.values(), default=1) == 1, "I4 once", "corrections", kept)
    verdict.must(set(kept) <= set(diary.corrected_said), "I1 phantom", "corrections", kept)
    verdict.must(set(diary.corrected_told) <= set(kept), "I2 loss", "corrections", kept)
    about = [each for each in journal if each.kind in (EntryKind.KEPT, EntryKind.RETURNED)]
    each_once = Counter(each.payment_id for each in about)
    verdict.must(max(each_once.values(), default=1) == 1, "I4 once", "late gifts", each_once)
    for keep, kind in ((True, EntryKind.KEPT), (False, EntryKind.RETURNED)):
        told = sum(each.told and each.keep is keep for each in diary.late)
        stand = sum(each.kind is kind for each in about)
        verdict.must(told <= stand, "I2 loss", "late gifts", kind, told, stand)
    verdict.must(len(about) == 0 or bool(diary.late), "I1 phantom", "late gifts", about)
    verdict.effects["a treasurer corrected"] += sum(kept.values())
    verdict.effects["a treasurer decided about a late gift"] += len(about)
    verdict.effects["handed back, and taken back"] += sum(
        each.kind is EntryKind.WENT_BACK for each in journal
    )
