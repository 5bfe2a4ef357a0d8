"""/pending and /review: what operators read, type and press, and what others may not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from bot.playground.people import Person
from storage.engine import Store
from storage.records import RowKind
from tests.chat.test_conversation import OPERATOR, Office
from tests.core.test_record import a_row
from tests.stores import TestClock

CODE = "UKN6ABCDEF"
SECOND_OPERATOR = 901


class TwoOperators(Office):
    """An office that two people run."""

    operators = frozenset({OPERATOR, SECOND_OPERATOR})


@pytest.fixture
async def office(api: BotApi, kept: Store, clock: TestClock) -> AsyncIterator[Office]:
    api.person(SECOND_OPERATOR, "Baraka", started=True)
    made = TwoOperators(api, kept, clock)
    async with made.open():
        yield made
    await asyncio.gather(*made.tasks)


async def undecided(office: Office, amount: int = 50) -> tuple[Message, Message]:
    """A payment that the operator looks at: its status message, and the operator's card."""
    status = await office.pay(office.jane, f"/pay {amount} 0712345678 lunch")
    office.boss.say(f"/review {reference_of(office)}")
    card = await office.said(office.boss.chat, "What was heard")
    return status, card


async def write_off(office: Office, card: Message) -> None:
    office.boss.press(card, "Nothing came")
    sure = await office.said(office.boss.chat, "Write off", after=card)
    office.boss.press(sure, "Yes, that is so")
    await office.said(office.boss.chat, "written down with your name", after=sure)
    await office.said(office.jane.chat, "Not paid")
    await office.handled()


async def claim(office: Office, status: Message) -> None:
    office.jane.press(status, "I have paid")
    await office.said(office.jane.chat, "paste the whole M-PESA message")
    office.jane.say(f"{CODE} Confirmed. Ksh50.00 sent to MAMA NJERI for account LIPA-7K2QX")
    await office.said(office.jane.chat, "A person will look")
    await office.handled()


async def propose_to_count(office: Office, card: Message) -> None:
    office.boss.press(card, "It came")
    await office.said(office.boss.chat, "send the M-Pesa code")
    office.boss.say(CODE)
    sure = await office.said(office.boss.chat, "Count")
    office.boss.press(sure, "Yes, that is so")
    await office.said(office.boss.chat, "so much money takes two")
    office.clock.advance(60)


async def went_back(office: Office) -> Message:
    """Jane paid, and an operator records under which code it went back; her message says both."""
    status = await office.pay(office.jane, "/pay 50 0712345678")
    await office.result(0, receipt=CODE)
    await office.said(office.jane.chat, "✅")
    office.boss.say(f"/review {CODE}")
    card = await office.said(office.boss.chat, "What was heard")
    office.boss.press(card, "It went back")
    await office.said(office.boss.chat, "code of the reversal")
    office.boss.say("UKN8REVERS")
    sure = await office.said(office.boss.chat, "Record that")
    office.boss.press(sure, "Yes, that is so")
    await office.said(office.jane.chat, "Returned: KES 50")
    return status


def reference_of(office: Office) -> str:
    return office.daraja.pushes[-1].reference


async def test_an_operator_reads_what_was_heard_and_credits_with_the_code(office: Office) -> None:
    status, card = await undecided(office)
    assert "we asked Safaricom for the prompt" in card.text
    assert "0712 345 678" in card.text

    office.boss.press(card, "It came")
    question = await office.said(office.boss.chat, "send the M-Pesa code")
    office.boss.say("yes it is there", reply_to=question)
    await office.said(office.boss.chat, "I see no M-Pesa code")
    office.boss.say(f"{CODE} 45", reply_to=question)
    sure = await office.said(office.boss.chat, "Count")
    assert "KES 45" in sure.text
    office.boss.press(sure, "Yes, that is so")

    await office.said(office.boss.chat, "written down with your name")
    paid = await office.said(office.jane.chat, "✅")
    assert paid.id == status.id
    assert CODE in paid.text
    assert "KES 5 is missing" in paid.text


async def test_a_code_without_a_digit_is_a_code(office: Office) -> None:
    _, card = await undecided(office)
    office.boss.press(card, "It came")
    await office.said(office.boss.chat, "send the M-Pesa code")

    office.boss.say("UKNVUCVIIN 45")

    sure = await office.said(office.boss.chat, "Count")
    assert "UKNVUCVIIN" in sure.text
    assert "KES 45" in sure.text


