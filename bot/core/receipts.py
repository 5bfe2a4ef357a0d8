"""
Receipts: the code on a paper by which a third party finds out whether the paper is true.

The code is the payment's id and a signature over it, so nothing is stored and nobody can guess
one; a database that was restored from a backup knows its papers again.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.payees import payee_of
from bot.core.ports import Collector
from storage.engine import Store
from storage.records import Intent, Invoice, Merchant, Payment, Status, Word

__all__ = ["ReceiptView", "Receipts"]

PURPOSE = "receipt"
ID_BYTES, MAC_BYTES = 16, 16
CODE_CHARS = 43


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptView:
    """A paid payment as whoever holds its paper may see it. Holds no whole number."""

    payment: Payment
    intent: Intent
    collector: Collector
    invoice: Invoice | None = None  # what it was an instalment of
    merchant: Merchant | None = None

    @property
    def payee(self) -> str:
        """Who was paid, by the name that the payer was shown."""
        return self.collector.name if self.merchant is None else self.merchant.name

    @property
    def reversed(self) -> bool:
        """All of the money went back: the paper is true, and worth nothing."""
        return Word.REVERSED in self.payment.words and not self.payment.credited_cents


class Receipts:
    """Makes codes of receipts, and knows them again."""

    def __init__(
        self, *, store: Store, collectors: Mapping[str, Collector], public_url: str
    ) -> None:
        self._store = store
        self._public_url = public_url
        self._collectors = collectors

    def code(self, payment_id: str) -> str:
        """43 characters for the address of the page; the same for ever."""
        mac = self._store.crypt.sign(PURPOSE, payment_id)
        raw = bytes.fromhex(payment_id) + bytes.fromhex(mac)
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def page_url(self, payment_id: str) -> str:
        """The address of the page that says whether the paper is true."""
        return f"{self._public_url}/r/{self.code(payment_id)}"

    async def by_code(self, code: str) -> ReceiptView | None:
        """The payment, if the code is ours and the payment is paid today; else None."""
        payment_id = self._payment_id(code)
        return None if payment_id is None else await self.of(payment_id)

    async def of(self, payment_id: str) -> ReceiptView | None:
        """The same by the payment's own id, for whoever may see that payment."""
        async with self._store.read() as tx:
            payment = await tx.payments.get(payment_id)
            if payment is None or payment.status is not Status.PAID:
                return None
            invoice, merchant = None, None
            kind, _, subject_id = (payment.subject or "").partition(":")
            if kind == "i":
                invoice = await tx.invoices.get(subject_id)
            if invoice is not None:
                merchant = await tx.merchants.get(invoice.merchant_id)
            return ReceiptView(
                payment=payment,
                intent=await tx.payments.intent(payment.intent_id),
                collector=payee_of(self._collectors, payment.account),
                invoice=invoice,
                merchant=merchant,
            )

    def _payment_id(self, code: str) -> str | None:
        if len(code) != CODE_CHARS or not code.isascii():
            return None
        try:
            raw = base64.b64decode(code + "=", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        payment_id, mac = raw[:ID_BYTES].hex(), raw[ID_BYTES:].hex()
        good = self._store.crypt.signed(PURPOSE, payment_id, mac)
        return payment_id if good and _written_once(code, raw) else None


def _written_once(code: str, raw: bytes) -> bool:
    """Whether *code* is the one way to write *raw*: the last letter has bits to spare."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=") == code
