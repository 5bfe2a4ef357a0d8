"""What follows `/give`: no number and no name is shown to the group that was not meant for it."""

from __future__ import annotations

import pytest

from bot.chat.give_words import behalf_words, give_words
from bot.chat.parse import Unclear
from tests.chat.drive_office import Harambee


@pytest.mark.parametrize(
    ("text", "phone", "name"),
    [
        ("500 from Shosh", None, "Shosh"),
        ("500 from 0712000031", "0712000031", ""),
        ("500 from +254712000031", "+254712000031", ""),
        ("500 from 0712 000 031", "0712 000 031", ""),
        ("500 from Shosh 0712000031", "0712000031", "Shosh"),
        ("500 from Shosh (0712-000-031)", "(0712-000-031)", "Shosh"),
        ("500 from 0712000031 Shosh", "0712000031", "Shosh"),
        ("500 kutoka kwa Shosh 0712 000 031", "0712 000 031", "Shosh"),
        ("0712000031 500 from Shosh", "0712000031", "Shosh"),
        ("500 from ٠٧١٢٠٠٠٠٣١", "0712000031", ""),
        ("500 from Shosh\nfor the hospital", None, "Shosh"),
        ("500 from\nShosh", None, "Shosh"),
        ("500 from Shosh\n0712000031", "0712000031", "Shosh"),
        ("500 From: Shosh", None, "Shosh"),
        ("500 from Class 7", None, "Class 7"),
        ("500 from Class of (2019)", None, "Class of (2019)"),
        ("500 from Anon's shop", None, "Anon's shop"),
        ("500 from Well-wisher’s Sacco", None, "Well-wisher’s Sacco"),
        ("500", None, ""),
    ],
)
def test_a_number_after_from_is_the_phone_and_no_name(
    text: str, phone: str | None, name: str
) -> None:
    found = give_words(text)
    assert not isinstance(found, Unclear)
    words, on_behalf, unnamed = found
    assert (words.amount_kes, words.phone_text, on_behalf, unnamed) == (500, phone, name, None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("500 from Shosh anonymously", "Shosh"),
        ("500 from Shosh, anonymously.", "Shosh"),
        ("500 from Shosh (anonymous)", "Shosh"),
        ("500 anonymously from Shosh", "Shosh"),
        ("500 from anonymous", ""),
        ("500 from anon", ""),
        ("500 from a well-wisher", ""),
        ("500 from Well wisher", ""),
        ("500 kutoka kwa msamaria mwema", ""),
        ("500 kutoka kwa Shosh kwa siri", "Shosh"),
        ("500 bila jina kutoka kwa Shosh", "Shosh"),
        ("500 from Shosh\nanonymous", "Shosh"),
        ("500 anonymous", ""),
    ],
)
def test_who_wants_no_name_gets_none_wherever_they_say_so(text: str, name: str) -> None:
    found = give_words(text)
    assert not isinstance(found, Unclear)
    words, on_behalf, unnamed = found
    assert (words.amount_kes, on_behalf, unnamed) == (500, name, True)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("500 0712000031 from Shosh 0712000032", "unclear.two-phones"),
        ("500 from Shosh 0712000031 or 0712000032", "unclear.two-phones"),
        ("500 from Shosh 07120000", "unclear.short-phone"),
        ("500 from 300", "unclear.two-amounts"),
        ("500 from 71200", "unclear.two-amounts"),
        ("from Shosh", "unclear.empty"),
    ],
)
def test_what_may_be_a_number_after_from_is_asked_about(text: str, key: str) -> None:
    found = give_words(text)
    assert isinstance(found, Unclear)
    assert found.key == key


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Shosh", ("Shosh", None)),
        ("Mama Njeri (class of 1989)", ("Mama Njeri (class of 1989)", None)),
        ("Shosh anonymously", ("Shosh", True)),
        ("Anonymous", (None, True)),
        ("Shosh 0712 000 031", None),
        ("0712000031", None),
        ("071200003", None),
    ],
)
def test_a_name_is_what_has_no_number_in_it(
    text: str, read: tuple[str | None, bool | None] | None
) -> None:
    assert behalf_words(text) == read


@pytest.mark.parametrize("words", ["500 from 0712000031", "500 from Shosh 0712000031"])
async def test_a_number_after_from_is_prompted_and_never_published(
    harambee: Harambee, words: str
) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    harambee.mary.promote_bot(harambee.group)
    card = await harambee.opened()
    typed = jane.say(f"/give@lipa_demo_bot {words}", chat=harambee.group)
    await harambee.pushed(1)
    await harambee.paid()
    await office.said(jane.chat, "✅")
    await harambee.look()
    await harambee.api.wait_for(lambda: "KES 500 of" in card.text)

    assert [each.phone for each in office.daraja.pushes] == ["254712000031"]
    assert "0712000031" not in card.text
    assert typed.deleted
    assert ("Shosh" in card.text) is ("Shosh" in words)


async def test_who_gives_from_somebody_anonymously_is_not_named(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.say("/give@lipa_demo_bot 500 from Shosh anonymously", chat=harambee.group)
    await harambee.pushed(1)
    await harambee.paid()
    await office.said(jane.chat, "✅")
    await harambee.look()
    await harambee.api.wait_for(lambda: "KES 500 of" in card.text)

    assert "Jane" not in card.text
    assert "Shosh" not in card.text
    assert "Well-wisher" in card.text


async def test_the_name_that_is_asked_for_below_a_gift_is_no_number(harambee: Harambee) -> None:
    office, jane = harambee.office, harambee.office.jane
    await harambee.jane_gave_her_number()
    card = await harambee.opened()
    jane.press(card, "KES 500")
    await harambee.pushed(1)
    await harambee.paid()
    paid = await office.said(jane.chat, "✅")
    jane.press(paid, "From somebody else")
    await office.said(jane.chat, "From whom is it?")
    jane.say("Shosh 0712000031")
    again = await office.said(jane.chat, "without a number")
    jane.say("anonymous")
    await office.said(jane.chat, "Done", after=again)
    await harambee.look()
    await harambee.api.wait_for(lambda: "Well-wisher" in card.text)

    assert "0712000031" not in card.text
    assert "Jane" not in card.text
