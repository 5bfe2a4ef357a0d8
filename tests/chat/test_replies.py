"""Answers go to the question that they answer, also where a newer one is open."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import Update, update

from bot.chat.give_words import Wish
from bot.playground.botapi import BotApi
from bot.playground.chats import Message
from bot.playground.people import Person
from storage.engine import Store
from storage.records import Closing, Draft, DraftKind
from storage.schema import buttons, drafts
from tests.chat.drive_office import GROUP_ID, Harambee
from tests.chat.test_conversation import Office
from tests.chat.test_invoice_chat import issued, njeri, opened, peter
from tests.chat.test_presses import put_off
from tests.chat.test_review import undecided
from tests.stores import TestClock

__all__ = ["njeri", "peter"]  # fixtures

OTHER = "You replied to another message"
MENDED = "a changed message changes nothing"
CODE = "UKN6ABCDEF"
PASTED = f"{CODE} Confirmed. Ksh50.00 sent to MAMA NJERI"


async def asked(office: Office, who: Person, below: Message, label: str) -> Message:
    """The question that a button leads to."""
    who.press(below, label)
    await office.handled()
    return who.chat.from_bot[-1]


async def two_drives(harambee: Harambee) -> list[Message]:
    """What Mary can do with each of hers."""
    office, mary = harambee.office, harambee.mary
    await harambee.opened()
    mary.say("/newdrive@lipa_demo_bot 9000 School bus", chat=harambee.group)
    await office.handled()
    welcomes = [each for each in mary.chat.from_bot if "you are its treasurer" in each.text]
    return [await asked(office, mary, each, "Manage") for each in welcomes]


async def cash_cents(harambee: Harambee) -> dict[str, int]:
    drives = harambee.office.core.drives
    found = await drives.in_chat(harambee.group.id)
    return {each.title: (await drives.totals(each.id)).cash_cents for each in found}


async def test_cash_goes_to_no_other_drive_than_the_one_that_was_asked_about(
    harambee: Harambee,
) -> None:
    office, mary = harambee.office, harambee.mary
    hospital, bus = [
        await asked(office, mary, each, "Record cash") for each in await two_drives(harambee)
    ]
    assert "Mama Akinyi hospital bill" in hospital.text
    assert "School bus" in bus.text

    mary.say("3,000 Mzee Kamau", reply_to=hospital)
    await office.said(mary.chat, OTHER)
    assert set((await cash_cents(harambee)).values()) == {0}

    mary.say("700 Mama Njeri", reply_to=bus)  # the newest stands as it did
    kept = await office.said(mary.chat, "Written down: KES 700")
    assert "School bus" in kept.text
    assert await cash_cents(harambee) == {"Mama Akinyi hospital bill": 0, "School bus": 70_000}


async def test_what_is_typed_without_a_reply_answers_the_newest_question(
    harambee: Harambee,
) -> None:
    office, mary = harambee.office, harambee.mary
    for each in await two_drives(harambee):
        await asked(office, mary, each, "Record cash")

    mary.say("700 Mama Njeri")

    await office.said(mary.chat, "Written down: KES 700")
    assert await cash_cents(harambee) == {"Mama Akinyi hospital bill": 0, "School bus": 70_000}


async def test_a_reply_to_what_was_said_about_an_unclear_answer_is_an_answer(
    harambee: Harambee,
) -> None:
    office, mary = harambee.office, harambee.mary
    await asked(office, mary, (await two_drives(harambee))[0], "Record cash")
    mary.say("Mzee Kamau gave something")
    unclear = await office.said(mary.chat, "Please write the amount")

    mary.say("500 Mzee Kamau", reply_to=unclear)

    await office.said(mary.chat, "Written down: KES 500")


async def test_a_correction_goes_to_no_other_drive(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    hospital, bus = [
        await asked(office, mary, each, "Correct") for each in await two_drives(harambee)
    ]

    mary.say("-500 twice", reply_to=hospital)
    await office.said(mary.chat, OTHER)
    mary.say("-500 twice", reply_to=bus)

    corrected = await office.said(mary.chat, "Corrected by −KES 500")
    assert "School bus" in corrected.text


async def test_cash_goes_to_no_other_invoice(office: Office, njeri: Person) -> None:
    for_peter = await issued(office, njeri)
    for_otieno = await issued(office, njeri, "/invoice 1500 Otieno 2 bags charcoal, due Friday")
    first, second = [
        await asked(office, njeri, each, "💵 Paid in cash") for each in (for_peter, for_otieno)
    ]

    njeri.say("1500", reply_to=first)
    await office.said(njeri.chat, OTHER)
    assert "Not paid yet" in for_peter.text
    assert "Not paid yet" in for_otieno.text

    njeri.say("1500", reply_to=second)
    told = await office.said(njeri.chat, "KES 1,500 in cash")
    assert "INV-0002" in told.text
    await office.api.wait_for(lambda: "Not paid yet" not in for_otieno.text)
    assert "Not paid yet" in for_peter.text


async def test_words_below_an_invoice_are_about_that_invoice(office: Office, njeri: Person) -> None:
    for_peter = await issued(office, njeri)
    for_otieno = await issued(office, njeri, "/invoice 1500 Otieno 2 bags charcoal, due Friday")
    await asked(office, njeri, for_peter, "💵 Paid in cash")

    njeri.say("1500", reply_to=for_otieno)
    await office.said(njeri.chat, OTHER)
    njeri.say("1500", reply_to=for_peter)

    await office.api.wait_for(lambda: "Not paid yet" not in for_peter.text)
    assert "Not paid yet" in for_otieno.text


async def test_a_part_is_asked_for_no_other_bill(
    office: Office, njeri: Person, peter: Person
) -> None:
    cards = [
        await issued(office, njeri),
        await issued(office, njeri, "/invoice 90000 Peter roof, due Friday"),
    ]
    peter.start()
    peter.share_contact()
    await office.said(peter.chat, "I will remember")
    bills = [await opened(office, peter, each) for each in cards]
    first, second = [await asked(office, peter, each, "Pay part") for each in bills]

    peter.say("500", reply_to=first)
    await office.said(peter.chat, OTHER)
    peter.say("500", reply_to=bills[0])
    await office.handled()
    assert not office.daraja.pushes

    peter.say("700", reply_to=second)
    await office.api.wait_for(lambda: len(office.daraja.pushes) == 1)
    assert [each.amount_kes for each in office.daraja.pushes] == [700]


async def test_a_gift_is_what_was_asked_for_above_the_button(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await two_drives(harambee)
    await harambee.jane_gave_her_number()
    questions = []
    for words, amount in (("300", "KES 300"), ("2000", "KES 2,000")):
        jane.say(f"/give@lipa_demo_bot {words}", chat=harambee.group)
        questions.append(await office.said(jane.chat, amount))

    press = jane.press(questions[0], "Mama Akinyi")
    assert "newest question" in await office.answered(press)
    await office.handled()
    assert not office.daraja.pushes

    jane.press(questions[1], "School bus")
    await harambee.pushed(1)
    assert [each.amount_kes for each in office.daraja.pushes] == [2000]


async def test_i_have_paid_is_about_no_other_payment(office: Office) -> None:
    jane, cards = office.jane, []
    office.daraja.unheard = True
    for number, words in enumerate(("50 0712345678", "70 0722000002"), 1):
        jane.say(f"/pay {words}")
        await pushed(office, number)
        await office.handled()
    office.clock.advance(11 * 60)
    await office.core.reconcile.run_due()
    await office.handled()
    cards = [each for each in jane.chat.from_bot if "🧾 I have paid" in each.labels]
    first, second = [await asked(office, jane, each, "I have paid") for each in cards]
    assert "KES 50 from 0712***678" in first.text
    assert "KES 70 from 0722***002" in second.text

    jane.say(PASTED, reply_to=first)
    await office.said(jane.chat, OTHER)
    assert await claimed_for(office) == []
    jane.say(PASTED, reply_to=cards[1])  # below the very payment that is asked about

    kept = await office.said(jane.chat, "A person will look")
    assert "KES 70 from 0722***002" in kept.text
    assert await claimed_for(office) == [payment_id(office, 1)]


async def pushed(office: Office, number: int) -> None:
    await office.api.wait_for(lambda: len(office.daraja.pushes) == number)


async def claimed_for(office: Office) -> list[str]:
    async with office.store.read() as tx:
        return list(await tx.record.claims_of(CODE))


def payment_id(office: Office, place: int) -> str:
    return office.daraja.pushes[place].callback_url.rpartition("/")[2].partition(".")[0]


async def test_a_code_is_about_no_other_payment(office: Office) -> None:
    cards = [(await undecided(office))[1]]
    office.otieno.say("/pay 70 0722000002")
    await office.api.wait_for(lambda: len(office.daraja.pushes) == 2)
    office.boss.say(f"/review {office.daraja.pushes[-1].reference}")
    await office.handled()
    cards.append(office.boss.chat.from_bot[-1])
    first, second = [await asked(office, office.boss, each, "It came") for each in cards]

    office.boss.say(CODE, reply_to=first)
    await office.said(office.boss.chat, OTHER)
    office.boss.say(CODE, reply_to=second)

    assert "KES 70" in (await office.said(office.boss.chat, "Count")).text


async def test_a_restart_forgets_no_question(api: BotApi, kept: Store, clock: TestClock) -> None:
    office = Office(api, kept, clock)
    harambee = Harambee(office, api)
    mary = harambee.mary
    async with office.open():
        hospital, bus = [
            await asked(office, mary, each, "Record cash") for each in await two_drives(harambee)
        ]

    async with office.open():
        mary.say("3,000 Mzee Kamau", reply_to=hospital)
        await office.said(mary.chat, OTHER)
        mary.say("700 Mama Njeri", reply_to=bus)
        await office.said(mary.chat, "Written down: KES 700")

    await asyncio.gather(*office.tasks)
    assert await cash_cents(harambee) == {"Mama Akinyi hospital bill": 0, "School bus": 70_000}


async def test_nobody_has_replied_to_a_question_that_has_not_been_told(
    harambee: Harambee, api: BotApi
) -> None:
    office, mary = harambee.office, harambee.mary
    hospital_keys, bus_keys = await two_drives(harambee)
    hospital = await asked(office, mary, hospital_keys, "Record cash")
    late = api.faults.silent(method="sendMessage", chat_id=mary.id)
    await office.answered(mary.press(bus_keys, "Record cash"))

    mary.say("3,000 Mzee Kamau", reply_to=hospital)
    await api.wait_for(lambda: not api.updates.pending)
    while await office.core.inbox.waiting():
        continue
    late.gate.set()

    await office.said(mary.chat, OTHER)
    assert set((await cash_cents(harambee)).values()) == {0}


async def asked_twice(harambee: Harambee, below: Message) -> tuple[Message, Message]:
    """Telegram took the question and did not say so: it was sent once more. Both copies."""
    office, mary, api = harambee.office, harambee.mary, harambee.api
    before = len(mary.chat.from_bot)
    api.faults.lose_reply(method="sendMessage", chat_id=mary.id)
    mary.press(below, "Record cash")
    async with asyncio.timeout(60):
        while not await put_off(office):
            continue
    office.clock.advance(10)
    await api.wait_for(lambda: len(mary.chat.from_bot) == before + 2)
    await office.handled()
    first, second = mary.chat.from_bot[-2:]
    assert first.text == second.text
    return first, second


async def test_each_copy_of_a_question_that_was_sent_twice_may_be_answered(
    harambee: Harambee,
) -> None:
    hospital, bus = await two_drives(harambee)
    older = await asked(harambee.office, harambee.mary, hospital, "Record cash")
    copies = await asked_twice(harambee, bus)

    harambee.mary.say("3,000 Mzee Kamau", reply_to=older)
    await harambee.office.said(harambee.mary.chat, OTHER)
    harambee.mary.say("700 Mama Njeri", reply_to=copies[0])

    await harambee.office.said(harambee.mary.chat, "Written down: KES 700")
    assert await cash_cents(harambee) == {"Mama Akinyi hospital bill": 0, "School bus": 70_000}


async def test_a_copy_of_an_older_question_answers_no_newer_one(harambee: Harambee) -> None:
    hospital, bus = await two_drives(harambee)
    older, _ = await asked_twice(harambee, hospital)
    await asked_twice(harambee, bus)

    harambee.mary.say("3,000 Mzee Kamau", reply_to=older)

    await harambee.office.said(harambee.mary.chat, OTHER)
    assert set((await cash_cents(harambee)).values()) == {0}


async def test_of_two_questions_with_the_same_words_a_copy_is_of_the_one_it_stands_by(
    harambee: Harambee,
) -> None:
    """The same button twice: the first question has told us nothing of the second one."""
    hospital, _ = await two_drives(harambee)
    older = await asked(harambee.office, harambee.mary, hospital, "Record cash")
    copies = await asked_twice(harambee, hospital)
    assert older.text == copies[0].text

    harambee.mary.say("3,000 Mzee Kamau", reply_to=older)
    await harambee.office.said(harambee.mary.chat, OTHER)
    harambee.mary.say("700 Mama Njeri", reply_to=copies[0])

    await harambee.office.said(harambee.mary.chat, "Written down: KES 700")


async def test_an_answer_that_is_mended_is_not_a_second_one(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    keys = (await two_drives(harambee))[0]
    await asked(office, mary, keys, "Record cash")
    first = mary.say("500 Mzee Kamau")
    await office.said(mary.chat, "Written down: KES 500")

    mary.edit(first, "5000 Mzee Kamau")
    told = await office.said(mary.chat, MENDED)
    question = await asked(office, mary, keys, "Record cash")  # for the next giver
    mary.edit(first, "5,000 Mzee Kamau")
    await office.said(mary.chat, MENDED, after=question)
    assert sum((await cash_cents(harambee)).values()) == 50_000

    mary.say("700 Mama Njeri")  # the question is still open
    await office.said(mary.chat, "Written down: KES 700", after=told)
    assert sum((await cash_cents(harambee)).values()) == 120_000


async def test_a_correction_that_is_mended_is_not_a_second_one(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    keys = (await two_drives(harambee))[0]
    await asked(office, mary, keys, "Correct")
    first = mary.say("-500 twice")
    await office.said(mary.chat, "Corrected by −KES 500")

    await asked(office, mary, keys, "Correct")
    mary.edit(first, "-50 twice")

    await office.said(mary.chat, MENDED)
    drives = office.core.drives
    of_each = [await drives.treasury.entries(each.id) for each in await drives.in_chat(GROUP_ID)]
    assert [each.cents for entries in of_each for each in entries] == [-50_000]


async def test_an_unclear_answer_is_written_anew_not_mended(office: Office, njeri: Person) -> None:
    card = await issued(office, njeri)
    await asked(office, njeri, card, "💵 Paid in cash")
    unclear = njeri.say("all of it")
    await office.handled()

    njeri.edit(unclear, "500")
    await office.said(njeri.chat, MENDED)
    assert "Not paid yet" in card.text

    njeri.say("500")
    await office.said(njeri.chat, "KES 500 in cash")


async def test_a_link_whose_preview_came_is_no_news(office: Office) -> None:
    jane = office.jane
    said = jane.say("see https://example.org/hospital")
    await office.handled()
    before = len(jane.chat.from_bot)

    jane.edit(said, "see https://example.org/hospital")

    await office.handled()
    assert len(jane.chat.from_bot) == before


async def declined_pay(office: Office) -> Message:
    """A `/pay 50` of Jane's whose number was typed, and which was not paid."""
    jane = office.jane
    first = jane.say("/pay 50")
    await office.said(jane.chat, "number pays")
    jane.say("0712345678")
    await pushed(office, 1)
    await office.result(1032)
    await office.said(jane.chat, "Not paid")
    return first


