"""Standing: what we may do in a chat has changed, as Telegram tells it, and who was not told."""

from __future__ import annotations

from telegram import Chat, ChatMemberUpdated, Update

from bot.chat.admins import OUTSIDE
from bot.chat.context import Desk
from storage.records import Closing

__all__ = ["GROUPS", "changed", "was_added"]

GROUPS = (Chat.GROUP, Chat.SUPERGROUP)


async def changed(desk: Desk, update: Update) -> bool:
    """
    Somebody blocked us, or unblocked us; or a group that we never left lets us write again.

    False for any other update, and where we were put into a group.
    """
    moved = update.my_chat_member
    if moved is not None and moved.chat.type == Chat.PRIVATE:
        people, closing = desk.core.people, Closing(update_id=update.update_id)
        out = moved.new_chat_member.status in OUTSIDE
        await (people.shut_out if out else people.let_in)(moved.chat.id, closing)
        return True
    if moved is None or was_added(update) or not _is_inside(moved):
        return False
    await desk.core.post.returned(moved.chat.id)
    await desk.core.inbox.done(update.update_id)
    return True


def was_added(update: Update) -> bool:
    """Whether somebody has just put us into a group."""
    moved = update.my_chat_member
    return moved is not None and _is_inside(moved) and moved.old_chat_member.status in OUTSIDE


def _is_inside(moved: ChatMemberUpdated) -> bool:
    return moved.chat.type in GROUPS and moved.new_chat_member.status not in OUTSIDE
