"""
Reversals: money given back by Safaricom on our word, only where the configuration allows it.

It moves money and has no undo, so two people must want it, and it is sent once: what is sent is
written down first, and where the answer was lost no machine sends again. What went back is a row
of the record like every other, linked to the payment that it takes back. Books that came from a
backup do not know what was sent since: until a person has reconciled the gap they send nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from bot.core.ports import BackOffice, Clock, Ids
from bot.core.restored import restored
from bot.core.reversal_ends import NOT_SENT, REFUSED, TRY_AGAIN
from bot.core.rulings import Deed, Ruling, TwoPeople
from mpesa.errors import NotSent, OutcomeUnknown, Refused
from mpesa.models import ResultUrls
from mpesa.org_results import OrgMeaning
from storage.engine import Store
from storage.records import AskedLater, Payment, QuestionKind, Status
from storage.tx import Tx

__all__ = ["Reversals"]

log = logging.getLogger(__name__)


class Reversals:
    """Gives payments back."""

    def __init__(
        self,
        *,
        store: Store,
        office: BackOffice,
        clock: Clock,
        ids: Ids,
        two_people: TwoPeople,
        urls: Callable[[str], ResultUrls],
        enabled: bool,
    ) -> None:
        self._store = store
        self._office = office
        self._clock = clock
        self._ids = ids
        self._two_people = two_people
        self._urls = urls
        self.enabled = enabled

    async def reverse(self, payment_id: str, *, by: int, why: str) -> Ruling:
        """
        Give the whole of a credited payment back. The first operator's word is kept; the second
        one's sends it. DONE: Safaricom took the request; UNSURE: it may have; how it ends comes
        later.

        Raises NotKept.
        """
        if not self.enabled:
            return Ruling.OFF
        async with self._store.read() as tx:
            paused = await restored(tx) is not None
            payment = await tx.payments.get(payment_id)
        if paused:
            return Ruling.RESTORED
        if payment is None:
            return Ruling.UNKNOWN
        if payment.status is not Status.PAID or payment.receipt is None:
            return Ruling.CANNOT
        if payment.account:
            return Ruling.CANNOT  # the initiator is the first account's, and has not that money
        if payment.reversed_cents:
            return Ruling.ALREADY
        cents = payment.credited_cents or 0
        if cents % 100:
            return Ruling.CANNOT  # Safaricom gives back whole shillings; the portal does the rest
        receipt = payment.receipt
        agreed = await self._two_people.agreed(
            Deed.REVERSE, payment_id, receipt, amount_cents=cents, by=by, why=why, always=True
        )
        if agreed is not Ruling.DONE:
            return agreed
        ruled = await self._send(payment, receipt, cents, by=by)
        if ruled is not Ruling.RESTORED:
            await self._two_people.done(Deed.REVERSE, payment_id, receipt, by=by)
        return ruled

    async def _send(self, payment: Payment, receipt: str, cents: int, *, by: int) -> Ruling:
        now = self._clock.now()
        asked = AskedLater(
            id=self._ids.new(now),
            kind=QuestionKind.REVERSAL,
            receipt=receipt,
            payment_id=payment.id,
            amount_cents=cents,
            by=by,
            asked_at=now,
        )

        async def run(tx: Tx) -> Ruling:
            if await restored(tx) is not None:
                return Ruling.RESTORED
            # Under the payment's lock: of two who agree at one instant, one sends.
            await tx.payments.lock(payment.id)
            before = [
                each
                for each in await tx.record.questions_of(receipt)
                if each.kind is QuestionKind.REVERSAL and each.outcome not in TRY_AGAIN
            ]
            if before:
                over = any(each.outcome == OrgMeaning.DONE for each in before)
                return Ruling.ALREADY if over else Ruling.UNSURE
            await tx.record.ask(asked)
            return Ruling.DONE

        if (ruled := await self._store.write(run)) is not Ruling.DONE:
            return ruled
        try:
            await self._office.reverse(
                receipt, cents // 100, self._urls(asked.id), remarks="Given back"
            )
        except (NotSent, Refused) as exc:
            log.warning("reversal.not_sent why=%s code=%s", type(exc).__name__, exc.code)
            outcome = NOT_SENT if isinstance(exc, NotSent) else REFUSED
            await self._store.write(
                lambda tx: tx.record.heard(asked.id, outcome=outcome, now=self._clock.now())
            )
            return Ruling.NOT_TAKEN
        except OutcomeUnknown:
            log.warning("reversal.unknown id=%s", payment.id)
            return Ruling.UNSURE
        return Ruling.DONE
