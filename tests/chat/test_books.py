"""/verify, /unmatched and a dropped statement: what operators read, press and type."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from storage.records import NewRecordRow, RowKind, Source
from tests.chat.test_conversation import Office

CODE, BACK = "UKN6ABCDEF", "UKN7BACKBA"
SAMPLES = Path(__file__).parents[1] / "samples" / "portal"


async def came_in(office: Office, *, reference: str = "", amount_kes: int = 50) -> None:
    """Safaricom's books name a receipt that nothing of ours has."""
    row = NewRecordRow(
        receipt=CODE,
        amount_cents=amount_kes * 100,
        at=office.clock.now() + timedelta(seconds=20),
        source=Source.PULL,
        reference=reference,
        payer="0712***678",
    )
    await office.core.record.rows.take([row])


async def reversal_came(office: Office, *, amount_kes: int = 50, linked: str | None = CODE) -> None:
    """Safaricom's books name a reversal."""
    row = NewRecordRow(
        receipt=BACK,
        amount_cents=amount_kes * 100,
        at=office.clock.now() + timedelta(seconds=40),
        source=Source.PORTAL,
        kind=RowKind.REVERSAL,
        payer="0712***678",
        linked=linked,
    )
    await office.core.record.rows.take([row])


async def test_a_code_that_is_ours_is_named_with_its_payment(office: Office) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")
    await office.result(0, receipt=CODE)
    await office.said(office.jane.chat, "✅")

    office.boss.say(f"/verify {CODE.lower()}")

    found = await office.said(office.boss.chat, "is ours")
    assert "0712***678" in found.text
    assert "PAY-" in found.text
    assert "✅" not in found.text


async def test_a_code_that_nobody_knows_is_asked_about_and_hands_nothing_over(
    office: Office,
) -> None:
    office.boss.say(f"/verify {CODE}")

    found = await office.said(office.boss.chat, "I do not know")
    assert "I have asked Safaricom" in found.text

    office.clock.advance(60)
    await came_in(office, reference="CHARCOAL")
    office.boss.press(found, "Look again")
    known = await office.said(office.boss.chat, "is in Safaricom’s books", after=found)
    assert "CHARCOAL" in known.text


async def test_money_that_nobody_knows_for_whom_is_given_to_a_payment_once(
    office: Office,
) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")
    await came_in(office)
    office.boss.say("/unmatched")
    shown = await office.said(office.boss.chat, "KES 50 came in under")

    office.boss.press(shown, "KES 50 · 0712***678")
    sure = await office.said(office.boss.chat, "Give it to this payment?")
    office.boss.press(sure, "Yes, that is so")
    await office.said(office.boss.chat, "Done, and written down with your name")
    paid = await office.said(office.jane.chat, "✅")
    assert CODE in paid.text

    office.boss.press(sure, "Yes, that is so")
    await office.said(office.boss.chat, "That was decided already")
    office.boss.say("/unmatched")
    await office.said(office.boss.chat, "Nothing is open between")


async def test_beside_money_of_nobody_stands_what_of_it_went_back(office: Office) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")
    await came_in(office)
    await reversal_came(office, amount_kes=20)
    told = f"KES 20 of it went back to the payer under {BACK}"

    office.boss.say(f"/verify {CODE}")
    found = await office.said(office.boss.chat, "is in Safaricom’s books")
    assert told in found.text
    office.boss.say("/unmatched")
    shown = await office.said(office.boss.chat, "came in under")
    assert told in shown.text
    reversal = await office.said(office.boss.chat, "of a payment that I do not know")
    assert f"It takes back {CODE}" in reversal.text

    office.boss.press(shown, "KES 50 · 0712***678")
    sure = await office.said(office.boss.chat, "Give it to this payment?")
    assert told in sure.text
    office.boss.press(sure, "Yes, that is so")
    await office.said(office.jane.chat, "Returned: KES 20 of KES 50")


