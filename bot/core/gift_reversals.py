"""
Gift reversals: what there is to say of a gift that M-Pesa took back, or did not after all.

Only of what has just moved: nobody is told of what went back long before anybody was told of such
things. What treasurers had handed back themselves is counted once, and that is told of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from bot.core.turns import AGAIN, PAID, REVERSED, topics_of, untold
from storage.records import Drive, EntryKind, NewNotice, NoticeKind, Payment
from storage.tx import Tx

__all__ = ["AGAIN", "REVERSED", "gift_news", "turn_to_tell"]


async def turn_to_tell(
    tx: Tx, drive: Drive, payment: Payment, operators: Iterable[int]
) -> str | None:
    """
    The topic of what is news to those who look after the drive; None: nothing is.

    The drive is locked, so that two of these follow one another.
    """
    topics = (await topics_of(tx, [payment]))[payment.id]
    # Whoever looked after it at the time: what one of them was told, all of them were.
    chats = {each.person_id for each in await tx.drives.treasurers(drive.id)} | set(operators)
    keys = {gift_news(drive, topic, chat_id).key: topic for topic in topics for chat_id in chats}
    told = {keys[key] for key in await tx.notices.known_of(list(keys))}
    topic = untold(topics, told)
    what = None if topic is None else topic.partition(":")[0]
    if what in (None, PAID):
        return None
    if what == REVERSED and await _was_handed_back(tx, drive, payment):
        return None
    return topic


async def _was_handed_back(tx: Tx, drive: Drive, payment: Payment) -> bool:
    return any(
        each.kind is EntryKind.RETURNED and each.payment_id == payment.id
        for each in await tx.drives.handed_back(drive.id)
    )


def gift_news(drive: Drive, topic: str, chat_id: int) -> NewNotice:
    """One new message about a gift; with the drive in its key that would be too long."""
    return NewNotice(
        key=f"d:{topic}:{chat_id}",
        kind=NoticeKind.NEWS,
        chat_id=chat_id,
        subject=drive.subject,
        topic=topic,
    )
