"""The logs of the whole suite hold nothing that is not theirs: a run whose logs leak is red."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.playground.botapi import TOKEN
from mpesa.simulator import SimulatorSettings
from tests.leaks import LEAKS, found_in

ROOT = Path(__file__).parents[1]
SETTINGS = SimulatorSettings()
PLANTED = {
    "a whole phone": "payment.opened phone=+254712345678",
    "a checkout id": "payment.asked ws_CO_231120260900",
    "a callback address": f"POST /c/{'0a' * 16}.{'1b' * 16}",
    "a bot token": f"GET /bot{TOKEN}/getMe",
    "a bearer token": "Authorization: Bearer 0123abcd",
    "the consumer secret": f"secret={SETTINGS.consumer_secret}",
    "the passkey": f"passkey={SETTINGS.passkey}",
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
