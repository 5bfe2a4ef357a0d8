"""A slice of the gifts to a drive: every fault on, judged by Safaricom's own statement."""

from __future__ import annotations

from pathlib import Path

from tests.prove.drives import live


async def test_what_a_drive_has_come_to_is_what_safaricom_says(
    tmp_path: Path, store_url: str
) -> None:
    judged = await live(tmp_path, count=200, seed=4, database=store_url)

    assert judged.violations == []
    assert judged.paid > 80, judged.seen
    assert judged.waiting < 20
