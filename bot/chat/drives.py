"""Drives: `/newdrive`, `/drive`, and what everybody may press on a card: the list, sharing."""

from __future__ import annotations

from datetime import timedelta
from html import escape

from markupsafe import Markup
from telegram import Message

from bot.chat import drive_wizard
from bot.chat.answers import unclear_text
from bot.chat.asides import aside, aside_reply, door, leads_in_private
from bot.chat.context import DeedPress, Desk, Toast, Turn, language_of
from bot.chat.drive_cards import link_of, list_text, manage_key, plain_list
from bot.chat.drive_words import kind_of, new_drive
from bot.chat.parse import Unclear
from bot.core.drives import NewDrive
from bot.texts import clean, plain
from storage.records import (
    NOBODY,
    Button,
    Closing,
    Deed,
    Draft,
    DraftKind,
    Drive,
    DriveStatus,
    Keyboard,
    Reply,
)

__all__ = ["ask_an_admin", "confirmed", "drive", "listed", "newdrive", "shared"]

DRAFT_LIFE = timedelta(minutes=30)
LABEL_CHARS_MAX = 40


async def newdrive(turn: Turn) -> None:
    """`/newdrive 50000 Mama Akinyi hospital bill`; without words, step by step in private."""
    if turn.edited:
        return
    if not await _may_open(turn, turn.chat_id):
        await turn.answer(turn.say("newdrive.admins-only"))
        return
    if not turn.words.strip():
        await drive_wizard.begin(turn)
        return
    found = new_drive(turn.words)
    if found is None:
        await turn.answer(turn.say("newdrive.no-title", command=turn.command("newdrive")))
        return
    if isinstance(found, Unclear):
        await turn.answer(unclear_text(found, turn.language, turn.paper.texts))
        return
    target_kes, title = found
    await _open(turn, target_kes, title, key=f"m:{turn.chat_id}:{turn.message_id}")


async def ask_an_admin(desk: Desk, update_id: int, message: Message, words: str) -> bool:
    """
    Somebody who writes as the group itself wants a drive: a button, so that we see who it is.

    False, and nothing was said, if the words make no drive.
    """
    found = new_drive(words)
    if found is None:
        return False
    language = language_of(None, None)
    if isinstance(found, Unclear):
        text = unclear_text(found, language, desk.texts)
        reply = Reply(
            chat_id=message.chat.id, thread_id=_topic(message), reply_to=message.id, text=text
        )
        await desk.core.post.say(Closing(update_id=update_id, replies=(reply,)))
        return True
    title = clean(found[1], limit=LABEL_CHARS_MAX)
    label = plain(desk.texts.say(language, "newdrive.button.confirm", title=title))
    does = Deed(action="d.confirm", subject=str(message.chat.id), argument=str(message.id))
    reply = Reply(
        chat_id=message.chat.id,
        thread_id=_topic(message),
        reply_to=message.id,
        text=desk.texts.say(language, "newdrive.confirm"),
        keyboard=Keyboard(rows=((Button(label=label, does=does, style="primary"),),)),
    )
    draft = Draft(
        chat_id=message.chat.id,
        person_id=NOBODY,
        kind=DraftKind.NEW_DRIVE,
        message_id=message.id,
        data=words,
        expires_at=desk.core.clock.now() + DRAFT_LIFE,
    )
    closing = Closing(update_id=update_id, replies=(reply,))
    await desk.core.people.keep_draft(draft, closing)
    return True


async def confirmed(press: DeedPress) -> Toast:
    """An admin opens what somebody asked for who wrote as the group."""
    turn = press.turn
    if not await _may_open(turn, turn.chat_id):
        return turn.toast("newdrive.admins-only", alert=True)
    draft = await turn.core.people.draft(chat_id=turn.chat_id, person_id=NOBODY)
    if draft is None or str(draft.message_id) != press.deed.argument:
        return turn.toast("toast.old")
    found = new_drive(draft.data)
    if not isinstance(found, tuple):
        return turn.toast("toast.old")  # shown by a version that read it otherwise
    target_kes, title = found
    await _open(turn, target_kes, title, key=f"m:{turn.chat_id}:{draft.message_id}")
    return turn.toast("treasury.done")


