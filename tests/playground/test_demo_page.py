"""Owns the proof that the demo page shows both stand-ins and passes on what a person does."""

import asyncio
import html
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.playground.demo import Playground, demo, playground
from mpesa.simulator import Prompt, Simulator
from mpesa.simulator.handsets import PinEntered
from tests.playground.rawclient import RawBot

JANES_PHONE = "254712345678"


class Browser:
    """Asks as a browser on the page would: with the page's own origin."""

    def __init__(self, served: Playground, session: aiohttp.ClientSession) -> None:
        self.served = served
        self.session = session

    async def read(self, path: str = "/") -> str:
        async with self.session.get(self.served.page_url + path) as answer:
            assert answer.status == 200
            return await answer.text()

    async def post(self, path: str, *, origin: str | None = None, **form: str) -> int:
        headers = {"Origin": self.served.page_url if origin is None else origin}
        url = self.served.page_url + path
        async with self.session.post(url, data=form, headers=headers) as answer:
            await answer.read()
            return answer.status


@pytest.fixture
async def served() -> AsyncIterator[Playground]:
    async with playground(0) as made:
        yield made


@pytest.fixture
async def browser(served: Playground) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession() as session:
        yield Browser(served, session)


@pytest.fixture
def bot(served: Playground, browser: Browser) -> RawBot:
    return RawBot(served.api, browser.session)


def show_prompt(simulator: Simulator) -> Prompt:
    """A prompt on Jane's phone, as a push would put it there."""
    now = simulator.clock.now()
    prompt = Prompt(
        checkout_request_id="ws_CO_1",
        text="Do you want to pay Ksh 50.00 to <MAMA & SHOP>?",
        amount_kes=50,
        shown_at=now,
        closes_at=now,
        answer=asyncio.get_running_loop().create_future(),
    )
    simulator.phone(JANES_PHONE).show(prompt)
    return prompt


async def test_the_page_shows_people_phones_and_books_without_the_network(
    browser: Browser,
) -> None:
    body = await browser.read()

    for words in ("Jane", "Otieno", "Operator", "Harambee group", "0712345678", "0722000111"):
        assert words in body
    assert "No money has moved." in body
    assert re.findall(r'(?:src|href)="(?:https?:)?//', body) == []
    for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', body):
        assert await browser.read(asset)


async def test_every_field_has_a_label(browser: Browser, served: Playground) -> None:
    show_prompt(served.simulator)

    body = await browser.read()

    fields = re.findall(r'<(?:input|select) id="([^"]+)"', body)
    assert f"pin-{JANES_PHONE}" in fields
    assert set(fields) <= set(re.findall(r'<label for="([^"]+)"', body))


async def test_what_is_written_on_the_page_reaches_the_bot(
    browser: Browser, served: Playground, bot: RawBot
) -> None:
    await browser.post("/page/start?person=1001")
    status = await browser.post("/page/say?person=1001", text="/pay 50 0712345678")

    updates = await bot.ok("getUpdates")
    assert status == 200
    assert [u["message"]["text"] for u in updates] == ["/start", "/pay 50 0712345678"]


async def test_a_bots_message_is_shown_with_its_tags_and_everything_else_escaped(
    browser: Browser, bot: RawBot
) -> None:
    await browser.post("/page/start?person=1001")
    await bot.ok(
        "sendMessage",
        chat_id=1001,
        text="<b>Paid</b> &lt;img src=x onerror=alert(1)&gt;",
        parse_mode="HTML",
    )

    body = await browser.read("/?person=1001")

    assert "<b>Paid</b> &lt;img src=x onerror=alert(1)&gt;" in body


async def test_a_button_is_pressed_and_its_toast_shown(browser: Browser, bot: RawBot) -> None:
    await browser.post("/page/start?person=1001")
    keyboard = {"inline_keyboard": [[{"text": "Check now", "callback_data": "c"}]]}
    await bot.ok("sendMessage", chat_id=1001, text="?", reply_markup=keyboard)

    found = re.search(r'hx-post="(/page/press[^"]+)"', await browser.read("/?person=1001"))
    assert found is not None
    await browser.post(html.unescape(found[1]))
    query = (await bot.ok("getUpdates"))[-1]["callback_query"]
    await bot.ok("answerCallbackQuery", callback_query_id=query["id"], text="Looking…")

    assert query["data"] == "c"
    assert "Looking…" in await browser.read("/?person=1001")


async def test_the_contact_button_shares_the_persons_own_number(
    browser: Browser, bot: RawBot
) -> None:
    await browser.post("/page/start?person=1001")
    keyboard = {"keyboard": [[{"text": "📱 Share my number", "request_contact": True}]]}
    await bot.ok("sendMessage", chat_id=1001, text="?", reply_markup=keyboard)

    found = re.search(r'hx-post="(/page/tap[^"]+)"', await browser.read("/?person=1001"))
    assert found is not None
    await browser.post(html.unescape(found[1]))

    contact = (await bot.ok("getUpdates"))[-1]["message"]["contact"]
    assert (contact["phone_number"], contact["user_id"]) == (JANES_PHONE, 1001)


