"""Polling errors: told once per change, and a conflict in words that help."""

from __future__ import annotations

import logging

import pytest
from telegram.error import Conflict, NetworkError

from bot.chat.errors import PollingErrors
from tests.stores import TestClock


def test_a_night_offline_is_a_few_lines(clock: TestClock, caplog: pytest.LogCaptureFixture) -> None:
    errors = PollingErrors(clock)

    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            errors(NetworkError("no route"))
            clock.advance(1)

    assert len(caplog.records) == 2


def test_every_change_is_told(clock: TestClock, caplog: pytest.LogCaptureFixture) -> None:
    errors = PollingErrors(clock)

    with caplog.at_level(logging.WARNING):
        for exc in (NetworkError("no route"), Conflict("other poll"), NetworkError("no route")):
            errors(exc)

    assert len(caplog.records) == 3
    assert "another program polls with this token" in caplog.records[1].getMessage()
