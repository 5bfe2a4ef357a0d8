"""Worlds that are set up differently: a till, Telegram's webhook, a second process, Swahili."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mpesa.simulator import Behaviour
from tests.flows.processes import BotProcess
from tests.flows.words import found, latest
from tests.flows.world import OPERATOR, QUICK, World, open_world

PATIENCE_S = 60.0
ON_ONE_ENGINE = {
    "test_a_second_process_on_the_same_file_refuses_and_says_why": "on PostgreSQL it is welcome",
}


async def pay_once(world: World) -> None:
    person = world.person(1)
    person.say(f"/pay 50 {world.typed(1)}")
    await world.api.wait_for(lambda: "✅" in latest(person.chat), timeout_s=PATIENCE_S)
    assert await world.bot.stop() == 0
    await world.judge()


async def test_a_till_is_paid(tmp_path: Path, store_url: str) -> None:
    settings = replace(QUICK, transaction_type="till", till_number="600000")
    async with open_world(tmp_path, database=store_url, settings=settings) as world:
        await pay_once(world)

        [push] = world.simulator.pushes
        assert push.order is not None
        assert push.order.party_b == "600000"


async def test_telegram_by_webhook(tmp_path: Path, store_url: str) -> None:
    async with open_world(tmp_path, database=store_url, telegram='mode = "webhook"') as world:
        await pay_once(world)

        assert world.api.calls_of("setWebhook")
        assert not world.api.calls_of("getUpdates")


@pytest.mark.postgres
async def test_on_postgresql(tmp_path: Path, postgres_server: str) -> None:
    import asyncpg

    name = f"flow_{os.getpid()}"
    connection = await asyncpg.connect(postgres_server)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    url = postgres_server.removesuffix("postgres") + name
    # The command itself, on a database that it fills.
    async with open_world(tmp_path, database=url, bot_type=BotProcess) as world:
        await pay_once(world)


async def test_a_second_process_on_the_same_file_refuses_and_says_why(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        config = tmp_path / "config.toml"
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "run", "--config", str(config)),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        async with asyncio.timeout(60):
            out, err = await second.communicate()

        assert second.returncode == 1
        assert b"in use by another lipabot" in out + err
        await pay_once(world)


async def test_a_token_that_telegram_does_not_know_stops_the_start_in_one_line(
    tmp_path: Path,
    store_url: str,
) -> None:
    async with open_world(tmp_path, database=store_url, start=False, bot_type=BotProcess) as world:
        world.api.token = "123456:" + "A" * 35

        await world.bot.spawn()
        assert world.bot.process is not None
        async with asyncio.timeout(60):
            assert await world.bot.process.wait() == 2

        said = world.bot.log.read_text()
        assert "lipabot: telegram.token: Telegram does not know this token" in said
        assert "Traceback" not in said


async def test_an_undecided_payment_reaches_the_operators_with_what_to_look_up(
    tmp_path: Path,
    store_url: str,
) -> None:
    settings = replace(QUICK, prompt_lifetime_s=3600)
    async with open_world(
        tmp_path, database=store_url, settings=settings, checks="[1, 5, 10]"
    ) as world:
        world.simulator.phone(world.phone(1)).behave(Behaviour.IGNORE)
        person = world.person(1, language="sw")
        person.say(f"/pay 50 {world.typed(1)}")
        operator = world.api.chat(OPERATOR)

        await world.api.wait_for(
            lambda: found(person.chat, "status.lapsed", "sw"), timeout_s=PATIENCE_S
        )
        await world.api.wait_for(lambda: found(operator, "alarm.pending"), timeout_s=PATIENCE_S)
        world.api.world.accounts[OPERATOR].say("/pending")  # type: ignore[attr-defined]  # the operator is a Person
        await world.api.wait_for(
            lambda: world.typed(1) in latest(operator).replace(" ", ""),
            timeout_s=PATIENCE_S,
        )

        [push] = world.simulator.pushes
        assert push.order is not None
        assert push.order.account_reference in latest(operator)

        assert world.simulator.phone(world.phone(1)).enter_pin("1234")  # at long last
        await world.api.wait_for(lambda: "✅" in latest(person.chat), timeout_s=PATIENCE_S)
        world.api.world.accounts[OPERATOR].say("/pending")  # type: ignore[attr-defined]  # the operator is a Person
        await world.api.wait_for(lambda: found(operator, "pending.none"), timeout_s=PATIENCE_S)
        await world.api.wait_for(  # edited, and rung
            lambda: sum("✅" in message.text for message in person.chat.from_bot) == 2,
            timeout_s=PATIENCE_S,
        )
        assert await world.bot.stop() == 0
        await world.judge()
