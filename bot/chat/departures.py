"""Departures: a treasurer left the group, as Telegram tells it, and what is pressed about that."""

from __future__ import annotations

from datetime import datetime

from telegram import Update

from bot.chat.admins import is_outside
from bot.chat.context import DeedPress, Desk, Toast, Turn
from bot.chat.treasury import actor, refusing
from bot.core.drive_acts import Answer
from storage.records import Closing, Drive

__all__ = ["decided", "noticed", "taken_over"]


async def noticed(desk: Desk, update: Update) -> bool:
    """Take note of somebody who left a group or was put out; False for any other update."""
    found = _who_left(update)
    if found is None:
        return False
    chat_id, person_id, at = found
    await desk.core.drives.departures.left_group(
        chat_id=chat_id, person_id=person_id, at=at, closing=Closing(update_id=update.update_id)
    )
    return True


def _who_left(update: Update) -> tuple[int, int, datetime] | None:
    """
    The chat, who, and when; told in two ways.

    A service message reaches every bot, also in privacy mode, but not from the largest groups;
    `chat_member` comes where we are an admin (Bot API, Update).
    """
    message, moved = update.message, update.chat_member
    if message is not None and message.left_chat_member is not None:
        return message.chat.id, message.left_chat_member.id, message.date
    if moved is None or is_outside(moved.old_chat_member) or not is_outside(moved.new_chat_member):
        return None
    return moved.chat.id, moved.new_chat_member.user.id, moved.date


async def decided(press: DeedPress) -> Toast:
    """Who left is taken off, or stays a treasurer: another treasurer says so."""
    turn, off = press.turn, press.deed.action == "d.off"
    drives, person_id = turn.core.drives, int(press.deed.argument)
    drive = await drives.get(press.deed.subject)
    if drive is None:
        return turn.toast("toast.old")
    may = turn.is_operator or await drives.treasury.is_treasurer(drive.id, turn.person.id)
    if off and may and await _is_back(turn, drive, person_id):
        return turn.toast("treasurer.is-back", alert=True)
    name = await drives.treasurers.name_of(drive.id, person_id)
    key = "treasurer.taken-off" if off else "treasurer.stays"
    decide = drives.departures.take_off if off else drives.departures.keep
    answer = await decide(
        drive.id,
        actor(turn),
        person_id=person_id,
        closing=turn.closing(turn.reply(turn.say(key, name=name, title=drive.title))),
    )
    return _outcome(turn, answer)


async def taken_over(press: DeedPress) -> Toast:
    """An admin of the group looks after a drive whose treasurers have all left it."""
    turn, person_id = press.turn, int(press.deed.argument)
    drive = await turn.core.drives.get(press.deed.subject)
    if drive is None:
        return turn.toast("toast.old")
    runs_it = turn.is_operator or await turn.desk.admins.is_admin(
        turn.desk.bot, chat_id=drive.chat_id, person_id=turn.person.id, now=turn.core.clock.now()
    )
    if not runs_it:
        return turn.toast("treasurer.admins-only", alert=True)
    for each in await turn.core.drives.treasurers.of(drive.id):
        if each.person_id != turn.person.id and await _is_back(turn, drive, each.person_id):
            return turn.toast("treasurer.is-back", alert=True)
    answer = await turn.core.drives.departures.take_over(
        drive.id, actor(turn), person_id=person_id, closing=turn.closing()
    )
    if answer is Answer.DONE:
        return turn.toast("treasurer.took-over", alert=True)
    return _outcome(turn, answer)


async def _is_back(turn: Turn, drive: Drive, person_id: int) -> bool:
    there = await turn.desk.admins.is_there(
        turn.desk.bot, chat_id=drive.chat_id, person_id=person_id
    )
    return there is True


def _outcome(turn: Turn, answer: Answer) -> Toast:
    if answer is Answer.DONE:
        return turn.toast("treasury.done")
    turn.closed = False
    return refusing(turn, answer)
