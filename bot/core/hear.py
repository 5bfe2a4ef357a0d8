"""
Hear: what Safaricom posts to a payment's own address, judged once, when it arrives.

A callback is *trusted* when it came to a signed address, names every id that we know of that
payment, and, if a success, carries the amount that we asked for. Anything else posted there is
kept as *untrusted*: it raises an alarm and an early query, and never moves a status. The phone is
no key, for Safaricom may mask it or leave it out; but a success that names another one waits for
a query.

Ids are *known* when Safaricom's reply to the push gave them. If that reply was lost, the first
callback's ids are adopted, to ask by; but a liar may have sent that one, so a callback that names
others is still heard: a failure as such, a success as one that may not credit by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

from bot.core.about import about
from bot.core.apart import counts_apart
from bot.core.ports import Clock
from bot.core.settle import APART_HELD, IDS_HELD, LIMIT_HELD, RECEIPT_HELD, Settle
from mpesa.models import StkCallback
from mpesa.results import Meaning
from storage.engine import Store
from storage.errors import NotKept
from storage.evidence import ORPHANS_MAX, Orphaned
from storage.hearing import Admitted, Seen, Unit
from storage.records import (
    Alarm,
    Evidence,
    Kind,
    NewNotice,
    Payment,
    Status,
)
from storage.tx import Tx

__all__ = ["ADDRESS", "CLOCKS_DIFFER", "Hear", "Heard", "NotKept", "Unread"]

log = logging.getLogger(__name__)

ADDRESS = "callback"
"""The purpose under which callback addresses are signed."""

UNTRUSTED_KEPT = 20
CALLBACKS_KEPT = 100
"""After so many, one that says what another said is kept no better than an untrusted one."""

CLOCKS_DIFFER = timedelta(minutes=10)
"""So far Safaricom's clock and ours may be apart, and its time still be one."""

OUTSIDE_HELD = "outside-held"
PHONE_HELD = "phone-held"

_HELD_ALARMS = {
    RECEIPT_HELD: Alarm.RECEIPT_HELD,
    IDS_HELD: Alarm.CONTRADICTED,
    LIMIT_HELD: Alarm.LIMIT_HELD,
    PHONE_HELD: Alarm.PHONE_HELD,
}


class Unread(Protocol):
    """A body that no callback could be read from. `mpesa.callbacks.Unreadable` is one."""

    @property
    def reason(self) -> str: ...


Heard = StkCallback | Unread
"""A callback that could be read, or why a body was none."""


