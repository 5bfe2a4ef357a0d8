"""Invoice: what a merchant asks for, on A5 paper, with every way to pay it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from bot.documents.qr import LinkTooLong
from bot.documents.words import TEXT_CHARS_MAX, Words, amount, line, percent

if TYPE_CHECKING:
    from bot.documents.page import Page

__all__ = [
    "ByHand",
    "DoesNotAddUp",
    "Etims",
    "Invoice",
    "InvoiceState",
    "Item",
    "VatMode",
    "invoice_pdf",
]

ITEM_CHARS_MAX = 200


class DoesNotAddUp(Exception):
    """The amounts of a paper contradict each other: it is not printed."""


class InvoiceState(StrEnum):
    """What is stamped on the paper; an open invoice has no stamp."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    OVERPAID = "overpaid"
    VOID = "void"
    WRITTEN_OFF = "written-off"


class VatMode(StrEnum):
    """Whether the items' prices have the tax in them."""

    NONE = "none"
    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of an invoice."""

    what: str
    quantity: Decimal
    price_cents: int  # of one
    amount_cents: int  # as it was billed: the caller rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """How to pay from the M-Pesa menu."""

    till: bool  # a Till number takes no account
    number: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Etims:
    """What the merchant pasted from the tax authority's own invoice."""

    number: str
    qr_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """One revision of an invoice with what has been paid of it. All amounts are cents."""

    number: str  # INV-0042
    revision: int = 1
    state: InvoiceState
    merchant: str
    logo: bytes | None = None  # PNG or JPEG
    kra_pin: str | None = None
    customer: str
    customer_kra_pin: str | None = None
    issued_on: date
    due_on: date | None
    items: tuple[Item, ...]
    vat: VatMode = VatMode.NONE
    vat_percent: Decimal = Decimal(0)
    net_cents: int  # without tax
    vat_cents: int
    total_cents: int
    paid_cents: int  # net of reversals
    waiting_cents: int = 0  # M-Pesa says paid, and it is being made sure of
    kept_cents: int = 0  # of that, what stays beyond the total as agreed
    note: str = ""
    etims: Etims | None = None
    pay_url: str | None = None  # the deep link or the public page
    by_hand: ByHand | None = None
    made_at: datetime  # aware
    practice: bool = False

    def ensure_adds_up(self) -> None:
        """Raise DoesNotAddUp unless items, tax and total agree."""
        billed = sum(each.amount_cents for each in self.items)
        before_tax = self.net_cents if self.vat is VatMode.EXCLUSIVE else self.total_cents
        if self.items and billed != before_tax:
            raise DoesNotAddUp(f"{self.number}: items {billed}, invoice {before_tax}")
        if self.net_cents + self.vat_cents != self.total_cents:
            raise DoesNotAddUp(f"{self.number}: net and VAT are not the total")
        if self.vat is VatMode.NONE and self.vat_cents:
            raise DoesNotAddUp(f"{self.number}: VAT where there is none")

    @property
    def owed_cents(self) -> int:
        """
        What is left to pay: nothing when void, and below nothing when too much was paid that
        nobody agreed to leave.
        """
        if self.state in (InvoiceState.VOID, InvoiceState.WRITTEN_OFF):
            return 0
        return self.total_cents - self.paid_cents + self.kept_cents


def invoice_pdf(invoice: Invoice, words: Words) -> bytes:
    """
    The invoice as a PDF. Takes tens of milliseconds: run it in a thread.

    Raises DoesNotAddUp.
    """
    from bot.documents.page import GREY, Page

    invoice.ensure_adds_up()
    name = words.say("paper.invoice.title", number=invoice.number)
    short = invoice.number  # a foot has half a line, and must hold the time to its end
    if invoice.revision > 1:
        revision = invoice.revision
        name = words.say("paper.invoice.revision", invoice=name, revision=revision)
        short = words.say("paper.invoice.revision", invoice=short, revision=revision)
    page = Page(
        words,
        title=name,
        author=invoice.merchant,
        made_at=invoice.made_at,
        foot=f"{short} · {words.say('paper.made', when=words.when(invoice.made_at))}",
        stamp=_stamp(invoice, words),
    )
    pin = words.say("paper.kra-pin", pin=line(invoice.kra_pin)) if invoice.kra_pin else ""
    page.letterhead(invoice.merchant, invoice.logo, pin)
    page.ink(15, bold=True)
    page.put(name)
    page.ink(9, colour=GREY)
    page.put(_tax_words(invoice, words))
    page.ln(2)
    page.ink(10)
    page.facts(_facts(invoice, words), label_mm=34)
    page.ln(2)
    _items(page, invoice)
    _totals(page, invoice)
    _waiting(page, invoice)
    if invoice.note:
        page.ln(2)
        page.ink(10)
        page.put(line(invoice.note, TEXT_CHARS_MAX))
    _ways_to_pay(page, invoice)
    _etims_code(page, invoice)
    return page.finished()


def _stamp(invoice: Invoice, words: Words) -> tuple[str, tuple[int, int, int]] | None:
    from bot.documents.page import GREEN, RED

    if invoice.practice:
        return words.say("paper.stamp.practice"), RED
    if invoice.state is InvoiceState.OPEN:
        return None
    good = invoice.state in (InvoiceState.PAID, InvoiceState.OVERPAID)
    return words.say(f"paper.stamp.{invoice.state}"), GREEN if good else RED