async def test_a_pasted_message_tells_code_and_amount(office: Office) -> None:
    _, card = await undecided(office)
    office.boss.press(card, "It came")
    await office.said(office.boss.chat, "send the M-Pesa code")
    office.boss.say(f"{CODE} Confirmed. Ksh1,050.50 received from JANE on 25/11/26 at 6:05 PM")

    sure = await office.said(office.boss.chat, "Count")

    assert "KES 1,050.50" in sure.text


async def test_a_code_alone_is_asked_about_with_what_the_books_say(office: Office) -> None:
    await undecided(office, amount=500)
    reference = reference_of(office)
    await office.core.record.rows.take(
        [a_row(office.clock.now(), receipt=CODE, reference=reference, kes=300)]
    )
    office.boss.say(f"/review {CODE}")
    card = await office.said(office.boss.chat, "books have it")
    office.boss.press(card, "It came")
    await office.said(office.boss.chat, "send the M-Pesa code")
    office.boss.say(CODE)

    sure = await office.said(office.boss.chat, "Count")
    assert "KES 300" in sure.text
    office.boss.press(sure, "Yes, that is so")
    await office.said(office.boss.chat, "written down with your name")

    office.boss.say(f"/review {CODE}")
    card = await office.said(office.boss.chat, "What was heard", after=sure)
    office.boss.press(card, "It went back")
    question = await office.said(office.boss.chat, "code of the reversal")
    assert "KES 300" in question.text
    office.boss.say("UKN8REVERS")
    sure = await office.said(office.boss.chat, "Record that")
    assert "KES 300" in sure.text


@pytest.mark.parametrize("digits", [17, 70])
async def test_a_sum_that_no_books_could_hold_is_asked_for_again(
    office: Office, digits: int
) -> None:
    _, card = await undecided(office)
    office.boss.press(card, "It came")
    await office.said(office.boss.chat, "send the M-Pesa code")
    office.boss.say(f"{CODE} Confirmed. Ksh{'9' * digits}.00 received from JANE")

    await office.said(office.boss.chat, "no amount I understand")


async def test_nothing_came_is_asked_twice_and_tells_the_payer(office: Office) -> None:
    _, card = await undecided(office)
    office.boss.press(card, "Nothing came")
    sure = await office.said(office.boss.chat, "Write off")
    office.boss.press(sure, "Yes, that is so")

    await office.said(office.boss.chat, "written down with your name")
    await office.said(office.jane.chat, "Not paid")


async def test_much_money_waits_for_a_second_operator(office: Office, api: BotApi) -> None:
    second = api.world.accounts[SECOND_OPERATOR]
    assert isinstance(second, Person)
    _, card = await undecided(office, 20_000)
    await propose_to_count(office, card)

    second.say(f"/review {reference_of(office)}")
    theirs = await office.said(second.chat, "proposes to count")
    second.press(theirs, "I agree")

    await office.said(second.chat, "written down with your name")
    await office.said(office.jane.chat, "✅")


async def test_what_went_back_is_recorded_under_its_code(office: Office) -> None:
    status = await went_back(office)

    assert "Returned: KES 50" in status.text


async def test_what_turns_out_to_have_gone_back_of_another_payment_reads_so(
    office: Office,
) -> None:
    status = await went_back(office)
    await office.pay(office.jane, "/pay 70 0712345679")
    await office.result(0, receipt="UKN7ABCDEF")
    await office.handled()

    row = a_row(office.clock.now(), receipt="UKN8REVERS", kind=RowKind.REVERSAL)
    await office.core.record.rows.take([replace(row, linked="UKN7ABCDEF")])

    alarm = await office.said(office.boss.chat, "A reversal was another payment’s")
    await office.handled()
    assert "✅" in status.text
    office.boss.say(f"/review {CODE}")
    card = await office.said(office.boss.chat, "What was heard", after=alarm)
    assert "gone back was another payment’s · UKN8REVERS" in card.text
    assert "reversal:" not in card.text


async def test_review_does_not_exist_for_others_and_knows_what_it_knows(office: Office) -> None:
    office.jane.say("/review UKN6ABCDEF")
    office.boss.say("/review NOSUCHTHING")

    await office.said(office.jane.chat, "I do not know that command")
    await office.said(office.boss.chat, "I find no payment for NOSUCHTHING")


async def test_nobody_writes_off_a_yes_that_came_after_they_had_looked(office: Office) -> None:
    status, card = await undecided(office, 9_000)
    office.boss.press(card, "Nothing came")
    sure = await office.said(office.boss.chat, "Write off")
    await office.result(0, receipt=CODE)
    await office.handled()

    office.boss.press(sure, "Yes, that is so")

    told = await office.said(office.boss.chat, "since you looked")
    again = await office.said(office.boss.chat, "What was heard", after=told)
    assert f"callback says paid · KES 9,000 · {CODE}" in again.text
    await office.handled()
    assert "Not paid" not in status.text
    office.boss.press(again, "Nothing came")
    sure = await office.said(office.boss.chat, "Write off", after=again)
    office.boss.press(sure, "Yes, that is so")
    await office.said(office.jane.chat, "Not paid")


