"""What treasurers write about a drive: amounts are read as everywhere, and never guessed."""

from __future__ import annotations

import pytest

from bot.chat.drive_words import amount_and_words, new_drive, signed_and_words, target
from bot.chat.parse import Unclear
from tests.chat.drive_office import Harambee


@pytest.mark.parametrize(
    ("text", "amount_kes"),
    [
        ("50000", 50_000),
        ("50,000", 50_000),
        ("KES 50,000/=", 50_000),
        ("50k", 50_000),
        ("1.5m", 1_500_000),
        ("2M", 2_000_000),
        ("500.00", 500),
        ("kesho", None),
        ("0", None),
        ("50.5", None),
        ("100000001", None),
        ("50000 bob each", None),
    ],
)
def test_a_target_is_one_amount(text: str, amount_kes: int | None) -> None:
    assert target(text) == amount_kes


@pytest.mark.parametrize(
    ("text", "key", "offers"),
    [
        ("50.000", "unclear.dot", (50_000,)),
        ("5,00", "unclear.separator", ()),
        ("1,5k", "unclear.separator", ()),
        ("1.000.000", "unclear.separator", ()),
        ("1 500", "unclear.part", (1500,)),
        ("elfu 5", "unclear.part", (5000,)),
        ("2 million", "unclear.part", (2_000_000,)),
        ("2 m", "unclear.part", (2_000_000,)),
        ("1.5 M", "unclear.part", (1_500_000,)),
    ],
)
def test_an_amount_that_can_be_read_in_two_ways_is_asked_about(
    text: str, key: str, offers: tuple[int, ...]
) -> None:
    for read in (
        target(text),
        new_drive(f"{text} Mama Akinyi"),
        amount_and_words(f"{text} Mzee Kamau"),
        signed_and_words(f"-{text} written twice"),
    ):
        assert isinstance(read, Unclear)
        assert (read.key, read.offers) == (key, offers)


def test_a_sign_stands_before_a_correction_only() -> None:
    assert signed_and_words("-500 written twice") == (-500, "written twice")
    assert signed_and_words("− 1,500 written twice") == (-1500, "written twice")
    assert signed_and_words("+KES 500 forgotten") == (500, "forgotten")
    assert signed_and_words("500 - forgotten") == (500, "forgotten")
    assert signed_and_words("-500") is None
    assert amount_and_words("-500 Mzee Kamau") is None
    assert amount_and_words("1.5k Mzee Kamau") == (1500, "Mzee Kamau")


def test_an_initial_is_no_million_where_that_is_too_much() -> None:
    assert amount_and_words("500 M. Kamau") == (500, "M. Kamau")


def test_a_title_may_begin_with_a_number_that_is_no_amount() -> None:
    assert new_drive("50,000 Mama Akinyi") == (50_000, "Mama Akinyi")
    assert new_drive("1.5 km run") == (None, "1.5 km run")
    assert new_drive("3rd birthday") == (None, "3rd birthday")
    assert new_drive("Form 2 hundred club") == (None, "Form 2 hundred club")
    assert new_drive("50000") is None


@pytest.mark.parametrize("written", ["1.000 Mzee Kamau", "1,5k Mzee Kamau", "1 500 Mzee Kamau"])
async def test_cash_is_written_down_as_it_was_meant(harambee: Harambee, written: str) -> None:
    office, mary = harambee.office, harambee.mary
    await harambee.opened()
    mary.press(await office.said(mary.chat, "you are its treasurer"), "Manage")
    mary.press(await office.said(mary.chat, "Only treasurers can press"), "Record cash")
    await office.said(mary.chat, "Who gave how much in cash")

    mary.say(written)
    await office.said(mary.chat, "1500" if "5" in written else "1000")
    totals = await office.core.drives.totals((await harambee.drive).id)
    assert totals.cash_cents == 0

    mary.say("1,500 Mzee Kamau")
    await office.said(mary.chat, "KES 1,500 in cash from Mzee Kamau")
    totals = await office.core.drives.totals((await harambee.drive).id)
    assert totals.cash_cents == 150_000


async def test_no_drive_is_opened_with_a_target_that_was_not_meant(harambee: Harambee) -> None:
    office, mary = harambee.office, harambee.mary
    mary.start()
    await office.said(mary.chat, "Hello Mary")

    mary.say("/newdrive@lipa_demo_bot 50.000 Mama Akinyi", chat=harambee.group)
    await office.said(harambee.group, "If you mean KES 50,000, write 50000")

    assert await office.core.drives.in_chat(harambee.group.id) == []