async def test_the_language_switch_changes_what_telegram_tells_the_bot(
    browser: Browser, bot: RawBot
) -> None:
    await browser.post("/page/language?person=1001", language="sw")
    await browser.post("/page/say?person=1001", text="habari")

    update = (await bot.ok("getUpdates"))[-1]
    assert update["message"]["from"]["language_code"] == "sw"


async def test_a_prompt_is_shown_escaped_and_takes_a_pin(
    browser: Browser, served: Playground
) -> None:
    prompt = show_prompt(served.simulator)

    shown = await browser.read()
    await browser.post(f"/page/phone/{JANES_PHONE}/pin", pin="1234")

    assert "Ksh 50.00 to &lt;MAMA &amp; SHOP&gt;?" in shown
    assert prompt.answer.result() == PinEntered("1234")
    assert "Ksh 50.00" not in await browser.read()


@pytest.mark.parametrize("act", ["cancel", "ignore"])
async def test_a_prompt_can_be_cancelled_or_ignored(
    browser: Browser, served: Playground, act: str
) -> None:
    prompt = show_prompt(served.simulator)

    await browser.post(f"/page/phone/{JANES_PHONE}/{act}")

    assert prompt.answer.done()


async def test_a_phone_can_be_told_how_to_behave(browser: Browser, served: Playground) -> None:
    assert await browser.post(f"/page/phone/{JANES_PHONE}/behaviour", behaviour="off") == 204
    assert await browser.post(f"/page/phone/{JANES_PHONE}/behaviour", behaviour="sing") == 400

    assert served.simulator.phone(JANES_PHONE).behaviour == "off"


async def test_changes_are_pushed_as_they_happen(browser: Browser, served: Playground) -> None:
    url = f"{served.page_url}/events?person=1001"
    async with asyncio.timeout(60), browser.session.get(url) as stream:
        await stream.content.readuntil(b"event: phone-254700000333")
        served.simulator.pay_by_hand(JANES_PHONE, 70, "AKINYI-7K")
        pushed = await stream.content.readuntil(b"AKINYI-7K")
        show_prompt(served.simulator)
        pushed += await stream.content.readuntil(b"Ksh 50.00")

    assert f"event: prompt-{JANES_PHONE}".encode() in pushed


async def test_other_sites_and_other_names_are_turned_away(
    browser: Browser, served: Playground
) -> None:
    act = f"/page/phone/{JANES_PHONE}/pin"
    prompt = show_prompt(served.simulator)

    assert await browser.post(act, origin="https://evil.example", pin="1234") == 403
    assert await browser.post(act, origin="", pin="1234") == 403
    rebound = {"Host": "evil.example"}
    async with browser.session.get(served.page_url, headers=rebound) as answer:
        assert answer.status == 403
    assert not prompt.answer.done()


async def test_unknown_people_chats_and_phones_are_not_found(browser: Browser) -> None:
    for path in ("/?person=5", "/?person=900&chat=-5001", "/page/file/none"):
        async with browser.session.get(browser.served.page_url + path) as answer:
            assert answer.status == 404
    assert await browser.post("/page/phone/254799999999/cancel") == 404


async def test_a_phone_pays_by_hand_from_the_page(browser: Browser, served: Playground) -> None:
    path = f"/page/phone/{JANES_PHONE}/pay-by-hand"

    assert await browser.post(path, amount_kes="75", account_reference="lipa 7k2qx") == 204

    [row] = served.simulator.books.statement()
    assert (row.amount_cents, row.account_reference, row.phone) == (
        75_00,
        "lipa 7k2qx",
        JANES_PHONE,
    )
    assert row.receipt in await browser.read()
    for amount in ("0", "-5", "1.5", "250001", "fifty", "", "٥"):
        assert await browser.post(path, amount_kes=amount, account_reference="x") == 400
    assert await browser.post(path, amount_kes="5", account_reference="x" * 51) == 400
    assert len(served.simulator.books.statement()) == 1


async def test_the_demo_starts_the_bot_tells_its_address_and_stops_on_sigterm(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    life: list[str] = []

    @asynccontextmanager
    async def start_bot(
        *, api_url: str, mpesa_base_url: str, data_dir: Path, certificate: bytes
    ) -> AsyncIterator[None]:
        assert certificate.startswith(b"-----BEGIN CERTIFICATE")
        life.append(f"{api_url} {mpesa_base_url} {data_dir}")
        yield
        life.append("stopped")

    def echo(line: str) -> None:
        told.append(line)
        if len(told) == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    async with asyncio.timeout(60):
        await demo(port=0, data_dir=tmp_path / "var", start_bot=start_bot, echo=echo)

    address = life[0].split()[0]
    assert told[0].startswith(f"The demo is at {address} ")
    assert (tmp_path / "var").is_dir()
    assert life[-1] == "stopped"
