"""Open questions: each knows the message that asks it, on both engines."""

from __future__ import annotations

from datetime import timedelta

from bot.core.post import Post
from storage.engine import Store
from storage.records import Closing, Draft, DraftKind, Reply
from tests.core.conftest import Desk
from tests.stores import TestClock

JANE, GROUP = 1001, -5001


async def asked(desk: Desk, clock: TestClock, number: int, *chats: int) -> Draft:
    """Jane is asked something, in the course of saying one thing to each of these chats."""
    draft = Draft(
        chat_id=JANE,
        person_id=JANE,
        kind=DraftKind.GIVE,
        expires_at=clock.now() + timedelta(minutes=30),
    )
    replies = tuple(Reply(chat_id=chat_id, text="How much?") for chat_id in chats)
    await desk.people.keep_draft(draft, Closing(update_id=number, replies=replies))
    kept = await desk.people.draft(chat_id=JANE, person_id=JANE)
    assert kept is not None
    return kept


async def told(store: Store, clock: TestClock, first: int) -> None:
    """Everything that is owed goes out, in messages that count from *first*."""
    post = Post(store=store, clock=clock)
    while notices := await post.due():
        for message_id, notice in enumerate(notices, first):
            await post.sent(notice, message_id=message_id)
        first += len(notices)


async def test_a_question_is_the_message_that_asked_it_once_that_was_told(
    desk: Desk, store: Store, clock: TestClock
) -> None:
    first = await asked(desk, clock, 1, JANE)
    assert await desk.people.question_of(first) is None

    await told(store, clock, 10)
    second = await asked(desk, clock, 2, JANE)
    assert await desk.people.question_of(first) == 10
    assert await desk.people.question_of(second) is None

    await told(store, clock, 20)
    assert await desk.people.question_of(second) == 20


async def test_a_question_is_what_was_said_last_in_its_own_chat(
    desk: Desk, store: Store, clock: TestClock
) -> None:
    draft = await asked(desk, clock, 1, JANE, JANE, GROUP)
    await told(store, clock, 10)

    assert draft.asked_as == "say:1:1"
    assert await desk.people.question_of(draft) is not None
    elsewhere = await asked(desk, clock, 2, GROUP)
    assert await desk.people.question_of(elsewhere) is None


async def test_a_question_that_is_asked_again_after_a_crash_is_one(
    desk: Desk, store: Store, clock: TestClock
) -> None:
    before = await asked(desk, clock, 1, JANE)
    await told(store, clock, 10)

    again = await asked(desk, clock, 1, JANE)
    await told(store, clock, 20)

    assert again.asked_as == before.asked_as
    assert await desk.people.question_of(again) == 10
