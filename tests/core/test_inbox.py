"""The inbox: an update that fails comes again, and is set aside only when it fails for good."""

from __future__ import annotations

from bot.core.inbox import TRIES_MAX, Inbox
from storage.engine import Store
from tests.stores import TestClock


async def test_what_failed_once_is_still_to_be_carried_out(store: Store, clock: TestClock) -> None:
    inbox = Inbox(store=store, clock=clock, wake=lambda: None)
    assert await inbox.take(7, "{}", chat_id=1)

    waits = [await inbox.failed(7) for _ in range(TRIES_MAX - 1)]

    assert waits == [1, 2, 4, 8]
    assert [each.update_id for each in await inbox.waiting()] == [7]

    assert await inbox.failed(7) is None
    assert await inbox.waiting() == []
