"""Strangers at the pages: names that would be markup, clients that dribble, and crowds."""

from __future__ import annotations

import asyncio
import html
from contextlib import AsyncExitStack
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.core.drive_views import PageView, ShownGift
from bot.core.ports import Collector
from bot.texts import Texts
from bot.web.drives import DriveNoun
from bot.web.prompting import FormState
from bot.web.rendering import Press, Reader
from bot.web.seats import NoSeat, Rates, Seats, neighbourhood
from bot.web.wishes import Problem, Typed
from storage.engine import Store
from storage.records import Drive, DriveKind, DriveStatus, Shows, Status, Totals
from tests.core.bodies import success
from tests.stores import NOON, TestClock
from tests.web.place import Place, opened_place

TAGS = {
    *("html", "head", "meta", "title", "link", "script", "body", "header", "p", "a", "main", "div"),
    *("h1", "h2", "section", "form", "input", "label", "button", "progress", "span", "ul", "li"),
    *("bdi", "i", "b", "dl", "dt", "dd", "footer", "noscript"),
}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "{amount}{0.__class__}",
    "</title><script>",
    "data: x\n\nevent: over\n",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "%s%n&lt;&#x3c;script&#62;",
    "\x00\x1b[2J",
)


class Tags(HTMLParser):
    """Every tag and attribute of a page, and nothing but a browser's own view of them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.scripts: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "script":
            self.scripts.append(dict(attrs).get("src"))


class NoDrives:
    """No drive at all: the templates are what is tested."""


def page_of(name: str, language: str = "en") -> str:
    """A drive's page on which a stranger's words stand wherever somebody's words may stand."""
    drive = Drive(
        id="0" * 32,
        code="A" * 12,
        reference="LIPA-7K2QX",
        label="LIPA",
        chat_id=1,
        thread_id=None,
        language="en",
        kind=DriveKind.HARAMBEE,
        title=name,
        target_kes=100,
        closes_at=None,
        shows=Shows.ALL,
        status=DriveStatus.OPEN,
        opened_by=1,
        opened_at=NOON,
        open_key="k",
    )
    gifts = (
        ShownGift(at=NOON, name=name, cents=100),
        ShownGift(at=NOON, name=name, through=name, cents=None),
        ShownGift(at=NOON, name=name, cents=100, returned=True, once=True),
        ShownGift(at=NOON, name=name, cents=-100, returned=True, untold=True),
    )
    view = PageView(
        drive=drive,
        totals=Totals(mpesa_cents=100, mpesa_gifts=1, cash_cents=0, cash_gifts=0),
        givers=1,
        gifts=gifts,
        more=1,
        treasurers=(name, name),
        takes_gifts=True,
    )
    press = Press(
        texts=Texts.load(),
        collector=Collector(name=name, kind="paybill", number="174379", practice=True),
        public_url="https://pay.example.org",
    )
    form = FormState(
        ticket="t",
        typed=Typed(phone=name, amount=name, name=name),
        problems={"amount": Problem("unclear.amount", {"text": name})},
        word=Problem("page.form.wrong"),
    )
    noun = DriveNoun(NoDrives(), lambda text: 1)  # type: ignore[arg-type]  # it is never asked
    reader = Reader(language=language, path="/d/" + "A" * 12)
    return press.fragment("drive.html", reader, form=form, takes=True, **noun.values(view))


