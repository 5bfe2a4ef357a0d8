"""Test that a statement's rows go by: three times as many take no more memory."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import pytest

from bot.documents.statement import Statement, statement_csv, statement_xlsx
from tests.documents.papers import NOON, entries, stream, words

STATEMENT = Statement(title="Mama Akinyi", collector="Jamii Chama", made_at=NOON)
SLACK_BYTES = 250_000
TRIES = 5


@pytest.mark.parametrize("make", [statement_csv, statement_xlsx])
async def test_more_rows_take_no_more_memory(tmp_path: Path, make: type) -> None:
    async def peak(count: int) -> int:
        gc.collect()  # what earlier tests left is not freed, or half freed, in the midst of it
        tracemalloc.start()
        await make(tmp_path / "a", STATEMENT, stream(entries(count)), words())
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    await make(tmp_path / "a", STATEMENT, stream(entries(1_200)), words())  # libraries, caches

    few = min([await peak(1_000) for _ in range(2)])
    # What else this process does is held at times; what rows hold is held each time.
    for _ in range(TRIES):
        many = await peak(3_000)
        if many < few + SLACK_BYTES:
            break

    assert many < few + SLACK_BYTES
