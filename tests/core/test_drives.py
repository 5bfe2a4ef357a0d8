"""Drives in the core, on both engines: opened once, given to, added up, and told about."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.ask import Asked
from bot.core.by_hand import by_hand_of_drives
from bot.core.drive_words import label_of, typed_reference
from bot.core.limits import Refusal, RefusalReason
from bot.core.placing import Placing
from bot.core.ports import Ids
from bot.core.post import Post
from bot.core.record import Record
from storage.records import (
    NOBODY,
    Closing,
    DriveStatus,
    Kind,
    NewRecordRow,
    NoticeKind,
    Shows,
    Source,
    Status,
    TreasurerState,
    Word,
)
from tests.core.bodies import failure, success
from tests.core.drive_life import GROUP, OPENER, DriveLife, drives
from tests.fakes import fact, unit_of

__all__ = ["drives"]


@pytest.mark.parametrize(
    ("title", "label"),
    [
        ("Mama Akinyi hospital bill", "AKINYI"),
        ("Mchango wa harusi ya Otieno", "HARUSI"),
        ("Wanjikũ's school fees", "WANJIK"),
        ("Ng'ang'a", "NGANGA"),
        ("2027 reunion", "2027"),
        ("🎉🎉", "CHANGA"),
    ],
)
def test_the_account_on_a_prompt_says_what_it_is_for(title: str, label: str) -> None:
    assert label_of(title) == label


@pytest.mark.parametrize(
    "typed", ["AKINYI-7K2QX", "akinyi 7k2qx", "Akinyi7K2QX ", "AKINYI - 7K2QX"]
)
def test_a_reference_is_found_however_it_was_typed(typed: str) -> None:
    assert typed_reference(typed) == "AKINYI-7K2QX"


async def test_a_drive_is_opened_once_however_often_its_command_comes(drives: DriveLife) -> None:
    first = await drives.open()
    second = await drives.open(title="something else")

    assert first == second
    assert len(first.code) == 12
    assert first.reference.startswith("AKINYI-")
    assert len(first.reference) <= 12
    assert not set(first.reference[-5:]) & set("0O1I")
    assert await drives.drives.by_code(first.code) == first
    assert await drives.drives.by_reference(first.reference.lower().replace("-", " ")) == first
    assert [each.kind for each in await drives.owed(GROUP)] == [NoticeKind.CARD]


async def test_a_drives_reference_is_taken_for_everybody(drives: DriveLife) -> None:
    drive = await drives.open()
    async with drives.desk.store.read() as tx:
        assert await tx.payments.reference_taken(drive.reference)


async def test_the_total_is_what_is_credited_and_nothing_else(drives: DriveLife) -> None:
    drive = await drives.open()
    await drives.paid(drive, 1)
    await drives.paid(drive, 2, amount_kes=1_000)
    unpaid = await drives.give(drive, 3, amount_kes=2_000)
    await drives.desk.post(unpaid, failure(1032, 3))

    totals = await drives.drives.totals(drive.id)

    assert (totals.mpesa_cents, totals.mpesa_gifts, totals.cash_cents) == (150_000, 2, 0)
    view = await drives.drives.card_view(drive.id)
    assert view is not None
    assert view.givers == 2
    assert [(each.name, each.cents) for each in view.newest] == [
        ("Jane", 100_000),
        ("Jane", 50_000),
    ]


@pytest.mark.both_engines
async def test_money_paid_by_hand_that_names_a_drive_is_a_gift_to_it(drives: DriveLife) -> None:
    drive, desk = await drives.open(), drives.desk
    ids = Ids(random.Random(7).randbytes)
    placing = Placing(
        store=desk.store,
        settle=desk.hear._settle,
        clock=desk.clock,
        ids=ids,
        finders=(by_hand_of_drives(ids, desk.clock),),
        confirm_above_kes=5_000,
    )
    record = Record(
        store=desk.store,
        settle=desk.hear._settle,
        clock=desk.clock,
        placing=placing,
        wake=lambda: None,
    )
    row = NewRecordRow(
        receipt="UKN7H4QRX2",
        amount_cents=123_450,
        at=desk.clock.now(),
        source=Source.PORTAL,
        reference=drive.reference.lower().replace("-", " "),
        payer="",
    )

    for _ in range(2):
        await record.take([row])

    totals = await drives.drives.totals(drive.id)
    assert (totals.mpesa_cents, totals.mpesa_gifts) == (123_450, 1)


async def test_what_is_taken_back_is_in_no_total(drives: DriveLife) -> None:
    drive = await drives.open()
    payment = await drives.paid(drive, 1)
    await drives.paid(drive, 2)
    back = fact(Kind.REVERSED, payment_id=payment.id, at=drives.desk.clock.now())
    await drives.desk.store.submit(unit_of(back), drives.desk.hear._settle)
    now = await drives.desk.get(payment.id)
    assert (now.status, Word.REVERSED in now.words) == (Status.PAID, True)

    totals = await drives.drives.totals(drive.id)

    assert (totals.mpesa_cents, totals.mpesa_gifts) == (50_000, 1)
    view = await drives.drives.page_view(drive.code)
    assert view is not None
    assert [each.cents for each in view.gifts] == [50_000]


async def test_the_same_press_twice_is_one_gift(drives: DriveLife) -> None:
    drive = await drives.open()
    first = await drives.give(drive, 1)
    request = replace(
        drives.gift, drive_id=drive.id, phone="254712000001", ask_key="u:1", amount_kes=900
    )
    again = await drives.drives.give(request)

    assert isinstance(again, Asked)
    assert again.again
    assert again.payment.id == first.id
    assert len(drives.desk.daraja.pushes) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (DriveStatus.PAUSED, RefusalReason.DRIVE_PAUSED),
        (DriveStatus.CLOSED, RefusalReason.DRIVE_CLOSED),
    ],
)
async def test_no_prompt_is_sent_for_a_drive_that_takes_none(
    drives: DriveLife, status: DriveStatus, reason: RefusalReason
) -> None:
    drive = await drives.open()
    await drives.desk.store.write(lambda tx: tx.drives.change(drive.id, status=status))

    refused = await drives.drives.give(replace(drives.gift, drive_id=drive.id))

    assert isinstance(refused, Refusal)
    assert refused.reason is reason
    assert drives.desk.daraja.pushes == []
    async with drives.desk.store.read() as tx:
        assert await tx.gifts.latest(drive.id, drives.gift.giver_id) is None


async def test_no_prompt_is_sent_once_the_time_is_over(drives: DriveLife) -> None:
    drive = await drives.open(closes_at=drives.desk.clock.now() + timedelta(days=1))
    await drives.give(drive, 1)
    drives.desk.clock.advance(86_400)

    refused = await drives.drives.give(replace(drives.gift, drive_id=drive.id, ask_key="u:2"))

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.DRIVE_CLOSED


async def test_who_is_anonymous_stays_so_the_next_time(drives: DriveLife) -> None:
    drive = await drives.open()
    await drives.paid(drive, 1, anonymous=True, hide_amount=True)
    drives.desk.clock.advance(300)
    again = await drives.give(drive, 1, ask_key="u:again", amount_kes=700)

    gift = await drives.giving.gift(again.intent_id)
    assert gift is not None
    assert (gift.anonymous, gift.hide_amount) == (True, True)
    view = await drives.drives.page_view(drive.code)
    assert view is not None
    assert [(each.name, each.cents) for each in view.gifts] == [(None, None)]
    assert view.totals.cents == 50_000


async def test_a_gift_can_be_shown_otherwise_later_by_its_giver_alone(drives: DriveLife) -> None:
    drive = await drives.open()
    payment = await drives.paid(drive, 1)

    theirs = await drives.giving.show_gift(
        payment.intent_id, by=1005, closing=Closing(), on_behalf="Shosh"
    )
    others = await drives.giving.show_gift(
        payment.intent_id, by=1006, closing=Closing(), anonymous=True
    )

    assert theirs is not None
    assert others is None
    view = await drives.drives.page_view(drive.code)
    assert view is not None
    assert [(each.name, each.through) for each in view.gifts] == [("Shosh", "Jane")]


@pytest.mark.parametrize(
    ("shows", "seen"),
    [
        (Shows.ALL, [("Jane", 50_000)]),
        (Shows.NAMES, [("Jane", None)]),
        (Shows.TOTALS, []),
    ],
)
async def test_everybody_sees_what_the_drive_allows(
    drives: DriveLife, shows: Shows, seen: list[tuple[str, int | None]]
) -> None:
    drive = await drives.open(shows=shows)
    await drives.paid(drive, 1)

    page = await drives.drives.page_view(drive.code)

    assert page is not None
    assert [(each.name, each.cents) for each in page.gifts] == seen
    assert page.totals.cents == 50_000
    assert page.percent == 1
    assert await drives.drives.page_view("neverGivenAb") is None


async def test_a_gift_from_the_page_is_owed_no_message_and_counts(drives: DriveLife) -> None:
    drive = await drives.open()
    await drives.owed(GROUP)
    payment = await drives.paid(drive, 1, giver_id=NOBODY, chat_id=NOBODY, name="Wanjiru")

    assert payment.status is Status.PAID
    async with drives.desk.store.read() as tx:
        assert await tx.notices.owed() == 0
    view = await drives.drives.page_view(drive.code)
    assert view is not None
    assert [each.name for each in view.gifts] == ["Wanjiru"]


async def test_those_who_give_on_a_page_are_not_one_person(drives: DriveLife) -> None:
    drive = await drives.open()
    limit = drives.desk.asking._settings.limits.strangers_per_person_per_hour
    for number in range(1, limit + 3):
        await drives.give(drive, number, giver_id=NOBODY, chat_id=NOBODY)

    assert len(drives.desk.daraja.pushes) == limit + 2


@pytest.mark.both_engines
async def test_gifts_are_thanked_for_together_every_two_minutes(drives: DriveLife) -> None:
    drive = await drives.open()
    await drives.owed(GROUP)
    clock = drives.desk.clock
    for number in (1, 2, 3):
        await drives.paid(drive, number)
        await drives.touched.run_due()
        clock.advance(20)
    assert [each.topic for each in await drives.owed(GROUP)] == ["card:1"]

    clock.advance(60)
    told = await drives.owed(GROUP)
    await drives.paid(drive, 4)
    await drives.touched.run_due()
    clock.advance(120)
    told += await drives.owed(GROUP)
    await drives.touched.run_due()

    thanks = [each.topic for each in told if each.kind is NoticeKind.NEWS]
    assert thanks == ["thanks:1", "thanks:2"]
    async with drives.desk.store.read() as tx:
        named = [len(await tx.gifts.thanked(drive.id, thanks=number)) for number in (1, 2)]
    assert named == [3, 1]


async def test_a_gift_after_closing_is_a_question_to_each_treasurer(drives: DriveLife) -> None:
    drive = await drives.open()
    late = await drives.give(drive, 1)
    drives.desk.clock.advance(1)
    closed_at = drives.desk.clock.now()
    await drives.desk.store.write(
        lambda tx: tx.drives.change(drive.id, status=DriveStatus.CLOSED, closed_at=closed_at)
    )
    drives.desk.clock.advance(60)
    await drives.desk.post(late, success(1, amount=500, receipt="UKN0000001"))
    await drives.touched.run_due()
    await drives.touched.run_due()

    told = await drives.owed(OPENER)
    assert [each.topic for each in told] == [f"late:{late.id}"]
    assert all(each.kind is not NoticeKind.NEWS for each in await drives.owed(GROUP))
    assert (await drives.drives.totals(drive.id)).cents == 50_000


async def test_a_minute_of_gifts_edits_the_card_at_its_pace(drives: DriveLife) -> None:
    drive = await drives.open()
    await drives.owed(GROUP)
    edits = 0
    for _ in range(60):
        await drives.desk.store.write(lambda tx: tx.touched.touch(drive.subject))
        await drives.touched.run_due()
        edits += len(await drives.owed(GROUP))
        drives.desk.clock.advance(1)
    drives.desk.clock.advance(4)
    last = await drives.owed(GROUP)

    assert 14 <= edits <= 16
    assert [each.kind for each in last] == [NoticeKind.CARD]


async def test_the_card_gives_way_where_much_is_waiting(drives: DriveLife) -> None:
    from storage.records import Reply

    drive = await drives.open()
    await drives.owed(GROUP)
    now = drives.desk.clock.now()
    replies = [Reply(chat_id=GROUP, text=str(number)) for number in range(4)]
    keys = [f"say:x:{number}" for number in range(4)]
    await drives.desk.store.write(lambda tx: tx.notices.say(replies, keys=keys, now=now))
    await drives.desk.store.write(lambda tx: tx.touched.touch(drive.subject))
    await drives.touched.run_due()

    drives.desk.clock.advance(5)
    assert [each.kind for each in await drives.owed(GROUP)] == [NoticeKind.SAY] * 4
    drives.desk.clock.advance(5)
    assert [each.kind for each in await drives.owed(GROUP)] == [NoticeKind.CARD]


async def test_a_card_that_waits_delays_nobody_in_its_chat(drives: DriveLife) -> None:
    from storage.records import Reply

    drive = await drives.open()
    await drives.owed(GROUP)
    await drives.desk.store.write(lambda tx: tx.touched.touch(drive.subject))
    await drives.touched.run_due()
    now = drives.desk.clock.now()
    await drives.desk.store.write(
        lambda tx: tx.notices.say([Reply(chat_id=GROUP, text="hi")], keys=["say:1"], now=now)
    )

    assert [each.kind for each in await drives.owed(GROUP)] == [NoticeKind.SAY]
    drives.desk.clock.advance(4)
    assert [each.kind for each in await drives.owed(GROUP)] == [NoticeKind.CARD]


async def test_a_group_that_moves_takes_its_drives_along(drives: DriveLife) -> None:
    drive = await drives.open()
    await drives.owed(GROUP)

    post = Post(store=drives.desk.store, clock=drives.desk.clock)
    await post.migrated(old_chat_id=GROUP, new_chat_id=-1007)
    await drives.touched.run_due()
    drives.desk.clock.advance(4)

    [card] = await drives.owed(-1007)
    assert (card.kind, card.message_id) == (NoticeKind.CARD, None)
    [there] = await drives.drives.in_chat(-1007)
    assert (there.id, there.chat_id) == (drive.id, -1007)
    # Whoever began while it was the old group still means this one.
    assert await drives.drives.in_chat(GROUP) == [there]


@pytest.mark.both_engines
async def test_a_card_is_posted_anew_when_we_come_back(drives: DriveLife) -> None:
    drive = await drives.open()
    await drives.owed(GROUP)

    assert await drives.drives.came_back(GROUP, Closing())
    assert not await drives.drives.came_back(-999, Closing())

    [card] = await drives.owed(GROUP)
    assert card.message_id is None
    again = await drives.drives.get(drive.id)
    assert again is not None
    assert again.card == 2


async def test_who_opens_it_is_its_treasurer(drives: DriveLife) -> None:
    drive = await drives.open()
    async with drives.desk.store.read() as tx:
        found = await tx.drives.treasurers(drive.id)

    assert [(each.name, each.state) for each in found] == [("Mary", TreasurerState.ACCEPTED)]
