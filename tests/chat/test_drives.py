"""Drives in a group: opened, given to, thanked for; and every button in the wrong hands."""

from __future__ import annotations

from bot.playground.botapi import BotApi
from tests.chat.drive_office import Harambee


async def test_an_admin_opens_a_drive_and_its_card_says_how_to_give(harambee: Harambee) -> None:
    card = await harambee.opened()

    drive = await harambee.drive
    assert card.text.splitlines() == [
        "🤝 Harambee: Mama Akinyi hospital bill",
        "░░░░░░░░░░ 0%",
        "KES 0 of KES 50,000",
        "Be the first to give.",
        "Treasurers: Mary",
        f"Lipa na M-PESA: Paybill 600000 · account {drive.reference}",
    ]
    assert card.labels == [
        *("KES 100", "KES 500", "KES 1,000", "✍️ Other", "🙏 Pledge"),
        *("📋 Full list", "↗️ Share"),
    ]
    await harambee.office.said(harambee.mary.chat, "you are its treasurer")


async def test_who_is_no_admin_opens_nothing(harambee: Harambee) -> None:
    harambee.office.jane.say("/newdrive@lipa_demo_bot 500 party", chat=harambee.group)

    await harambee.office.said(harambee.group, "Only an admin")
    assert await harambee.office.core.drives.in_chat(harambee.group.id) == []


async def test_the_card_is_pinned_where_we_may(harambee: Harambee) -> None:
    harambee.mary.promote_bot(harambee.group)
    card = await harambee.opened()

    await harambee.api.wait_for(lambda: card.pinned)


