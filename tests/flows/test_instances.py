"""Several bots at once: on PostgreSQL they share the work, on SQLite there is only one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from mpesa.simulator import Simulator
from storage.presence import SILENT_S
from tests.flows.instances import fresh_database, open_instances, pause
from tests.flows.words import latest
from tests.flows.world import open_world
from tests.prove.instances import Chaos, judge, live_through
from tests.stores import TEMPLATE

PATIENCE_S = 60.0
ROOT = Path(__file__).parents[2]
ON_ONE_ENGINE = {
    "test_on_sqlite_a_stopped_bot_keeps_its_file_and_a_second_one_touches_nothing": (
        "on PostgreSQL a second one is welcome"
    ),
}


async def run_python(*arguments: str, cwd: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.postgres
async def test_two_bots_share_the_work_through_a_kill_and_a_stop(
    tmp_path: Path, postgres_server: str
) -> None:
    database = await fresh_database(postgres_server, f"instances_{os.getpid()}")
    chaos = Chaos(kills=1, stops=1, stopped_s=17.0)
    async with open_instances(tmp_path, database, processes=2, seed=3) as instances:
        await instances.start()
        errands = await live_through(instances, 60, chaos)
        assert await instances.stop() == [0, 0]
        broken, _ = await judge(instances, errands)

    assert broken == []
    assert chaos.done == {"kill": 1, "stop": 1}
    gaps = dict(instances.taken_over_s)
    assert gaps["kill"] < SILENT_S  # a kill closes the session; a stop is found out about
    assert gaps["stop"] < 30


@pytest.mark.postgres
async def test_bots_that_telegram_calls_need_nobody_to_poll(
    tmp_path: Path, migrated_server: str
) -> None:
    database = await fresh_database(migrated_server, f"webhook_{os.getpid()}", template=TEMPLATE)
    async with open_instances(
        tmp_path, database, processes=2, telegram='mode = "webhook"'
    ) as instances:
        await instances.start()
        person = instances.world.person(1)
        person.say(f"/pay 50 {instances.world.typed(1)}")
        await instances.world.api.wait_for(
            lambda: "✅" in latest(person.chat), timeout_s=PATIENCE_S
        )
        [survivor, victim] = instances.bots
        await victim.kill()
        person.say("/help")
        await instances.world.api.wait_for(
            lambda: len(person.chat.from_bot) >= 2, timeout_s=PATIENCE_S
        )

        assert await survivor.stop() == 0
        assert not instances.world.api.calls_of("getUpdates")


@pytest.mark.parametrize("where", ["after the commit", "before the door"])
async def test_a_push_that_was_held_up_by_a_stop_never_leaves(store_url: str, where: str) -> None:
    simulator = Simulator()
    async with simulator.serving() as address, asyncio.timeout(60):
        arguments = ("-m", "tests.flows.stopped_child", where, store_url, address)
        child = await run_python(*arguments, cwd=ROOT)
        assert child.stdout is not None
        assert (await child.stdout.readline()).strip() == b"stopped"
        await pause(1.0)  # a minute of the child's time
        child.send_signal(signal.SIGCONT)
        said = (await child.stdout.read()).decode()
        assert await child.wait() == 0, said

    assert said.split()[-1] == "void"
    assert simulator.pushes == []


def everything_in(folder: Path) -> dict[str, str]:
    return {
        each.name: sha256(each.read_bytes()).hexdigest()
        for each in folder.glob("bot.db*")
        if each.is_file()
    }


async def test_on_sqlite_a_stopped_bot_keeps_its_file_and_a_second_one_touches_nothing(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        assert world.bot.process is not None
        world.bot.process.send_signal(signal.SIGSTOP)
        before = everything_in(tmp_path)

        second = await run_python(
            *("-m", "bot", "run", "--config", str(tmp_path / "config.toml")), cwd=tmp_path
        )
        async with asyncio.timeout(60):
            said, _ = await second.communicate()

        assert second.returncode == 1
        assert b"is in use by another lipabot (process " in said
        assert b"Traceback" not in said
        assert everything_in(tmp_path) == before

        world.bot.process.send_signal(signal.SIGCONT)
        person = world.person(1)
        person.say(f"/pay 50 {world.typed(1)}")
        await world.api.wait_for(lambda: "✅" in latest(person.chat), timeout_s=PATIENCE_S)
        assert await world.bot.stop() == 0
        await world.judge()
