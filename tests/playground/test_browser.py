"""Owns the proof that a person with a browser, a keyboard or a thumb can use `lipabot demo`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Response,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.flows.words import fragment
from tests.playground.demoprocess import forked_demo

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WITHIN_MS = 60_000
TAB_STOPS_MAX = 40
A_PHONE_WIDE = ViewportSize(width=360, height=740)
JANES_PHONE = "0712345678"
JANES_MASK = "0712***678"
WHOLE_PHONE = re.compile(r"(?:\+?254|0)[17]\d{8}")
PIN = "1234"
LONG_WORD = "Harambee" * 40


@dataclass
class Window:
    """One window of the browser on the demo: a person's Telegram, the phones and the books."""

    page: Page

    @property
    def composer(self) -> Locator:
        return self.page.get_by_role("combobox", name="Message from")

    @property
    def messages(self) -> Locator:
        return self.page.get_by_role("log").get_by_role("article")

    @property
    def last_word(self) -> Locator:
        return self.messages.last

    @property
    def statement(self) -> Locator:
        return self.page.get_by_role("region", name="Safaricom's statement of account")

    def phone(self, number: str = JANES_PHONE) -> Locator:
        return self.page.get_by_role("article", name=f"Phone {number}")

    def pin(self) -> Locator:
        return self.phone().get_by_label("PIN")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def say(self, text: str) -> None:
        self.composer.fill(text)
        self.button("Send").first.click()

    def answer_the_prompt(self) -> None:
        self.pin().fill(PIN)
        self.phone().get_by_role("button", name="Send").click()

    def receipts(self) -> list[str]:
        """What Safaricom was paid, newest first."""
        return self.statement.get_by_role("row").get_by_role("code").all_inner_texts()

    def tab_to(self, there: Locator) -> None:
        """Press Tab until *there* has the keyboard."""
        for _ in range(TAB_STOPS_MAX):
            if there.evaluate("it => it === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab never comes to {there}")

    def type_at(self, there: Locator, text: str) -> None:
        """By keyboard alone: go there, type, Enter."""
        self.tab_to(there)
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def scrolls_sideways(self) -> bool:
        width: int = self.page.evaluate("document.documentElement.scrollWidth")
        return width > A_PHONE_WIDE["width"]


