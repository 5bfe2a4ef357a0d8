"""
Ends of reversals: what Safaricom's answer to one comes to, and who is told.

A yes is a row of the books, and the payer is told by that. Any other end, and silence, is told to
the operators: all that they have read is that Safaricom was asked.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from bot.core.ports import Clock
from bot.core.settle import Settle, stand
from mpesa.async_results import AsyncResult, read_reversal
from mpesa.org_results import OrgMeaning
from storage.engine import Store
from storage.records import (
    Alarm,
    AskedLater,
    Evidence,
    Kind,
    NewNotice,
    NewRecordRow,
    RowKind,
    Source,
)
from storage.tx import Tx

__all__ = ["NOT_SENT", "REFUSED", "TRY_AGAIN", "ReversalEnds", "went_back"]

log = logging.getLogger(__name__)

NOT_SENT, REFUSED, SILENT = "not-sent", "refused", "silent"
TRY_AGAIN = frozenset(
    {
        NOT_SENT,
        REFUSED,
        OrgMeaning.NOT_FOUND,
        OrgMeaning.NOT_ALLOWED,
        OrgMeaning.BAD_CREDENTIAL,
        OrgMeaning.BAD_REQUEST,
        OrgMeaning.NO_BALANCE,
        OrgMeaning.INACTIVE,
        OrgMeaning.BUSY,
    }
)
"""After these nothing has moved, and it may be sent again."""

SILENT_AFTER = timedelta(minutes=10)
TOLD_AT_ONCE = 20


class ReversalEnds:
    """Keeps how reversals ended, and tells the operators of those that did not end well."""

    def __init__(self, *, store: Store, settle: Settle, clock: Clock) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock

    async def heard(self, asked: AskedLater, outcome: str, *, recorded: bool) -> None:
        """
        Something was posted about *asked*; *recorded*: what went back is in the books by now.

        Raises:
            NotKept: it could not be kept; answer 503.
        """
        now = self._clock.now()

        async def run(tx: Tx) -> None:
            question = await tx.record.question(asked.id)
            before = None if question is None else question.outcome
            if _weight(outcome) < _weight(before):
                return  # "no answer" after an answer, say, or a no after a yes
            await tx.record.heard(asked.id, outcome=outcome, now=now)
            if not recorded:
                await tx.notices.owe(self._alarms(asked, outcome), now=now)

        await self._store.write(run)
        log.info("reversal.heard id=%s outcome=%s", asked.payment_id, outcome)

    async def tell_silent(self) -> None:
        """Tell of reversals about which nothing came: lost, or never sent. A job."""
        before = self._clock.now() - SILENT_AFTER
        async with self._store.read() as tx:
            silent = await tx.record.unheard_reversals(before=before, limit=TOLD_AT_ONCE)
        for asked in silent:
            await self._silent(asked)

    async def _silent(self, asked: AskedLater) -> None:
        now = self._clock.now()

        async def run(tx: Tx) -> None:
            question = await tx.record.question(asked.id)
            if question is None or question.heard_at is not None:
                return
            assert asked.payment_id is not None, "it is a payment that is given back"
            payment = await tx.payments.get(asked.payment_id)
            wanted_cents, in_the_books = asked.amount_cents or 0, 0
            if payment is not None:
                told = await _not_by_people(tx, payment.id)
                in_the_books = stand(payment, told).reversed_cents
            if in_the_books >= wanted_cents:
                # The books have it: of that the payer was told.
                await tx.record.heard(asked.id, outcome=OrgMeaning.DONE, now=now)
                return
            await tx.record.heard(asked.id, outcome=SILENT, now=now)
            if payment is not None and payment.reversed_cents >= wanted_cents:
                return  # a person has looked it up; should that prove wrong, they are told then
            await tx.notices.owe(self._alarms(asked, SILENT), now=now)

        await self._store.write(run)
        log.warning("reversal.silent id=%s", asked.payment_id)

    def _alarms(self, asked: AskedLater, outcome: str) -> tuple[NewNotice, ...]:
        alarm = Alarm.NOT_GIVEN_BACK if outcome in TRY_AGAIN else Alarm.BACK_UNSURE
        return self._settle.alarm(alarm, asked.payment_id, key=f"{asked.id}:{outcome}")


def went_back(asked: AskedLater, answer: AsyncResult) -> NewRecordRow | None:
    """A row of the books, if the answer says that this payment was given back."""
    reversal = read_reversal(answer)
    if reversal is None or reversal.receipt is None:
        return None
    if reversal.original_receipt not in (None, asked.receipt):
        return None
    amount_cents = reversal.amount_cents or asked.amount_cents
    assert amount_cents is not None, "we said how much is to be given back"
    return NewRecordRow(
        receipt=reversal.receipt,
        amount_cents=amount_cents,
        at=reversal.reversed_at,
        source=Source.STATUS,
        kind=RowKind.REVERSAL,
        linked=asked.receipt,
    )


async def _not_by_people(tx: Tx, payment_id: str) -> list[Evidence]:
    """Without the reversals that people said it was: each may yet be another payment's."""
    told = (await tx.evidence.of([payment_id])).get(payment_id, [])
    return [each for each in told if each.kind is not Kind.REVERSED or each.by is None]


def _weight(outcome: str | None) -> int:
    """What Safaricom said outweighs that nothing was heard, and a yes or a doubt a plain no."""
    if outcome == OrgMeaning.DONE:
        return 3
    if outcome in TRY_AGAIN:
        return 1
    return 2 if outcome in tuple(OrgMeaning) else 0
