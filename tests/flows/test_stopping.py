"""Stopping: within 15 s, quietly and with nothing half done, whoever keeps us waiting."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from bot.app import Background
from mpesa.simulator import Fault
from storage.records import Status
from tests.flows.processes import BotProcess
from tests.flows.world import QUICK, open_world

PATIENCE_S = 60.0
ON_ONE_ENGINE = {
    "test_what_would_begin_when_nobody_waits_any_more_is_not_begun": "it needs no database",
}


async def test_it_stops_in_time_with_telegram_and_safaricom_both_silent(
    tmp_path: Path, store_url: str
) -> None:
    settings = replace(QUICK, answer_after_s=3600, prompt_lifetime_s=3600)
    async with open_world(tmp_path, database=store_url, settings=settings) as world:
        person, other = world.person(1), world.person(2)
        world.simulator.faults.for_phone(world.phone(1), Fault(slow_s=60))
        for method in ("sendMessage", "editMessageText"):
            world.api.faults.silent(method=method, times=1000)
        person.say(f"/pay 50 {world.typed(1)}")
        other.say("/help")
        await world.api.wait_for(
            lambda: len(world.api.calls_of("sendMessage")) == 2, timeout_s=PATIENCE_S
        )
        # Only now: a poll that is silent from the start would never have brought the commands.
        world.api.faults.silent(method="getUpdates", times=1000)
        await world.simulator.changes.until(
            lambda: bool(world.simulator.pushes_to(world.phone(1))), timeout_s=PATIENCE_S
        )

        assert await world.bot.stop() == 0

        assert "lipabot.stop_cut" not in world.bot.log.read_text()
        [payment] = await world.payments()
        assert payment.status is Status.UNSURE
        world.api.faults.clear()


async def test_a_start_that_waits_for_telegram_can_be_stopped(
    tmp_path: Path, store_url: str
) -> None:
    async with open_world(tmp_path, database=store_url, start=False, bot_type=BotProcess) as world:
        world.api.faults.silent(method="getMe", times=1000)
        await world.bot.spawn()
        await world.api.wait_for(lambda: bool(world.api.calls_of("getMe")), timeout_s=PATIENCE_S)

        assert await world.bot.stop() == 0

        said = world.bot.log.read_text()
        assert "lipabot.stopped" in said
        assert "Traceback" not in said
        assert "telegram.unreachable" not in said  # it did not wait for that
        world.api.faults.clear()


async def test_what_would_begin_when_nobody_waits_any_more_is_not_begun() -> None:
    background, done, waiting = Background(), [], asyncio.Event()

    async def push(name: str) -> None:
        await waiting.wait()
        done.append(name)

    background.start(push("in time"))
    closing = asyncio.create_task(background.close())
    await asyncio.sleep(0)
    background.start(push("while it closes"))
    waiting.set()
    await closing
    background.start(push("afterwards"))
    await asyncio.sleep(0)

    assert done == ["in time"]