async def drive(turn: Turn) -> None:
    """`/drive`: in a group the card once more; in private what one looks after and gave to."""
    if not turn.private:
        found = await turn.core.drives.in_chat(turn.chat_id)
        if not found:
            command = turn.command("newdrive")
            await turn.answer(turn.say("drive.none-here", command=command))
            return
        here = [each for each in found if turn.thread_id and each.thread_id == turn.thread_id]
        for each in (here or found)[1:]:
            await turn.core.drives.post_again(each.id, Closing())
        await turn.core.drives.post_again((here or found)[0].id, turn.closing())
        return
    own = await turn.core.drives.of_treasurer(turn.person.id)
    if not own:
        command = f"/newdrive@{turn.username}"
        await turn.answer(turn.say("manage.none", command=command))
        return
    keys = tuple((_manages(each),) for each in own)
    await turn.answer(turn.say("manage.which"), Keyboard(rows=keys))


async def listed(press: DeedPress) -> Toast:
    """The full list, to the one who pressed."""
    turn, found = press.turn, await press.turn.core.drives.get(press.deed.subject)
    if found is None:
        return turn.toast("toast.old")
    if not leads_in_private(turn):
        return door(turn, f"d_{found.code}")
    drives = turn.core.drives
    text = list_text(
        found,
        await drives.full_list(found.id),
        await drives.treasury.trail(found.id),
        await drives.totals(found.id),
        turn.paper,
        language=turn.language,
    )
    keys = None
    if await drives.treasury.is_treasurer(found.id, turn.person.id):
        keys = manage_key(found.id, turn.paper, turn.language)
    await aside(turn, text, keys)
    return Toast() if turn.private else turn.toast("drive.list.private")


async def shared(press: DeedPress) -> Toast:
    """The link, a list for WhatsApp, and a button for any chat, to the one who pressed."""
    turn, drives = press.turn, press.turn.core.drives
    view = await drives.card_view(press.deed.subject)
    if view is None:
        return turn.toast("toast.old")
    if not leads_in_private(turn):
        return door(turn, f"d_{view.drive.code}")
    link = Markup(link_of(view.drive, turn.paper))  # noqa: S704 -- our own, and meant to be one
    head = turn.say("drive.share", title=view.drive.title, link=link)
    gifts = await drives.full_list(view.drive.id)
    body = plain_list(view, gifts, turn.paper, view.drive.language)
    keys: list[tuple[Button, ...]] = []
    if turn.paper.inline:
        label = plain(turn.say("drive.share.button"))
        keys.append((Button(label=label, share=f"d_{view.drive.code}"),))
    label = plain(turn.say("drive.button.qr"))
    keys.append((Button(label=label, does=Deed(action="d.qr", subject=view.drive.id)),))
    text = f"{head}\n<pre>{escape(body, quote=False)}</pre>"
    reply = aside_reply(turn, text, Keyboard(rows=tuple(keys)))
    await turn.core.post.say(turn.closing(reply))
    return Toast() if turn.private else turn.toast("drive.share.private")


def _topic(message: Message) -> int | None:
    return message.message_thread_id if message.is_topic_message else None


async def _may_open(turn: Turn, chat_id: int) -> bool:
    if turn.private:
        return True
    return await turn.desk.admins.is_admin(
        turn.desk.bot, chat_id=chat_id, person_id=turn.person.id, now=turn.core.clock.now()
    )


async def _open(turn: Turn, target_kes: int | None, title: str, *, key: str) -> Drive:
    """The drive with its card, and a word in private to whoever looks after it now."""
    new = NewDrive(
        title=title,
        target_kes=target_kes,
        kind=kind_of(title),
        chat_id=turn.chat_id,
        thread_id=turn.thread_id,
        language=turn.language,
        opened_by=turn.person.id,
        opener_name=clean(turn.person.first_name, limit=LABEL_CHARS_MAX),
        open_key=key,
    )
    return await drive_wizard.open_drive(turn, new)


def _manages(each: Drive) -> Button:
    mark = {DriveStatus.CLOSED: "🏁 ", DriveStatus.PAUSED: "⏸ "}.get(each.status, "")
    label = mark + clean(each.title, limit=LABEL_CHARS_MAX)
    return Button(label=label, does=Deed(action="d.manage", subject=each.id))
