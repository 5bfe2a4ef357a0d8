"""`lipabot doctor`: each planted misconfiguration is found, and its cure is named."""

from __future__ import annotations

import asyncio
import re
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.commands.findings import Finding, Patient
from bot.commands.inside import database, disk
from bot.commands.outside import _not_public, outside, push_one_shilling
from bot.config import Config
from bot.core.hear import Hear
from bot.core.settle import Settle
from bot.playground.botapi import TOKEN, BotApi
from bot.web.probe import ProbeDoor
from bot.web.server import build_web, serving
from mpesa.simulator import Simulator, SimulatorSettings
from storage.engine import open_store
from storage.records import Person
from tests.commands import fresh_lipabot, lipabot
from tests.stores import TestClock
from tests.test_deploy import proxied

DARAJA = SimulatorSettings()
OPERATOR = 900
KEY = "0" * 32


@dataclass
class Ward:
    """A set-up in which nothing is wrong, and the world that it speaks to."""

    folder: Path
    api: BotApi
    safaricom: Simulator
    values: dict[str, dict[str, Any]]

    def patient(self, **changes: Any) -> Patient:
        config = Config.model_validate(self.values)
        healthy = Patient(config, lambda: datetime.now(UTC), lambda _path: 10 * 2**30)
        return replace(healthy, **changes)

    async def bad(self, **changes: Any) -> list[Finding]:
        """What is wrong, as doctor would find it."""
        patient = self.patient(**changes)
        found = [each async for each in outside(patient)]
        found += [disk(patient), *await database(patient)]
        return [each for each in found if not each.good]

    def write(self) -> Path:
        path = self.folder / "config.toml"
        path.touch(mode=0o600)
        lines = []
        for table, values in self.values.items():
            lines.append(f"[{table}]")
            lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
        path.write_text("\n".join(lines))
        return path


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def ward(tmp_path: Path, migrated_copy: str) -> AsyncIterator[Ward]:
    port = free_port()
    safaricom = Simulator(settings=DARAJA)
    async with BotApi() as api, safaricom.serving() as daraja_url:
        values: dict[str, dict[str, Any]] = {
            "telegram": {"token": TOKEN, "api_url": api.url, "operators": [OPERATOR]},
            "mpesa": {
                "base_url": daraja_url,
                "consumer_key": DARAJA.consumer_key,
                "consumer_secret": DARAJA.consumer_secret,
                "shortcode": DARAJA.shortcode,
                "passkey": DARAJA.passkey,
            },
            "webhook": {"public_url": f"http://127.0.0.1:{port}", "port": port},
            "storage": {"url": migrated_copy},
            "security": {"key": KEY},
        }
        async with open_store(migrated_copy, key=KEY, now=TestClock().now) as store:
            await store.write(lambda tx: tx.people.put(Person(id=OPERATOR, reachable=True)))
        yield Ward(tmp_path, api, safaricom, values)


async def test_a_healthy_set_up_has_nothing_to_mend(ward: Ward) -> None:
    assert await ward.bad() == []


async def test_it_leaves_a_running_bot_alone_and_finds_it(ward: Ward) -> None:
    """The bot has the port and the lock of its file; doctor only reads."""
    port = ward.values["webhook"]["port"]
    url = ward.values["storage"]["url"]
    async with open_store(url, key=KEY, now=TestClock().now) as store:
        hear = Hear(
            store=store,
            settle=Settle(operators=[]),
            clock=TestClock(),
            wake=lambda: None,
            unconfirmed_total_kes=1,
        )
        app = build_web(hear, ready=lambda: True, probe=ProbeDoor(store.crypt))
        async with serving(app, host="127.0.0.1", port=port):
            assert await ward.bad() == []
        await store.write(lambda tx: tx.shared.put("probe", b""))


async def test_a_bot_that_does_not_run_yet_is_found_behind_our_own_caddy(
    ward: Ward, tmp_path: Path
) -> None:
    """As docs/install.md has it: first the way in, then doctor, then the bot."""
    async with proxied(tmp_path, ward.values["webhook"]["port"]) as base:
        ward.values["webhook"]["public_url"] = base

        assert await ward.bad() == []


Plant = Callable[[Ward], dict[str, Any] | None]


def wrong_token(ward: Ward) -> None:
    ward.values["telegram"]["token"] = "123456:some-other-token"


def privacy_off(ward: Ward) -> None:
    ward.api.world.privacy_mode = False


