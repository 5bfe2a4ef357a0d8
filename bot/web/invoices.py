"""Invoices on the web: what the page of an invoice shows, and paying it without Telegram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from bot.core.ask import Asked, PageAsk
from bot.core.bills import Standing
from bot.core.invoices import InvoicePage, PayInvoice
from bot.core.limits import Refusal
from bot.core.ports import Clock
from bot.texts import EAT, kes, money
from bot.web.wishes import Problem, ReadAmount, Typed, Wish, read_amount_field
from storage.records import Bill, BillItem, VatMode

__all__ = ["InvoiceNoun", "Invoices"]

MILLI = 1000
BASIS_POINTS = 100  # of a percent


class Invoices(Protocol):
    """What the pages need of `bot.core.invoices.Invoices`."""

    async def page_view(self, code: str) -> InvoicePage | None: ...

    async def pay(self, request: PayInvoice) -> Asked | Refusal | None: ...


@dataclass(frozen=True, slots=True)
class InvoiceNoun:
    """An invoice, for `PromptPage`."""

    invoices: Invoices
    read_amount: ReadAmount
    clock: Clock
    name: str = "invoice"
    parts: Sequence[str] = ("sums",)

    async def find(self, code: str) -> InvoicePage | None:
        return await self.invoices.page_view(code)

    def subject(self, view: InvoicePage) -> str:
        return view.view.invoice.subject

    def takes(self, view: InvoicePage) -> bool:
        return view.view.ask_kes > 0

    def amount(self, view: InvoicePage, typed: Typed) -> int | Problem:
        """A part as typed, or all that is left, if that is still what the page had shown."""
        if typed.part:
            return read_amount_field(typed, self.read_amount)
        if typed.amount:
            return Problem("page.invoice.which")
        if typed.all_kes != str(view.view.ask_kes):
            return Problem("page.invoice.changed", {"amount": kes(view.view.ask_kes)})
        return view.view.ask_kes

    def values(self, view: InvoicePage) -> Mapping[str, Any]:
        invoice, bill = view.view.invoice, view.view.invoice.bill
        today = self.clock.now().astimezone(EAT).date()
        return {
            "view": view.view,
            "invoice": invoice,
            "bill": bill,
            "merchant": view.view.merchant.name or view.collector.name,
            "collector": view.collector,
            "state": view.view.standing.value,
            "closed": view.view.standing in (Standing.VOID, Standing.WRITTEN_OFF),
            "overdue": invoice.due_on < today and view.view.left_cents > 0,
            "items": [
                (each.what, _each(each), cents)
                for each, cents in zip(bill.items, view.view.line_cents, strict=True)
            ],
            "vat_rate": _vat_rate(bill),
            "payments": view.payments,
            "all_of_it": view.view.ask_kes * 100 >= view.view.beside_cents,
        }

    async def ask(
        self, view: InvoicePage, wish: Wish, *, page: PageAsk, ask_key: str, language: str
    ) -> Asked | Refusal | None:
        return await self.invoices.pay(
            PayInvoice(
                code=view.view.invoice.code,
                amount_kes=wish.amount_kes,
                phone=wish.phone,
                ask_key=ask_key,
                language=language,
                page=page,
            )
        )


def _each(item: BillItem) -> tuple[str, str] | None:
    """Quantity and price of one, where that says more than the amount does."""
    if item.quantity_milli == MILLI:
        return None
    return _number(Decimal(item.quantity_milli) / MILLI), money(item.price_cents)


def _vat_rate(bill: Bill) -> str | None:
    if bill.vat is VatMode.NONE:
        return None
    return f"{_number(Decimal(bill.vat_bp) / BASIS_POINTS)} %"


def _number(value: Decimal) -> str:
    """`2.5`, and `2` for `2.000`."""
    return f"{value.normalize():,f}"
