"""A whole world for flow tests: Safaricom, Telegram, and the real bot in a process of its own."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from bot.playground.botapi import TOKEN, BotApi
from bot.playground.people import Person
from mpesa.simulator import Simulator, SimulatorSettings
from storage.engine import open_store
from storage.payment_rows import read_payment
from storage.records import Payment, Status
from storage.schema import payments
from tests.flows.forks import ForkedBot
from tests.flows.processes import BotProcess
from tests.flows.strangers import everything, file_of, legible_phones
from tests.keys import SERVERS_KEY
from tests.stores import put_tables

__all__ = ["World", "open_world"]

OPERATOR = 900
WHOLE_PHONE = re.compile(r"(?:\+?254|0)[17]\d{8}")

QUICK = SimulatorSettings(
    answer_after_s=0.05,
    prompt_lifetime_s=0.8,
    unreachable_after_s=0.3,
    callback_after_s=0.02,
    magic_amounts=True,
)


@dataclass
class World:
    """Everybody in it, and the judge."""

    api: BotApi
    simulator: Simulator
    bot: BotProcess
    database: str
    key: str | None = None
    people: dict[int, Person] = field(default_factory=dict)

    def person(self, number: int, *, language: str = "en", name: str = "Jane") -> Person:
        """Somebody who has opened a private chat with the bot, with a phone of their own."""
        person = self.api.person(
            1000 + number,
            name,
            language_code=language,
            phone=self.phone(number),
            started=True,
        )
        self.people[person.id] = person
        return person

    @staticmethod
    def phone(number: int) -> str:
        return f"2547120{number:05d}"

    @staticmethod
    def typed(number: int) -> str:
        return f"07120{number:05d}"

    async def payments(self) -> list[Payment]:
        """All our payments, read after the bot has stopped."""
        async with (
            open_store(self.database, key=self.key, now=lambda: datetime.now(UTC)) as store,
            store.read() as tx,
        ):
            rows = await tx.payments._connection.execute(select(payments))
            return [read_payment(row) for row in rows.mappings()]

    async def judge(self, *, unfound_may_wait: bool = False) -> None:
        """
        Safaricom's statement against our books: the same references, the same shillings.

        Where the reply of a push and its only callback were lost together with our process,
        nothing names the payment any more: with *unfound_may_wait* it may stand as unsure, in
        the queue of a person, but never as anything else.
        """
        await self.simulator.settled()
        await self._nothing_personal_is_legible()
        rows = self.simulator.books.statement(exclude_overnight_reversals=True)
        theirs = {row.account_reference: row.amount_cents for row in rows}
        assert len(theirs) == len(rows), "one reference, one payment"
        all_of_ours = await self.payments()
        ours = {p.push_ref: p.credited_cents for p in all_of_ours if p.status is Status.PAID}
        if unfound_may_wait:
            for payment in all_of_ours:
                if payment.status is Status.UNSURE and payment.checkout_index is None:
                    theirs.pop(payment.push_ref, None)
        apart = {ref: (ours.get(ref), theirs.get(ref)) for ref, _ in ours.items() ^ theirs.items()}
        assert not apart, f"ours and theirs, in cents: {apart}"

    async def _nothing_personal_is_legible(self) -> None:
        """No phone in the database, and none in what a group was told."""
        kept, in_rows = await everything(self.database), file_of(self.database) is None
        phones = (push.phone for push in self.simulator.pushes if push.phone)
        legible = legible_phones(kept, phones, in_rows=in_rows)
        assert not legible, f"legible in the database: {legible}"
        for chat in self.api.world.chats.values():
            if chat.is_group:
                for message in chat.from_bot:
                    assert not WHOLE_PHONE.search(message.text), message.text


@asynccontextmanager
async def open_world(
    folder: Path,
    *,
    settings: SimulatorSettings = QUICK,
    checks: str = "[1, 2, 3, 4]",
    start: bool = True,
    database: str | None = None,
    api: BotApi | None = None,
    simulator: Simulator | None = None,
    bot_type: type[BotProcess] = ForkedBot,
    migrated: bool = True,
    **changes: str,
) -> AsyncIterator[World]:
    """
    A world in *folder*; `changes` are further lines of config.toml by table name.

    Unless it is to be not *migrated* or is given by its address, its database has its tables
    already when the bot first starts, for making them costs as much as the whole start. One on
    PostgreSQL is sealed with the servers' key.
    """
    port, key = free_port(), None
    if database is None:
        file = folder / "bot.db"
        database = f"sqlite:///{file}"
        if migrated:
            put_tables(file)
    elif database.startswith("postgresql"):
        key = SERVERS_KEY
        changes["security"] = f'key = "{key}"\n{changes.get("security", "")}'
    simulator = simulator or Simulator(settings=settings)
    async with api or BotApi() as api, simulator.serving() as daraja:
        api.person(OPERATOR, "Amina", started=True)
        config = folder / "config.toml"
        config.touch(mode=0o600)
        config.write_text(_config(api.url, daraja, port, database, checks, settings, changes))
        logs = Path(os.environ.get("LOGS_OF_THE_SUITE", folder))
        bot = bot_type(folder, port, logs / f"bot-{port}-{folder.name}.log")
        world = World(api, simulator, bot, database, key)
        try:
            if start:
                await bot.start()
            yield world
        finally:
            if bot.process is not None and bot.process.returncode is None:
                await bot.kill()


def _config(
    api_url: str,
    daraja: str,
    port: int,
    database: str,
    checks: str,
    settings: SimulatorSettings,
    changes: dict[str, str],
) -> str:
    till = ""
    if settings.till_number is not None:
        till = f'transaction_type = "till"\ntill_number = "{settings.till_number}"'
    return f"""
[telegram]
token = "{TOKEN}"
api_url = "{api_url}"
operators = [{OPERATOR}]
messages_per_second = 1000
group_messages_per_minute = 1000
{changes.get("telegram", "")}
[mpesa]
base_url = "{daraja}"
consumer_key = "{settings.consumer_key}"
consumer_secret = "{settings.consumer_secret}"
shortcode = "{settings.shortcode}"
passkey = "{settings.passkey}"
business_name = "Mama Njeri Shop"
{till}
{changes.get("mpesa", "")}
[webhook]
public_url = "http://127.0.0.1:{port}"
port = {port}
[storage]
url = "{database}"
[polling]
check_after_s = {checks}
queries_per_minute = 6000
[limits]
{changes.get("limits", "")}
[security]
{changes.get("security", "")}
[logs]
level = "debug"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