PLAIN = Tags()
PLAIN.feed(page_of("Jane"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(HOSTILE) | st.text(max_size=80) | st.text("<>\"'&=/ {}%on\n", max_size=40))
def test_no_name_becomes_markup(name: str) -> None:
    seen = Tags()
    seen.feed(page_of(name))

    assert seen.found <= TAGS
    assert seen.attributes <= PLAIN.attributes
    assert seen.scripts == PLAIN.scripts


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_reads_as_a_name_in_page_and_stream(place: Place, name: str) -> None:
    drive = await place.drive()
    answer = await place.send(f"/d/{drive.code}", name=name, amount="x" + name)
    assert answer.status == 422
    seen = Tags()
    seen.feed(answer.text)
    await place.send(f"/d/{drive.code}", name=name)
    await place.finish()
    await place.paid((await place.payments())[0])
    page = Tags()
    text = (await place.get(f"/d/{drive.code}")).text
    page.feed(text)
    async with place.client.get(f"/d/{drive.code}/live") as stream:
        bar = await stream.content.readuntil(b"\n\n")
        names = await stream.content.readuntil(b"\n\n")

    assert seen.found | page.found <= TAGS
    assert bar.startswith(b"event: bar\n")
    assert names.startswith(b"event: list\n")
    assert all(line.startswith(b"data: ") for line in names.strip().split(b"\n")[1:])
    assert "\u202e" not in text
    assert html.escape("<script>") not in answer.headers.get("Location", "")


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::9", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_address_is_counted_as_one_home(address: str, counted: str) -> None:
    assert neighbourhood(address) == counted


def test_seats_come_back_and_nobody_is_remembered() -> None:
    seats = Seats(total=3, per_address=2)
    with seats.seat("a"), seats.seat("a"):
        with pytest.raises(NoSeat), seats.seat("a"):
            pass
        with seats.seat("b"), pytest.raises(NoSeat), seats.seat("c"):
            pass
    assert seats.taken == 0
    assert not seats._taken


def test_rates_remember_only_so_many_addresses() -> None:
    rates = Rates(count=1, within=NOON - NOON.replace(minute=NOON.minute - 0, hour=8))
    for number in range(Rates.ADDRESSES_MAX + 100):
        rates.take(f"address {number}", NOON)
    assert len(rates._asked) <= Rates.ADDRESSES_MAX + 1
    with pytest.raises(NoSeat):
        rates.take(f"address {Rates.ADDRESSES_MAX + 99}", NOON)


async def open_socket(port: int, head: bytes) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    await writer.drain()
    return writer


ARRIVE_WITHIN_S = 20.0  # all of them: a second each would be a server that starves them
DRIBBLES = {
    "half a head": b"GET /d/AAAAAAAAAAAA HTTP/1.1\r\nHost: x\r\nX-",
    "a form that never ends": (
        b"POST /d/AAAAAAAAAAAA HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nphone="
    ),
    "a page and then silence": b"GET /d/AAAAAAAAAAAA HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("head", DRIBBLES.values(), ids=DRIBBLES)
async def test_five_hundred_slow_clients_starve_no_callback(
    store: Store, clock: TestClock, head: bytes
) -> None:
    # Idle pages make room; the others are cut before there are too many of them.
    idle = head == DRIBBLES["a page and then silence"]
    places = 400 if idle else None
    async with (
        opened_place(store, clock, connections_max=places) as place,
        AsyncExitStack() as stack,
    ):
        await callbacks_arrive(place, stack, head, slow=500)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_idle_page_connections_make_room_for_callbacks(
    store: Store, clock: TestClock
) -> None:
    # More of them than there are places: without making room the callbacks are hung up on.
    head = b"GET /static/none HTTP/1.1\r\nHost: x\r\n\r\n"
    async with (
        opened_place(store, clock, connections_max=60) as place,
        AsyncExitStack() as stack,
    ):
        await callbacks_arrive(place, stack, head, slow=80)


async def callbacks_arrive(place: Place, stack: AsyncExitStack, head: bytes, *, slow: int) -> None:
    """Honest callbacks, each over a connection of its own, while *slow* clients hold theirs."""
    drive = await place.drive()
    await place.send(f"/d/{drive.code}")
    await place.finish()
    [payment] = await place.payments()
    for _ in range(slow):
        stack.callback((await open_socket(place.port, head)).close)
    body = success(1, amount=500, receipt="UKN0000001")
    async with asyncio.timeout(ARRIVE_WITHIN_S):
        for _ in range(20):
            async with place.client.post(
                place.callback_address(payment.id), data=body, headers={"Connection": "close"}
            ) as answer:
                assert answer.status == 200

    [payment] = await place.payments()
    assert payment.status is Status.PAID


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_slow_forms_of_one_address_leave_the_pages_to_others(
    store: Store, clock: TestClock
) -> None:
    async with opened_place(store, clock) as place, AsyncExitStack() as stack:
        drive = await place.drive()
        for _ in range(100):
            slow = await open_socket(place.port, DRIBBLES["a form that never ends"])
            stack.callback(slow.close)
        page = await place.get(f"/d/{drive.code}", **{"X-Forwarded-For": "198.51.100.9"})

    assert page.status == 200
