"""A web server with a real core, for the tests of the public pages, on each engine in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage.engine import Store
from tests.stores import TestClock
from tests.web.place import Place, opened_place


@pytest.fixture
async def place(store: Store, clock: TestClock) -> AsyncIterator[Place]:
    async with opened_place(store, clock) as opened:
        yield opened
