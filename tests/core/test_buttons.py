"""Buttons: shown as records, taken with their effect, and too late is too late."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest

from bot.core.ask import Asked
from bot.core.buttons import Buttons, Rule, Verdict
from bot.core.inbox import Inbox
from bot.core.limits import Refusal, RefusalReason
from bot.core.ports import Ids
from bot.core.post import Post
from storage.engine import Store
from storage.errors import StoreBusy
from storage.records import (
    Button,
    Deed,
    Keyboard,
    Notice,
    NoticeKind,
    Payment,
    Reply,
    ShownButton,
)
from storage.tx import Tx
from tests.core.bodies import failure
from tests.core.conftest import Desk
from tests.fakes import PHONE
from tests.stores import OpenStore, TestClock

JANE, OTIENO = 1001, 1002
AGAIN = Deed(action="again", subject="1" * 32, owner=JANE)
CHECK = replace(AGAIN, action="check")
FRESH_FOR = timedelta(minutes=15)
RULES: Mapping[str, Rule] = MappingProxyType(
    {"again": Rule(once=True, fresh_for=FRESH_FOR), "check": Rule()}
)


@pytest.fixture
def buttons(store: Store, clock: TestClock) -> Buttons:
    return Buttons(store=store, clock=clock, ids=Ids(random.Random(7).randbytes))


def notice(number: int = 1, *, tries: int = 1, wanted: int = 1, chat_id: int = JANE) -> Notice:
    return Notice(
        id=number,
        kind=NoticeKind.STATUS,
        chat_id=chat_id,
        payment_id=None,
        alarm=None,
        reply=None,
        message_id=None,
        wanted=wanted,
        tries=tries,
        resent=False,
    )


def card(*deeds: Deed, chat_id: int = JANE) -> Reply:
    row = tuple(Button(label=deed.action, does=deed) for deed in deeds)
    return Reply(chat_id=chat_id, text="a card", keyboard=Keyboard(rows=(row,)))


def data_of(reply: Reply) -> list[str]:
    assert reply.keyboard is not None
    return [button.data or "" for row in reply.keyboard.rows for button in row]


async def all_rows(store: Store) -> list[ShownButton]:
    async with store.read() as tx:
        return [each for number in range(10) for each in await tx.buttons.of_notice(number)]


async def take(store: Store, data: str, *, by: int, clock: TestClock) -> bool:
    return await store.write(lambda tx: tx.buttons.take(data, by=by, now=clock.now()))


async def test_what_a_press_carries_says_nothing_and_fits(buttons: Buttons) -> None:
    shown = [
        data
        for number in range(50)
        for data in data_of(await buttons.show(notice(number), card(AGAIN, CHECK), RULES))
    ]

    assert len(set(shown)) == 100
    for data in shown:
        assert len(data) == 24
        assert AGAIN.subject not in data
        assert "again" not in data


async def test_a_message_sent_once_more_shows_the_same_buttons(
    buttons: Buttons, clock: TestClock
) -> None:
    first = await buttons.show(notice(), card(AGAIN, CHECK), RULES)
    clock.advance(60)

    twin = await buttons.show(notice(tries=2), card(AGAIN, CHECK), RULES)
    edited = await buttons.show(notice(wanted=2), card(CHECK, AGAIN), RULES)

    assert data_of(twin) == data_of(first)
    assert data_of(edited) == data_of(first)[::-1]


@pytest.mark.both_engines
async def test_a_message_that_is_edited_for_ever_keeps_few_records(
    buttons: Buttons, store: Store, clock: TestClock
) -> None:
    shown = await buttons.show(notice(), card(AGAIN, CHECK), RULES)
    for version in range(2, 40):
        clock.advance(600)
        again = await buttons.show(notice(wanted=version), card(AGAIN, CHECK), RULES)

    rows = await all_rows(store)
    assert len(rows) == 3
    assert data_of(again)[0] != data_of(shown)[0], "more than half of its time is over"
    assert data_of(again)[1] == data_of(shown)[1]


@pytest.mark.both_engines
async def test_what_expired_long_ago_is_forgotten(
    buttons: Buttons, store: Store, clock: TestClock
) -> None:
    again, check = data_of(await buttons.show(notice(), card(AGAIN, CHECK), RULES))
    inbox = Inbox(store=store, clock=clock, wake=lambda: None)

    clock.advance(timedelta(days=7).total_seconds())
    await inbox.purge()
    kept = [each.data for each in await all_rows(store)]
    clock.advance(timedelta(hours=1).total_seconds())
    await inbox.purge()
    left = [each.data for each in await all_rows(store)]
    clock.advance(timedelta(days=60).total_seconds())
    await inbox.purge()

    assert sorted(kept) == sorted([again, check])
    assert left == [check]
    assert await all_rows(store) == []


async def test_only_its_owner_may_press_and_only_where_it_was_shown(buttons: Buttons) -> None:
    anyones = Deed(action="check", subject="1")
    reply = await buttons.show(notice(), card(AGAIN, anyones), RULES)
    hers, open_to_all = data_of(reply)

    async def verdict(data: str, by: int, chat_id: int = JANE) -> Verdict:
        return (await buttons.look(data, by=by, chat_id=chat_id)).verdict

    assert await verdict(hers, JANE) is Verdict.GOOD
    assert await verdict(hers, OTIENO) is Verdict.NOT_YOURS
    assert await verdict(open_to_all, OTIENO) is Verdict.GOOD
    assert await verdict(hers, JANE, chat_id=-5) is Verdict.OTHER_CHAT
    assert await verdict(open_to_all, OTIENO, chat_id=-5) is Verdict.OTHER_CHAT


@pytest.mark.parametrize(
    "data",
    [
        "",
        "A" * 24,
        "A" * 25,
        "'; DROP TABLE butt",
        "\x00" * 24,
        "\ud800" * 24,
        f"again:{'1' * 32}:{'0' * 16}",
    ],
    ids=["empty", "guessed", "long", "words", "nulls", "surrogates", "signed, as once"],
)
async def test_what_we_never_showed_is_old(buttons: Buttons, data: str) -> None:
    await buttons.show(notice(), card(AGAIN), RULES)

    assert (await buttons.look(data, by=JANE, chat_id=JANE)).verdict is Verdict.OLD


async def test_a_button_is_taken_once_whoever_is_how_fast(
    buttons: Buttons, store: Store, clock: TestClock
) -> None:
    (data,) = data_of(await buttons.show(notice(), card(AGAIN), RULES))

    taken = await asyncio.gather(
        *(take(store, data, by=person, clock=clock) for person in range(1, 21))
    )

    (row,) = await all_rows(store)
    assert taken.count(True) == 1
    assert row.used_by == taken.index(True) + 1
    assert row.used_at == clock.now()


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
async def test_two_processes_take_a_button_once(open_a_store: OpenStore, clock: TestClock) -> None:
    async with open_a_store() as one, open_a_store() as other:
        buttons = Buttons(store=one, clock=clock, ids=Ids(random.Random(7).randbytes))
        for number in range(10):
            (data,) = data_of(await buttons.show(notice(number), card(AGAIN), RULES))
            taken = await asyncio.gather(
                *(take(each, data, by=1, clock=clock) for each in (one, other, one, other))
            )
            assert taken.count(True) == 1


async def test_the_button_it_replaced_goes_with_the_one_that_is_taken(
    buttons: Buttons, store: Store, clock: TestClock
) -> None:
    (first,) = data_of(await buttons.show(notice(), card(AGAIN), RULES))
    clock.advance(500)
    (second,) = data_of(await buttons.show(notice(wanted=2), card(AGAIN), RULES))

    taken = [await take(store, each, by=JANE, clock=clock) for each in (second, first)]

    assert first != second
    assert taken == [True, False]


async def test_an_effect_that_fails_leaves_the_button_untouched(
    buttons: Buttons, store: Store, clock: TestClock
) -> None:
    (data,) = data_of(await buttons.show(notice(), card(AGAIN), RULES))

    async def fail(tx: Tx) -> None:
        assert await tx.buttons.take(data, by=JANE, now=clock.now())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.write(fail)

    assert await take(store, data, by=JANE, clock=clock)


@pytest.mark.both_engines
async def test_putting_a_button_back_revives_none_that_was_used_before(
    buttons: Buttons, store: Store, clock: TestClock
) -> None:
    (first,) = data_of(await buttons.show(notice(), card(AGAIN), RULES))
    assert await take(store, first, by=JANE, clock=clock)
    clock.advance(1)
    (second,) = data_of(await buttons.show(notice(wanted=2), card(AGAIN), RULES))

    async def think_better(tx: Tx) -> None:
        assert await tx.buttons.take(second, by=JANE, now=clock.now())
        await tx.buttons.put_back(second)

    await store.write(think_better)

    assert not await take(store, first, by=JANE, clock=clock)
    assert await take(store, second, by=JANE, clock=clock)


async def test_too_late_is_too_late(buttons: Buttons, store: Store, clock: TestClock) -> None:
    (data,) = data_of(await buttons.show(notice(), card(AGAIN), RULES))
    clock.advance(FRESH_FOR.total_seconds())

    assert not await take(store, data, by=JANE, clock=clock)
    assert (await all_rows(store))[0].used_at is None


@pytest.mark.both_engines
async def test_a_group_that_moves_takes_its_buttons_along(
    buttons: Buttons, store: Store, clock: TestClock
) -> None:
    reply = await buttons.show(notice(chat_id=-5), card(AGAIN, chat_id=-5), RULES)
    (data,) = data_of(reply)

    await Post(store=store, clock=clock).migrated(old_chat_id=-5, new_chat_id=-1005)
    anew = await buttons.show(notice(tries=2, chat_id=-1005), card(AGAIN, chat_id=-1005), RULES)

    assert data_of(anew) == [data]
    assert (await buttons.look(data, by=JANE, chat_id=-1005)).verdict is Verdict.GOOD
    assert (await buttons.look(data, by=JANE, chat_id=-5)).verdict is Verdict.OTHER_CHAT


async def test_words_in_the_outbox_keep_what_their_buttons_do(
    store: Store, clock: TestClock
) -> None:
    said = card(AGAIN)
    await store.write(lambda tx: tx.notices.say([said], keys=["say:1:0"], now=clock.now()))

    (owed,) = await Post(store=store, clock=clock).due()

    assert owed.reply == said


async def declined(desk: Desk) -> tuple[Payment, str]:
    """A payment that was not paid, and the data of its "try again"."""
    payment = await desk.ask()
    await desk.post(payment, failure())
    buttons = Buttons(store=desk.store, clock=desk.clock, ids=Ids(random.Random(7).randbytes))
    deed = replace(AGAIN, subject=payment.id)
    (data,) = data_of(await buttons.show(notice(), card(deed), RULES))
    return payment, data


async def press(desk: Desk, payment: Payment, data: str) -> Asked | Refusal:
    answer = await desk.asking.again(
        payment.id, by=JANE, update_id=None, language="en", button=data
    )
    await desk.finish()
    return answer


async def test_trying_again_takes_its_button_in_the_same_commit(desk: Desk) -> None:
    payment, data = await declined(desk)

    first, second = await press(desk, payment, data), await press(desk, payment, data)

    assert isinstance(first, Asked)
    assert isinstance(second, Asked)
    assert (first.again, second.again) == (False, True)
    assert second.payment.id == first.payment.id
    assert (await all_rows(desk.store))[0].used_by == JANE
    assert len(desk.daraja.pushes) == 2


async def test_a_button_that_waited_too_long_puts_no_prompt_on_a_phone(desk: Desk) -> None:
    payment, data = await declined(desk)
    desk.clock.advance(FRESH_FOR.total_seconds() + 1)

    answer = await press(desk, payment, data)

    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.STALE
    assert len(desk.daraja.pushes) == 1
    assert not (await desk.get(payment.id)).superseded


async def test_a_refusal_uses_no_button_up(desk: Desk) -> None:
    payment, data = await declined(desk)
    other = await desk.ask(ask_key="m:1002:1", asked_by=OTIENO, amount_kes=70, phone=PHONE)
    refused = await press(desk, payment, data)
    await desk.post(other, failure(1032, 2))

    answer = await press(desk, payment, data)

    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.LINE_BUSY
    assert isinstance(answer, Asked)


class ClosingSoon(Store):
    """A store that takes nothing more."""

    async def write(self, run: object) -> object:  # type: ignore[override]  # never returns
        raise StoreBusy("the store is closing")


async def test_a_message_whose_buttons_cannot_be_kept_is_not_made(
    store: Store, clock: TestClock
) -> None:
    closing = ClosingSoon(
        writer=store._writer,
        readers=store._readers,
        crypt=store.crypt,
        exclusive=store.exclusive,
        holder=store.holder,
        presence=store.presence,
    )
    buttons = Buttons(store=closing, clock=clock, ids=Ids(random.Random(7).randbytes))

    with pytest.raises(StoreBusy):
        await buttons.show(notice(), card(AGAIN), RULES)
