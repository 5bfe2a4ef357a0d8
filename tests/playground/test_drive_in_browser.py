"""
Owns the proof that a drive can be played on the page of `lipabot demo`, on a small phone.

With LIPABOT_SHOTS=<folder> it leaves pictures of the card there, for a person to look at.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.playground.test_browser import A_PHONE_WIDE, PIN, Window, Windows, browser, demo, windows

__all__ = ["browser", "demo", "windows"]

pytestmark = pytest.mark.browser

TALL = ViewportSize(width=360, height=2000)
SHOTS = os.environ.get("LIPABOT_SHOTS")
GROUP = "&chat=-5001"
JANE, OTIENO = "/?person=1001", "/?person=1002"
# In Kiswahili: all else on this page is looked at in English.
TITLE, TREASURERS, AMOUNT = "Mazishi ya Mzee Kamau", "Waweka hazina: ", "KES 500"


def picture(page: Page, name: str, what: Locator | None = None) -> None:
    if SHOTS:
        page.set_viewport_size(TALL if what is not None else A_PHONE_WIDE)
        (what or page).screenshot(path=Path(SHOTS) / f"{name}.png")


def knows_the_number(windows: Windows) -> None:
    """Jane has told the bot her language and her number."""
    jane = windows.open(JANE, on_a_phone=True)
    jane.page.get_by_role("radio", name="SW").check(force=True)
    jane.button("Start").click()
    expect(jane.last_word).to_contain_text("Jane")
    jane.say("/phone")
    jane.page.get_by_role("button", name="📱").first.click()
    expect(jane.last_word).to_contain_text("0712***678")


def test_a_drive_is_opened_given_to_and_its_progress_seen_by_the_giver_alone(
    windows: Windows,
) -> None:
    knows_the_number(windows)
    jane = windows.open(JANE + GROUP, on_a_phone=True)
    jane.say(f"/newdrive@lipa_demo_bot 50000 {TITLE}")
    card = jane.messages.filter(has_text=TREASURERS).first
    expect(card).to_contain_text(TITLE)
    picture(jane.page, "card-empty", card)

    card.get_by_role("button", name=AMOUNT, exact=True).click()
    whisper = jane.page.locator(".whisper")
    expect(whisper).to_contain_text("0712***678")
    otieno = windows.open(OTIENO + GROUP, on_a_phone=True)
    expect(otieno.messages.filter(has_text=TREASURERS)).to_be_visible()
    expect(otieno.page.locator(".whisper")).to_have_count(0)
    picture(jane.page, "group-asking")
    jane.pin().fill(PIN)
    jane.phone().get_by_role("button", name="Send").click()

    expect(card).to_contain_text("• Jane – KES 500")
    expect(whisper).to_contain_text("✅")
    expect(otieno.messages.filter(has_text="• Jane – KES 500")).to_be_visible()
    private = windows.open(JANE, on_a_phone=True)
    expect(private.last_word).to_contain_text("✅")
    picture(jane.page, "card", card)
    picture(jane.page, "group")
    picture(private.page, "private")
    assert not Window(jane.page).scrolls_sideways()
    assert re.search(r"\d%", card.inner_text())