async def test_what_went_back_is_asked_about_in_words_of_its_own_and_of_no_open_prompt(
    office: Office,
) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")
    await office.result(0, receipt=CODE)
    await office.said(office.jane.chat, "✅")
    office.clock.advance(3600)
    await office.pay(office.jane, "/pay 50 0722000111")
    await reversal_came(office, linked=None)

    office.boss.say("/unmatched")
    shown = await office.said(office.boss.chat, "of a payment that I do not know")
    assert not [each for each in shown.labels if "0722***111" in each]
    office.boss.press(shown, "KES 50 · 0712***678")
    sure = await office.said(office.boss.chat, "Did this go back")
    assert "Give it to this payment?" not in sure.text
    office.boss.press(sure, "Yes, that is so")

    await office.said(office.jane.chat, "Returned: KES 50")
    await office.said(office.boss.chat, "Done, and written down with your name")


async def test_another_payment_is_named_by_its_account(office: Office) -> None:
    await office.pay(office.jane, "/pay 70 0712345678")
    await came_in(office)
    shown = await listed(office)

    office.boss.press(shown, "Another payment")
    await office.said(office.boss.chat, "Which payment?")
    office.boss.say("nonsense")
    await office.said(office.boss.chat, "I find no payment for NONSENSE")
    office.boss.say(office.daraja.pushes[-1].reference)

    sure = await office.said(office.boss.chat, "Give it to this payment?")
    office.boss.press(sure, "Yes, that is so")
    paid = await office.said(office.jane.chat, "✅")
    assert "KES 20 is missing" in paid.text


async def test_what_is_none_of_ours_is_closed_with_a_reason(office: Office) -> None:
    await came_in(office)
    shown = await listed(office)

    office.boss.press(shown, "None of ours")
    await office.said(office.boss.chat, "Why is it none of ours?")
    office.boss.say("rent of the neighbour")

    await office.said(office.boss.chat, "written down with your name")
    office.boss.say("/unmatched")
    await office.said(office.boss.chat, "Nothing is open between")


async def test_what_its_prompt_counts_perhaps_is_given_to_nobody_and_named(office: Office) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")
    await office.result(0, receipt="ZKN9ABCDEF")
    await office.said(office.jane.chat, "✅")
    await came_in(office, reference=office.daraja.pushes[-1].reference)
    office.boss.say("/unmatched")
    open_one = await office.said(office.boss.chat, "that it does not fit")
    office.boss.press(open_one, "Another payment")
    question = await office.said(office.boss.chat, "Which payment")
    office.boss.say(f"R-{CODE}", reply_to=question)
    sure = await office.said(office.boss.chat, "Give it to this payment?")
    office.boss.press(sure, "Yes, that is so")

    said = await office.said(office.boss.chat, "Nothing was changed", after=sure)
    assert "ZKN9ABCDEF" in said.text
    assert f"in /review {CODE}" in said.text


async def listed(office: Office) -> Message:
    office.boss.say("/unmatched")
    return await office.said(office.boss.chat, "came in under")


async def test_a_statement_that_is_dropped_is_compared_and_twice_changes_nothing(
    office: Office,
) -> None:
    content = (SAMPLES / "paybill.csv").read_bytes().replace(b"600999", b"600000")
    office.boss.send_file("Statement.csv", content, content_type="text/csv")
    first = await office.said(office.boss.chat, "only Safaricom’s:")
    assert "/unmatched shows each of them" in first.text
    assert "; 0 were new to me" not in first.text

    office.boss.send_file("Statement.csv", content, content_type="text/csv")
    again = await office.said(office.boss.chat, "only Safaricom’s:", after=first)

    assert "; 0 were new to me" in again.text
    assert again.text.split("\n")[1:] == first.text.split("\n")[1:]


async def test_a_file_that_is_no_statement_is_refused_kindly(office: Office) -> None:
    office.boss.send_file("holiday.csv", b"sun,sea\n1,2\n", content_type="text/csv")

    await office.said(office.boss.chat, "I cannot read this as a statement")
    assert await office.core.record.rows.net_cents() == 0


async def test_others_drop_their_files_in_vain(office: Office) -> None:
    office.jane.send_file("Statement.csv", b"Receipt No.\n", content_type="text/csv")

    await office.said(office.jane.chat, "/help")
    assert not [each for each in office.jane.chat.from_bot if "statement" in each.text]
    office.jane.say("/unmatched")
    await office.said(office.jane.chat, "I do not know that command")
    office.jane.say(f"/verify {CODE}")
    await office.said(office.jane.chat, "Only merchants of")
    assert office.core.record.ways.can_ask


