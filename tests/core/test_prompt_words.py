"""What a prompt says is ours alone: nobody writes to a stranger's phone through it."""

from __future__ import annotations

import re

import pytest

from tests.core.conftest import Desk

REFERENCE = re.compile(r"PAY-[2-9A-HJ-NP-Z]{5}")  # no 0 O 1 I
NOTES = (
    "",
    "lunch",
    "URGENT call 0722000111",
    "https://evil.example",
    "PAY-AAAAA",
    "x" * 500,
    "<b>\u202e\x00'; --",
)


@pytest.mark.parametrize("note", NOTES)
async def test_no_word_of_the_asker_reaches_the_phone(desk: Desk, note: str) -> None:
    await desk.people.meet(
        user_id=1001, first_name="Safaricom Support", telegram_language=None, private=True
    )

    payment = await desk.ask(note=note)

    (push,) = desk.daraja.pushes
    assert REFERENCE.fullmatch(push.reference)
    assert push.reference == payment.push_ref
    assert push.description == "Payment"
    assert len(push.reference) <= 12
    assert len(push.description) <= 13


async def test_every_prompt_has_a_reference_of_its_own(desk: Desk) -> None:
    for number in range(25):
        await desk.ask(ask_key=f"m:1001:{number}", phone=f"2547120000{number:02d}")

    references = {push.reference for push in desk.daraja.pushes}
    assert len(references) == 25
    assert all(REFERENCE.fullmatch(each) for each in references)
