"""No money counts twice unseen, in whatever order its prompt, its line and people speak."""

from __future__ import annotations

import pytest

from storage.engine import Store
from tests.core.one_money import lived
from tests.stores import TestClock


@pytest.mark.both_engines
@pytest.mark.parametrize("seed", range(1, 9))
async def test_one_money_counts_once_or_somebody_looks(
    store: Store, clock: TestClock, seed: int
) -> None:
    told = await lived(store, clock, seed)

    assert told.violations == (), "\n".join(told.trace)
