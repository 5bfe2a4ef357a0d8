"""The logs of the whole suite hold nothing that is not theirs: a run whose logs leak is red."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.playground.botapi import TOKEN
from mpesa.simulator import SimulatorSettings
from storage.crypt import Crypt
from tests.keys import KEY
from tests.leaks import LEAKS, found_in

ROOT = Path(__file__).parents[1]
SETTINGS = SimulatorSettings()
ID, MAC = "0a" * 16, "1b" * 16
PLANTED = {
    "a whole phone": "payment.opened phone=+254712345678",
    "a phone as people write it": "payment.opened phone=0712 345 678",
    "a checkout id": "payment.asked ws_CO_231120260900",
    "a callback address": f"POST /c/{ID}.{MAC}",
    "a result address": f"POST /t/{ID}.{MAC}",
    "the address for payments by hand": f"POST /b/{MAC}",
    "a progress address": f"GET /i/x/p/{ID}.69239d80.{MAC}",
    "a link to a page": f"GET /i/{'Ab-_' * 6}",
    "a bot token": f"GET /bot{TOKEN}/getMe",
    "a bearer token": "Authorization: Bearer 0123abcd",
    "the consumer secret": f"secret={SETTINGS.consumer_secret}",
    "the passkey": f"passkey={SETTINGS.passkey}",
    "the initiator's password": f"password={SETTINGS.initiator_password}",
    "a security key": f"key={KEY}",
    "a security key that was made": f"key={'0123456789abcdef' * 4}",
    "a database's password": "opening postgresql://me:hunter2@host/db",
    "the webhook's secret": Crypt(KEY).sign("telegram", "webhook"),
    "a webhook's secret": "X-Telegram-Bot-Api-Secret-Token: made-up",
}
# A test for each of two workers; the second says something that only it may not.
SUITE = """
import logging

def test_is_discreet():
    logging.getLogger("bot.core").info("payment.opened id=1")

def test_talks():
    logging.getLogger("storage").debug({said!r})
"""


@pytest.mark.parametrize("what", LEAKS)
def test_no_log_holds(what: str, tmp_path: Path) -> None:
    (tmp_path / "bot-1.log").write_text("payment.opened id=1 phone=0712***678\n")
    assert found_in(tmp_path) == []

    (tmp_path / "bot-2.log").write_text(f"it is ready\n{PLANTED[what]}\n")
    assert found_in(tmp_path) == [f"{what}, bot-2.log: {PLANTED[what]}"]


@pytest.mark.parametrize(
    "written",
    ["+254 712 345678", "254-712-345-678", "0 712 345 678", "0712-345678", "07 12 34 56 78"],
)
def test_a_phone_is_found_however_people_space_it(written: str) -> None:
    assert LEAKS["a phone as people write it"].search(f"phone={written}, and more")


@pytest.mark.parametrize("link", [f"/d/{'Ab-_' * 3}", f"/r/{'Ab-_' * 10}Abc"])
def test_every_page_has_its_secret_link(link: str) -> None:
    assert LEAKS["a link to a page"].search(f"GET {link} HTTP/1.1")


@pytest.mark.parametrize(
    "line",
    [
        "2026-07-12 09:00:00 payment.opened id=0a0a phone=0712***678 amount=250000",
        "page.failed route=/i/{code}/p/{address}",
        "opening postgresql://me:***@host/db and postgresql://me@host/db",
        "X-Telegram-Bot-Api-Secret-Token: ***",
    ],
)
def test_what_every_log_may_hold_is_no_leak(line: str) -> None:
    assert [what for what, leak in LEAKS.items() if leak.search(line)] == []


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_is_red_if_any_of_its_processes_leaks(tmp_path: Path, workers: str) -> None:
    silent, loud = (tmp_path / each for each in ("silent", "loud"))
    for folder, said in ((silent, "it is ready"), (loud, PLANTED["a whole phone"])):
        folder.mkdir()
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_it.py").write_text(SUITE.format(said=said))

    ran = [_run(folder, workers) for folder in (silent, loud)]

    assert [each.returncode for each in ran] == [0, 1], ran
    assert "2 passed" in ran[1].stdout, "each test for itself is fine"
    assert PLANTED["a whole phone"] in ran[1].stdout
    assert list(silent.glob("lipabot-logs-*")) == []
    assert list(loud.glob("lipabot-logs-*")) != [], "what leaked is kept for whoever looks"


def _run(folder: Path, workers: str) -> subprocess.CompletedProcess[str]:
    ours = ("PYTEST_XDIST_WORKER", "LOGS_OF_THE_SUITE")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "xdist.plugin", "-p", "tests.leaks"),
            *("-n", workers),
            *("-p", "no:cacheprovider", "-c", str(folder / "pytest.ini"), str(folder)),
        ],
        cwd=ROOT,
        # Each of its processes would else import plugins that these tests have no use for.
        env={**environment, "TMPDIR": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
