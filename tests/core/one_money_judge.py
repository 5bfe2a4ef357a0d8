"""The judgement of a life of prompts and their lines: none counts twice unseen, none is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from bot.core.record_desk import RecordDesk
from bot.core.references import read_reference
from storage.records import BY_RECORD, FINAL, OpenKind, Payment, RecordRow, RowState, Word
from tests.core.conftest import Desk
from tests.core.test_record import assert_replays

__all__ = ["Judged", "judge", "shut_out"]

LOOKED_AT = (OpenKind.REVIEW, OpenKind.TWICE, OpenKind.AMOUNT_DIFFERS, OpenKind.UNMATCHED)


@dataclass
class Judged:
    """What was wrong, and what there was to be wrong about."""

    violations: list[str] = field(default_factory=list)
    effects: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class _Books:
    rows: dict[str, RecordRow]
    holders: dict[str, Payment]  # who has each code
    looked_at: set[str | None]  # codes that wait for a person


async def judge(
    desk: Desk, record: RecordDesk, every: Sequence[Payment], codes: Sequence[str]
) -> Judged:
    """Once all lines are told and nothing is asked about any more."""
    judged = Judged()
    open_now = await record.open_differences(limit=1000)
    async with desk.store.read() as tx:
        rows = await tx.record.known(codes)
        held = await tx.evidence.receipt_holders(list(rows))
    by_id = {each.id: each for each in every}
    books = _Books(
        rows=rows,
        holders={code: by_id[holder] for code, holder in held.items() if holder in by_id},
        looked_at={each.receipt for each in open_now if each.kind in LOOKED_AT},
    )
    for payment in every:
        if not payment.ask_key.startswith(BY_RECORD):
            _drawn_once(payment, books, judged)
        waits = payment.next_check_at is not None or payment.pending_at is not None
        if payment.status not in FINAL and not waits:
            judged.violations.append(f"I8: {payment.id} is {payment.status}, and silent")
    for code, row in rows.items():
        _somewhere(code, row, books, judged)
    await assert_replays(desk)
    return judged


def _drawn_once(prompted: Payment, books: _Books, judged: Judged) -> None:
    """What counts of a prompt's lines is no more than its lines, or somebody is to look."""
    theirs = {
        code
        for code, row in books.rows.items()
        if read_reference(row.reference) == prompted.push_ref
        and row.amount_cents == prompted.amount_kes * 100
    }
    own = any(holder.id == prompted.id for holder in books.holders.values())
    alone = bool(prompted.credited_cents) and not own
    holders = [books.holders[code] for code in sorted(theirs & books.holders.keys())]
    taken = [each for each in holders if each.id != prompted.id and each.credited_cents]
    judged.effects["a line counts apart from its prompt"] += bool(taken)
    judged.effects["a prompt counts without a line"] += alone
    if not theirs or alone + len(taken) <= len(theirs):
        return
    looked_at = bool(books.looked_at & theirs) or any(
        each.pending_at is not None or Word.CONTRADICTED in each.words
        for each in (prompted, *taken)
    )
    judged.effects["more counts than came, and is looked at"] += looked_at
    if not looked_at:
        many = [each.id for each in taken]
        judged.violations.append(f"I4: {prompted.id} and {many} count {sorted(theirs)}")


def _somewhere(code: str, row: RecordRow, books: _Books, judged: Judged) -> None:
    """Each line counts, or waits for a person, or a person has said that it does not."""
    holder = books.holders.get(code)
    counts = holder is not None and (holder.credited_cents or holder.pending_at is not None)
    written_off = row.state is RowState.CLOSED or (holder is not None and holder.status in FINAL)
    if not (counts or written_off or code in books.looked_at):
        judged.violations.append(f"I2: {code} of {row.reference!r} counts nowhere")


async def shut_out(
    desk: Desk, every: Sequence[Payment], codes: Sequence[str], *, written_off: Collection[str]
) -> list[str]:
    """
    Of all that was paid for one thing, what cannot be counted, whoever tries.

    Not what somebody has *written_off* who was shown whose it is.
    """
    async with desk.store.read() as tx:
        rows = await tx.record.known(codes)
        held = await tx.evidence.receipt_holders(list(rows))
    by_id = {each.id: each for each in every}
    found = []
    for intent in sorted({each.intent_id for each in every}):
        prompts = [
            each
            for each in every
            if each.intent_id == intent and not each.ask_key.startswith(BY_RECORD)
        ]
        accounts = {each.push_ref for each in prompts}
        theirs = [
            code
            for code, row in rows.items()
            if read_reference(row.reference) in accounts
            and row.amount_cents == prompts[0].amount_kes * 100
            and (code in held or code not in written_off)
        ]
        counts = {held[code] for code in theirs if code in held}
        counts = {each for each in counts if each in by_id and by_id[each].credited_cents}
        alone = {each.id for each in prompts if each.credited_cents} - set(held.values())
        # What another's code counted for is taken off first, by whoever looks at it.
        # And of two codes that were named for one prompt operators are told at once.
        wrong = any(
            (each.credited_cents and each.pending_at is not None) or Word.TWICE in each.words
            for each in prompts
        )
        if len(counts | alone) < len(theirs) and not wrong:
            found.append(f"I2: {theirs} came for {intent}, and {len(counts | alone)} can count")
    return found
