"""No money counts twice unseen, in whatever order its prompt, its line and people speak."""

from __future__ import annotations

import os
import random

import pytest

from storage.engine import Store
from tests.core.conftest import ScriptedDaraja, make_desk
from tests.core.one_money import Life
from tests.core.test_review import review_of
from tests.desk import ScriptedOffice, a_desk
from tests.fakes import PHONE
from tests.stores import TestClock

N = int(os.environ.get("N", "40"))
START = int(os.environ.get("START", "1"))


@pytest.mark.parametrize("seed", range(START, START + N))
async def test_one(store: Store, clock: TestClock, seed: int) -> None:
    desk = make_desk(store, clock, ScriptedDaraja())
    record = a_desk(store, clock, ScriptedOffice(), pull=True, pull_number=PHONE, c2b="v2")
    life = Life(
        desk=desk,
        record=record,
        review=review_of(desk, two_people_above_kes=50_000),
        rng=random.Random(seed),
    )
    told = await life.live()
    await desk.close()
    assert told.violations == (), "\n".join(told.trace)
    print(dict(told.effects))
