"""Handling: one update finds its handler, and is done when that has returned."""

from __future__ import annotations

import logging
import re

from telegram import CallbackQuery, Chat, Message, Update
from telegram.error import TelegramError

from bot.chat import (
    bills,
    books,
    claims,
    departures,
    drive_wizard,
    drives,
    giving,
    inline,
    invoice_edits,
    invoice_talk,
    merchant,
    pay,
    replies,
    review,
    standing,
    start,
    statement_choice,
)
from bot.chat.context import COURTESY_S, DeedPress, Desk, Press, Toast, Turn, language_of, open_turn
from bot.chat.drive_routes import DRIVE_BUTTONS, words_written
from bot.chat.routes import (
    DEED_BUTTONS,
    PAYMENT_BUTTONS,
    PERSON_BUTTONS,
    REVIEW_BUTTONS,
    command,
)
from bot.chat.standing import GROUPS, was_added
from bot.core.buttons import Verdict
from bot.texts import plain
from storage.records import Button, Closing, DraftKind, Keyboard, Reply

__all__ = ["ALLOWED_UPDATES", "carry_out"]

log = logging.getLogger(__name__)

ALLOWED_UPDATES = (
    "message",
    "edited_message",
    "callback_query",
    "my_chat_member",
    "chat_member",
    "inline_query",
)

COMMAND = re.compile(r"/(?P<name>\w{1,32})(?:@(?P<bot>\w+))?(?:\s+(?P<words>.*))?", re.DOTALL)
BOOKS_ACTS = frozenset(act.value for act in books.BooksAct)


async def carry_out(desk: Desk, update: Update) -> None:
    """
    Do what the update asks for, and mark it done in the same commit, or after it.

    Anything raised leaves it waiting in the inbox: it will be tried again.
    """
    if update.inline_query is not None:
        await inline.answer(desk, update.inline_query)
        return
    message = update.message or update.edited_message
    query = update.callback_query
    if query is not None:
        await _pressed(desk, update, query)
        return
    if message is not None and await _moved(desk, message):
        await desk.core.inbox.done(update.update_id)
        return
    if await departures.noticed(desk, update) or await standing.changed(desk, update):
        return
    if message is not None and message.sender_chat is not None:
        await _anonymous(desk, update, message)
        return
    turn = None if _ignored(desk, update) else await open_turn(desk, update)
    if turn is None:
        await desk.core.inbox.done(update.update_id)
        return
    if message is not None:
        await _written(turn, message)
    elif was_added(update):
        await start.joined(turn)
    await _close(turn)


async def _close(turn: Turn) -> None:
    if not turn.closed:
        await turn.core.inbox.done(turn.update_id)


async def _written(turn: Turn, message: Message) -> None:
    """A message, new or mended."""
    text = message.text or ""
    found = COMMAND.fullmatch(text)
    if found is not None:
        named = found["bot"]
        if named is None or named.lower() == turn.username.lower():
            turn.words = found["words"] or ""
            await _command(turn, found["name"].lower())
        return
    turn.words = text
    if message.contact is not None and turn.private:
        await pay.contact(turn, message.contact)
    elif message.users_shared is not None and turn.private:
        await drive_wizard.shared(turn, message.users_shared)
    elif message.document is not None and books.is_statement(turn, message.document):
        await books.dropped(turn, message.document)
    elif text:
        await _words(turn, message)
    elif turn.private and await merchant.photo(turn, message):
        return
    elif turn.private and message.effective_attachment is not None:
        await start.unknown(turn, command=False)


async def _command(turn: Turn, name: str) -> None:
    found = command(name, is_operator=turn.is_operator)
    if found is None:
        await start.unknown(turn, command=True)
    elif turn.private or found.groups:
        await found.handler(turn)
    else:
        label = plain(turn.say("button.open-private"))
        link = Button(label=label, url=turn.link(name))
        await turn.answer(turn.say("private-only", command=f"/{name}"), Keyboard(rows=((link,),)))


async def _words(turn: Turn, message: Message) -> None:
    """Words without a command: an answer to a message of ours, or nothing we know."""
    if turn.private and await invoice_talk.replied(turn, message):
        return
    draft = await turn.core.people.draft(chat_id=turn.chat_id, person_id=turn.person.id)
    if turn.edited:
        await replies.mended(turn, message, is_asked=draft is not None)
        return
    if draft is None:
        await start.unknown(turn, command=False)
        return
    if not await replies.is_for(turn, message, draft):
        await turn.answer(turn.say("reply.other"))
        return
    match draft.kind:
        case DraftKind.PAY_PHONE:
            await pay.phone_typed(turn, draft)
        case DraftKind.CLAIM:
            await claims.pasted(turn, draft)
        case DraftKind.REVIEW_CREDIT | DraftKind.REVIEW_REVERSE:
            await review.code_typed(turn, draft)
        case DraftKind.BOOKS_TO | DraftKind.BOOKS_WHY:
            await books.typed(turn, draft)
        case DraftKind.GIVE:
            await giving.written(turn, draft)
        case DraftKind.NEW_DRIVE:
            await drive_wizard.written(turn, draft)
        case DraftKind.DRIVE_WORDS:
            await words_written(turn, draft)
        case DraftKind.INVOICE:
            await invoice_edits.typed(turn, draft)
        case DraftKind.STATEMENT:
            await statement_choice.typed(turn, draft)
        case DraftKind.BILL:
            await bills.typed(turn, draft)
        case DraftKind.MERCHANT:
            await merchant.typed(turn, draft)


