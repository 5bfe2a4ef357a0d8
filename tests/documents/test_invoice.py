"""Tests of the invoice: it adds up, says how to pay what is left, and flows over pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from bot.documents.invoice import (
    ByHand,
    DoesNotAddUp,
    Etims,
    Invoice,
    InvoiceState,
    Item,
    VatMode,
    invoice_pdf,
)
from tests.documents.papers import NOON, pages_of, text_of, words

CHARCOAL = Item(what="Charcoal", quantity=Decimal(2), price_cents=60_000, amount_cents=120_000)
DELIVERY = Item(what="Delivery", quantity=Decimal("1.50"), price_cents=20_000, amount_cents=30_000)
INVOICE = Invoice(
    number="INV-0042",
    state=InvoiceState.OPEN,
    merchant="Mama Njeri Shop",
    customer="Peter",
    issued_on=date(2026, 11, 23),
    due_on=date(2026, 11, 27),
    items=(CHARCOAL, DELIVERY),
    net_cents=150_000,
    vat_cents=0,
    total_cents=150_000,
    paid_cents=0,
    pay_url="https://t.me/njeribot?start=i_7K2M4QXW9T",
    by_hand=ByHand(till=False, number="600000", account="NJERI-7K2M4"),
    made_at=NOON,
)
EXCLUSIVE = replace(
    INVOICE,
    vat=VatMode.EXCLUSIVE,
    vat_percent=Decimal(16),
    vat_cents=24_000,
    total_cents=174_000,
)


def test_an_invoice_says_what_is_asked_for_and_how_to_pay_it() -> None:
    text = text_of(invoice_pdf(INVOICE, words()))

    for said in (
        "Invoice INV-0042",
        "Not an eTIMS tax invoice",
        "To Peter",
        "Issued 23 Nov 2026",
        "Due Fri 27 Nov 2026",
        "Charcoal 2 600.00 1,200.00",
        "Delivery 1.5 200.00 300.00",
        "Total KES 1,500",
        "Pay KES 1,500",
        "https://t.me/njeribot?start=i_7K2M4QXW9T",
        "Paybill 600000 → account NJERI-7K2M4",
    ):
        assert said in text
    assert "VAT" not in text
    assert "Left to pay" not in text
    assert "revision" not in text


def test_what_may_be_paid_already_is_not_asked_for_again() -> None:
    made_sure = "M-Pesa says that a payment of KES 1,500 was made; we are making sure."
    all_of_it = text_of(invoice_pdf(replace(INVOICE, waiting_cents=150_000), words()))
    a_part = text_of(
        invoice_pdf(replace(INVOICE, paid_cents=50_000, waiting_cents=40_000), words())
    )
    nothing = text_of(
        invoice_pdf(
            replace(INVOICE, state=InvoiceState.VOID, waiting_cents=150_000),
            words(),
        )
    )

    assert made_sure in all_of_it
    assert "Please do not pay it again" in all_of_it
    assert "Pay KES" not in all_of_it
    assert "600000" not in all_of_it
    assert "a payment of KES 400 was made" in a_part
    assert "Pay KES 600" in a_part
    assert "making sure" not in nothing


def test_tax_on_top_is_added_before_the_eyes_of_the_reader() -> None:
    text = text_of(invoice_pdf(EXCLUSIVE, words()))

    assert "Before VAT KES 1,500 VAT 16% KES 240 Total KES 1,740" in text
    assert "Pay KES 1,740" in text


def test_tax_within_is_only_told() -> None:
    within = replace(
        INVOICE,
        vat=VatMode.INCLUSIVE,
        vat_percent=Decimal("16.0"),
        net_cents=129_310,
        vat_cents=20_690,
    )

    assert "Total KES 1,500 of which VAT 16% KES 206.90" in text_of(invoice_pdf(within, words()))


def test_what_was_paid_is_taken_off_and_the_rest_is_asked_for() -> None:
    text = text_of(invoice_pdf(replace(INVOICE, paid_cents=50_000, revision=3), words()))

    assert "Paid so far KES 500 Left to pay KES 1,000" in text
    assert "Pay KES 1,000" in text
    assert "Invoice INV-0042, revision 3" in text


@pytest.mark.parametrize(
    ("state", "paid_cents", "stamp"),
    [
        (InvoiceState.PAID, 150_000, "PAID"),
        (InvoiceState.OVERPAID, 200_000, "OVERPAID"),
        (InvoiceState.VOID, 0, "VOID"),
        (InvoiceState.WRITTEN_OFF, 0, "WRITTEN OFF"),
        (InvoiceState.DRAFT, 0, "DRAFT"),
    ],
)
def test_an_invoice_that_nobody_must_pay_is_stamped_and_shows_no_way_to_pay(
    state: InvoiceState, paid_cents: int, stamp: str
) -> None:
    pages = pages_of(invoice_pdf(replace(INVOICE, state=state, paid_cents=paid_cents), words()))

    assert stamp in pages[0].splitlines()
    assert "Paybill" not in pages[0]
    assert "t.me" not in pages[0]


def test_what_was_paid_too_much_is_named() -> None:
    over = replace(INVOICE, state=InvoiceState.OVERPAID, paid_cents=200_050)

    assert "Paid too much KES 500.50" in text_of(invoice_pdf(over, words()))


def test_what_stays_as_agreed_is_not_too_much() -> None:
    kept = replace(INVOICE, state=InvoiceState.OVERPAID, paid_cents=200_050, kept_cents=50_000)

    said = "Paid so far KES 2,000.50 Stays, as agreed KES 500 Paid too much KES 0.50"
    assert said in text_of(invoice_pdf(kept, words()))


def test_a_till_takes_no_account() -> None:
    till = replace(INVOICE, by_hand=ByHand(till=True, number="512345", account="NJERI-7K2M4"))

    text = text_of(invoice_pdf(till, words("sw")))

    assert "Till 512345" in text
    assert "akaunti" not in text


def test_pasted_tax_numbers_take_the_place_of_the_warning() -> None:
    taxed = replace(INVOICE, etims=Etims(number="KRAMW0170221/12", qr_text="x" * 2000))

    text = text_of(invoice_pdf(taxed, words()))

    assert "eTIMS invoice no. KRAMW0170221/12" in text
    assert "Not an eTIMS" not in text


def test_many_items_flow_over_numbered_pages_with_the_head_on_each() -> None:
    many = tuple(
        Item(what=f"Thing {n}, boxed", quantity=Decimal(n), price_cents=100, amount_cents=n * 100)
        for n in range(1, 41)
    )
    total = sum(each.amount_cents for each in many)
    pages = pages_of(
        invoice_pdf(replace(INVOICE, items=many, net_cents=total, total_cents=total), words())
    )

    shown = [n for n in range(1, 41) for page in pages if f"Thing {n}, boxed" in page]
    assert shown == list(range(1, 41))
    assert len(pages) >= 2
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in page
        assert ("Thing" in page) == ("Item Qty Price" in page)
    assert "Total KES 820" in " ".join(pages)


def test_an_invoice_without_items_still_says_its_total() -> None:
    text = text_of(invoice_pdf(replace(INVOICE, items=()), words()))

    assert "No items" in text
    assert "Total KES 1,500" in text


@pytest.mark.parametrize(
    "wrong",
    [
        replace(INVOICE, total_cents=150_001, net_cents=150_001),
        replace(INVOICE, vat_cents=1, net_cents=149_999),
        replace(EXCLUSIVE, net_cents=150_001, total_cents=174_001),
        replace(EXCLUSIVE, vat_cents=24_001),
    ],
)
def test_an_invoice_that_does_not_add_up_is_never_printed(wrong: Invoice) -> None:
    with pytest.raises(DoesNotAddUp):
        invoice_pdf(wrong, words())
