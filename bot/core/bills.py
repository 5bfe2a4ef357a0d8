"""
Bills: what an invoice comes to, to the cent, and how it stands beside what was paid.

Every line is rounded to the cent by itself, half up; the tax is taken once, from the sum of the
lines, and rounded half up. Prompts are whole shillings, so what is asked for is what is left
rounded up to the next shilling, and less than a shilling too much is not called overpaid.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from bot.core.money import AMOUNT_KES_MAX
from storage.records import Bill, BillItem, Decided, Invoice, InvoiceSums, VatMode

__all__ = [
    "SHILLING",
    "Amounts",
    "Standing",
    "amounts_of",
    "ask_kes",
    "excess_cents",
    "excess_mark",
    "item_cents",
    "kept_cents",
    "over_cents",
    "standing",
]

SHILLING = 100
MILLI = 1000
WHOLE_BP = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What a bill comes to, in cents: `net + vat == total`."""

    net_cents: int
    vat_cents: int
    total_cents: int


class Standing(StrEnum):
    """How an invoice stands, as a reader is told."""

    DRAFT = "draft"
    OPEN = "open"
    PART_PAID = "part-paid"
    PAID = "paid"
    OVERPAID = "overpaid"
    VOID = "void"
    WRITTEN_OFF = "written-off"


def item_cents(item: BillItem) -> int:
    """Quantity times price, to the cent."""
    return _half_up(item.quantity_milli * item.price_cents, MILLI)


def amounts_of(bill: Bill) -> Amounts:
    """The sum of its lines, with the tax taken out of it or put on top."""
    lines = sum(item_cents(each) for each in bill.items)
    match bill.vat:
        case VatMode.NONE:
            return Amounts(net_cents=lines, vat_cents=0, total_cents=lines)
        case VatMode.INCLUSIVE:
            vat = _half_up(lines * bill.vat_bp, WHOLE_BP + bill.vat_bp)
            return Amounts(net_cents=lines - vat, vat_cents=vat, total_cents=lines)
        case VatMode.EXCLUSIVE:
            vat = _half_up(lines * bill.vat_bp, WHOLE_BP)
            return Amounts(net_cents=lines, vat_cents=vat, total_cents=lines + vat)
        case unreachable:
            assert_never(unreachable)


def standing(invoice: Invoice, sums: InvoiceSums) -> Standing:
    """What the merchant decided, and else what the money says."""
    match invoice.decided:
        case Decided.DRAFT:
            return Standing.DRAFT
        case Decided.VOID | Decided.WRITTEN_OFF:
            return Standing(invoice.decided.value)
        case Decided.ISSUED:
            if excess_cents(invoice, sums) >= SHILLING:
                return Standing.OVERPAID
            if sums.paid_cents >= invoice.total_cents:
                return Standing.PAID
            return Standing.PART_PAID if sums.paid_cents > 0 else Standing.OPEN
        case unreachable:
            assert_never(unreachable)


def over_cents(invoice: Invoice, sums: InvoiceSums) -> int:
    """What came too much and was not given back, agreed to stay or not: of a void one, all."""
    billed = 0 if invoice.decided is Decided.VOID else invoice.total_cents
    return max(0, sums.paid_cents - billed)


def excess_cents(invoice: Invoice, sums: InvoiceSums) -> int:
    """What came too much and was neither given back nor agreed to stay."""
    return max(0, over_cents(invoice, sums) - sums.kept_cents)


def excess_mark(invoice: Invoice, sums: InvoiceSums) -> str:
    """Tells what is too much from another sum, and from the same one at another time."""
    return f"{excess_cents(invoice, sums)}:{sums.excess_words}"


def kept_cents(invoice: Invoice, sums: InvoiceSums) -> int:
    """What came too much and stays with the merchant as agreed."""
    return min(sums.kept_cents, over_cents(invoice, sums))


def ask_kes(left_cents: int) -> int:
    """What one prompt asks for to pay what is left, in whole shillings; 0 if nothing is."""
    return min(max(0, -(-left_cents // SHILLING)), AMOUNT_KES_MAX)


def _half_up(numerator: int, denominator: int) -> int:
    """A quotient of numbers that are not negative, rounded to the nearest, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)