async def test_who_claims_after_a_write_off_waits_for_a_person_again(office: Office) -> None:
    status, card = await undecided(office)
    await write_off(office, card)

    office.clock.advance(600)
    await claim(office, status)

    await office.said(office.boss.chat, "Somebody says they paid")
    asked = office.boss.say("/pending")
    card = await office.said(office.boss.chat, "pasted an M-PESA message", after=asked)
    assert "A person is looking" in status.text
    await write_off(office, card)
    await office.said(office.jane.chat, "A person has looked", after=status)
    assert "A person is looking" not in status.text
    assert "press “I have paid”" in status.text
    await claim(office, status)


async def counts_otherwise(office: Office, amount: int = 50) -> Message:
    """Jane's prompt counts what a liar called otherwise, and the books tell the true code."""
    await office.pay(office.jane, f"/pay {amount} 0712345678")
    await office.result(0, receipt="ZKN9ABCDEF")
    await office.said(office.jane.chat, "✅")
    row = a_row(office.clock.now(), reference=reference_of(office), receipt=CODE, kes=amount)
    await office.core.record.rows.take([row])
    office.boss.say(f"/review R-{CODE}")
    return await office.said(office.boss.chat, "What was heard")


async def count_it(office: Office, card: Message) -> Message:
    office.boss.press(card, "It came")
    await office.said(office.boss.chat, "send the M-Pesa code")
    office.boss.say(CODE)
    sure = await office.said(office.boss.chat, "Count", after=card)
    office.boss.press(sure, "Yes, that is so")
    return sure


async def test_what_its_prompt_counts_perhaps_is_named_with_what_to_do(office: Office) -> None:
    card = await counts_otherwise(office)

    sure = await count_it(office, card)

    said = await office.said(office.boss.chat, "nothing was changed", after=sure)
    assert "ZKN9ABCDEF" in said.text
    assert reference_of(office) in said.text
    assert "press “Nothing came” here" in said.text
    toast = office.api.world.presses
    assert any("nothing was changed" in each.toast for each in toast.values())


async def test_its_line_that_counts_apart_is_told_to_whoever_counts_more(office: Office) -> None:
    _, card = await undecided(office)
    await office.result(1032)
    await office.said(office.jane.chat, "Not paid")
    at = office.clock.now() - timedelta(hours=1)
    await office.core.record.rows.take([a_row(at, reference=reference_of(office), receipt=CODE)])
    office.boss.say(f"/review R-{CODE}")
    own = await office.said(office.boss.chat, "What was heard", after=card)
    sure = await count_it(office, own)
    await office.said(office.boss.chat, "written down with your name", after=sure)

    office.boss.press(card, "It came")
    await office.said(office.boss.chat, "send the M-Pesa code", after=sure)
    office.boss.say("UKN9ABCDEF")
    once_more = await office.said(office.boss.chat, "Count", after=sure)
    office.boss.press(once_more, "Yes, that is so")

    said = await office.said(office.boss.chat, "counts already, as a payment of its own")
    assert "UKN9ABCDEF" in said.text
    office.boss.say(f"/review {reference_of(office)}")
    heard = await office.said(office.boss.chat, "What was heard", after=said)
    assert "a line of Safaricom’s books with its account counts as another payment" in heard.text


async def test_i_agree_is_to_what_stands_on_the_card(office: Office, api: BotApi) -> None:
    second = api.world.accounts[SECOND_OPERATOR]
    assert isinstance(second, Person)
    status, card = await undecided(office, 20_000)
    await propose_to_count(office, card)
    second.say(f"/review {reference_of(office)}")
    theirs = await office.said(second.chat, "proposes to count")
    office.clock.advance(60)
    office.boss.press(card, "Nothing came")
    sure = await office.said(office.boss.chat, "Write off")
    office.boss.press(sure, "Yes, that is so")
    await office.said(office.boss.chat, "so much money takes two", after=sure)

    second.press(theirs, "I agree")

    told = await office.said(second.chat, "not proposed any more")
    now = await office.said(second.chat, "proposes to write off", after=told)
    await office.handled()
    assert "Check the phone" in status.text
    second.press(now, "I agree")
    await office.said(office.jane.chat, "Not paid")
