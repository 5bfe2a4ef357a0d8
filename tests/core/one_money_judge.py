"""The judgement of a life of prompts and their lines: none counts twice unseen, none is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bot.core.record_desk import RecordDesk
from bot.core.references import read_reference
from bot.core.settle import POSITIVES
from storage.records import (
    BY_RECORD,
    FINAL,
    Evidence,
    Kind,
    OpenKind,
    Payment,
    RecordRow,
    RowState,
    Word,
)
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
    told: dict[str, list[Evidence]]  # of each payment


async def judge(
    desk: Desk, record: RecordDesk, every: Sequence[Payment], codes: Sequence[str]
) -> Judged:
    """Once all lines are told and nothing is asked about any more."""
    judged = Judged()
    open_now = await record.open_differences(limit=1000)
    async with desk.store.read() as tx:
        rows = await tx.record.known(codes)
        held = await tx.evidence.receipt_holders(list(rows))
        told = await tx.evidence.of([each.id for each in every])
    by_id = {each.id: each for each in every}
    books = _Books(
        told=told,
        rows=rows,
        holders={code: by_id[holder] for code, holder in held.items() if holder in by_id},
        looked_at={each.receipt for each in open_now if each.kind in LOOKED_AT},
    )
    for payment in every:
        if not _is_born(payment):
            _drawn_once(payment, books, judged)
        waits = payment.next_check_at is not None or payment.pending_at is not None
        if payment.status not in FINAL and not waits:
            judged.violations.append(f"I8: {payment.id} is {payment.status}, and silent")
    for intent in sorted({each.intent_id for each in every}):
        _left_enough([each for each in every if each.intent_id == intent], books, judged)
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


def _left_enough(attempts: Sequence[Payment], books: _Books, judged: Judged) -> None:
    """
    No line counts by itself that may be what a prompt, credited before it, counts without one.

    A prompt may count a line of its own account; one of a code that an operator mistyped, any that
    was paid for the same. Of the lines that count nowhere, enough must be left for them.
    """
    prompts = {each.push_ref: each for each in attempts if not _is_born(each)}
    lines = {
        code: account
        for code, row in books.rows.items()
        if (account := read_reference(row.reference)) in prompts
        and row.amount_cents == prompts[account].amount_kes * 100
    }
    counts = {
        code: books.holders[code]
        for code in lines
        if code in books.holders
        and books.holders[code].credited_cents
        and books.holders[code].receipt == code
    }
    holders = {each.id for each in books.holders.values()}
    alone = [each for each in prompts.values() if each.credited_cents and each.id not in holders]
    left = {code: account for code, account in lines.items() if code not in counts}
    for code, payment in counts.items():
        if not _is_born(payment):
            continue
        before = [each for each in alone if _since(each, books) < _since(payment, books)]
        with_it = _explained(before, {**left, code: lines[code]}, books)
        if with_it > _explained(before, left, books):
            named = {each.id for each in before}
            looked_at = bool(books.looked_at & lines.keys()) or any(
                each.pending_at is not None for each in (*before, payment)
            )
            judged.effects["one line too few was left, and it is looked at"] += looked_at
            if not looked_at:
                judged.violations.append(f"I4: {code} may be what {sorted(named)} count")


def _is_born(payment: Payment) -> bool:
    return payment.ask_key.startswith(BY_RECORD)


def _credits(payment: Payment, books: _Books) -> list[Evidence]:
    return [each for each in books.told[payment.id] if each.kind in POSITIVES and not each.held]


def _since(payment: Payment, books: _Books) -> int:
    """When it was credited, as the ids of what was heard have it."""
    return min((each.id for each in _credits(payment, books)), default=0)


def _explained(alone: Sequence[Payment], lines: Mapping[str, str], books: _Books) -> int:
    """How many of them can have one of the lines each."""
    mistyped = [
        each
        for each in alone
        if {told.kind for told in _credits(each, books)} == {Kind.OPERATOR_PAID}
    ]
    own = sum(each.push_ref in lines.values() for each in alone if each not in mistyped)
    return own + min(len(mistyped), len(lines) - own)


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
        prompts = [each for each in every if each.intent_id == intent and not _is_born(each)]
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
