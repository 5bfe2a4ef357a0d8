"""An hour in which Safaricom tells us nothing, and how each shilling of it is found afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

import pytest

from bot.core.ask import Asked
from bot.core.billing import NewInvoice
from bot.core.drives import GiveRequest, NewDrive
from bot.core.invoice_acts import Done
from bot.core.invoices import InvoiceView, PayInvoice
from bot.core.portal import BadStatement
from bot.core.record_desk import Known
from bot.core.rulings import Ruling
from mpesa.simulator import CallbackFault, Endpoint, Fault, ReplyFault
from storage.records import (
    Bill,
    BillItem,
    Closing,
    Drive,
    OpenKind,
    Payment,
    RowState,
    Status,
    Word,
)
from tests.commands import lipabot
from tests.flows.shop import FAST, Shop, open_shop, phone
from tests.test_cli import runnable

CLI_KEY = "0" * 32  # of the configuration that `runnable` writes
NOTHING = Fault(reply=ReplyFault.LOST, callback=CallbackFault.NEVER)
SILENT = Fault(reply=ReplyFault.HUNG_UP)


async def ask_into_the_void(shop: Shop, number: int) -> Payment:
    """While Safaricom answers nobody, one person in five minutes is asked."""
    await shop.clock.advance(301)
    return await shop.ask(number, 100 + number)


async def test_while_safaricom_answers_nobody_the_bot_as_it_is_built_asks_nobody(
    tmp_path: Path,
    store_url: str,
) -> None:
    async with open_shop(tmp_path, store_url) as shop:
        shop.simulator.faults.always(Endpoint.PUSH, NOTHING)
        for number in range(1, 6):
            await shop.ask(number, 100 + number)

        with pytest.raises(AssertionError, match="OUTAGE"):
            await shop.ask(6, 106)

        assert len(shop.simulator.pushes) == 5


async def lost_hour(shop: Shop) -> dict[str, int]:
    """
    Everybody pays and nobody tells us: pushes, and by hand with every kind of account.

    Returns what each payment that we asked for must come to.
    """
    faults = shop.simulator.faults
    faults.always(Endpoint.PUSH, NOTHING)
    faults.always(Endpoint.QUERY, SILENT)
    faults.always(Endpoint.C2B, Fault(callback=CallbackFault.NEVER))
    expected: dict[str, int] = {}
    for number in range(1, 9):
        payment = await ask_into_the_void(shop, number)
        assert payment.status is Status.UNSURE
        row = shop.simulator.books.statement()[-1]
        expected[row.receipt] = (100 + number) * 100
    for number in range(9, 13):
        payment = await ask_into_the_void(shop, number)
        expected[shop.simulator.books.statement()[-1].receipt] = (100 + number) * 100
        reference = (await shop.by_hand_ref(payment)).lower().replace("-", " ")
        expected[shop.pay(number, 100 + number, reference).receipt] = (100 + number) * 100
    shop.pay(20, 777, "rent")
    shop.pay(21, 778, "")
    shop.pay(22, 779, "LIPA-ZZZZZ")
    for _ in range(60):
        await shop.clock.advance(60)
        await shop.core.reconcile.run_due()
        await shop.core.record.ways.ask_due()
    assert await shop.credited() == {}
    faults.clear()
    return expected


@dataclass
class Owed:
    """A drive and an invoice, and what of that hour must count for each."""

    drive: Drive
    invoice: InvoiceView
    drive_cents: int
    invoice_cents: int

    async def assert_found(self, shop: Shop) -> None:
        """Each has what was paid for it, and only that."""
        totals = await shop.core.drives.totals(self.drive.id)
        invoice = await shop.core.invoices.by_code(self.invoice.invoice.code)
        assert invoice is not None
        assert (totals.mpesa_cents, invoice.sums.mpesa_cents) == (
            self.drive_cents,
            self.invoice_cents,
        )


async def lost_for_others(shop: Shop) -> Owed:
    """In such an hour: gifts and instalments, by prompts and by hand; all are paid."""
    core = shop.core
    await core.merchants.appoint(2001, name="Njeri", language="en", by=900, say=lambda _: Closing())
    bill = Bill(
        customer="Peter",
        items=(BillItem(what="charcoal", price_cents=900_00),),
        due_on=date(2027, 1, 1),
    )
    new = NewInvoice(merchant_id=2001, bill=bill, issue_key="m:1")
    done = await core.billing.make(new, Closing())
    assert isinstance(done, Done), done
    drive = await core.drives.open(
        NewDrive(
            title="Mama Akinyi",
            target_kes=50_000,
            chat_id=-700,
            thread_id=None,
            language="en",
            opened_by=1001,
            opener_name="Mary",
            open_key="m:-700:1",
        ),
        Closing(),
    )
    faults = shop.simulator.faults
    faults.always(Endpoint.PUSH, NOTHING)
    faults.always(Endpoint.QUERY, SILENT)
    for number in (31, 32):
        gift = GiveRequest(
            drive_id=drive.id,
            giver_id=number,
            chat_id=number,
            name="Jane",
            amount_kes=200,
            phone=phone(number),
            language="en",
            ask_key=f"u:{number}",
        )
        assert isinstance(await core.drives.give(gift), Asked)
        await shop.quiet()
    instalment = PayInvoice(
        code=done.view.invoice.code,
        amount_kes=300,
        phone=phone(33),
        ask_key="p:33",
        language="en",
    )
    assert isinstance(await core.invoices.pay(instalment), Asked)
    await shop.quiet()
    shop.pay(34, 500, drive.reference.lower())
    shop.pay(35, 250, done.view.invoice.by_hand_ref.replace("-", ""))
    for _ in range(60):
        await shop.clock.advance(60)
        await core.reconcile.run_due()
    owed = Owed(drive, done.view, drive_cents=0, invoice_cents=0)
    await owed.assert_found(shop)
    faults.clear()
    return replace(owed, drive_cents=900_00, invoice_cents=550_00)


@pytest.mark.parametrize("way", ["list", "portal"])
async def test_gifts_and_instalments_of_that_hour_are_found_each_for_its_own(
    tmp_path: Path, store_url: str, way: str
) -> None:
    async with open_shop(tmp_path, store_url, pull=True, pull_number="0722000999") as shop:
        owed = await lost_for_others(shop)

        if way == "list":
            await shop.core.record.ways.pull_due()
        else:
            await shop.core.record.reconcile(shop.exported())

        await owed.assert_found(shop)
        await shop.assert_every_shilling_has_a_place()
        assert await shop.open() == []


async def test_the_command_line_finds_that_hour_and_ends_well_with_nothing_open(
    tmp_path: Path,
    store_url: str,
) -> None:
    async with open_shop(tmp_path, store_url, key=CLI_KEY) as shop:
        owed = await lost_for_others(shop)
        statement = shop.exported()
        total_cents = shop.simulator.books.total_cents()
    config = runnable(tmp_path, storage=store_url)

    done = [
        await asyncio.to_thread(
            lipabot,
            *("reconcile", str(statement), "--config", str(config)),
            folder=tmp_path,
        )
        for _ in range(2)
    ]

    assert [each.returncode for each in done] == [0, 0], done[0].stdout + done[0].stderr
    assert "nothing is open" in done[0].stdout
    assert f"KES {total_cents / 100:,.2f} in" in done[0].stdout
    assert "of which 0 receipts are new" in done[1].stdout
    async with open_shop(tmp_path, store_url, key=CLI_KEY) as shop:
        await owed.assert_found(shop)


@pytest.mark.parametrize("c2b", ["off", "v2"])
async def test_the_list_finds_every_shilling(tmp_path: Path, store_url: str, c2b: str) -> None:
    async with open_shop(tmp_path, store_url, pull=True, pull_number="0722000999", c2b=c2b) as shop:
        await shop.core.record.ways.register()
        expected = await lost_hour(shop)

        await shop.core.record.ways.pull_due()

        assert await shop.credited() == expected
        assert [each.theirs_cents for each in await shop.open()] == [777_00, 778_00, 779_00]
        await shop.assert_every_shilling_has_a_place()


async def test_the_portals_statement_finds_every_shilling(tmp_path: Path, store_url: str) -> None:
    async with open_shop(tmp_path, store_url) as shop:
        expected = await lost_hour(shop)

        found = await shop.core.record.reconcile(shop.exported())

        assert await shop.credited() == expected
        assert found.open_now == {OpenKind.UNMATCHED: 3}
        assert not found.clean
        assert found.paid_cents == shop.simulator.books.total_cents()
        await shop.assert_every_shilling_has_a_place()
        again = await shop.core.record.reconcile(shop.exported())
        assert (again.taken.fresh, again.taken.differs) == (0, 0)
        assert again.open_now == found.open_now
        assert await shop.credited() == expected


async def test_a_statement_reconciles_to_zero_once_people_have_said_whose_the_rest_is(
    tmp_path: Path,
    store_url: str,
) -> None:
    async with open_shop(tmp_path, store_url) as shop:
        await lost_hour(shop)
        await shop.core.record.reconcile(shop.exported())
        payer = await shop.ask(30, 500)
        rent, *others = await shop.open()

        assert (
            await shop.core.record.assign(rent.id, to=payer.id, by=900, why="She typed rent")
            is Ruling.DONE
        )
        for each in others:
            assert await shop.core.record.dismiss(each.id, by=901, why="Shop") is Ruling.DONE

        found = await shop.core.record.reconcile(shop.exported())
        assert found.clean
        assert await shop.open() == []


async def test_by_status_alone_every_receipt_that_somebody_shows_is_found(
    tmp_path: Path,
    store_url: str,
) -> None:
    async with open_shop(tmp_path, store_url) as shop:
        await lost_hour(shop)
        record = shop.core.record

        for row in shop.simulator.books.statement():
            shown = await record.verify(row.receipt, by=900)
            assert shown.asked
            await shop.quiet()
            seen = await record.verify(row.receipt, by=900)
            assert (seen.known, seen.asked) == (Known.UNMATCHED, False)
            assert seen.row is not None
            assert seen.row.amount_cents == row.amount_cents
            await shop.clock.advance(31)

        # A status names no account: found, and listed, but credited only by a person.
        assert await shop.credited() == {}
        await shop.assert_every_shilling_has_a_place()


async def test_a_receipt_that_safaricom_does_not_know_is_nobodys(
    tmp_path: Path, store_url: str
) -> None:
    async with open_shop(tmp_path, store_url) as shop:
        assert (await shop.core.record.verify("UKN9ZZZZZZ", by=900)).asked
        await shop.quiet()

        shown = await shop.core.record.verify("UKN9ZZZZZZ", by=900)

        assert (shown.known, shown.asked) == (Known.UNKNOWN, False)
        async with shop.store.read() as tx:
            (asked,) = await tx.record.questions_of("UKN9ZZZZZZ")
        assert asked.outcome == "not-found"


@pytest.mark.parametrize("fault", [CallbackFault.NEVER, CallbackFault.TIMEOUT])
async def test_an_answer_that_does_not_come_is_asked_for_again(
    tmp_path: Path, store_url: str, fault: CallbackFault
) -> None:
    async with open_shop(tmp_path, store_url, c2b="v2") as shop:
        await shop.core.record.ways.register()
        payment = await shop.ask(1, 50)
        reference = await shop.by_hand_ref(payment)
        shop.simulator.faults.next(Endpoint.STATUS, Fault(callback=fault))
        receipt = shop.pay(2, 50, reference).receipt
        await shop.quiet()
        row = await shop.core.record.rows.get(receipt)
        assert row is not None
        assert (row.state, receipt in await shop.credited()) == (RowState.CLAIMED, False)

        for _ in range(30):
            await shop.clock.advance(60)
            await shop.core.record.ways.ask_due()
            await shop.quiet()

        assert (await shop.credited())[receipt] == 50_00


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_payment_by_hand_is_credited_once_the_books_agree_with_its_post(
    tmp_path: Path, store_url: str, version: Literal["v1", "v2"]
) -> None:
    settings = replace(FAST, c2b=version, c2b_tells_pushes=True)
    async with open_shop(tmp_path, store_url, settings=settings, c2b=version) as shop:
        await shop.core.record.ways.register()
        pushed = await shop.ask(1, 50)
        await shop.quiet()
        assert (await shop.get(pushed.id)).status is Status.PAID
        by_hand = shop.pay(2, 60, await shop.by_hand_ref(pushed))
        await shop.quiet()
        assert by_hand.receipt not in await shop.credited()

        await shop.clock.advance(121)
        await shop.core.record.ways.ask_due()
        await shop.quiet()

        statement = {row.receipt: row.amount_cents for row in shop.simulator.books.statement()}
        assert await shop.credited() == statement
        assert await shop.open() == []
        assert (await shop.core.record.reconcile(shop.exported())).clean


async def test_a_till_is_reconciled_though_it_names_no_account(
    tmp_path: Path, store_url: str
) -> None:
    settings = replace(FAST, transaction_type="till", till_number="600777")
    async with open_shop(tmp_path, store_url, settings=settings) as shop:
        told = await shop.ask(1, 50)
        await shop.quiet()
        shop.simulator.faults.always(Endpoint.PUSH, NOTHING)
        lost = await shop.ask(2, 60)

        found = await shop.core.record.reconcile(shop.exported())

        assert (await shop.get(told.id)).confirmed
        assert (await shop.get(lost.id)).status is Status.UNSURE
        assert found.open_now == {OpenKind.UNMATCHED: 1}
        (difference,) = await shop.open()
        assert difference.receipt is not None
        (suggested,) = await shop.core.record.rows.suggestions(difference.receipt)
        assert (suggested.payment.id, suggested.number_fits) == (lost.id, True)
        await shop.core.record.assign(difference.id, to=lost.id, by=900, why="fits")
        assert (await shop.core.record.reconcile(shop.exported())).clean


async def test_a_reversal_in_the_portal_and_one_by_us_are_both_in_the_books(
    tmp_path: Path,
    store_url: str,
) -> None:
    async with open_shop(tmp_path, store_url) as shop:
        payments = [await shop.ask(number, 100) for number in (1, 2, 3)]
        await shop.quiet()
        in_portal = await shop.get(payments[0].id)
        assert in_portal.receipt is not None
        shop.simulator.reverse(in_portal.receipt)

        await shop.core.record.reverse(payments[1].id, by=900, why="twice")
        assert await shop.core.record.reverse(payments[1].id, by=901, why="twice") is Ruling.DONE
        await shop.quiet()
        by_us = await shop.get(payments[1].id)
        assert (by_us.reversed_cents, Word.REVERSED in by_us.words) == (100_00, True)
        found = await shop.core.record.reconcile(shop.exported())

        assert found.clean
        assert (await shop.get(payments[0].id)).reversed_cents == 100_00
        assert await shop.core.record.rows.net_cents() == shop.simulator.books.total_cents()


async def test_another_businesss_statement_is_refused_whole(tmp_path: Path, store_url: str) -> None:
    async with open_shop(tmp_path, store_url) as shop:
        shop.pay(1, 50, "rent")
        path = shop.exported()
        path.write_text(path.read_text().replace("Short Code:,174379", "Short Code:,600999"))
        with pytest.raises(BadStatement, match="600999"):
            await shop.core.record.reconcile(path)
        path = shop.exported()
        path.write_text(path.read_text().replace("Utility Account", "Charges Paid Account"))
        with pytest.raises(BadStatement, match="Utility Account"):
            await shop.core.record.reconcile(path)

        assert await shop.open() == []
