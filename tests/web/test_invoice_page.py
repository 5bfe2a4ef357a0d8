"""An invoice's page over HTTP: what is owed, paying all or a part, and never twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from bot.core.invoice_acts import Done
from bot.core.invoices import InvoiceView
from bot.documents.qr import qr_svg
from storage.records import Bill, BillItem, Closing, VatMode
from tests.core.shop import NJERI, a_bill
from tests.documents.papers import text_of
from tests.web.place import MASK, PHONE, Place, ticket_in

ALL = {"how_much": "all", "amount": ""}


async def test_an_invoice_is_shown_with_its_lines_tax_and_what_is_left(place: Place) -> None:
    view = await place.invoice(
        a_bill(
            BillItem(what="Charcoal", quantity_milli=2500, price_cents=120_000),
            vat=VatMode.EXCLUSIVE,
            vat_bp=1600,
            note="Asante",
        )
    )
    page = await place.get(f"/i/{view.invoice.code}")

    for words in (
        *("INV-0001", "From Mama Njeri Shop", "For Peter", "Due 27 Nov 2026", "Note: Asante"),
        *("2.5 × KES 1,200", "KES 3,000", "VAT 16 %", "KES 480", "Left to pay KES 3,480"),
        *("not an eTIMS tax invoice", view.invoice.by_hand_ref, "174379"),
    ):
        assert words in page.words


async def test_it_is_paid_in_parts_from_any_phone_and_then_takes_nothing(place: Place) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}"
    stale_ticket = ticket_in((await place.get(path)).text)
    part = await place.send(path, how_much="part", amount="1,000", all_kes="1500")
    await place.finish()
    await place.paid((await place.payments())[0])
    half = await place.get(path)
    place.clock.advance(1)
    rest = await place.send(path, phone="0712000002", all_kes="500", **ALL)
    await place.finish()
    await place.paid((await place.payments())[0])
    paid = await place.get(path)
    old_page = await place.post(
        path, {"ticket": stale_ticket, "phone": "0712000003", "all_kes": "1500", **ALL}
    )
    old_part = await place.post(
        path,
        {"ticket": stale_ticket, "phone": "0712000003", "how_much": "part", "amount": "20"},
    )
    await place.finish()

    assert [part.status, rest.status] == [303, 303]
    assert "Paid so far KES 1,000 Left to pay KES 500" in half.words
    assert MASK in half.words
    assert PHONE not in half.text
    assert "This invoice is paid" in paid.words
    assert "<form" not in paid.text
    assert {old_page.status, old_part.status} <= {409, 422}
    assert len(place.daraja.pushes) == 2


async def test_all_is_what_the_page_had_shown_and_nothing_else(place: Place) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}"
    changed = await place.send(path, all_kes="9000", **ALL)
    both = await place.send(path, how_much="all", amount="100", all_kes="1500")
    too_much = await place.send(path, how_much="part", amount="1501", all_kes="1500")

    assert changed.status == 422
    assert "What is left has changed to KES 1,500" in changed.words
    assert both.status == 422
    assert "You wrote an amount and chose all of it" in both.words
    assert too_much.status == 409
    assert "more than is left" in too_much.words
    assert place.daraja.pushes == []


async def test_while_a_payment_is_made_sure_of_nothing_else_is_asked_for(place: Place) -> None:
    view = await place.invoice(a_bill(BillItem(what="Roof", price_cents=1_000_000)))
    path = f"/i/{view.invoice.code}"
    await place.send(path, all_kes="10000", **ALL)
    await place.finish()
    await place.paid((await place.payments())[0])  # above what a callback alone may credit
    page = await place.get(path)

    assert "we are making sure" in page.words
    assert "<form" not in page.text


async def test_nobody_is_told_to_pay_by_hand_where_the_account_is_gone(place: Place) -> None:
    known = await place.invoice()
    await place.core.merchants.change(NJERI, closing=Closing(), account="sold")
    lost = await place.invoice()

    assert "174379" in (await place.get(f"/i/{known.invoice.code}")).words
    assert "174379" not in (await place.get(f"/i/{lost.invoice.code}")).words


async def test_an_invoice_that_is_late_says_so(place: Place) -> None:
    view = await place.invoice(a_bill(due_on=date(2026, 11, 22)))
    page = await place.get(f"/i/{view.invoice.code}")

    assert "Was due 22 Nov 2026" in page.words


@pytest.mark.parametrize("language", ["en", "sw"])
async def test_nobody_sees_another_invoice_by_its_number(place: Place, language: str) -> None:
    first, second = await place.invoice(), await place.invoice(a_bill(customer="Secret Sally"))
    page = await place.get(f"/i/{first.invoice.code}?lang={language}")

    assert first.invoice.code != second.invoice.code
    assert "Sally" not in page.text
    assert (await place.get("/i/INV-0002")).status == 404
    assert (await place.get(f"/i/{second.invoice.id}")).status == 404


@pytest.mark.parametrize("language", ["en", "sw"])
async def test_the_invoice_can_be_kept_as_a_paper(place: Place, language: str) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}"
    page = await place.get(f"{path}?lang={language}")
    async with place.client.get(f"{path}/pdf?lang={language}") as answer:
        content = await answer.read()
        headers = answer.headers
    missing = await place.get("/i/" + "A" * 22 + "/pdf")

    assert f'href="{path}/pdf?lang={language}"' in page.text
    assert content.startswith(b"%PDF-")
    assert headers["Content-Type"] == "application/pdf"
    assert headers["Content-Disposition"] == 'attachment; filename="INV-0001.pdf"'
    assert (missing.status, missing.text) == (404, "Not found")


@pytest.mark.both_engines
async def test_a_paper_names_the_revision_that_is_read_and_not_the_drafts_before_it(
    place: Place,
) -> None:
    draft = await place.invoice(draft=True)
    for cents in (160_000, 170_000):
        await revise(place, draft, cents)
    done = await place.core.billing.issue(draft.invoice.id, by=NJERI, closing=Closing())
    assert isinstance(done, Done), done

    issued = await paper(place, done.view)
    await revise(place, done.view, 180_000)
    revised = await paper(place, done.view)

    assert "KES 1,700" in issued
    assert "revision" not in issued
    assert "KES 1,800" in revised
    assert "Invoice INV-0001, revision 2" in revised


async def revise(place: Place, view: InvoiceView, cents: int) -> None:
    def change(bill: Bill) -> Bill:
        return replace(bill, items=(BillItem(what="tiles", price_cents=cents),))

    done = await place.core.billing.revise(view.invoice.id, change, by=NJERI, closing=Closing())
    assert isinstance(done, Done), done


async def paper(place: Place, view: InvoiceView) -> str:
    """The words of its PDF."""
    async with place.client.get(f"/i/{view.invoice.code}/pdf") as answer:
        return " ".join(text_of(await answer.read()).split())


async def test_a_payment_that_went_back_is_shown_with_what_it_was(place: Place) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}"
    await place.send(path, how_much="part", amount="1,000", all_kes="1500")
    await place.finish()
    [payment] = await place.payments()
    await place.paid(payment)
    await place.reverse(payment)

    assert f"{MASK} · ↩️ returned to the payer KES 1,000" in (await place.get(path)).words
    receipt = await place.get("/r/" + place.core.receipts.code(payment.id))
    assert "KES 1,000" in receipt.words


async def test_what_stays_as_agreed_is_said_so_and_not_called_too_much(place: Place) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}"
    for number in range(2):
        await place.send(path, phone=f"071200000{number}", all_kes="1500", **ALL)
        await place.finish()
        place.clock.advance(1)
    for number, payment in enumerate(await place.payments()):
        await place.paid(payment, push=2 - number)
    too_much = await paper(place, view)
    done = await place.core.cash_book.settle_excess(
        view.invoice.id, keep=True, by=NJERI, button=None, closing=Closing()
    )
    assert isinstance(done, Done), done

    page = await place.get(path)
    kept = await paper(place, view)

    assert "Paid too much KES 1,500" in too_much
    assert "Paid so far KES 3,000 Stays, as agreed KES 1,500 Left to pay KES 0" in kept
    assert "too much" not in kept
    assert "This invoice is paid" in page.words
    assert "Paid so far KES 3,000 Stays, as agreed KES 1,500 Left to pay KES 0" in page.words
    await revise(place, done.view, 250_000)
    assert "Stays, as agreed KES 500" in await paper(place, view)
    await revise(place, done.view, 300_000)
    assert "agreed" not in await paper(place, view)


@pytest.mark.parametrize("language", ["en", "sw"])
async def test_of_a_payment_only_what_went_back_is_said_to_have_gone(
    place: Place, language: str
) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}"
    await place.send(path, all_kes="1500", **ALL)
    await place.finish()
    [payment] = await place.payments()
    await place.paid(payment)
    said = []
    for cents, receipt in ((20_000, "UKN9BACK01"), (30_000, "UKN9BACK02"), (100_000, "UKN9BACK03")):
        await place.reverse(payment, amount_cents=cents, receipt=receipt)
        page = await place.get(f"{path}?lang={language}")
        said.append(page.words.partition(f"{MASK} · ↩️ ")[2].partition("KES 1,500")[0].strip())

    words = {
        "en": ["KES 200 of it went back to the payer", "KES 500 of it went back to the payer"],
        "sw": ["KES 200 kati yake zimerudishwa kwa mlipaji"],
    }
    whole = {"en": "returned to the payer", "sw": "yamerudishwa kwa mlipaji"}
    assert said[: len(words[language])] == words[language]
    assert said[-1] == whole[language]


async def test_the_page_shows_its_own_address_as_a_code(place: Place) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}"
    page = await place.get(f"{path}?lang=sw")
    async with place.client.get(f"{path}/qr.svg") as answer:
        code, headers = await answer.read(), answer.headers

    assert f'<img src="{path}/qr.svg"' in page.text
    assert code == qr_svg(f"http://pay.example.org{path}")
    assert headers["Content-Type"] == "image/svg+xml"
    assert (await place.get("/i/" + "A" * 22 + "/qr.svg")).status == 404


@pytest.mark.parametrize("language", ["en", "sw"])
async def test_money_by_hand_is_promised_to_appear_only_where_machines_see_it(
    place: Place, language: str
) -> None:
    first, other = await place.invoice(), await place.invoice()
    await place.write(lambda tx: tx.invoices.change(other.invoice.id, account="fish"))
    known = place.core.invoices.collectors
    place.core.invoices.collectors = {**known, "fish": replace(known[""], number="600001")}

    async def said(view: InvoiceView) -> str:
        return (await place.get(f"/i/{view.invoice.code}?lang={language}")).words

    books = {"en": "matched with M-Pesa's books", "sw": "vitabu vya M-Pesa"}[language]
    tell = {
        "en": "please tell Mama Njeri Shop: it appears here once they have written it down",
        "sw": "tafadhali mwambie Mama Njeri Shop: itaonekana hapa akishaiandika",
    }[language]
    assert books in await said(first)
    assert books not in await said(other)
    assert tell in await said(other)


async def test_papers_are_not_drawn_without_end(place: Place) -> None:
    view = await place.invoice()
    path = f"/i/{view.invoice.code}/pdf"
    answers = []
    for _ in range(7):
        async with place.client.get(path) as answer:
            answers.append(answer.status)

    assert answers == [200] * 6 + [429]
