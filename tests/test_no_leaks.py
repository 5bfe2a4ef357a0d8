"""The logs of the whole suite, this process's and every bot's, hold nothing that is not theirs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bot.playground.botapi import TOKEN
from mpesa.simulator import SimulatorSettings

SETTINGS = SimulatorSettings()
LEAKS = {
    "a whole phone": re.compile(r"(?<![0-9A-Za-z.])(?:\+?254|0)[17]\d{8}(?![0-9A-Za-z])"),
    "a checkout id": re.compile(r"ws_CO_\d"),
    "a callback address": re.compile(r"/c/[0-9a-f]{32}\.[0-9a-f]{32}"),
    "a bot token": re.compile(re.escape(TOKEN)),
    "a bearer token": re.compile(r"Bearer [A-Za-z0-9]{8}"),
    "the consumer secret": re.compile(re.escape(SETTINGS.consumer_secret)),
    "the passkey": re.compile(re.escape(SETTINGS.passkey)),
}


@pytest.mark.parametrize("what", LEAKS)
def test_no_log_holds(what: str) -> None:
    folder = Path(os.environ["LOGS_OF_THE_SUITE"])
    found = [
        f"{path.name}: {line[:200]}"
        for path in sorted(folder.iterdir())
        for line in path.read_text(errors="replace").splitlines()
        if LEAKS[what].search(line)
    ]

    assert found == []


def test_there_are_logs_to_look_at() -> None:
    assert (Path(os.environ["LOGS_OF_THE_SUITE"]) / "in-process.log").exists()