async def _pressed(desk: Desk, update: Update, query: CallbackQuery) -> None:
    """A button: whatever happens, the one who pressed is answered, so that it stops spinning."""
    language = language_of(None, query.from_user.language_code)
    toast = Toast(plain(desk.texts.say(language, "toast.failed")))
    try:
        turn = await open_turn(desk, update)
        if turn is None:
            toast = Toast(plain(desk.texts.say(language, "toast.not-yours")))
            await desk.core.inbox.done(update.update_id)
        else:
            toast = await _press(turn, query)
            await _close(turn)
    finally:
        desk.beside(_answer(desk, query, toast))


async def _press(turn: Turn, query: CallbackQuery) -> Toast:
    """Whose button it is decides; who may not press is told so, and nothing happens."""
    look = await turn.core.buttons.look(query.data or "", by=turn.person.id, chat_id=turn.chat_id)
    if look.verdict is Verdict.OTHER_CHAT:
        return turn.toast("toast.other-chat")
    if look.shown is None or look.verdict is Verdict.OLD:
        return turn.toast("toast.old")
    deed = look.shown.deed
    if look.verdict is Verdict.NOT_YOURS:
        return _only_the_owner(turn, deed.owner)
    if deed.action in BOOKS_ACTS:
        return await books.pressed(turn, deed)
    if deed.action in PERSON_BUTTONS:
        return await PERSON_BUTTONS[deed.action](turn)
    pressed = DeedPress(turn=turn, deed=deed, button=look.shown.data, query_id=query.id)
    if deed.action in DRIVE_BUTTONS:
        return await DRIVE_BUTTONS[deed.action](pressed)
    if deed.action in DEED_BUTTONS:
        about_deed, _ = DEED_BUTTONS[deed.action]
        return await about_deed(pressed)
    view = await turn.core.books.view(deed.subject)
    found = PAYMENT_BUTTONS.get(deed.action) or REVIEW_BUTTONS.get(deed.action)
    if view is None or found is None:
        return turn.toast("toast.old")
    handler, _ = found
    if view.intent.private:
        turn.go_private()
    press = Press(turn=turn, view=view, button=look.shown.data, argument=deed.argument)
    return await handler(press)


def _only_the_owner(turn: Turn, owner: int | None) -> Toast:
    """Named if the message under the button still shows whose command it answers."""
    above = None if turn.message is None else turn.message.reply_to_message
    asker = None if above is None else above.from_user
    if asker is None or asker.id != owner:
        return turn.toast("toast.not-yours")
    return turn.toast("toast.only", name=asker.first_name)


async def _answer(desk: Desk, query: CallbackQuery, toast: Toast) -> None:
    if toast.given:
        return
    try:
        await desk.bot.answer_callback_query(
            query.id,
            toast.said,
            show_alert=toast.alert,
            url=toast.url,
            read_timeout=COURTESY_S,
        )
    except TelegramError as exc:
        # Too old (after a restart), or the network: what was pressed for is committed.
        log.info("press.not_answered why=%s", exc.message)


async def _moved(desk: Desk, message: Message) -> bool:
    """A group became a supergroup; told in both, and doing it twice changes nothing."""
    old, new = message.chat.id, message.migrate_to_chat_id
    if message.migrate_from_chat_id is not None:
        old, new = message.migrate_from_chat_id, message.chat.id
    if new is None:
        return False
    await desk.core.post.migrated(old_chat_id=old, new_chat_id=new)
    return True


async def _anonymous(desk: Desk, update: Update, message: Message) -> None:
    """
    Somebody who writes as a group or a channel: we cannot know whose payment it would be.

    Only a command that names us is answered.
    """
    found = COMMAND.fullmatch(message.text or "")
    named = None if found is None else found["bot"]
    if (
        found is not None
        and found["name"].lower() == "newdrive"
        and await _as_the_group(desk, update, message, found["words"] or "")
    ):
        return
    replies: tuple[Reply, ...] = ()
    if named is not None and named.lower() == desk.paper.username.lower():
        text = desk.texts.say(language_of(None, None), "anonymous")
        thread_id = message.message_thread_id if message.is_topic_message else None
        replies = (
            Reply(
                chat_id=message.chat.id,
                thread_id=thread_id,
                reply_to=message.message_id,
                text=text,
            ),
        )
    await desk.core.post.say(Closing(update_id=update.update_id, replies=replies))


async def _as_the_group(desk: Desk, update: Update, message: Message, words: str) -> bool:
    """An admin who hides behind the group may ask for a drive; another's channel may not."""
    sender = message.sender_chat
    if sender is None or sender.id != message.chat.id:
        return False
    return await drives.ask_an_admin(desk, update.update_id, message, words)


def _ignored(desk: Desk, update: Update) -> bool:
    """
    What is not for us: channel posts, a group's own talk, the news that we were put out.

    People who only talk in a group are not written down.
    """
    message = update.message or update.edited_message
    if message is None:
        return not was_added(update)
    if message.chat.type not in GROUPS:
        return message.chat.type != Chat.PRIVATE
    found = COMMAND.fullmatch(message.text or "")
    if found is None:
        return not _answers_us(desk, message)
    return command(found["name"].lower(), is_operator=True) is None


def _answers_us(desk: Desk, message: Message) -> bool:
    above = message.reply_to_message
    author = None if above is None else above.from_user
    return author is not None and author.id == desk.bot.id
