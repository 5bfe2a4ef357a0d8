"""
Units: a batch of things heard about payments, admitted and settled in one transaction.

Everything is read for the whole batch at once, grouped by payment, settled once per payment
and written with a handful of statements, however many units share the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.evidence import EvidenceBook
from storage.hearing import Admitted, Decide, Decision, Outcome, Seen, Unit
from storage.notices import Notices
from storage.payments import read_payment, write_payments
from storage.records import (
    Evidence,
    Kind,
    NewNotice,
    Payment,
    Status,
)
from storage.schema import payments

__all__ = ["SettleFailed", "Stale", "settle_units"]

# Built once. Ordered, so that two instances lock the same rows in the same order.
_LOCK = (
    select(payments)
    .where(payments.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(payments.c.id)
    .with_for_update()
)
_CHECKOUT_HOLDERS = select(payments.c.checkout_index, payments.c.id).where(
    payments.c.checkout_index.in_(bindparam("indexes", expanding=True))
)
_UNCONFIRMED = select(func.coalesce(func.sum(payments.c.amount_kes), 0)).where(
    payments.c.status == Status.PAID, ~payments.c.confirmed
)


class Stale(Exception):
    """Another process moved a row, or took a receipt, between our read and our write."""


class SettleFailed(Exception):
    """`decide` raised. The evidence is good; the status could not be worked out."""

    def __init__(self, payment_id: str) -> None:
        super().__init__(f"payment {payment_id} could not be settled")
        self.payment_id = payment_id


@dataclass(slots=True)
class _Case:
    """One payment of the batch, while it is being worked on."""

    before: Payment
    now: Payment
    evidence: list[Evidence]
    fresh: list[Evidence] = field(default_factory=list)
    claims: list[tuple[str, str, datetime]] = field(default_factory=list)
    notices: list[NewNotice] = field(default_factory=list)
    checkout_id: bytes | None = None
    decision: Decision | None = None


async def settle_units(
    connection: AsyncConnection,
    crypt: Crypt,
    units: Sequence[tuple[Unit, Decide | None]],
    *,
    now: datetime,
) -> list[Outcome]:
    """
    Admit and settle *units* in the open transaction of *connection*, one outcome each.

    With `decide` None the evidence is kept and the payment marked for settling later.

    Raises:
        Stale: a rival was faster; roll back and come again.
        SettleFailed: `decide` raised for one payment.
    """
    book = EvidenceBook(connection, crypt)
    cases = await _read_cases(connection, book, [unit for unit, _ in units])
    world = await _World.read(connection, crypt, book, [unit for unit, _ in units], cases)
    per_unit: list[bool] = []
    by_payment: dict[str, Decide | None] = {}
    for unit, decide in units:
        case = cases.get(unit.payment_id)
        per_unit.append(case is not None and world.admit(unit, case))
        by_payment[unit.payment_id] = decide
    for payment_id, case in cases.items():
        _decide(case, by_payment[payment_id])
    await _write(connection, book, crypt, list(cases.values()), now=now)
    return [
        _outcome(cases.get(unit.payment_id), fresh=fresh)
        for (unit, _), fresh in zip(units, per_unit, strict=True)
    ]


async def _read_cases(
    connection: AsyncConnection, book: EvidenceBook, units: Sequence[Unit]
) -> dict[str, _Case]:
    ids = sorted({unit.payment_id for unit in units})
    rows = (await connection.execute(_LOCK, {"ids": ids})).mappings().all()
    known = [read_payment(row) for row in rows]
    evidence = await book.of([payment.id for payment in known]) if known else {}
    return {
        payment.id: _Case(payment, payment, list(evidence.get(payment.id, ()))) for payment in known
    }


@dataclass(slots=True)
class _World:
    """What units may need to know beyond their own payment; kept true within the batch."""

    crypt: Crypt
    checkout_holders: dict[str, str]
    receipt_holders: dict[str, str]
    unconfirmed_kes: int
    credited_here: set[str] = field(default_factory=set)

    @classmethod
    async def read(
        cls,
        connection: AsyncConnection,
        crypt: Crypt,
        book: EvidenceBook,
        units: Sequence[Unit],
        cases: dict[str, _Case],
    ) -> _World:
        indexes = [
            index
            for unit in units
            if unit.checkout_id is not None and unit.payment_id in cases
            for index in crypt.indexes(unit.checkout_id)
        ]
        receipts = {unit.receipt for unit in units if unit.receipt is not None}
        holders: dict[str, str] = {}
        if indexes:
            found = await connection.execute(_CHECKOUT_HOLDERS, {"indexes": indexes})
            holders = {row.checkout_index: row.id for row in found}
        return cls(
            crypt=crypt,
            checkout_holders=holders,
            receipt_holders=await book.receipt_holders(receipts) if receipts else {},
            unconfirmed_kes=(
                (await connection.execute(_UNCONFIRMED)).scalar_one() if receipts else 0
            ),
        )

    def admit(self, unit: Unit, case: _Case) -> bool:
        """Judge one unit and fold what it brings into its case. True if it brought anything."""
        admitted = unit.admit(case.now, self._seen(unit, case))
        told = {(each.kind, each.digest) for each in case.evidence}
        fresh = [each for each in admitted.evidence if (each.kind, each.digest) not in told]
        case.evidence.extend(fresh)
        case.fresh.extend(fresh)
        if fresh or not admitted.evidence:
            case.notices.extend(admitted.notices)
        self._take_ids(unit, case, admitted)
        changes = dict(admitted.changes)
        if changes or fresh:
            case.now = replace(case.now, **changes, rev=case.now.rev + max(1, len(fresh)))
        return bool(fresh or changes)

    def _seen(self, unit: Unit, case: _Case) -> Seen:
        checkout_index, holder = None, None
        if unit.checkout_id is not None:
            # An id kept under a previous key is compared under that key.
            indexes = self.crypt.indexes(unit.checkout_id)
            own = case.now.checkout_index
            checkout_index = own if own in indexes else indexes[0]
            holders = (self.checkout_holders.get(index) for index in indexes)
            holder = next((each for each in holders if each is not None), None)
        return Seen(
            checkout_index=checkout_index,
            checkout_holder=holder,
            receipt_holder=(
                None if unit.receipt is None else self.receipt_holders.get(unit.receipt)
            ),
            unconfirmed_kes=self.unconfirmed_kes,
            untrusted=sum(each.kind is Kind.UNTRUSTED for each in case.evidence),
        )

    def _take_ids(self, unit: Unit, case: _Case, admitted: Admitted) -> None:
        if admitted.checkout_id is not None:
            index = self.crypt.index(admitted.checkout_id)
            case.checkout_id = self.crypt.seal_text(admitted.checkout_id)
            case.now = replace(case.now, checkout_index=index)
            self.checkout_holders[index] = unit.payment_id
        receipt = admitted.claims_receipt
        if receipt is not None and receipt not in self.receipt_holders:
            self.receipt_holders[receipt] = unit.payment_id
            case.claims.append((receipt, unit.payment_id, admitted.evidence[0].at))
        alone_is_enough = case.now.amount_kes <= case.now.confirm_above_kes
        credits = alone_is_enough and any(
            each.kind is Kind.CALLBACK_PAID and not each.held for each in admitted.evidence
        )
        if credits and unit.payment_id not in self.credited_here:
            self.credited_here.add(unit.payment_id)
            if case.now.status is not Status.PAID:
                self.unconfirmed_kes += case.now.amount_kes


def _decide(case: _Case, decide: Decide | None) -> None:
    if case.now.rev == case.before.rev and not case.before.needs_settle:
        return
    if decide is None:
        case.now = replace(case.now, needs_settle=True, settle_tries=case.now.settle_tries + 1)
        return
    try:
        decision = decide(case.now, case.evidence)
    except Exception as exc:
        raise SettleFailed(case.before.id) from exc
    case.decision = decision
    changes: dict[str, datetime | None] = {}
    if decision.check_over:
        changes = {"next_check_at": None, "user_check_at": None}
    elif decision.next_check_at is not None:
        changes = {"next_check_at": decision.next_check_at}
    case.now = replace(
        case.now,
        status=decision.status,
        words=decision.words,
        reason=decision.reason,
        receipt=decision.receipt,
        credited_cents=decision.credited_cents,
        paid_at=decision.paid_at,
        decided_at=decision.decided_at,
        confirmed=decision.confirmed,
        pending_at=decision.pending_at,
        needs_settle=False,
        settle_tries=0,
        rev=max(case.now.rev, case.before.rev + 1),
        **changes,  # type: ignore[arg-type]  # only the two instants named above
    )
    case.notices.extend(decision.notices)


async def _write(
    connection: AsyncConnection,
    book: EvidenceBook,
    crypt: Crypt,
    cases: Sequence[_Case],
    *,
    now: datetime,
) -> None:
    fresh = [each for case in cases for each in case.fresh]
    await book.add(fresh)
    claims = [claim for case in cases for claim in case.claims]
    if claims and len(await book.claim_receipts(claims)) != len(claims):
        raise Stale("a receipt was taken a moment ago")
    moved = [case for case in cases if case.now != case.before]
    if moved:
        rows = [(case.before, case.now, case.checkout_id) for case in moved]
        if await write_payments(connection, rows) != len(rows):
            raise Stale("a payment moved a moment ago")
    owed = {notice.key: notice for case in cases for notice in case.notices}
    if owed:
        await Notices(connection, crypt).owe(list(owed.values()), now=now)


def _outcome(case: _Case | None, *, fresh: bool) -> Outcome:
    if case is None:
        return Outcome(payment=None, moved=False, fresh=False)
    moved = (case.now.status, case.now.words) != (case.before.status, case.before.words)
    return Outcome(payment=case.now, moved=moved, fresh=fresh)