async def test_giving_back_through_safaricom_takes_two_and_is_sent_once(
    office: Office, api: BotApi
) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")
    await office.result(0, receipt=CODE)
    await office.said(office.jane.chat, "✅")
    office.boss.say(f"/review {CODE}")
    card = await office.said(office.boss.chat, "What was heard")

    office.boss.press(card, "Give back by M-Pesa")
    sure = await office.said(office.boss.chat, "This moves money")
    office.boss.press(sure, "Yes, give it back")
    await office.said(office.boss.chat, "another operator has to choose the same")

    payment = await office.core.books.by_receipt(CODE)
    assert payment is not None
    assert payment.payment.reversed_cents == 0


BACK = "UKN7BACKBA"


async def went_back(office: Office, *, linked: str | None, amount_kes: int = 50) -> None:
    """Safaricom's books name a reversal."""
    row = NewRecordRow(
        receipt=BACK,
        amount_cents=amount_kes * 100,
        at=office.clock.now() + timedelta(seconds=60),
        source=Source.PULL,
        kind=RowKind.REVERSAL,
        linked=linked,
        payer="0712***678",
    )
    await office.core.record.rows.take([row])


async def test_a_code_is_said_to_be_worth_what_is_left_of_it(office: Office) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")
    await came_in(office, reference=office.daraja.pushes[-1].reference)
    await office.said(office.jane.chat, "✅")
    await went_back(office, linked=CODE, amount_kes=20)

    office.boss.say(f"/verify {CODE}")
    found = await office.said(office.boss.chat, "is ours")
    assert "KES 20 of it went back; what counts is KES 30" in found.text.replace("</b>", "")

    office.boss.say(f"/verify {BACK}")
    back = await office.said(office.boss.chat, "is money that went back", after=found)
    assert "no payment here yet" not in back.text
    assert "It was taken off this payment" in back.text
    assert "PAY-" in back.text


async def test_a_code_is_said_to_be_worth_what_came_under_it(office: Office) -> None:
    await office.pay(office.jane, "/pay 1500 0712345678")
    await came_in(office, amount_kes=15)
    shown = await listed(office)
    office.boss.press(shown, "Another payment")
    await office.said(office.boss.chat, "Which payment?")
    office.boss.say(office.daraja.pushes[-1].reference)
    sure = await office.said(office.boss.chat, "Give it to this payment?")
    office.boss.press(sure, "Yes, that is so")
    await office.said(office.jane.chat, "is missing")

    office.boss.say(f"/verify {CODE}")

    found = await office.said(office.boss.chat, "is ours")
    assert "KES 15 came" in found.text


async def test_a_second_code_of_one_payment_is_said_to_count_for_nothing(office: Office) -> None:
    await office.pay(office.jane, "/pay 50 0712345678")
    for code in (CODE, "UKN6SECOND"):
        await office.result(0, receipt=code)
    await office.said(office.jane.chat, "✅")

    office.boss.say("/verify UKN6SECOND")

    found = await office.said(office.boss.chat, "is ours")
    assert "a second code for one payment" in found.text


async def test_a_reversal_that_waits_is_offered_to_whom_it_may_be_taken_off(
    office: Office,
) -> None:
    await went_back(office, linked=None)

    office.boss.say(f"/verify {BACK}")

    found = await office.said(office.boss.chat, "is money that went back")
    assert "which payment it is to be taken off" in found.text
    office.boss.press(found, "None of ours")
    await office.said(office.boss.chat, "Why is it none of ours?")


async def test_a_code_of_what_went_back_is_credited_to_nobody(office: Office) -> None:
    await went_back(office, linked=None)
    await office.pay(office.jane, "/pay 50 0712345678")
    office.boss.say(f"/review {office.daraja.pushes[-1].reference}")
    card = await office.said(office.boss.chat, "What was heard")
    office.boss.press(card, "It came: give the code")
    await office.said(office.boss.chat, "send the M-Pesa code")
    office.boss.say(BACK)
    sure = await office.said(office.boss.chat, "Count")

    office.boss.press(sure, "Yes, that is so")

    await office.said(office.boss.chat, "money went back to a payer; none came")
    assert await office.core.record.rows.net_cents() == 0
