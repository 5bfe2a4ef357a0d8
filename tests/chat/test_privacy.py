"""/privacy: what is kept, as files in private; and to be forgotten, after a second yes."""

from __future__ import annotations

import csv
import io
import json

import pytest

from bot.playground.chats import Message
from tests.chat.test_conversation import Office


async def asked(office: Office) -> Message:
    office.jane.say("/privacy")
    return await office.said(office.jane.chat, "What I keep, and why")


def content(message: Message) -> bytes:
    assert message.file is not None
    return message.file.content


async def test_my_data_comes_as_two_files_in_private(office: Office) -> None:
    await office.pay(office.jane, "/pay 50 0712345678 =SUM(A1) for lunch")
    await office.result(0, receipt="UKN4ABCDE7")
    await office.said(office.jane.chat, "✅")

    office.jane.press(await asked(office), "My data")
    await office.said(office.jane.chat, "for a spreadsheet")

    files = {m.file.name: content(m) for m in office.jane.chat.from_bot if m.file is not None}
    assert sorted(files) == ["my-data.json", "my-payments.csv"]
    data = json.loads(files["my-data.json"])
    assert data["you"]["telegram_id"] == 1001
    assert data["you"]["first_name"] == "Jane"
    [payment] = data["payments"]
    assert payment["receipt"] == "UKN4ABCDE7"
    assert payment["credited_kes"] == "50.00"
    assert payment["phone"] == "+254712345678"
    [row] = csv.DictReader(io.StringIO(files["my-payments.csv"].decode("utf-8-sig")))
    assert row["amount_kes"] == "50"
    assert row["note"] == "'=SUM(A1) for lunch"
    assert row["phone"] == "'+254712345678"


async def test_who_has_nothing_gets_that(office: Office) -> None:
    office.otieno.say("/privacy")
    card = await office.said(office.otieno.chat, "Ninachohifadhi")
    office.otieno.press(card, "Taarifa zangu")
    message = await office.said(office.otieno.chat, "malipo 0")

    whole = json.loads(content(message))
    assert [whole[each] for each in ("payments", "drives", "invoices")] == [[], [], []]
    assert whole["merchant"] is None


async def test_delete_me_asks_once_more_and_says_what_stays(office: Office) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")
    await office.result(0, receipt="UKN4ABCDE7")
    await office.said(office.jane.chat, "✅")

    office.jane.press(await asked(office), "Delete me")
    sure = await office.said(office.jane.chat, "Shall I forget you?")
    office.jane.press(sure, "Yes, forget me")
    until = await office.said(office.jane.chat, "I can forget you from 13:00")
    assert "a number that you have not shared" in until.text
    office.clock.advance(3600)
    office.jane.press(await asked(office), "Delete me")
    sure = await office.said(office.jane.chat, "Shall I forget you?")
    async with office.store.read() as tx:
        before = await tx.people.get(1001)
    office.jane.press(sure, "Yes, forget me")
    await office.said(office.jane.chat, "The payments stay in the books")
    office.jane.say("/history")
    await office.said(office.jane.chat, "asked for no payment here yet")

    assert before is not None
    assert "law on books" in sure.text
    async with office.store.read() as tx:
        payment = await tx.payments.by_receipt("UKN4ABCDE7")
    assert payment is not None
    assert payment.credited_cents == 5000


async def test_a_pay_that_comes_again_after_that_is_no_second_payment(office: Office) -> None:
    first = len(office.api.updates.sent)
    await office.pay(office.jane, "/pay 50 0712345678")
    paid = office.api.updates.sent[first]
    await office.result(0, receipt="UKN4ABCDE7")
    await office.said(office.jane.chat, "✅")
    office.clock.advance(3601)
    office.jane.press(await asked(office), "Delete me")
    sure = await office.said(office.jane.chat, "Shall I forget you?")
    office.jane.press(sure, "Yes, forget me")
    await office.said(office.jane.chat, "The payments stay in the books")

    office.api.updates.redeliver(paid)
    office.jane.say("/history")
    await office.said(office.jane.chat, "asked for no payment here yet")

    assert len(office.daraja.pushes) == 1


async def test_not_while_a_payment_is_open(office: Office) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")

    office.jane.press(await asked(office), "Delete me")
    sure = await office.said(office.jane.chat, "Shall I forget you?")
    office.jane.press(sure, "Yes, forget me")

    await office.said(office.jane.chat, "Not yet")
    assert len(await office.core.books.latest(person_id=office.jane.id)) == 1


async def test_not_while_an_invoice_is_owed(office: Office) -> None:
    office.boss.say("/invoice 700 Mary tiles")
    await office.said(office.boss.chat, "INV-0001")
    office.boss.say("/privacy")
    card = await office.said(office.boss.chat, "What I keep, and why")
    office.boss.press(card, "Delete me")
    sure = await office.said(office.boss.chat, "Shall I forget you?")
    office.boss.press(sure, "Yes, forget me")

    refused = await office.said(office.boss.chat, "Not yet")
    assert "invoices that you issued are not paid" in refused.text
    assert "/invoices" in refused.text


async def test_the_files_are_nowhere_in_the_logs(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await office.pay(office.jane, "/pay 50 0712345678 a-secret-purpose")
    office.jane.press(await asked(office), "My data")
    await office.said(office.jane.chat, "for a spreadsheet")

    ours = [each.getMessage() for each in caplog.records if each.name.startswith("bot")]
    assert ours
    assert not [line for line in ours if "a-secret-purpose" in line or "712345678" in line]
