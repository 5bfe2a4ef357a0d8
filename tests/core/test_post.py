"""Post: a group that was closed for us is told what it missed once it takes a new message."""

from __future__ import annotations

import pytest

from bot.core.post import Post
from storage.records import NewNotice, Notice, NoticeKind
from tests.core.conftest import Desk

GROUP = -5001


def a_card(name: str) -> NewNotice:
    """The card of a drive; owed again, it is edited."""
    return NewNotice(
        key=f"d:{name}", kind=NoticeKind.CARD, chat_id=GROUP, subject=f"d:{name}", topic="card"
    )


@pytest.mark.both_engines
@pytest.mark.parametrize(
    ("message_id", "reopens"),
    [(None, False), (7, False), (8, True)],
    ids=["nothing was said", "a message was edited", "a message was taken"],
)
async def test_only_a_new_message_shows_that_a_group_is_open_again(
    desk: Desk, message_id: int | None, reopens: bool
) -> None:
    post = Post(store=desk.store, clock=desk.clock)

    async def next_of(name: str) -> Notice:
        await desk.store.write(lambda tx: tx.notices.owe([a_card(name)], now=desk.clock.now()))
        [notice] = await post.due()
        return notice

    await post.sent(await next_of("known"), message_id=7)
    await post.closed_out(await next_of("missed"), why="not enough rights")

    known = await next_of("known")
    assert known.message_id == 7
    await post.sent(known, message_id=message_id)

    assert await post.owed() == reopens
