"""Owns `lipabot demo`: both stand-ins, the people in them, the page, and the bot between them."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from bot.playground.botapi import BotApi
from bot.playground.limits import FloodLimits
from bot.playground.page import Page, same_machine
from bot.playground.params import MAX_UPLOAD_BYTES
from mpesa.simulator import Behaviour, Simulator, SimulatorSettings

HOST = "127.0.0.1"
OPERATOR_ID = 900
_PROMPT_LIFETIME_S = 60.0
_SHUTDOWN_S = 1.0
_PHONES = (
    ("254712345678", "Jane", Behaviour.MANUAL),
    ("254722000111", "Otieno", Behaviour.MANUAL),
    ("254733000222", "Amina (pays)", Behaviour.PAY),
    ("254700000333", "Baraka (cancels)", Behaviour.CANCEL),
)

StartBot = Callable[..., AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Playground:
    """The two stand-ins while they are served, and where they are."""

    api: BotApi
    simulator: Simulator
    page_url: str
    mpesa_url: str


def populate(api: BotApi) -> None:
    """Jane, Otieno and the operator, and the group that Jane and Otieno share."""
    jane = api.person(1001, "Jane", username="jane_demo", phone="254712345678")
    otieno = api.person(1002, "Otieno", username="otieno_demo", phone="254722000111")
    api.person(OPERATOR_ID, "Operator", username="operator_demo", phone="254700000900")
    api.group(-5001, "Harambee group", [jane, otieno])


@asynccontextmanager
async def playground(port: int) -> AsyncIterator[Playground]:
    """Serve Telegram and the page on `port` of loopback, Daraja on a free one.

    Raises OSError when the port is taken.
    """
    settings = SimulatorSettings(prompt_lifetime_s=_PROMPT_LIFETIME_S)
    simulator = Simulator(settings=settings)
    for phone, _, behaviour in _PHONES:
        simulator.phone(phone).behave(behaviour)
    api = BotApi(limits=FloodLimits())
    populate(api)
    app = web.Application(middlewares=[same_machine], client_max_size=MAX_UPLOAD_BYTES + 64 * 1024)
    page = Page(api, simulator, {phone: owner for phone, owner, _ in _PHONES})
    page.mount(app)
    api.mount(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    async with simulator.serving(HOST) as mpesa_url:
        await runner.setup()
        try:
            await _listen(runner, port)
            api.url = f"http://{HOST}:{runner.addresses[0][1]}"
            yield Playground(api, simulator, api.url, mpesa_url)
        finally:
            await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, HOST, port).start()
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            raise
        raise OSError(exc.errno, f"port {port} is taken; choose another with --port") from exc


@asynccontextmanager
async def stop_signals() -> AsyncIterator[asyncio.Event]:
    """An event that SIGINT or SIGTERM sets, instead of killing the process, inside the block."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def demo(
    *, port: int, data_dir: Path, start_bot: StartBot, echo: Callable[[str], None]
) -> None:
    """Run the whole demo until SIGINT or SIGTERM.

    `start_bot(api_url=…, mpesa_base_url=…, data_dir=…, certificate=…)` runs the bot while its
    block is open. Its token is `botapi.TOKEN`, its Daraja keys and its initiator are the defaults
    of `SimulatorSettings`, `certificate` seals the password of that initiator, and its operator is
    `OPERATOR_ID`. The stand-ins live in memory; the bot's database is kept in `data_dir`.
    Raises OSError when the port is taken.
    """
    await asyncio.to_thread(data_dir.mkdir, parents=True, exist_ok=True)
    async with stop_signals() as stop, playground(port) as served:
        bot = start_bot(
            api_url=served.api.url,
            mpesa_base_url=served.mpesa_url,
            data_dir=data_dir,
            certificate=served.simulator.org.certificate,
        )
        async with bot:
            echo(f"The demo is at {served.page_url} (Ctrl-C stops it; data in {data_dir})")
            await stop.wait()
            echo("Stopping.")