@dataclass
class Windows:
    """Opens windows on one demo, and keeps what the browser complained about in any of them."""

    browser: Browser
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "/", *, on_a_phone: bool = False) -> Window:
        context = (
            self.browser.new_context(viewport=A_PHONE_WIDE, has_touch=True, is_mobile=True)
            if on_a_phone
            else self.browser.new_context()
        )
        context.set_default_timeout(WITHIN_MS)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("response", self._response)
        page = context.new_page()
        page.goto(self.url + path)
        return Window(page)

    def close(self) -> None:
        for context in self.browser.contexts:
            context.close()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; skipped where there is none, required with CI=true."""
    if not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("CI=true needs Debian's package chromium")
        pytest.skip("no Chromium here: apt install chromium")
    expect.set_options(timeout=WITHIN_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[str]:
    with forked_demo(tmp_path) as started:
        yield started


@pytest.fixture
def windows(demo: str, browser: Browser) -> Iterator[Windows]:
    """Windows on a fresh demo, about which the browser may have nothing to complain."""
    opened = Windows(browser, demo)
    yield opened
    opened.close()
    assert opened.complaints == []


def test_a_payment_by_keyboard_alone_ends_with_the_receipt_of_the_statement(
    windows: Windows,
) -> None:
    jane = windows.open()

    expect(jane.composer).to_be_focused()
    jane.tab_to(jane.button("Start"))
    jane.page.keyboard.press("Enter")
    expect(jane.last_word).to_contain_text(fragment("start.hello"))
    jane.type_at(jane.composer, f"/pay 50 {JANES_PHONE}")
    expect(jane.composer).to_be_focused()
    expect(jane.composer).to_have_value("")
    expect(jane.pin()).to_be_visible()
    jane.type_at(jane.pin(), PIN)

    expect(jane.last_word).to_contain_text("✅")
    expect(jane.pin()).to_have_count(0)
    [receipt] = jane.receipts()
    expect(jane.last_word).to_contain_text(receipt)
    expect(jane.statement.get_by_role("row").filter(has_text=receipt)).to_contain_text("KES 50")
    expect(jane.phone()).to_contain_text(f"{receipt} Confirmed")


def test_a_cancelled_prompt_is_told_and_try_again_brings_a_new_one(windows: Windows) -> None:
    jane = windows.open()
    jane.say(f"/pay 50 {JANES_PHONE}")

    jane.phone().get_by_role("button", name="Cancel").click()
    expect(jane.last_word).to_contain_text(fragment("declined.cancelled"))
    expect(jane.statement).to_contain_text("No money has moved.")
    expect(jane.pin()).to_have_count(0)
    jane.last_word.get_by_role("button", name=fragment("button.again")).click()
    jane.answer_the_prompt()

    expect(jane.last_word).to_contain_text("✅")
    [receipt] = jane.receipts()
    expect(jane.last_word).to_contain_text(receipt)


def test_kiswahili_is_one_switch_away(windows: Windows) -> None:
    jane = windows.open()
    with jane.page.expect_response("**/page/language?*"):
        jane.page.get_by_text("SW", exact=True).click()

    jane.say(f"/pay 50 {JANES_PHONE}")
    expect(jane.last_word.get_by_role("button")).to_have_text(
        [fragment("button.check", "sw"), fragment("button.unseen", "sw")]
    )
    jane.answer_the_prompt()

    expect(jane.last_word).to_contain_text(fragment("paid.private", "sw"))
    jane.page.reload()
    expect(jane.page.get_by_role("radio", name="SW")).to_be_checked()


def test_the_group_is_shown_masks_only(windows: Windows) -> None:
    jane = windows.open()
    jane.say("/phone")
    jane.button(fragment("button.share-number")).click()
    expect(jane.last_word).to_contain_text(JANES_MASK)
    otieno = windows.open("/?person=1002&chat=-5001", on_a_phone=True)

    jane.page.get_by_role("link", name="Harambee group").click()
    jane.say("/pay 50")
    expect(otieno.last_word).to_contain_text(JANES_MASK)
    jane.answer_the_prompt()

    expect(otieno.last_word).to_contain_text("✅")
    expect(otieno.last_word).to_contain_text(JANES_MASK)
    [receipt] = otieno.receipts()
    whole_group = otieno.page.get_by_role("log").inner_text()
    assert receipt not in whole_group
    assert not WHOLE_PHONE.search(whole_group)
    assert not otieno.scrolls_sideways()


def test_the_page_fits_a_phone(windows: Windows) -> None:
    jane = windows.open(on_a_phone=True)

    expect(jane.composer).to_be_in_viewport(ratio=1)
    expect(jane.button("Send").first).to_be_in_viewport(ratio=1)
    jane.button("Start").tap()
    jane.composer.tap()
    expect(jane.composer).to_be_focused()
    jane.page.keyboard.type(LONG_WORD)
    jane.button("Send").first.tap()
    expect(jane.messages.filter(has_text=LONG_WORD)).to_be_visible()
    jane.say(f"/pay 50 {JANES_PHONE}")
    jane.pin().tap()
    expect(jane.pin()).to_be_focused()
    assert not jane.scrolls_sideways()


def test_every_window_opens_without_a_complaint_and_complaints_are_heard(
    windows: Windows,
) -> None:
    window = windows.open()
    for person in ("Otieno", "Operator", "Jane"):
        window.page.get_by_role("link", name=person, exact=True).click()
        expect(window.composer).to_be_focused()
    window.page.get_by_role("link", name="Harambee group").click()
    expect(window.page).to_have_url(re.compile(r"chat=-5001$"))
    unprovoked = list(windows.complaints)

    window.page.evaluate("console.error('provoked'), fetch('/no-such-page')")
    heard = [each.replace(windows.url, "") for each in windows.complaints]
    windows.complaints.clear()

    assert unprovoked == []
    assert {"provoked", "404 /no-such-page"} <= set(heard)