async def test_a_pay_that_is_mended_after_it_asked_asks_for_no_number(office: Office) -> None:
    jane, first = office.jane, await declined_pay(office)

    jane.edit(first, "/pay 60")
    told = await office.said(jane.chat, "That message has already asked for KES 50")
    before = len(jane.chat.from_bot)
    jane.edit(first, "/pay 50")  # as it was
    await office.handled()

    assert "0712***678" in told.text
    assert len(jane.chat.from_bot) == before
    jane.say("0712345678")
    await office.said(jane.chat, "To ask for a payment", after=told)
    assert len(office.daraja.pushes) == 1


async def is_asked_for_a_number(office: Office, first: Message, *, amount_kes: int) -> None:
    """Jane, once more, by the message that has asked before."""
    draft = Draft(
        chat_id=office.jane.id,
        person_id=office.jane.id,
        kind=DraftKind.PAY_PHONE,
        amount_kes=amount_kes,
        message_id=first.id,
        expires_at=office.clock.now() + timedelta(minutes=30),
    )
    await office.core.people.keep_draft(draft, Closing())


async def test_nobody_reads_that_we_ask_where_we_asked_before(office: Office) -> None:
    jane, first = office.jane, await declined_pay(office)
    await is_asked_for_a_number(office, first, amount_kes=60)
    typed = jane.say("0722000002")

    await office.said(jane.chat, "That message has already asked for KES 50", after=typed)
    assert len(office.daraja.pushes) == 1
    assert await office.core.people.draft(chat_id=jane.id, person_id=jane.id) is None


