"""Books: reading payments for people to see. Reading decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from bot.core.attempts import Beside, beside
from bot.core.giving import gift_refusal
from bot.core.invoices import instalment_refusal
from bot.core.limits import LimitSettings, Refusal, RefusalReason, paused_until
from bot.core.outcomes import Outcome, outcome_of
from bot.core.ports import Clock
from bot.core.write_off import not_covered
from storage.engine import Store
from storage.records import Intent, IntentKind, Kind, Payment, PaymentView, reversal_key
from storage.tx import Tx

__all__ = ["Books", "PendingItem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingItem:
    """An undecided payment for an operator, with the whole number to look up in the portal."""

    view: PaymentView
    phone: str = field(repr=False)  # 2547…


class Books:
    """Payments, as views."""

    def __init__(self, *, store: Store, clock: Clock, limits: LimitSettings) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits

    async def view(self, payment_id: str) -> PaymentView | None:
        async with self._store.read() as tx:
            payment = await tx.payments.get(payment_id)
            return None if payment is None else await self._view(tx, payment)

    async def no_more(self, view: PaymentView) -> Refusal | None:
        """
        Why nobody should pay for this again, in whatever way; None where they may.

        Money that is paid by hand asks no guard of ours: so what a prompt would be refused for is
        looked at before anybody is told how.
        """
        payment = view.payment
        reason: RefusalReason | None = None
        if beside([payment, *view.others]) is Beside.COUNTS:
            reason = RefusalReason.DECIDED
        elif payment.subject is not None:
            async with self._store.read() as tx:
                reason = await self._not_taken(tx, view)
        if reason is None:
            return None
        return Refusal(reason=reason, phone_mask=payment.phone_mask, amount_kes=payment.amount_kes)

    async def _not_taken(self, tx: Tx, view: PaymentView) -> RefusalReason | None:
        payment = view.payment
        assert payment.subject is not None, "asked of what is for something"
        of = payment.subject.partition(":")[2]
        match view.intent.kind:
            case IntentKind.DIRECT:
                return None
            case IntentKind.GIFT:
                return gift_refusal(await tx.drives.get(of), self._clock.now())
            case IntentKind.INSTALMENT:
                return await instalment_refusal(tx, await tx.invoices.get(of), payment)
            case unreachable:
                assert_never(unreachable)

    async def latest(
        self, *, person_id: int, chat_id: int | None = None, limit: int = 3
    ) -> list[PaymentView]:
        """What this person asked for last, newest first; with `chat_id`, only in that chat."""
        async with self._store.read() as tx:
            found = await tx.payments.of_person(person_id, chat_id=chat_id, limit=limit)
            return [await self._view(tx, payment, intent) for payment, intent in found]

    async def history(self, person_id: int, *, limit: int = 10) -> list[PaymentView]:
        return await self.latest(person_id=person_id, limit=limit)

    async def by_receipt(self, receipt: str) -> PaymentView | None:
        async with self._store.read() as tx:
            payment = await tx.payments.by_receipt(receipt.strip().upper())
            return None if payment is None else await self._view(tx, payment)

    async def find(self, wanted: str) -> PaymentView | None:
        """By a receipt, of its reversal too, the reference of its push, or the end of its id."""
        async with self._store.read() as tx:
            payment = await tx.payments.by_receipt(wanted) or await tx.payments.find(wanted)
            if payment is None:
                key = reversal_key(wanted)
                told_to = (await tx.evidence.receipt_holders([key])).get(key)
                payment = None if told_to is None else await tx.payments.get(told_to)
            return None if payment is None else await self._view(tx, payment)

    async def pending(self, *, by: int, limit: int = 10) -> tuple[int, list[PendingItem]]:
        """How many payments wait for a person, and the oldest; the look is kept in the audit."""

        async def run(tx: Tx) -> tuple[int, list[PendingItem]]:
            total, found = await tx.payments.pending(limit=limit)
            items = [
                PendingItem(
                    view=await self._view(tx, payment),
                    phone=await tx.lines.phone(payment.line_id),
                )
                for payment in found
            ]
            await tx.payments.looked(
                by=by,
                payment_ids=[payment.id for payment in found],
                what="pending",
                at=self._clock.now(),
            )
            return total, items

        return await self._store.write(run)

    async def looked_up(self, payment_id: str, *, by: int) -> PendingItem | None:
        """One payment with its whole number, for an operator; the look is kept in the audit."""

        async def run(tx: Tx) -> PendingItem | None:
            payment = await tx.payments.get(payment_id)
            if payment is None:
                return None
            await tx.payments.looked(
                by=by, payment_ids=[payment_id], what="review", at=self._clock.now()
            )
            return PendingItem(
                view=await self._view(tx, payment), phone=await tx.lines.phone(payment.line_id)
            )

        return await self._store.write(run)

    async def _view(self, tx: Tx, payment: Payment, intent: Intent | None = None) -> PaymentView:
        streak = 0
        if payment.begun_at is not None:
            now = self._clock.now()
            streak = await tx.lines.streak(payment.line_id, now=now, up_to=payment.begun_at)
        paused = None
        if streak >= self._limits.incomplete_before_pause:
            paused = paused_until(payment.begun_at, self._limits)
        evidence = await tx.evidence.of([payment.id])
        unpaid = outcome_of(payment.status) is Outcome.UNPAID
        intent = intent or await tx.payments.intent(payment.intent_id)
        others = await tx.attempts.others(payment)
        return PaymentView(
            payment=payment,
            intent=intent,
            streak=streak,
            paused_until=paused,
            claimed=bool(not_covered(evidence.get(payment.id, ()), Kind.CLAIM)),
            others=others,
            alike=await tx.attempts.alike(payment, intent) if unpaid else (),
            put=await tx.attempts.put(intent.id) if others and payment.subject else frozenset(),
        )