def hook_while_polling(ward: Ward) -> None:
    ward.api.backend.sender.hook.url = "https://other.example.org/telegram"


def another_hook(ward: Ward) -> None:
    hook_while_polling(ward)
    ward.values["telegram"]["mode"] = "webhook"


def telegram_away(ward: Ward) -> None:
    ward.values["telegram"]["api_url"] = "http://127.0.0.1:9"


def wrong_keys(ward: Ward) -> None:
    ward.values["mpesa"]["consumer_secret"] = "of-another-app"


def wrong_keys_of_a_branch(ward: Ward) -> None:
    branch = {"name": "branch", "consumer_secret": "of-another-app", "shortcode": "600001"}
    ward.values["mpesa"]["accounts"] = [
        {"consumer_key": DARAJA.consumer_key, "passkey": "of-the-branch", **branch}
    ]


def safaricom_away(ward: Ward) -> None:
    ward.values["mpesa"]["base_url"] = "http://127.0.0.1:9"


def clock_ahead(_ward: Ward) -> dict[str, Any]:
    return {"now": lambda: datetime.now(UTC) + timedelta(minutes=3)}


def clock_behind(_ward: Ward) -> dict[str, Any]:
    return {"now": lambda: datetime.now(UTC) - timedelta(minutes=3)}


def nobody_there(ward: Ward) -> None:
    ward.values["webhook"]["public_url"] = "http://127.0.0.1:9"


def somebody_else_there(ward: Ward) -> None:
    ward.values["webhook"]["public_url"] = ward.api.url


def disk_full(_ward: Ward) -> dict[str, Any]:
    return {"free_bytes": lambda _path: 100 * 2**20}


def damaged(ward: Ward) -> None:
    file = ward.folder / "bot.db"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    file.write_bytes(bytes(content))


def no_database(ward: Ward) -> None:
    (ward.folder / "bot.db").write_text("Dear diary, this is no database. " * 50)


def newer(ward: Ward) -> None:
    with closing(sqlite3.connect(ward.folder / "bot.db")) as books, books:
        books.execute("UPDATE alembic_version SET version_num = '9999'")


def another_key(ward: Ward) -> None:
    ward.values["security"]["key"] = "1" * 32


def key_file_lost(ward: Ward) -> None:
    del ward.values["security"]


def no_operators(ward: Ward) -> None:
    ward.values["telegram"]["operators"] = []


def silent_operator(ward: Ward) -> None:
    ward.values["telegram"]["operators"] = [OPERATOR, 901]


PLANTED: list[tuple[Plant, str, str]] = [
    (wrong_token, "does not know telegram.token", "@BotFather"),
    (privacy_off, "privacy mode is off", "/setprivacy"),
    (hook_while_polling, "telegram.mode is polling", 'telegram.mode = "webhook"'),
    (another_hook, "not webhook.public_url", "stop the other program"),
    (telegram_away, "Telegram cannot be reached", "telegram.api_url"),
    (wrong_keys, "does not accept mpesa.consumer_key", "developer.safaricom.co.ke"),
    (wrong_keys_of_a_branch, "does not accept consumer_key .* 'branch'", "developer.safaricom"),
    (safaricom_away, "Safaricom cannot be reached", "mpesa.base_url"),
    (clock_ahead, "ahead of Safaricom's", "timedatectl"),
    (clock_behind, "behind of Safaricom's", "timedatectl"),
    (nobody_there, "nobody answers at", "ports 80 and 443"),
    (somebody_else_there, "somebody else answers at", "the proxy"),
    (disk_full, "only 100 MB are free", "make room"),
    (damaged, "the database is damaged", "lipabot restore"),
    (no_database, "database", "storage.url|lipabot restore"),
    (newer, "a newer Lipabot wrote the database", "install that one"),
    (another_key, "the key does not open the database", "security.previous_keys"),
    (key_file_lost, "nobody can read the database", "put the key file back"),
    (no_operators, "telegram.operators is empty", "user id"),
    (silent_operator, "operator 901 has not opened a chat", "press Start"),
]


@pytest.mark.parametrize(
    ("plant", "what", "cure"), PLANTED, ids=[each[0].__name__ for each in PLANTED]
)
async def test_what_is_planted_is_found_alone_and_its_cure_is_named(
    ward: Ward, plant: Plant, what: str, cure: str
) -> None:
    changes = plant(ward) or {}

    found = await ward.bad(**changes)

    assert len(found) == 1, found
    assert re.search(what, found[0].what)
    assert re.search(cure, found[0].cure)


