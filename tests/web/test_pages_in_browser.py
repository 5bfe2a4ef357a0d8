"""The public pages in a browser on a small phone: with and without scripts, in both languages."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    async_playwright,
    expect,
)

from bot.texts import Texts, kes, plain
from storage.engine import Store, open_store
from storage.records import BillItem, DriveKind, Payment, Shows, VatMode
from tests.core.shop import a_bill
from tests.stores import TestClock
from tests.web.place import MASK, PHONE, Place, opened_place

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),  # the one of the browser
]

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
SMALL = {"width": 320, "height": 640}
TOUCH_PX = 44
SCANNED_PX = 200  # on a small screen, from a hand's breadth away
WITHIN_MS = 15_000
MEASURED_TIMES = 5
SHOTS = os.environ.get("LIPABOT_SHOTS")  # where to leave pictures for a person to look at


@dataclass
class Phone:
    """A small phone that looks at the pages, and what its browser complained about."""

    place: Place
    browser: Browser
    scripts: bool
    language: str
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    async def open(self, path: str, *, dark: bool = False) -> Page:
        context = await self.browser.new_context(
            viewport=SMALL,  # type: ignore[arg-type]  # a TypedDict by its shape
            has_touch=True,
            is_mobile=True,
            java_script_enabled=self.scripts,
            locale="sw-KE" if self.language == "sw" else "en-KE",
            color_scheme="dark" if dark else "light",
        )
        self.contexts.append(context)
        context.set_default_timeout(WITHIN_MS)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        page = await context.new_page()
        await page.goto(self.place.origin + path)
        return page

    def say(self, key: str, **values: object) -> str:
        """A sentence as the reader sees it."""
        return " ".join(plain(Texts.load().say(self.language, key, **values)).split())

    async def shot(self, page: Page, name: str) -> None:
        if SHOTS:
            how = "js" if self.scripts else "nojs"
            path = Path(SHOTS) / f"{name}-{self.language}-{how}.png"
            await page.screenshot(path=path, full_page=True)

    async def fits(self, page: Page) -> None:
        """Nothing is wider than the phone, and what is to be touched is large enough."""
        width = await page.evaluate("document.documentElement.scrollWidth") if self.scripts else 320
        assert width <= SMALL["width"]
        touched = page.get_by_role("button").or_(page.get_by_role("link"))
        for _ in range(MEASURED_TIMES):
            boxes = [await each.bounding_box() for each in await touched.all()]
            if None not in boxes:
                break  # else news took the place of one before it was measured
        assert all(box is not None and box["height"] >= TOUCH_PX for box in boxes), boxes

    def _console(self, message: ConsoleMessage) -> None:
        # Chromium notes every answer of 4xx; those are looked at by the tests themselves.
        if message.type in ("error", "warning") and "the server responded" not in message.text:
            self.complaints.append(message.text)


@pytest_asyncio.fixture(loop_scope="module")
async def store(migrated_copy: str, clock: TestClock) -> AsyncIterator[Store]:
    async with open_store(migrated_copy, now=clock.now) as opened:
        yield opened


@pytest.fixture(scope="module")
def chromium() -> Path:
    """Debian's Chromium; skipped where there is none, required with CI=true."""
    if not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("CI=true needs Debian's package chromium")
        pytest.skip("no Chromium here: apt install chromium")
    return CHROMIUM


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """One for all: each phone has a context, which shares neither a cookie nor a cache."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def shop(store: Store, clock: TestClock) -> AsyncIterator[Place]:
    async with opened_place(store, clock) as opened:
        yield opened


# Each half of the pages' work once, and each language once: the longer one where width shows.
KINDS = ((True, "sw"), (False, "en"))


@pytest_asyncio.fixture(loop_scope="module", params=KINDS, ids=["scripts-sw", "no scripts-en"])
async def phone(
    request: pytest.FixtureRequest, shop: Place, browser: Browser
) -> AsyncIterator[Phone]:
    scripts, language = request.param
    opened = Phone(shop, browser, scripts=scripts, language=language)
    yield opened
    for context in opened.contexts:
        await context.close()
    assert opened.complaints == []


async def newest(place: Place) -> Payment:
    await place.finish()
    return (await place.payments())[0]


async def test_somebody_gives_to_a_drive(phone: Phone) -> None:
    place = phone.place
    drive = await place.drive()
    for number, name in enumerate(("Jane Wanjikũ", "Ng’ang’a", "محمد", "Otieno 🎉"), 1):
        await place.send(f"/d/{drive.code}", phone=f"071200010{number}", name=name, amount="900")
        await place.paid(await newest(place))
        place.clock.advance(1)
    page = await phone.open(f"/d/{drive.code}", dark=phone.language == "sw")

    await expect(page.get_by_role("heading", level=1)).to_have_text(drive.title)
    await phone.fits(page)
    await phone.shot(page, "drive")
    await page.get_by_label(phone.say("page.form.amount")).fill("abc")
    await page.get_by_label(phone.say("page.form.phone")).fill("0712 34")
    await page.get_by_role("button", name=phone.say("page.form.send")).tap()
    await expect(page.get_by_role("alert")).to_have_text(phone.say("page.form.wrong"))
    await expect(page.get_by_label(phone.say("page.form.phone"))).to_have_value("0712 34")
    await phone.fits(page)
    await phone.shot(page, "drive-wrong")

    await page.get_by_label(phone.say("page.form.amount")).fill("1,500")
    await page.get_by_label(phone.say("page.form.phone")).fill(PHONE)
    await page.get_by_label(phone.say("page.form.name")).fill("Achieng")
    await page.get_by_role("button", name=phone.say("page.form.send")).tap()
    await expect(page.get_by_role("heading", level=1)).to_have_text(phone.say("page.status.title"))
    payment = await newest(place)
    if not phone.scripts:
        await page.get_by_role("link", name=phone.say("page.status.check-again")).tap()
    await expect(page.get_by_role("status")).to_contain_text(MASK)
    await phone.shot(page, "status-waiting")
    await phone.fits(page)
    await place.paid(payment)
    if not phone.scripts:
        await page.get_by_role("link", name=phone.say("page.status.check-again")).tap()
    await expect(page.get_by_role("status")).to_contain_text("✅")
    await expect(page.get_by_role("status")).to_contain_text(kes(1500))
    await phone.shot(page, "status-paid")
    assert PHONE not in page.url

    await page.get_by_role("link", name=phone.say("page.status.back")).tap()
    await expect(page.get_by_role("listitem").first).to_contain_text("Achieng")


async def test_the_bar_grows_while_somebody_looks(phone: Phone) -> None:
    place = phone.place
    drive = await place.drive(kind=DriveKind.FUNERAL, target_kes=10_000)
    page = await phone.open(f"/d/{drive.code}")
    await place.send(f"/d/{drive.code}", name="Jane", amount="4000")
    await place.paid(await newest(place))
    if not phone.scripts:
        await page.reload()

    await expect(page.get_by_text(phone.say("page.drive.gifts", count=1))).to_be_visible()
    await expect(page.get_by_role("progressbar")).to_have_attribute("value", "40")
    await phone.shot(page, "funeral")


async def test_somebody_pays_an_invoice_in_two_parts(phone: Phone) -> None:
    place = phone.place
    view = await place.invoice(
        a_bill(
            BillItem(what="Charcoal, sacks of 90 kg", quantity_milli=2500, price_cents=120_000),
            BillItem(what="Delivery", price_cents=20_050),
            customer="Peter Otieno",
            vat=VatMode.EXCLUSIVE,
            vat_bp=1600,
            note="Thank you for your business",
        )
    )
    page = await phone.open(f"/i/{view.invoice.code}", dark=phone.language == "sw")
    await phone.fits(page)
    await phone.shot(page, "invoice")
    await page.get_by_label(phone.say("page.invoice.part"), exact=True).check()
    await page.get_by_label(phone.say("page.invoice.part-amount")).fill("1000")
    await page.get_by_label(phone.say("page.form.phone")).fill(PHONE)
    await page.get_by_role("button", name=phone.say("page.form.send")).tap()
    await expect(page.get_by_role("status")).to_be_visible()
    await place.paid(await newest(place))
    await page.goto(place.origin + f"/i/{view.invoice.code}")
    await phone.shot(page, "invoice-part-paid")
    place.clock.advance(180)
    await page.reload()
    await page.get_by_label(phone.say("page.form.phone")).fill(PHONE)
    await page.get_by_role("button", name=phone.say("page.form.send")).tap()
    await expect(page.get_by_role("status")).to_be_visible()
    payment = await newest(place)
    await place.paid(payment)
    await page.goto(place.origin + f"/i/{view.invoice.code}")

    await expect(page.get_by_text(phone.say("page.invoice.state-paid"))).to_be_visible()
    await expect(page.get_by_role("button")).to_have_count(0)
    await phone.shot(page, "invoice-paid")
    await page.goto(place.origin + "/r/" + place.core.receipts.code(payment.id))
    await expect(page.get_by_text(phone.say("page.receipt.true"))).to_be_visible()
    await phone.fits(page)
    await phone.shot(page, "receipt")


async def test_somebody_without_telegram_asks_the_merchant(phone: Phone) -> None:
    place = phone.place
    view = await place.invoice()
    page = await phone.open(f"/i/{view.invoice.code}")
    code = page.get_by_role("img", name=phone.say("page.invoice.scan-alt", number="INV-0001"))
    box = await code.bounding_box()
    assert box is not None
    assert box["width"] >= SCANNED_PX
    await page.get_by_role("link", name=phone.say("page.invoice.word")).tap()
    question = page.get_by_label(phone.say("page.word.question", merchant="Mama Njeri Shop"))
    await page.get_by_role("button", name=phone.say("page.word.send")).tap()
    await expect(page.get_by_role("alert")).to_have_text(phone.say("page.word.nothing"))
    await question.fill("Do you deliver to Gikambura?")
    await phone.fits(page)
    await phone.shot(page, "word")
    await page.get_by_role("button", name=phone.say("page.word.send")).tap()
    await expect(page.get_by_text(phone.say("page.word.sent"))).to_be_visible()
    await page.get_by_role("link", name=phone.say("page.open-again")).tap()
    await expect(page.get_by_text("Do you deliver to Gikambura?")).to_be_visible()

    await page.get_by_role("button", name=phone.say("page.word.not-mine")).tap()
    await expect(page.get_by_text(phone.say("page.word.sent"))).to_be_visible()
    found = await place.core.invoices.by_code(view.invoice.code)
    assert found is not None
    assert found.invoice.disowned_by is not None


async def test_what_goes_wrong_is_shown_kindly(phone: Phone) -> None:
    place = phone.place
    drive = await place.drive(shows=Shows.TOTALS, target_kes=None)
    answer = await place.send(f"/d/{drive.code}")
    await place.failed(await newest(place), 1037)
    page = await phone.open(answer.headers["Location"])
    await expect(page.get_by_role("status")).to_contain_text(phone.say("declined.no-answer")[:30])
    await phone.shot(page, "status-unpaid")
    await page.goto(place.origin + f"/d/{drive.code}")
    await phone.shot(page, "drive-totals")
    await page.get_by_label(phone.say("page.form.amount")).fill("500")
    await page.get_by_label(phone.say("page.form.phone")).fill(PHONE)
    await page.get_by_role("button", name=phone.say("page.form.send")).tap()
    await expect(page.get_by_role("alert")).to_contain_text(MASK)
    await phone.fits(page)
    await phone.shot(page, "drive-refused")
    await page.goto(place.origin + "/r/" + "A" * 43)
    await expect(page.get_by_text(phone.say("page.receipt.unknown"))).to_be_visible()
    await phone.shot(page, "receipt-unknown")


async def test_the_language_switch_keeps_the_page(phone: Phone) -> None:
    drive = await phone.place.drive()
    page = await phone.open(f"/d/{drive.code}")
    await page.get_by_role("link", name=phone.say("page.other-language")).tap()
    other = replace(phone, language="sw" if phone.language == "en" else "en")

    await expect(page.get_by_role("heading", level=1)).to_have_text(drive.title)
    await expect(page.get_by_role("button", name=other.say("page.form.send"))).to_be_visible()
    await expect(page.locator("html")).to_have_attribute("lang", other.language)
