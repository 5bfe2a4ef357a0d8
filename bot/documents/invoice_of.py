"""Invoice of: an invoice of the books becomes the paper that everybody gets, wherever they ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from bot.documents.invoice import ByHand, Etims, Invoice, InvoiceState, Item, VatMode
from bot.texts import EAT
from storage.records import Invoice as Kept
from storage.records import InvoiceSums, Merchant

__all__ = ["Amounts", "Billed", "Payee", "invoice_of"]

STATES = {each.value: each for each in InvoiceState}


class Amounts(Protocol):
    """`bot.core.bills.Amounts`."""

    @property
    def net_cents(self) -> int: ...

    @property
    def vat_cents(self) -> int: ...

    @property
    def total_cents(self) -> int: ...


class Billed(Protocol):
    """An invoice with what has come for it: `bot.core.invoices.InvoiceView`."""

    @property
    def invoice(self) -> Kept: ...

    @property
    def merchant(self) -> Merchant: ...

    @property
    def sums(self) -> InvoiceSums: ...

    @property
    def standing(self) -> str: ...

    @property
    def amounts(self) -> Amounts: ...

    @property
    def kept_cents(self) -> int: ...

    @property
    def line_cents(self) -> Sequence[int]:
        """What each item comes to."""
        ...


class Payee(Protocol):
    """Who is paid: `bot.core.ports.Collector`."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def number(self) -> str: ...

    @property
    def practice(self) -> bool: ...

    @property
    def gone(self) -> bool: ...


def invoice_of(
    view: Billed, payee: Payee, *, logo: bytes | None, pay_url: str, made_at: datetime
) -> Invoice:
    """The paper of *view* as it stands; *pay_url* is where it is paid, for its code."""
    invoice, bill, amounts = view.invoice, view.invoice.bill, view.amounts
    return Invoice(
        number=invoice.label,
        # Not the stored one: that counts what a draft went through before anybody could read it.
        revision=invoice.shown_revision,
        state=STATES.get(view.standing, InvoiceState.OPEN),
        merchant=view.merchant.name or payee.name,
        logo=logo,
        kra_pin=view.merchant.kra_pin,
        customer=bill.customer,
        issued_on=_day(invoice.issued_at or invoice.created_at),
        due_on=invoice.due_on,
        items=tuple(
            Item(
                what=each.what,
                quantity=Decimal(each.quantity_milli).scaleb(-3),
                price_cents=each.price_cents,
                amount_cents=cents,
            )
            for each, cents in zip(bill.items, view.line_cents, strict=True)
        ),
        vat=VatMode(bill.vat.value),
        vat_percent=Decimal(bill.vat_bp).scaleb(-2),
        net_cents=amounts.net_cents,
        vat_cents=amounts.vat_cents,
        total_cents=amounts.total_cents,
        paid_cents=view.sums.paid_cents,
        waiting_cents=view.sums.waiting_cents,
        kept_cents=view.kept_cents,
        note=bill.note,
        etims=None
        if invoice.etims is None
        else Etims(number=invoice.etims.number, qr_text=invoice.etims.qr_text),
        pay_url=pay_url,
        by_hand=None
        if payee.gone
        else ByHand(till=payee.kind == "till", number=payee.number, account=invoice.by_hand_ref),
        made_at=made_at,
        practice=payee.practice,
    )


def _day(at: datetime) -> date:
    return at.astimezone(EAT).date()