async def test_another_program_on_our_port_is_found(ward: Ward) -> None:
    port = ward.values["webhook"]["port"]
    async with BotApi() as _other, await asyncio.start_server(_hang_up, "127.0.0.1", port):
        [found] = await ward.bad()

    assert "another program has 127.0.0.1" in found.what
    assert "webhook.port" in found.cure


def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    ("url", "what", "cure"),
    [
        ("http://pay.example.org", "is not https", "Caddy"),
        ("https://nowhere.invalid", "no nowhere.invalid in the DNS", "A record"),
        ("https://10.0.0.7", "an address that only this network knows", "public name"),
    ],
)
async def test_an_address_that_safaricom_cannot_call_is_found(
    ward: Ward, url: str, what: str, cure: str
) -> None:
    # A Safaricom that is not on this machine; nobody is there.
    ward.values["mpesa"]["base_url"] = "https://192.0.2.1"
    ward.values["webhook"]["public_url"] = url
    patient = ward.patient()

    found = await _not_public(patient.config.webhook.public_url)

    assert found is not None
    assert what in found.what
    assert cure in found.cure


async def test_a_wrong_passkey_is_found_by_a_push_of_one_shilling(ward: Ward) -> None:
    good = await push_one_shilling(ward.patient(), "254712345678")
    ward.values["mpesa"]["passkey"] = "of-another-shortcode"
    bad = await push_one_shilling(ward.patient(), "254712345678")

    assert good.good
    assert not bad.good
    assert "mpesa.passkey" in bad.cure


async def test_the_command_tells_all_and_its_status_says_whether_anything_is_wrong(
    ward: Ward,
) -> None:
    config = str(ward.write())
    well = await asyncio.to_thread(fresh_lipabot, "doctor", "--config", config, folder=ward.folder)
    ward.values["telegram"]["token"] = "123456:some-other-token"
    ward.write()
    ill = await asyncio.to_thread(lipabot, "doctor", "--config", config, folder=ward.folder)

    assert well.returncode == 0, well.stdout
    assert "✖" not in well.stdout
    assert well.stdout.endswith("All is well.\n")
    assert ill.returncode == 1
    assert "✖ Telegram does not know telegram.token\n    → copy it whole" in ill.stdout
    for secret in (TOKEN, DARAJA.consumer_secret, DARAJA.passkey, KEY):
        assert secret not in well.stdout + well.stderr + ill.stdout + ill.stderr


def test_a_configuration_that_others_may_read_is_found(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[telegram]\ntoken = "123456:made-up-token"\n')
    config.chmod(0o644)

    done = lipabot("doctor", "--config", str(config), folder=tmp_path)

    assert done.returncode == 1
    assert f"    → holds secrets and others may read it: chmod 600 {config}" in done.stdout


def test_a_word_that_safaricom_refuses_is_found(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.touch(mode=0o600)
    config.write_text('[webhook]\npublic_url = "https://mpesa.example.org"\n')

    done = lipabot("doctor", "--config", str(config), folder=tmp_path)

    assert done.returncode == 1
    assert '✖ webhook.public_url\n    → holds "mpesa": Safaricom refuses' in done.stdout


@pytest.mark.parametrize(("answer", "pushes"), [("n", 0), ("y", 1)])
async def test_a_shilling_is_asked_for_only_after_a_yes(
    ward: Ward, answer: str, pushes: int
) -> None:
    config = str(ward.write())
    words = ("doctor", "--config", config, "--push", "0712345678")

    done = await asyncio.to_thread(lipabot, *words, folder=ward.folder, typed=f"{answer}\n")

    assert done.returncode == (1 if answer == "n" else 0), done.stdout + done.stderr
    assert "Ask 0712345678 for KES 1 now (the sandbox: no money stays)?" in done.stdout
    assert len(ward.safaricom.pushes) == pushes


async def test_a_phone_that_is_none_is_refused_and_nothing_is_sent(ward: Ward) -> None:
    words = ("doctor", "--config", str(ward.write()), "--push", "12")

    done = await asyncio.to_thread(lipabot, *words, folder=ward.folder)

    assert done.returncode == 2
    assert "--push" in done.stderr
    assert ward.safaricom.pushes == []
