"""Small doubles and makers that several test folders share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from storage.engine import Store
from storage.hearing import Admitted, Decision, Unit
from storage.records import (
    Evidence,
    Intent,
    IntentKind,
    Kind,
    Payment,
    Status,
)
from storage.tx import Tx
from tests.stores import NOON

__all__ = ["PHONE", "a_payment", "add_payment", "an_intent", "fact", "told", "unit_of"]

PHONE = "254712345678"


def an_intent(number: int = 1, *, at: datetime = NOON, chat_id: int = 1001) -> Intent:
    return Intent(
        id=f"{number:032x}",
        kind=IntentKind.DIRECT,
        asked_by=1001,
        chat_id=chat_id,
        thread_id=None,
        reply_to=7,
        private=True,
        language="en",
        amount_kes=50,
        note="lunch",
        by_hand_ref=f"LIPA-{number:05d}",
        created_at=at,
    )


def a_payment(number: int = 1, *, at: datetime = NOON, line_id: int = 1) -> Payment:
    return Payment(
        id=f"{number:032x}",
        intent_id=f"{number:032x}",
        line_id=line_id,
        phone_mask="0712***678",
        amount_kes=50,
        push_ref=f"PAY-{number:05d}",
        ask_key=f"m:1001:{number}",
        confirm_above_kes=5000,
        created_at=at,
    )


async def add_payment(
    store: Store,
    number: int = 1,
    *,
    phone: str = PHONE,
    at: datetime = NOON,
    change: Callable[[Payment], Payment] = lambda payment: payment,
) -> Payment:
    """A payment with its intent and line, as `change` makes it, in the store."""

    async def run(tx: Tx) -> Payment:
        line = await tx.lines.lock(phone)
        await tx.payments.add_intent(an_intent(number, at=at))
        payment = change(a_payment(number, at=at, line_id=line.id))
        await tx.payments.add(payment)
        return payment

    return await store.write(run)


def fact(
    kind: Kind,
    *,
    at: datetime = NOON,
    payment_id: str = f"{1:032x}",
    receipt: str | None = None,
    amount_cents: int | None = None,
    reason: str | None = None,
    held: bool = False,
    what: str = "",
) -> Evidence:
    """One piece of evidence; the same arguments make the same digest."""
    text = f"{kind}|{at}|{receipt}|{amount_cents}|{reason}|{held}|{what}"
    return Evidence(
        payment_id=payment_id,
        kind=kind,
        at=at,
        receipt=receipt,
        amount_cents=amount_cents,
        reason=reason,
        held=held,
        digest=sha256(text.encode()).hexdigest(),
    )


def unit_of(*evidence: Evidence, claims: bool = True, checkout_id: str | None = None) -> Unit:
    """A unit that brings exactly this evidence, and claims its receipt and checkout id."""
    receipt = next((each.receipt for each in evidence if each.receipt), None)
    admitted = Admitted(
        evidence=evidence,
        claims_receipt=receipt if claims else None,
        checkout_id=checkout_id,
    )
    return Unit(
        payment_id=evidence[0].payment_id,
        admit=lambda _payment, _seen: admitted,
        receipt=receipt,
        checkout_id=checkout_id,
    )


def told(payment: Payment, evidence: Sequence[Evidence]) -> Decision:
    """A `decide` for tests of the store alone: paid once anybody said so, else prompted."""
    paid = [each for each in evidence if each.kind is Kind.CALLBACK_PAID]
    standing = replace(payment, status=Status.PAID if paid else Status.PROMPTED)
    return Decision(
        status=standing.status,
        words=frozenset(),
        reason=None,
        receipt=min((each.receipt for each in paid if each.receipt), default=None),
        credited_cents=payment.amount_kes * 100 if paid else None,
        paid_at=None,
        decided_at=min((each.at for each in paid), default=None),
        confirmed=False,
    )
