"""One success told fifty times at once, for ten payments together: one credit and one last word."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta

import aiohttp
import pytest

from bot.core.ask import Asked, AskRequest
from storage.records import Notice, NoticeKind, Payment, Status
from tests.core.bodies import success
from tests.prove import copies
from tests.prove.copies import copies_of
from tests.web.place import Place

PAYMENTS = 10
COPIES = 50
AT_ONCE = 300  # each is open at both ends, and a process has 1,024 files
KES = 50


async def asked(place: Place) -> list[Payment]:
    """Ten people, each with a prompt on the phone and a message that says so in the chat."""
    found = []
    for number in range(1, PAYMENTS + 1):
        opened = await place.core.asking.open(
            AskRequest(
                asked_by=number,
                chat_id=number,
                thread_id=None,
                reply_to=7,
                private=True,
                language="en",
                amount_kes=KES,
                phone=f"2547220000{number:02d}",
                note="",
                ask_key=f"m:{number}:7",
                update_id=None,
            )
        )
        assert isinstance(opened, Asked), opened
        await place.finish()
        found.append(opened.payment)
    return found


async def flood(place: Place, bodies: list[tuple[str, bytes]]) -> Counter[int]:
    """Post all of them together; how often which status was answered."""
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(place.origin, connector=connector) as client:

        async def post(path: str, body: bytes) -> int:
            async with client.post(path, data=body) as answer:
                await answer.read()
                return answer.status

        return Counter(await asyncio.gather(*(post(*each) for each in bodies)))


async def told(place: Place) -> list[Notice]:
    """What is owed to the chats, handed out and told, as often as it takes."""
    found: list[Notice] = []
    now = place.clock.now()
    while claimed := await place.store.write(
        lambda tx: tx.notices.claim(now=now, lease=timedelta(minutes=1), limit=100)
    ):
        for notice in claimed:
            await place.store.write(
                lambda tx, n=notice: tx.notices.told(n, message_id=n.chat_id, now=now)  # type: ignore[misc]  # the default pins n
            )
        found += claimed
    return found


@pytest.mark.both_engines
@pytest.mark.parametrize(("late_s", "rings"), [(0, 0), (180, 1)])
async def test_fifty_copies_at_once_of_ten_successes_are_ten_credits_and_ten_last_words(
    place: Place, late_s: float, rings: int
) -> None:
    chance = random.Random(30)
    payments = await asked(place)
    versions = {notice.payment_id: notice.wanted for notice in await told(place)}
    place.clock.advance(late_s)
    receipts = {each.id: f"UKN{number:07d}" for number, each in enumerate(payments, 1)}
    bodies = [
        (place.callback_address(payment.id), body)
        for number, payment in enumerate(payments, 1)
        for body in copies_of(success(number, receipt=receipts[payment.id]), COPIES, chance)
    ]
    assert len({body for _, body in bodies}) > 2 * PAYMENTS, "their bytes differ"
    chance.shuffle(bodies)

    assert await flood(place, bodies) == {200: PAYMENTS * COPIES}

    async with place.store.read() as tx:
        credited = await tx.payments.credited()
        holders = await tx.evidence.receipt_holders([*receipts.values()])
    assert len(credited) == PAYMENTS
    assert {each.id: each.receipt for each in credited} == receipts
    assert {each.status for each in credited} == {Status.PAID}
    assert {each.credited_cents for each in credited} == {KES * 100}
    assert {each.words for each in credited} == {frozenset()}, "nothing of it came twice"
    assert holders == {receipt: payment_id for payment_id, receipt in receipts.items()}

    said = await told(place)
    kinds = Counter((notice.chat_id, notice.kind) for notice in said)
    chats = range(1, PAYMENTS + 1)
    assert kinds == Counter(
        {(chat, NoticeKind.STATUS): 1 for chat in chats}
        | {(chat, NoticeKind.RING): rings for chat in chats if rings}
    )
    edits = {n.payment_id: n.wanted for n in said if n.kind is NoticeKind.STATUS}
    assert edits == {each: wanted + 1 for each, wanted in versions.items()}, "edited but once"

    again = chance.sample(bodies, 2 * COPIES)
    assert await flood(place, again) == {200: len(again)}
    assert await told(place) == [], "what comes again when all is told says nothing more"


async def test_sixty_payments_told_fifty_times_each_to_the_door_itself() -> None:
    [row] = await copies.run(payments=60, seed=20261128)

    assert row.violations == 0, row
    assert row.many == 3_000