async def test_what_is_replayed_after_a_crash_is_told_as_at_first(office: Office) -> None:
    jane, first = office.jane, await declined_pay(office)
    await is_asked_for_a_number(office, first, amount_kes=50)
    typed = jane.say("0712345678")

    await office.said(jane.chat, "Asking 0712***678", after=typed)
    assert len(office.daraja.pushes) == 1


async def test_a_gift_that_was_asked_for_is_not_said_to_be_another(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.opened()
    await harambee.jane_gave_her_number()
    given = jane.say("/give@lipa_demo_bot 300", chat=harambee.group)
    await harambee.pushed(1)
    await office.handled()
    wish = Wish(
        key=f"m:{harambee.group.id}:{given.id}",
        drive_id=(await harambee.drive).id,
        amount_kes=3000,
    )
    draft = Draft(
        chat_id=jane.id,
        person_id=jane.id,
        kind=DraftKind.GIVE,
        data=wish.packed(),
        expires_at=office.clock.now() + timedelta(minutes=30),
    )
    await office.core.people.keep_draft(draft, Closing())
    typed = jane.say("0712345678")

    told = await office.said(jane.chat, "I have already asked 0712***678", after=typed)
    assert "KES 300 " in told.text
    assert len(office.daraja.pushes) == 1


async def test_a_question_about_a_correction_keeps_its_minus(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    panel = (await two_drives(harambee))[0]
    await asked(office, mary, panel, "Correct")

    mary.say("-1 500 written down twice")
    question = await office.said(mary.chat, "did you mean KES 1,500?")

    assert question.text.endswith("Keep the − before it: it takes something off.")


async def as_an_older_version_left_it(harambee: Harambee, statement: Update) -> None:
    await harambee.office.core.people._store.write(
        lambda tx: tx.drafts._connection.execute(statement)
    )


async def test_a_question_of_an_older_version_is_answered_by_a_reply(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    panel = (await two_drives(harambee))[0]
    question = await asked(office, mary, panel, "Record cash")
    old = update(drafts).values(asked_as=None, message_id=None)
    await as_an_older_version_left_it(harambee, old)

    mary.say("700 Mama Njeri", reply_to=question)

    await office.said(mary.chat, "Written down: KES 700")


async def test_a_which_drive_of_an_older_version_is_asked_anew(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    await two_drives(harambee)
    jane.say("/give@lipa_demo_bot 500", chat=harambee.group)
    await office.handled()
    which = jane.chat.from_bot[-1]
    old = update(buttons).where(buttons.c.action == "d.chosen").values(argument="")
    await as_an_older_version_left_it(harambee, old)

    await office.answered(jane.press(which, "School bus"))
    await office.handled()

    anew = jane.chat.from_bot[-1]
    assert (anew.text, anew.id > which.id) == (which.text, True)
    assert office.daraja.pushes == []
    await office.answered(jane.press(anew, "School bus"))
    await office.handled()
    assert len(office.daraja.pushes) == 1