async def test_a_press_of_an_amount_is_a_prompt_and_the_group_sees_only_the_card(
    harambee: Harambee,
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    said = len(harambee.group.from_bot)

    press = jane.press(card, "KES 500")
    assert "Check your phone 0712***678" in await office.answered(press)
    await harambee.pushed(1)
    await harambee.paid()
    status = await office.said(jane.chat, "✅")
    assert "Mama Akinyi hospital bill · the group sees: Jane, KES 500" in status.text
    await harambee.look()

    await harambee.api.wait_for(lambda: "• Jane – KES 500" in card.text)
    assert "KES 500 of KES 50,000 · 1 person" in card.text
    assert len(harambee.group.from_bot) == said
    [push] = office.daraja.pushes
    assert push.reference.startswith("AKINYI-")

    await harambee.look(120)
    thanks = await office.said(harambee.group, "gave")
    assert thanks.text == "🎉 Jane gave KES 500. Asante!"


async def test_a_failure_is_told_to_the_giver_alone(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    before = [message.text for message in harambee.group.from_bot]
    jane.press(card, "KES 500")
    await harambee.pushed(1)

    await office.result(1032)
    await office.said(jane.chat, "Not paid")
    await harambee.look(130)
    await office.handled()

    assert [message.text for message in harambee.group.from_bot] == before


async def test_who_never_wrote_to_us_is_led_to_the_private_chat_and_on(harambee: Harambee) -> None:
    office, otieno = harambee.office, harambee.office.otieno
    otieno.phone = "254712000022"
    card = await harambee.opened()
    drive = await harambee.drive

    press = otieno.press(card, "KES 500")
    await harambee.api.wait_for(lambda: bool(press.opened))
    assert press.opened.endswith(f"?start=d_{drive.code}_500")

    otieno.start(press.opened.partition("start=")[2])
    sheet = await office.said(otieno.chat, "Mchango: Mama Akinyi")
    otieno.press(sheet, "Changa KES 500")
    await office.said(otieno.chat, "Nambari gani ya M-Pesa")
    otieno.tap("📱 Tuma nambari yangu")
    await harambee.pushed(1)
    await harambee.paid()
    await office.said(otieno.chat, "✅")
    await harambee.look()

    await harambee.api.wait_for(lambda: "• Otieno – KES 500" in card.text)
    assert [push.phone for push in office.daraja.pushes] == ["254712000022"]


async def test_give_by_command_fills_no_group_and_hides_a_typed_number(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    harambee.mary.promote_bot(harambee.group)
    await harambee.opened()
    said = len(harambee.group.from_bot)

    typed = jane.say("/give@lipa_demo_bot 700 0712000031 from grandma", chat=harambee.group)
    await harambee.pushed(1)
    await harambee.api.wait_for(lambda: typed.deleted)
    await harambee.paid()
    status = await office.said(jane.chat, "✅")
    assert "the group sees: grandma, KES 700" in status.text
    jane.say("/give@lipa_demo_bot 5oo", chat=harambee.group)
    await office.said(jane.chat, "I see no amount")

    assert len(harambee.group.from_bot) == said
    assert [push.phone for push in office.daraja.pushes] == ["254712000031"]


async def test_many_who_cannot_be_told_in_private_make_one_line_in_the_group(
    harambee: Harambee,
) -> None:
    office = harambee.office
    await harambee.opened()
    said = len(harambee.group.from_bot)

    office.jane.say("/give@lipa_demo_bot 500", chat=harambee.group)
    office.otieno.say("/give@lipa_demo_bot 200", chat=harambee.group)
    await office.handled()

    assert len(harambee.group.from_bot) == said + 1
    invitation = harambee.group.last
    assert invitation.button("Open to give").value.endswith("?start=give")
    office.jane.start("give")
    await office.said(office.jane.chat, "Which M-Pesa number gives KES 500")
    office.jane.tap("📱 Share my number")
    await harambee.pushed(1)
    assert office.daraja.pushes[0].amount_kes == 500


async def test_a_prompt_of_a_giver_who_cannot_be_told_in_private_is_told_in_the_group(
    harambee: Harambee,
) -> None:
    office = harambee.office
    await harambee.opened()

    for words in ("500 0712000031", "5 0712000031"):
        office.otieno.say(f"/give@lipa_demo_bot {words}", chat=harambee.group)
        await office.handled()
    first, second = harambee.group.from_bot[-2:]

    assert "Ombi liko kwenye 0712***031" in first.text
    assert second.text != first.text
    assert len(office.daraja.pushes) == 1


async def test_several_drives_in_a_group_are_asked_about(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    await harambee.opened()
    await harambee.opened("/newdrive@lipa_demo_bot 9000 Mazishi ya Mzee Kamau")

    jane.say("/give@lipa_demo_bot 300", chat=harambee.group)
    which = await office.said(jane.chat, "Which drive")
    jane.press(which, "Mazishi ya Mzee Kamau")
    await harambee.pushed(1)

    assert office.daraja.pushes[0].reference.startswith("MAZISH-")


async def test_a_giver_hides_name_and_amount_after_paying(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.press(card, "KES 500")
    await harambee.pushed(1)
    await harambee.paid()
    status = await office.said(jane.chat, "✅")

    jane.press(status, "Hide my name")
    await harambee.api.wait_for(lambda: "the group sees: Well-wisher" in status.text)
    jane.press(status, "Hide the amount")
    await harambee.api.wait_for(lambda: "Well-wisher, no amount" in status.text)
    await harambee.look(10)

    await harambee.api.wait_for(lambda: "• Well-wisher" in card.text)
    assert "Jane" not in card.text
    assert "KES 500 of KES 50,000" in card.text
    jane.press(status, "From somebody else")
    await office.said(jane.chat, "From whom")
    jane.say("Shosh")
    jane.press(status, "Show my name")
    await harambee.api.wait_for(lambda: "the group sees: Shosh" in status.text)


async def test_a_press_from_long_ago_sends_nothing_and_is_offered_again(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()

    press = jane.press(card, "KES 500")
    press.at_s -= 3600
    offer = await office.said(jane.chat, "while I was away")
    await office.handled()
    assert office.daraja.pushes == []

    jane.press(offer, "Give KES 500")
    await harambee.pushed(1)


async def test_whoever_writes_as_the_group_is_asked_to_press(harambee: Harambee) -> None:
    office, group = harambee.office, harambee.group
    group_itself = {"id": group.id, "type": "supergroup", "title": group.title}
    harambee.api.updates.add(
        "message",
        {
            "message_id": 990,
            "date": int(office.clock.now().timestamp()),
            "chat": group.json(),
            "from": {"id": 1087968824, "is_bot": True, "first_name": "Group"},
            "sender_chat": group_itself,
            "text": "/newdrive@lipa_demo_bot 50000 School fees",
        },
    )
    question = await office.said(group, "I cannot see who you are")

    refused = office.jane.press(question, "Open: School fees")
    assert "Only an admin" in await office.answered(refused)
    assert await office.core.drives.in_chat(group.id) == []
    harambee.mary.press(question, "Open: School fees")
    await office.said(group, "Treasurers: Mary")
    [drive] = await office.core.drives.in_chat(group.id)
    assert (drive.title, drive.target_kes) == ("School fees", 50_000)


async def test_a_drive_is_described_step_by_step_and_survives_a_restart(
    harambee: Harambee,
) -> None:
    office, mary = harambee.office, harambee.mary
    mary.start()
    await office.said(mary.chat, "Hello Mary")
    mary.say("/newdrive@lipa_demo_bot", chat=harambee.group)
    await office.said(mary.chat, "What is it for?")
    mary.say("Mazishi ya Mzee Kamau")
    asked = await office.said(mary.chat, "How much is needed?")
    mary.press(asked, "Back")
    again = await office.said(mary.chat, "What is it for?", after=asked)
    mary.say("Burial of Mzee Kamau")
    asked = await office.said(mary.chat, "How much is needed?", after=again)
    mary.say("lots")
    await office.said(mary.chat, "Please write one amount")
    mary.say("80k")
    asked = await office.said(mary.chat, "Which is the last day?")
    mary.press(asked, "Skip")
    asked = await office.said(mary.chat, "What may everybody")
    stale = mary.press(asked, "Names only")
    asked = await office.said(mary.chat, "What sort of drive")
    mary.press_again(stale)
    mary.press(asked, "Funeral")
    asked = await office.said(mary.chat, "Who else looks after the money?")
    mary.press(asked, "Only me for now")
    preview = await office.said(mary.chat, "Shall I post it?")
    mary.press(preview, "Post it")

    card = await office.said(harambee.group, "Funeral contributions: Burial of Mzee Kamau")
    assert "of KES 80,000" in card.text
    assert "Our condolences" in card.text


async def test_the_list_and_what_can_be_shared_come_in_private(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.press(card, "KES 500")
    await harambee.pushed(1)
    await harambee.paid()
    await office.said(jane.chat, "✅")

    jane.press(card, "Full list")
    listed = await office.said(jane.chat, "1. Jane – KES 500")
    jane.press(card, "Share")
    shared = await office.said(jane.chat, "For WhatsApp")

    drive = await harambee.drive
    assert "0712" not in listed.text + shared.text
    assert f"https://t.me/lipa_demo_bot?start=d_{drive.code}" in shared.text
    assert "1. Jane – KES 500" in shared.text


async def test_a_removed_bot_that_returns_posts_its_cards_anew(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    card = await harambee.opened()
    mary.remove_bot(harambee.group)
    mary.add_bot(harambee.group)

    await harambee.api.wait_for(
        lambda: sum("Treasurers: Mary" in m.text for m in harambee.group.from_bot) == 2
    )
    assert harambee.group.from_bot[-1].id > card.id or "Treasurers" in harambee.group.last.text
    office.clock.advance(10)
    office.core.post.wake.set()
    await harambee.api.wait_for(lambda: "further down" in card.text)


async def test_a_closed_topic_moves_the_card_to_the_general_one(
    harambee: Harambee, api: BotApi
) -> None:
    office, mary = harambee.office, harambee.mary
    forum = api.group(-5002, "Forum", [mary, office.jane], forum=True)
    topic = mary.open_topic(forum, "Hospital")
    mary.say("/newdrive@lipa_demo_bot 9000 Hospital", chat=forum, thread_id=topic)
    first = await office.said(forum, "Treasurers: Mary")
    forum.topics[topic].closed = True
    office.clock.advance(300)
    mary.say("/drive@lipa_demo_bot", chat=forum, thread_id=topic)

    second = await office.said(forum, "Treasurers: Mary", after=first)

    assert (first.thread_id, second.thread_id) == (topic, None)
    office.clock.advance(10)
    office.core.post.wake.set()
    await api.wait_for(lambda: first.text == "⤵️ Hospital: its card is further down.")


async def test_a_drive_is_shared_into_any_chat_by_whoever_has_to_do_with_it(
    harambee: Harambee,
) -> None:
    office = harambee.office
    await harambee.opened()
    drive = await harambee.drive

    own = harambee.mary.ask_inline("")
    by_code = office.jane.ask_inline(f"d_{drive.code}")
    strangers = office.otieno.ask_inline("Akinyi")
    await harambee.api.wait_for(lambda: all(each.answered for each in (own, by_code, strangers)))

    assert strangers.cards == ()
    for asked in (own, by_code):
        [shared] = asked.cards
        assert "Mama Akinyi hospital bill" in shared.body.text
        assert f"?start=d_{drive.code}" in shared.markup
    harambee.mary.press(await office.said(harambee.group, "Treasurers: Mary"), "Share")
    offered = await office.said(harambee.mary.chat, "For WhatsApp")
    assert offered.button("Send to a chat").value == f"d_{drive.code}"
