"""Lanes: one chat's limit delays that chat alone."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from telegram.error import RetryAfter

from bot.chat.lanes import Lanes, retry_after_s
from tests.stores import TestClock

JANE, OTIENO, GROUP = 1001, 1002, -5001


class Wire:
    """Stands for the network: notes when each request left, and refuses when told to."""

    def __init__(self, clock: TestClock) -> None:
        self.clock = clock
        self.left: list[tuple[int | None, datetime]] = []
        self.refusals: list[RetryAfter] = []

    async def post(self, endpoint: str, data: dict[str, Any]) -> bool:
        self.left.append((data.get("chat_id"), self.clock.now()))
        if self.refusals:
            raise self.refusals.pop()
        return True

    def seconds(self, chat_id: int | None) -> list[float]:
        """When requests to this chat left, counted from the first of all."""
        start = self.left[0][1]
        return [(at - start).total_seconds() for chat, at in self.left if chat == chat_id]


@pytest.fixture
def wire(clock: TestClock) -> Wire:
    return Wire(clock)


def lanes_of(clock: TestClock, *, a_second: float = 30, a_minute: int = 20) -> Lanes:
    return Lanes(clock=clock, messages_per_second=a_second, group_messages_per_minute=a_minute)


async def ask(
    lanes: Lanes, wire: Wire, chat_id: int | None, endpoint: str = "sendMessage"
) -> object:
    data = {} if chat_id is None else {"chat_id": chat_id}
    return await lanes.process_request(wire.post, (endpoint, data), {}, endpoint, data, None)


async def send_patiently(lanes: Lanes, wire: Wire, chat_id: int) -> None:
    """As the outbox does: told to wait, it comes back then."""
    while True:
        try:
            await ask(lanes, wire, chat_id)
        except RetryAfter as exc:
            wire.clock.advance(retry_after_s(exc))
        else:
            return


async def test_three_messages_leave_at_once_and_the_fourth_waits(
    clock: TestClock, wire: Wire
) -> None:
    lanes = lanes_of(clock)

    for _ in range(3):
        await ask(lanes, wire, JANE)
    with pytest.raises(RetryAfter) as told:
        await ask(lanes, wire, JANE)

    assert wire.seconds(JANE) == [0, 0, 0]
    assert retry_after_s(told.value) == 3


async def test_a_short_wait_is_slept_through(clock: TestClock, wire: Wire) -> None:
    lanes = lanes_of(clock)
    for _ in range(3):
        await ask(lanes, wire, JANE)
        clock.advance(0.8)

    await ask(lanes, wire, JANE)

    assert wire.seconds(JANE)[3] == pytest.approx(3)


async def test_a_group_gets_no_more_than_its_twenty_in_any_minute(
    clock: TestClock, wire: Wire
) -> None:
    lanes = lanes_of(clock)

    for _ in range(45):
        await send_patiently(lanes, wire, GROUP)

    left = wire.seconds(GROUP)
    assert all(later - earlier >= 60 for earlier, later in zip(left, left[20:], strict=False))
    assert left[-1] < 180


async def test_all_chats_together_keep_to_the_overall_pace(clock: TestClock, wire: Wire) -> None:
    lanes = lanes_of(clock, a_second=10)

    for chat_id in range(1, 31):
        await ask(lanes, wire, chat_id)

    left = [(at - wire.left[0][1]).total_seconds() for _, at in wire.left]
    assert all(later - earlier >= 1 for earlier, later in zip(left, left[10:], strict=False))
    assert left[-1] == pytest.approx(2)


async def test_a_429_stops_that_chat_and_no_other(clock: TestClock, wire: Wire) -> None:
    lanes = lanes_of(clock)
    wire.refusals.append(RetryAfter(timedelta(seconds=30)))

    with pytest.raises(RetryAfter):
        await ask(lanes, wire, JANE)
    await ask(lanes, wire, OTIENO)
    with pytest.raises(RetryAfter) as told:
        await ask(lanes, wire, JANE)
    clock.advance(30)
    await ask(lanes, wire, JANE)

    assert retry_after_s(told.value) == 30
    assert wire.seconds(JANE) == [0, 30], "while stopped, nothing left for that chat"
    assert wire.seconds(OTIENO) == [0]


async def test_while_a_chat_is_stopped_its_deletions_are_refused_too(
    clock: TestClock, wire: Wire
) -> None:
    lanes = lanes_of(clock)
    wire.refusals.append(RetryAfter(timedelta(seconds=30)))
    with pytest.raises(RetryAfter):
        await ask(lanes, wire, GROUP)

    with pytest.raises(RetryAfter):
        await ask(lanes, wire, GROUP, "deleteMessage")

    assert len(wire.left) == 1


@pytest.mark.parametrize("endpoint", ["answerCallbackQuery", "setMyCommands", "getMe"])
async def test_what_is_not_to_a_chat_passes(clock: TestClock, wire: Wire, endpoint: str) -> None:
    lanes = lanes_of(clock, a_second=1)

    for _ in range(50):
        await ask(lanes, wire, None, endpoint)

    assert wire.seconds(None) == [0] * 50


async def test_what_writes_no_message_takes_no_place(clock: TestClock, wire: Wire) -> None:
    lanes = lanes_of(clock)

    for _ in range(9):
        await ask(lanes, wire, JANE, "deleteMessage")
    await ask(lanes, wire, JANE)

    assert wire.seconds(JANE) == [0] * 10


async def test_a_local_server_that_takes_more_gets_more(clock: TestClock, wire: Wire) -> None:
    lanes = lanes_of(clock, a_second=3000, a_minute=100000)

    for _ in range(12):
        await ask(lanes, wire, GROUP)

    assert wire.seconds(GROUP)[-1] < 0.2


async def test_chats_that_went_quiet_are_forgotten(clock: TestClock, wire: Wire) -> None:
    lanes = lanes_of(clock, a_second=100000)

    for chat_id in range(1, 5001):
        await ask(lanes, wire, chat_id)
        clock.advance(1)

    assert len(lanes._lanes) <= 1024 + 3


async def test_messages_of_many_chats_at_once_do_not_wait_for_the_slow_one(
    clock: TestClock, wire: Wire
) -> None:
    lanes = lanes_of(clock)
    for _ in range(3):
        await ask(lanes, wire, GROUP)

    answers = await asyncio.gather(
        ask(lanes, wire, GROUP),
        *(ask(lanes, wire, chat_id) for chat_id in range(1, 21)),
        return_exceptions=True,
    )

    assert isinstance(answers[0], RetryAfter)
    assert answers[1:] == [True] * 20


async def test_a_clock_that_is_set_back_keeps_nobody_waiting(clock: TestClock, wire: Wire) -> None:
    lanes = lanes_of(clock)
    for chat_id in range(1, 31):
        await ask(lanes, wire, chat_id)
    for _ in range(3):
        await send_patiently(lanes, wire, JANE)
    wire.refusals.append(RetryAfter(timedelta(seconds=5)))
    with pytest.raises(RetryAfter):
        await ask(lanes, wire, GROUP)
    set_back_to = clock.advance(-3600)

    await ask(lanes, wire, OTIENO)
    await send_patiently(lanes, wire, JANE)
    await send_patiently(lanes, wire, GROUP)

    assert clock.now() - set_back_to <= timedelta(seconds=5)


async def test_a_clock_that_is_set_back_keeps_the_overall_pace(
    clock: TestClock, wire: Wire
) -> None:
    lanes = lanes_of(clock, a_second=10)
    for chat_id in range(1, 11):
        await ask(lanes, wire, chat_id)
    set_back_to = clock.advance(-3600)

    for chat_id in range(11, 31):
        await ask(lanes, wire, chat_id)

    left = [(at - set_back_to).total_seconds() for _, at in wire.left[10:]]
    assert left == pytest.approx([1] * 10 + [2] * 10)