def _tax_words(invoice: Invoice, words: Words) -> str:
    if invoice.etims is None:
        return words.say("paper.invoice.not-etims")
    return words.say("paper.invoice.etims", number=line(invoice.etims.number))


def _facts(invoice: Invoice, words: Words) -> list[tuple[str, str]]:
    pin = invoice.customer_kra_pin
    return [
        (words.say("paper.to"), line(invoice.customer)),
        ("", words.say("paper.kra-pin", pin=line(pin)) if pin else ""),
        (words.say("paper.issued"), words.day(invoice.issued_on)),
        (words.say("paper.due"), words.weekday(invoice.due_on) if invoice.due_on else ""),
    ]


def _items(page: Page, invoice: Invoice) -> None:
    from bot.documents.page import Column

    words = page.words
    page.ink(9)
    columns = (
        Column(words.say("paper.item"), page.epw - 68),
        Column(words.say("paper.quantity"), 14, "R"),
        Column(words.say("paper.price"), 26, "R"),
        Column(words.say("paper.amount-kes"), 28, "R"),
    )
    page.head(columns)
    for item in invoice.items:
        cells = (
            line(item.what, ITEM_CHARS_MAX),
            percent(item.quantity),
            amount(item.price_cents),
            amount(item.amount_cents),
        )
        page.row(cells, columns)
    if not invoice.items:
        page.row((words.say("paper.invoice.no-items"), "", "", ""), columns)


def _totals(page: Page, invoice: Invoice) -> None:
    words, rate = page.words, percent(invoice.vat_percent)
    rows: list[tuple[str, int, bool]] = []
    if invoice.vat is VatMode.EXCLUSIVE:
        rows += [
            (words.say("paper.net"), invoice.net_cents, False),
            (words.say("paper.vat-added", rate=rate), invoice.vat_cents, False),
        ]
    rows.append((words.say("paper.total"), invoice.total_cents, True))
    if invoice.vat is VatMode.INCLUSIVE:
        rows.append((words.say("paper.vat-within", rate=rate), invoice.vat_cents, False))
    if invoice.paid_cents:
        rows.append((words.say("paper.paid-so-far"), invoice.paid_cents, False))
    if invoice.kept_cents:
        rows.append((words.say("paper.kept"), invoice.kept_cents, False))
    if invoice.owed_cents < 0:
        rows.append((words.say("paper.overpaid"), -invoice.owed_cents, True))
    elif invoice.paid_cents or not invoice.owed_cents:
        rows.append((words.say("paper.owed"), invoice.owed_cents, True))
    page.ln(1)
    height = len(rows) * 6.2
    if page.y + height > page.page_break_trigger:
        page.add_page(same=True)
    for label, cents, bold in rows:
        top = page.y
        page.ink(11 if bold else 9.5, bold=bold)
        page.put(label, width=page.epw - 46, align="R")
        page.set_xy(page.l_margin + page.epw - 46, top)
        page.put(words.money(cents), width=46, align="R")


def _waiting(page: Page, invoice: Invoice) -> None:
    """What is not to be paid again, though it does not count yet."""
    if invoice.owed_cents <= 0 or not invoice.waiting_cents:
        return
    page.ln(2)
    page.ink(10, bold=True)
    page.put(page.words.say("paper.waiting", amount=page.words.money(invoice.waiting_cents)))


def _ways_to_pay(page: Page, invoice: Invoice) -> None:
    """What may be paid now, the code to scan, and what to type where there is no camera."""
    from bot.documents.page import GREY

    words, by_hand = page.words, invoice.by_hand
    asked_cents = invoice.owed_cents - invoice.waiting_cents
    if asked_cents <= 0 or invoice.state is InvoiceState.DRAFT or not (invoice.pay_url or by_hand):
        return
    side = page.box_mm(36, 26)
    page.rule(above=3, below=3)
    top, left = page.y, page.l_margin
    if invoice.pay_url:
        page.qr(invoice.pay_url, x=left, y=top, side=side)
        left += side + 4
    page.set_xy(left, top + 1)
    page.ink(12, bold=True)
    page.put(words.say("paper.invoice.pay", amount=words.money(asked_cents)))
    if invoice.pay_url:
        page.set_x(left)
        page.ink(9, colour=GREY)
        page.put(words.say("paper.invoice.scan"))
        page.set_x(left)
        page.put(invoice.pay_url)
    if by_hand:
        page.set_xy(left, page.y + 1)
        page.ink(10)
        key = "paper.invoice.till" if by_hand.till else "paper.invoice.paybill"
        page.put(words.say(key, number=by_hand.number, account=line(by_hand.account)))
    page.set_y(max(page.y, top + side))


def _etims_code(page: Page, invoice: Invoice) -> None:
    if invoice.etims is None or not invoice.etims.qr_text:
        return
    side = page.box_mm(30, 24)
    page.rule(above=3, below=3)
    top = page.y
    with suppress(LinkTooLong):
        page.qr(invoice.etims.qr_text, x=page.l_margin, y=top, side=side)
    page.set_xy(page.l_margin + side + 4, top + 4)
    page.ink(9)
    page.put(page.words.say("paper.invoice.etims", number=line(invoice.etims.number)))
    page.set_y(max(page.y, top + side))
