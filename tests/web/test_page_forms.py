"""The form of a page: whose it is, how often it counts, and what it says about what was typed."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest

from bot.core.ask import Asked
from bot.core.drive_acts import Actor, Answer
from bot.core.drive_views import PageView
from bot.core.giving import GiveRequest
from bot.core.limits import Refusal
from bot.web.drives import Drives
from bot.web.forms import GOOD_FOR
from storage.engine import Store
from storage.errors import StoreBusy
from storage.records import NOBODY, Closing, DriveStatus, Shows
from tests.stores import OpenStore, TestClock
from tests.web.place import MASK, OPENER, PHONE, Place, opened_place, ticket_in

TYPED = {"phone": PHONE, "amount": "500", "name": "Otieno"}


async def opened(place: Place) -> tuple[str, dict[str, str]]:
    """The path of a fresh drive, and its form filled in."""
    drive = await place.drive()
    path = f"/d/{drive.code}"
    return path, {**TYPED, "ticket": ticket_in((await place.get(path)).text)}


async def prompts(place: Place) -> int:
    await place.finish()
    return len(place.daraja.pushes)


async def test_a_form_that_is_sent_twice_is_one_payment(place: Place) -> None:
    path, form = await opened(place)
    answers = await asyncio.gather(*(place.post(path, form) for _ in range(5)))

    assert {each.status for each in answers} == {303}
    assert len({each.headers["Location"].split(".")[0] for each in answers}) == 1
    assert await prompts(place) == 1
    assert (await place.post(path, form)).status == 303
    assert await prompts(place) == 1


@pytest.mark.both_engines
async def test_a_form_that_is_sent_again_with_less_to_be_seen_hides_it(place: Place) -> None:
    path, form = await opened(place)
    await place.post(path, form)
    await prompts(place)
    [payment] = await place.payments()
    await place.paid(payment)
    assert "Otieno" in (await place.get(path)).words

    # Back in the browser: the form is as it was.
    assert (await place.post(path, {**form, "hide_amount": "1"})).status == 303
    page = (await place.get(path)).words
    listed = page[page.index("Who has given") :]
    assert ("Otieno" in listed, "500" in listed) == (True, False)
    assert (await place.post(path, {**form, "anonymous": "1"})).status == 303
    # Nor does it come back, should the first of them arrive once more.
    assert (await place.post(path, form)).status == 303

    assert "Otieno" not in (await place.get(path)).words
    gift = await place.core.drives.giving.gift(payment.intent_id)
    assert gift is not None
    assert (gift.anonymous, gift.hide_amount) == (True, True)
    assert await prompts(place) == 1


async def test_the_form_of_another_browser_hides_nothing(place: Place) -> None:
    path, form = await opened(place)
    await place.post(path, form)
    await prompts(place)
    [payment] = await place.payments()
    await place.paid(payment)
    mine = place.cookie()
    place.client.cookie_jar.clear()
    liar = {**form, "anonymous": "1"}

    assert (await place.post(path, liar, cookies={mine[0]: "0" * 32})).status == 409
    assert "Otieno" in (await place.get(path)).words


@pytest.mark.parametrize(
    ("told", "now", "seen"),
    [
        (Shows.TOTALS, Shows.ALL, (False, False)),
        (Shows.TOTALS, Shows.NAMES, (False, False)),
        (Shows.NAMES, Shows.ALL, (True, False)),
        (Shows.ALL, Shows.ALL, (True, True)),
    ],
)
async def test_who_gives_on_a_page_is_shown_as_it_said_when_it_was_opened(
    place: Place, told: Shows, now: Shows, seen: tuple[bool, bool]
) -> None:
    drive = await place.drive(shows=told)
    path = f"/d/{drive.code}"
    shown = re.search(r'name="shows" value="(\w+)"', (page := await place.get(path)).text)
    assert shown is not None
    if now is not told:
        changed = await place.core.drives.treasury.change(
            drive.id,
            Actor(id=OPENER, name="Mary"),
            what="shows",
            value=now,
            told=str(now),
            closing=Closing(),
        )
        assert changed is Answer.DONE
    form = {**TYPED, "ticket": ticket_in(page.text), "shows": shown[1]}
    assert (await place.post(path, form)).status == 303
    await prompts(place)
    [payment] = await place.payments()
    await place.paid(payment)

    words = (await place.get(path)).words
    listed = words[words.index("Who has given") :]
    assert ("Otieno" in listed, "500" in listed) == seen


async def test_the_same_form_with_another_amount_is_another_wish(place: Place) -> None:
    path, form = await opened(place)
    await place.post(path, form)
    await place.finish()
    [payment] = await place.payments()
    await place.failed(payment, 1)  # not enough on the phone

    assert (await place.post(path, {**form, "amount": "50"})).status == 303
    assert await prompts(place) == 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://pay.example.org.evil.example"}, 403),
        ({"Origin": "http://pay.example.org"}, 303),  # as people outside the proxy see us
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "null"}, 303),  # an old browser: the ticket alone tells
    ],
)
async def test_only_our_own_pages_send_a_form(
    place: Place, headers: dict[str, str], status: int
) -> None:
    path, form = await opened(place)
    answer = await place.post(path, form, headers=headers)

    assert answer.status == status
    assert await prompts(place) == (status == 303)
    if status == 403:
        # Nor may another site fill in our form for somebody to send.
        assert "Otieno" not in answer.text
        assert PHONE not in answer.text


TICKETS = {
    "none": "",
    "nonsense": "abc",
    "made up": f"{int(1e9):x}.{'0' * 32}.{'0' * 32}",
    "long": "f" * 3000,
}


@pytest.mark.parametrize("ticket", TICKETS.values(), ids=TICKETS)
async def test_a_form_without_a_good_ticket_is_shown_again_as_it_was(
    place: Place, ticket: str
) -> None:
    path, form = await opened(place)
    answer = await place.post(path, {**form, "ticket": ticket})

    assert answer.status == 409
    assert "nothing was sent" in answer.words
    assert 'value="Otieno"' in answer.text
    assert await prompts(place) == 0
    again = {**form, "ticket": ticket_in(answer.text)}
    assert (await place.post(path, again)).status == 303
    assert await prompts(place) == 1


async def test_a_ticket_is_of_one_page_one_browser_and_one_afternoon(place: Place) -> None:
    path, form = await opened(place)
    other = await place.drive(open_key="m:-700:2")
    elsewhere = await place.post(f"/d/{other.code}", form)
    mine = place.cookie()
    place.client.cookie_jar.clear()
    nobody = await place.post(path, form)
    place.client.cookie_jar.clear()
    somebody_else = await place.post(path, form, cookies={mine[0]: "0" * 32})
    place.client.cookie_jar.clear()
    place.clock.advance(GOOD_FOR.total_seconds() + 1)
    too_late = await place.post(path, form, cookies=dict([mine]))
    place.client.cookie_jar.clear()
    place.clock.advance(-2)
    in_time = await place.post(path, form, cookies=dict([mine]))

    assert [each.status for each in (elsewhere, nobody, somebody_else, too_late)] == [409] * 4
    assert "cookie" in nobody.words
    assert in_time.status == 303
    assert await prompts(place) == 1


async def test_the_only_cookie_says_nothing_and_stays_with_us(place: Place) -> None:
    drive = await place.drive()
    page = await place.get(f"/d/{drive.code}")
    closed = await place.get("/r/" + "A" * 43)

    cookie = page.headers["Set-Cookie"]
    for word in ("HttpOnly", "SameSite=Lax", "Path=/"):
        assert word in cookie
    assert "Set-Cookie" not in closed.headers
    again = await place.get(f"/d/{drive.code}")
    assert again.headers["Set-Cookie"] == cookie


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("phone", "", "Which phone pays?"),
        ("phone", "0712 34", "too few digits"),
        ("phone", "+255 712 345 678", "not Kenyan"),
        ("phone", "O712000001", "cannot read that"),
        ("amount", "", "How much?"),
        ("amount", "nyingi", "cannot read “nyingi”"),
        ("amount", "-5", "less than nothing"),
        ("amount", "12.50", "12 or 13?"),
        ("amount", "1,000,000", "too much"),
        ("amount", "2 thao", "did you mean KES 2,000?"),
    ],
)
async def test_what_cannot_be_read_is_said_beside_it_and_kept(
    place: Place, field: str, typed: str, words: str
) -> None:
    path, form = await opened(place)
    answer = await place.post(path, {**form, field: typed})

    assert answer.status == 422
    assert words in answer.words
    assert f'id="{field}-problem"' in answer.text
    assert 'value="Otieno"' in answer.text
    assert await prompts(place) == 0
    fixed = {**form, "ticket": ticket_in(answer.text)}
    assert (await place.post(path, fixed)).status == 303


@pytest.mark.parametrize(
    "written", ["1,500", "1500/=", "KES 1500", "1.5k", "ksh. 1,500", "1500.00", "１５００"]
)
async def test_amounts_are_read_as_in_the_chat(place: Place, written: str) -> None:
    path, form = await opened(place)
    assert (await place.post(path, {**form, "amount": written})).status == 303
    await place.finish()
    [payment] = await place.payments()
    assert payment.amount_kes == 1500


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"phone=1", "text/plain"),
        (b"{}", "application/json"),
        (b"phone=" + b"1" * 5000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a=1" for _ in range(100)), "application/x-www-form-urlencoded"),
        (b"phone=%ff\xff", "application/x-www-form-urlencoded"),
        (b"", "application/x-www-form-urlencoded"),
    ],
)
async def test_what_is_no_form_is_answered_with_the_form(
    place: Place, body: bytes, content_type: str
) -> None:
    drive = await place.drive()
    async with place.client.post(
        f"/d/{drive.code}", data=body, headers={"Content-Type": content_type}
    ) as answer:
        assert answer.status in (400, 409)
        assert "ticket" in await answer.text()
    assert await prompts(place) == 0


class BusyOnce:
    """Drives whose first gift cannot be written down: the store is full at that moment."""

    def __init__(self, drives: Drives) -> None:
        self._drives = drives
        self._busy = True

    async def page_view(self, code: str) -> PageView | None:
        return await self._drives.page_view(code)

    async def give(self, request: GiveRequest) -> Asked | Refusal:
        if self._busy:
            self._busy = False
            raise StoreBusy("full")
        return await self._drives.give(request)


async def test_a_store_that_fails_loses_nothing_and_asks_once(
    store: Store, clock: TestClock
) -> None:
    async with opened_place(store, clock, drives=BusyOnce) as place:
        path, form = await opened(place)
        busy = await place.post(path, form)
        again = await place.post(path, {**form, "ticket": ticket_in(busy.text)})
        late_twin = await place.post(path, form)
        sent = await prompts(place)

    assert busy.status == 503
    assert 'value="Otieno"' in busy.text
    assert [again.status, late_twin.status] == [303, 303]
    assert sent == 1


async def test_limits_are_told_and_outlive_a_restart(
    open_a_store: OpenStore, clock: TestClock
) -> None:
    async with open_a_store() as store, opened_place(store, clock) as place:
        drive = await place.drive()
        path = f"/d/{drive.code}"
        for number in range(5):
            assert (await place.send(path, phone=f"071200010{number}")).status == 303
            await place.finish()
    async with open_a_store() as store, opened_place(store, clock, seed=8) as place:
        refused = await place.send(path, phone="0712000109")
        other_address = await place.send(path, phone="0712000109", address="198.51.100.9")

    assert refused.status == 429
    assert "from your connection" in refused.words
    assert 'value="0712000109"' in refused.text
    assert other_address.status == 303


async def test_an_ipv6_home_is_one_address(place: Place) -> None:
    drive = await place.drive()
    answers = [
        await place.send(
            f"/d/{drive.code}", phone=f"071200010{number}", address=f"2001:db8:1:2::{number:x}"
        )
        for number in range(6)
    ]
    neighbour = await place.send(f"/d/{drive.code}", phone="0712000109", address="2001:db8:1:3::1")

    assert [each.status for each in answers] == [303] * 5 + [429]
    assert neighbour.status == 303


async def test_what_protects_a_line_tells_nothing_about_it(place: Place) -> None:
    drive = await place.drive()
    await place.send(f"/d/{drive.code}")
    await place.finish()
    [payment] = await place.payments()
    await place.failed(payment, 1037)
    refused = await place.send(f"/d/{drive.code}", address="198.51.100.9")

    assert refused.status == 429
    assert f"To protect {MASK}" in refused.words
    assert "not answered" not in refused.words


async def test_nobody_is_owed_a_notice_for_what_a_page_asked(place: Place) -> None:
    drive = await place.drive()
    await place.send(f"/d/{drive.code}")
    await place.finish()
    [payment] = await place.payments()
    await place.paid(payment)
    due = await place.core.post.due()

    assert [notice for notice in due if notice.chat_id == NOBODY] == []


@pytest.mark.parametrize("status", ["paused", "closed"])
async def test_a_drive_that_takes_nothing_has_no_form(place: Place, status: str) -> None:
    drive = await place.drive(closes_at=place.clock.now() + timedelta(days=1))
    path, form = f"/d/{drive.code}", TYPED
    ticket = ticket_in((await place.get(path)).text)
    if status == "closed":
        place.clock.advance(24 * 3600 + 1)
    else:
        await place.write(lambda tx: tx.drives.change(drive.id, status=DriveStatus.PAUSED))
    page = await place.get(path)
    answer = await place.post(path, {**form, "ticket": ticket})

    assert "<form" not in page.text
    assert "Set-Cookie" not in page.headers
    assert ("takes no gifts" if status == "paused" else "is closed") in page.words
    assert answer.status == 409
    assert await prompts(place) == 0