class Hear:
    """
    Takes callbacks in: evidence, settle and notices in one commit, then returns.

    *allow_from*: the networks Safaricom calls from; empty: any. A success from elsewhere waits
    for a query.
    """

    orphans_max = ORPHANS_MAX

    def __init__(
        self,
        *,
        store: Store,
        settle: Settle,
        clock: Clock,
        unconfirmed_total_kes: int,
        wake: Callable[[], None],
        allow_from: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self._unconfirmed_total_kes = unconfirmed_total_kes
        self._wake = wake
        self._allow_from = [ip_network(each) for each in allow_from]

    def signed(self, payment_id: str, mac: str) -> bool:
        """Whether *mac* is our signature of that id; in constant time, looking nothing up."""
        return self._store.crypt.signed(ADDRESS, payment_id, mac)

    async def callback(self, payment_id: str, heard: Heard, raw: bytes, *, source: str) -> None:
        """
        Keep and settle what was posted to the address of *payment_id*; returns after COMMIT.

        Raises:
            NotKept: it could not be kept; answer 503.
        """
        now = self._clock.now()
        digest = sha256(raw).hexdigest()

        def admit(payment: Payment, seen: Seen) -> Admitted:
            if isinstance(heard, StkCallback):
                return self._judge(payment, seen, heard, raw, digest, source, now)
            return self._untrusted(payment, seen, raw, digest, source, now)

        readable = heard if isinstance(heard, StkCallback) else None
        unit = Unit(
            payment_id=payment_id,
            admit=admit,
            checkout_id=None if readable is None else readable.checkout_request_id,
            receipt=None if readable is None else readable.receipt,
            phone=None if readable is None else readable.phone,
        )
        with about(payment_id):
            outcome = await self._store.submit(unit, self._settle)
            if outcome.payment is None:
                await self._keep_orphan(payment_id, raw, now)
            elif outcome.fresh:
                status = outcome.payment.status
                log.info("payment.heard id=%s status=%s via=callback", payment_id, status)
                self._wake()

    def _judge(
        self,
        payment: Payment,
        seen: Seen,
        heard: StkCallback,
        raw: bytes,
        digest: str,
        source: str,
        now: datetime,
    ) -> Admitted:
        result = heard.result
        kind = _kind(payment, heard)
        if kind is None or not _may_be_ours(payment, seen, heard):
            return self._untrusted(payment, seen, raw, digest, source, now)
        outside = self._outside(source)
        why = self._held(payment, seen, heard, kind, outside=outside)
        held = APART_HELD if result.paid and counts_apart(payment, seen.told) else why
        anothers = why == RECEIPT_HELD
        if seen.callbacks >= CALLBACKS_KEPT and (kind, held is not None) in seen.sorts:
            # Without this, whoever knows the ids too could fill the disk.
            return self._untrusted(payment, seen, raw, digest, source, now)
        evidence = Evidence(
            payment_id=payment.id,
            kind=kind,
            at=now,
            reason=held or (result.meaning.value if kind is Kind.CALLBACK_FAILED else None),
            # Of two reasons only one is kept, and this one must not call another's receipt ours.
            receipt=heard.receipt if result.paid and (held == why or not anothers) else None,
            amount_cents=heard.amount_cents if result.paid else None,
            paid_at=_paid_at(payment, heard, now) if result.paid else None,
            held=held is not None,
            digest=digest,
            source=source,
            body=raw,
        )
        alarms: tuple[NewNotice, ...] = ()
        if why in _HELD_ALARMS:
            # One that is held for its ids says nothing of a credit that is denied later.
            hour = _hour(now)
            ids = f"{payment.id}:{IDS_HELD}"
            key = {LIMIT_HELD: hour, PHONE_HELD: hour, IDS_HELD: ids}.get(why, "")
            alarms = self._settle.alarm(_HELD_ALARMS[why], payment.id, key=key)
        if outside:
            alarms += self._settle.alarm(Alarm.OUTSIDE, payment.id, key=_hour(now))
        adopts = payment.checkout_index is None and heard.checkout_request_id is not None
        changes: dict[str, object] = {}
        if payment.merchant_request_id is None and heard.merchant_request_id is not None:
            changes["merchant_request_id"] = heard.merchant_request_id
        return Admitted(
            evidence=(evidence,),
            changes=changes,
            checkout_id=heard.checkout_request_id if adopts else None,
            claims_receipt=None if anothers else evidence.receipt,
            notices=alarms,
        )

    def _held(
        self, payment: Payment, seen: Seen, heard: StkCallback, kind: Kind, *, outside: bool
    ) -> str | None:
        """Why a trusted success may not credit by itself, if it may not."""
        if kind is Kind.CALLBACK_FAILED:
            return None
        if seen.receipt_holder not in (None, payment.id):
            return RECEIPT_HELD
        if not _names_our_ids(payment, seen, heard):
            return IDS_HELD
        if seen.other_phone:
            return PHONE_HELD
        by_callback_alone = (
            kind is Kind.CALLBACK_PAID
            and payment.status is not Status.PAID
            and payment.amount_kes <= payment.confirm_above_kes
        )
        total_kes = seen.unconfirmed_kes + payment.amount_kes
        if by_callback_alone and total_kes > self._unconfirmed_total_kes:
            return LIMIT_HELD
        return OUTSIDE_HELD if by_callback_alone and outside else None

    def _outside(self, source: str) -> bool:
        """Whether a callback came from where Safaricom does not call from, as far as is said."""
        if not self._allow_from:
            return False
        try:
            address = ip_address(source)
        except ValueError:
            return True
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return not any(address in network for network in self._allow_from)

    def _untrusted(
        self,
        payment: Payment,
        seen: Seen,
        raw: bytes,
        digest: str,
        source: str,
        now: datetime,
    ) -> Admitted:
        if seen.untrusted >= UNTRUSTED_KEPT:
            return Admitted()
        evidence = Evidence(
            payment_id=payment.id,
            kind=Kind.UNTRUSTED,
            at=now,
            digest=digest,
            source=source,
            body=raw,
        )
        # Whoever sent it may have seen something: ask Safaricom soon, if there is a way to ask.
        undecided = payment.next_check_at is not None and payment.checkout_index is not None
        sooner = undecided and seen.untrusted == 0
        return Admitted(
            evidence=(evidence,),
            changes={"next_check_at": now} if sooner else {},
            notices=self._settle.alarm(Alarm.UNTRUSTED, payment.id),
        )

    async def _keep_orphan(self, payment_id: str, raw: bytes, now: datetime) -> None:
        """Our signature, but no such payment: a restored backup has lost it. Keep and shout."""

        async def keep(tx: Tx) -> Orphaned:
            became = await tx.evidence.keep_orphan(
                payment_id, raw, at=now, orphans_max=self.orphans_max
            )
            if became is not Orphaned.NOT_NEW:
                full = became is Orphaned.FULL
                alarm = Alarm.ORPHANS_FULL if full else Alarm.ORPHAN
                await tx.notices.owe(self._settle.alarm(alarm, payment_id, key=_hour(now)), now=now)
            return became

        became = await self._store.write(keep)
        if became is Orphaned.KEPT:
            log.error("payment.orphan id=%s", payment_id)
        if became is not Orphaned.NOT_NEW:
            self._wake()


def _hour(now: datetime) -> str:
    """An alarm that many payments raise says enough once an hour; a hundred would hide it."""
    return now.strftime("%Y%m%d%H")


def _kind(payment: Payment, heard: StkCallback) -> Kind | None:
    """What a trusted body would say; None when it says nothing that could be trusted."""
    result = heard.result
    if result.paid:
        if heard.amount_cents is None or heard.receipt is None:
            wrong = heard.amount_cents not in (None, payment.amount_kes * 100)
            return None if wrong else Kind.CALLBACK_BARE
        right = heard.amount_cents == payment.amount_kes * 100
        return Kind.CALLBACK_PAID if right else None
    # A callback ends the attempt, listed or not, except where the code says "not over yet".
    unlisted = result.meaning is Meaning.UNLISTED and result.code != ""
    return Kind.CALLBACK_FAILED if result.final or unlisted else None


def _paid_at(payment: Payment, heard: StkCallback, now: datetime) -> datetime | None:
    """
    When it was paid, where that may be: after we began to ask for it, and not later than now.

    Whoever named another day would hide what it credits from every statement of the true one.
    """
    at, begun_at = heard.paid_at, payment.begun_at or payment.created_at
    if at is None or not begun_at - CLOCKS_DIFFER <= at <= now + CLOCKS_DIFFER:
        return None
    return at


def _may_be_ours(payment: Payment, seen: Seen, heard: StkCallback) -> bool:
    """Whether nothing that we know for sure speaks against it."""
    if seen.checkout_holder not in (None, payment.id):
        return False
    return not seen.accepted or _names_our_ids(payment, seen, heard)


def _names_our_ids(payment: Payment, seen: Seen, heard: StkCallback) -> bool:
    if payment.checkout_index is not None and seen.checkout_index != payment.checkout_index:
        return False
    known = payment.merchant_request_id
    return known is None or heard.merchant_request_id == known
