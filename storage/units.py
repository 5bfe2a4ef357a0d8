"""
Units: a batch of things heard about payments, admitted and settled in one transaction.

Everything is read for the whole batch at once, grouped by payment, settled once per payment
and written with a handful of statements, however many units share the commit. It is one plain
function of a connection, so that it takes one hop to the database's thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, select

from storage.crypt import Crypt
from storage.evidence import (
    add_evidence,
    claim_receipts,
    read_evidence,
    receipt_holders,
    take_receipts,
)
from storage.hearing import Admitted, Decide, Outcome, Seen, Unit
from storage.moves import PAYMENT_COLUMNS, changed, payment_of, write_payments
from storage.owing import owe_notices
from storage.records import (
    Evidence,
    Kind,
    NewNotice,
    Payment,
    Status,
    is_reversal_key,
)
from storage.schema import UNCONFIRMED, intents, lines, payments
from storage.setwise import Among
from storage.touched import ATTEMPT, GONE_BACK, touch

__all__ = ["SettleFailed", "Settling", "Stale"]

CALLBACKS = (Kind.CALLBACK_PAID, Kind.CALLBACK_BARE, Kind.CALLBACK_FAILED)

_OTHER = payments.alias("other")
_HAS_OTHERS = exists().where(
    _OTHER.c.intent_id == payments.c.intent_id, _OTHER.c.id != payments.c.id
)
# Built once. Ordered, so that two instances lock the same rows in the same order.
_LOCK = Among(
    select(*PAYMENT_COLUMNS, intents.c.chat_id, lines.c.phone_index, _HAS_OTHERS)
    .join(intents, payments.c.intent_id == intents.c.id)
    .join(lines, payments.c.line_id == lines.c.id)
    .order_by(payments.c.id)
    .with_for_update(of=payments),
    payments.c.id,
)
# Held until the commit by whoever may credit by callback alone, on PostgreSQL: two processes that
# read the total at the same time would both find room in it. Taken after the rows of payments and
# before any receipt, always: in one order there is no deadlock.
UNCONFIRMED_LOCK = 0x4C495045  # any fixed number
_LOCK_UNCONFIRMED = select(func.pg_advisory_xact_lock(UNCONFIRMED_LOCK))
_CHECKOUT_HOLDERS = Among(
    select(payments.c.checkout_index, payments.c.id), payments.c.checkout_index
)
# What is left of them: money that went back is no longer credited to anybody.
_UNCONFIRMED = select(func.coalesce(func.sum(payments.c.credited_cents), 0)).where(UNCONFIRMED)


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
    has_others: bool = False  # attempts at the same intent, money by hand among them
    claims: list[tuple[str, str, datetime]] = field(default_factory=list)
    takes: list[tuple[str, str, datetime]] = field(default_factory=list)
    notices: list[NewNotice] = field(default_factory=list)
    checkout_id: bytes | None = None


class Settling:
    """
    One batch on its way: `run` in an open transaction, then `outcomes`.

    With `decide` None the evidence is kept and the payment marked for settling later.
    """

    def __init__(self, crypt: Crypt, units: Sequence[tuple[Unit, Decide | None]]) -> None:
        self._crypt = crypt
        self._units = units
        self._indexes = [
            [] if unit.checkout_id is None else crypt.indexes(unit.checkout_id) for unit, _ in units
        ]
        self._cases: dict[str, _Case] = {}
        self._homes: dict[str, int] = {}
        self._phones: dict[str, str] = {}  # their index
        self._fresh = [False] * len(units)
        self._checkout_holders: dict[str, str] = {}
        self._receipt_holders: dict[str, str] = {}
        self._unconfirmed_kes = 0
        self._credited_here: set[str] = set()

    def run(self, connection: Connection, *, now: datetime) -> None:
        """
        Read for all, judge each, write for all.

        Raises:
            SettleFailed: `decide` raised for one payment.
            Stale: a rival was faster; roll back and come again.
        """
        self._read(connection)
        self._judge()
        self._write(connection, now=now)

    def _read(self, connection: Connection) -> None:
        """Lock the payments, and look up what their units may need to know."""
        ids = sorted({unit.payment_id for unit, _ in self._units})
        known: list[tuple[Payment, bool]] = []
        for row in _LOCK(connection, ids):
            payment = payment_of(row)
            self._homes[payment.id], self._phones[payment.id], has_others = row[-3:]
            known.append((payment, bool(has_others)))
        if not known:
            return
        evidence = read_evidence(connection, [payment.id for payment, _ in known])
        self._cases = {
            payment.id: _Case(payment, payment, evidence.get(payment.id, []), has_others=has_others)
            for payment, has_others in known
        }
        self._read_world(connection)

    def _read_world(self, connection: Connection) -> None:
        """What units may need to know beyond their own payment; kept true within the batch."""
        indexes = sorted(index for each in self._indexes for index in each)
        if indexes:
            found = _CHECKOUT_HOLDERS(connection, indexes)
            self._checkout_holders = {each.checkout_index: each.id for each in found}
        if connection.dialect.name == "postgresql" and self._may_credit():
            connection.execute(_LOCK_UNCONFIRMED)
        receipts = sorted({unit.receipt for unit, _ in self._units if unit.receipt is not None})
        if receipts:
            self._receipt_holders = receipt_holders(connection, receipts)
            unconfirmed_cents = int(connection.execute(_UNCONFIRMED).scalar_one())
            self._unconfirmed_kes = -(-unconfirmed_cents // 100)

    def _may_credit(self) -> bool:
        """Whether one of them might be credited because a callback says so, and nobody else."""
        told = [
            self._cases[unit.payment_id].before
            for unit, _ in self._units
            if unit.receipt and unit.payment_id in self._cases
        ]
        return any(
            payment.status is not Status.PAID and payment.amount_kes <= payment.confirm_above_kes
            for payment in told
        )

    def _judge(self) -> None:
        """Admit every unit, then decide every payment."""
        by_payment: dict[str, Decide | None] = {}
        for place, (unit, decide) in enumerate(self._units):
            case = self._cases.get(unit.payment_id)
            if case is not None:
                self._fresh[place] = self._admit(unit, case, self._indexes[place])
            by_payment[unit.payment_id] = decide
        for payment_id, case in self._cases.items():
            _decide(case, by_payment[payment_id])

    def _write(self, connection: Connection, *, now: datetime) -> None:
        cases = list(self._cases.values())
        add_evidence(connection, self._crypt, [each for case in cases for each in case.fresh])
        # By receipt, so that of two instances that claim the same ones neither waits for both.
        claims = sorted(claim for case in cases for claim in case.claims)
        if claims and len(claim_receipts(connection, claims)) != len(claims):
            raise Stale("a receipt was taken a moment ago")
        take_receipts(connection, sorted(take for case in cases for take in case.takes))
        moves = [
            (case.before, case.now, case.checkout_id)
            for case in cases
            if case.now is not case.before and case.now != case.before
        ]
        if moves and write_payments(connection, moves) != len(moves):
            raise Stale("a payment moved a moment ago")
        touch(connection, sorted({each for case in cases for each in _touches(case)}))
        owed = {notice.key: notice for case in cases for notice in case.notices}
        if owed:
            owe_notices(connection, self._crypt, list(owed.values()), now=now, homes=self._homes)

    def outcomes(self) -> list[Outcome]:
        """One for each unit, in their order."""
        return [
            _outcome(self._cases.get(unit.payment_id), fresh=fresh)
            for (unit, _), fresh in zip(self._units, self._fresh, strict=True)
        ]

    def _admit(self, unit: Unit, case: _Case, indexes: Sequence[str]) -> bool:
        """Judge one unit and fold what it brings into its case. True if it brought anything."""
        admitted = unit.admit(case.now, self._seen(unit, case, indexes))
        told = {(each.kind, each.digest) for each in case.evidence}
        fresh = [each for each in admitted.evidence if (each.kind, each.digest) not in told]
        case.evidence.extend(fresh)
        case.fresh.extend(fresh)
        if fresh or not admitted.evidence:
            case.notices.extend(admitted.notices)
        changes = dict(admitted.changes)
        brought = bool(fresh or changes)
        if brought:
            changes["rev"] = case.now.rev + max(1, len(fresh))
        if admitted.checkout_id is not None:
            index = self._crypt.index(admitted.checkout_id)
            case.checkout_id = self._crypt.seal_text(admitted.checkout_id)
            changes["checkout_index"] = index
            self._checkout_holders[index] = unit.payment_id
        if changes:
            case.now = changed(case.now, changes)
        self._claim(unit, case, admitted)
        return brought

    def _seen(self, unit: Unit, case: _Case, indexes: Sequence[str]) -> Seen:
        checkout_index, holder = None, None
        if indexes:
            # An id kept under a previous key is compared under that key.
            own = case.now.checkout_index
            checkout_index = own if own in indexes else indexes[0]
            holders = (self._checkout_holders.get(index) for index in indexes)
            holder = next((each for each in holders if each is not None), None)
        kinds = [each.kind for each in case.evidence]
        callbacks = [each for each in case.evidence if each.kind in CALLBACKS]
        return Seen(
            checkout_index=checkout_index,
            checkout_holder=holder,
            receipt_holder=(
                None if unit.receipt is None else self._receipt_holders.get(unit.receipt)
            ),
            unconfirmed_kes=self._unconfirmed_kes,
            untrusted=kinds.count(Kind.UNTRUSTED),
            callbacks=len(callbacks),
            sorts=frozenset((each.kind, each.held) for each in callbacks),
            # All are admitted before any is decided: the row does not name these yet.
            claimed=frozenset(
                receipt
                for receipt, _, _ in (*case.claims, *case.takes)
                if not is_reversal_key(receipt)
            ),
            accepted=Kind.ACCEPTED in kinds,
            told=tuple(case.evidence),
            other_phone=(
                unit.phone is not None
                and self._phones[unit.payment_id] not in self._crypt.indexes(unit.phone)
            ),
        )

    def _claim(self, unit: Unit, case: _Case, admitted: Admitted) -> None:
        receipt = admitted.claims_receipt
        if receipt is not None and receipt not in self._receipt_holders:
            self._receipt_holders[receipt] = unit.payment_id
            case.claims.append((receipt, unit.payment_id, admitted.evidence[0].at))
        elif receipt is not None and admitted.outranks:
            self._receipt_holders[receipt] = unit.payment_id
            case.takes.append((receipt, unit.payment_id, admitted.evidence[0].at))
        alone_is_enough = case.now.amount_kes <= case.now.confirm_above_kes
        credits = alone_is_enough and any(
            each.kind is Kind.CALLBACK_PAID and not each.held for each in admitted.evidence
        )
        if credits and unit.payment_id not in self._credited_here:
            self._credited_here.add(unit.payment_id)
            if case.now.status is not Status.PAID:
                self._unconfirmed_kes += case.now.amount_kes


def _decide(case: _Case, decide: Decide | None) -> None:
    if case.now.rev == case.before.rev and not case.before.needs_settle:
        return
    if decide is None:
        tries = case.now.settle_tries + 1
        case.now = changed(case.now, {"needs_settle": True, "settle_tries": tries})
        return
    try:
        decision = decide(case.now, case.evidence)
    except Exception as exc:
        raise SettleFailed(case.before.id) from exc
    changes: dict[str, Any] = {
        "status": decision.status,
        "words": decision.words,
        "reason": decision.reason,
        "receipt": decision.receipt,
        "credited_cents": decision.credited_cents,
        "reversed_cents": decision.reversed_cents,
        "paid_at": decision.paid_at,
        "decided_at": decision.decided_at,
        "confirmed": decision.confirmed,
        "pending_at": decision.pending_at,
        "needs_settle": False,
        "settle_tries": 0,
        "rev": max(case.now.rev, case.before.rev + 1),
    }
    if decision.check_over:
        changes |= {"next_check_at": None, "user_check_at": None}
    elif decision.next_check_at is not None:
        changes["next_check_at"] = decision.next_check_at
    case.now = changed(case.now, changes)
    case.notices.extend(decision.notices)


def _touches(case: _Case) -> list[str]:
    """What it counts for otherwise than before: its drive or invoice, and other attempts."""
    before, now = case.before, case.now
    was = (before.status, before.words, before.credited_cents, before.receipt)
    if was == (now.status, now.words, now.credited_cents, now.receipt):
        return []
    touched = [] if now.subject is None else [now.subject]
    if before.reversed_cents != now.reversed_cents and (now.subject or "").startswith("d:"):
        touched.append(f"{GONE_BACK}:{now.id}")
    # Who waited for a lock sees the row as it is now, but of other rows what was there before.
    return [*touched, f"{ATTEMPT}:{now.id}"] if case.has_others or now.retried else touched


def _outcome(case: _Case | None, *, fresh: bool) -> Outcome:
    if case is None:
        return Outcome(payment=None, moved=False, fresh=False)
    moved = (case.now.status, case.now.words) != (case.before.status, case.before.words)
    return Outcome(
        payment=case.now,
        moved=moved,
        fresh=fresh,
        was=case.before.status,
        brought=tuple(each.kind for each in case.fresh),
    )
