"""Owns the world behind the Bot API: who is there, what was said, and what the bot hears of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.playground.changes import Changes
from bot.playground.chats import Chat, Message, StoredFile, Topic, User
from bot.playground.entities import FormattedText
from bot.playground.errors import ApiError, Json, bad_request, forbidden
from bot.playground.keyboards import (
    ForceReply,
    InlineKeyboard,
    Markup,
    RemoveKeyboard,
    ReplyKeyboard,
)
from bot.playground.updates import UpdateQueue

if TYPE_CHECKING:
    from bot.playground.inline import InlineQuestion

QUERY_LIFETIME_S = 15.0


@dataclass(eq=False)
class Press:
    """What a press on an inline button came to: a callback query, a copied text or a link."""

    id: str
    person: User
    message: Message
    data: str
    at_s: float
    copied: str = ""
    opened: str = ""
    answered: bool = False
    toast: str = ""
    alert: bool = False
    late: bool = False


@dataclass(eq=False)
class Account(User):
    """A person's own account, as Telegram keeps it: what they allow the bot to do."""

    phone: str = ""
    started: bool = False
    blocked: bool = False
    offline: bool = False  # what is ephemeral does not reach them


@dataclass(eq=False)
class Draft:
    """A message about to be put in a chat."""

    body: FormattedText
    markup: Markup | None = None
    reply_to: Message | None = None
    thread_id: int | None = None
    file: StoredFile | None = None
    contact: Json | None = None
    service: Json | None = None


@dataclass(eq=False)
class World:
    """State in memory; times are seconds since the epoch from `clock`."""

    bot: User
    clock: Callable[[], float]
    changes: Changes = field(default_factory=Changes)
    privacy_mode: bool = True
    accounts: dict[int, Account] = field(default_factory=dict)
    chats: dict[int, Chat] = field(default_factory=dict)
    presses: dict[str, Press] = field(default_factory=dict)
    inline: bool = True  # @BotFather's /setinline
    whispers: bool = True  # False: a Bot API server from before ephemeral messages
    files: dict[str, StoredFile] = field(default_factory=dict)
    questions: dict[str, InlineQuestion] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.updates = UpdateQueue(self.changes)

    @property
    def now(self) -> int:
        return int(self.clock())

    def chat(self, chat_id: int) -> Chat:
        """The chat with this id, made if it is a known person's; raises LookupError."""
        account = self.accounts.get(chat_id)
        if chat_id not in self.chats and account is not None:
            chat = Chat(chat_id, "private", person=account, users={account.id: account})
            self.chats[chat_id] = chat
        return self.chats[chat_id]

    def chat_for_bot(self, given: str, *, reading: bool = False) -> Chat:
        """The chat that a call names by id or @username, if the bot may write there.

        To read (getChat, a command scope) a person need not have started the bot.

        Raises ApiError: 400 "chat not found" or "group chat was upgraded…", 403 for a person who
        blocked or never started the bot, and for a group that it was put out of.
        """
        if not given:
            raise bad_request("chat_id is empty")
        chat = self._named(given)
        if chat.migrated_to is not None:
            raise ApiError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=chat.migrated_to,
            )
        if chat.is_private:
            account = self.accounts[chat.id]
            if reading:
                return chat
            if account.blocked:
                raise forbidden("bot was blocked by the user")
            if not account.started:
                raise forbidden("bot can't initiate conversation with a user")
        elif not chat.is_member(self.bot.id):
            kicked = chat.standing.get(self.bot.id) == "kicked"
            how = "was kicked from" if kicked else "is not a member of"
            raise forbidden(f"bot {how} the {chat.type} chat")
        return chat

    def _named(self, given: str) -> Chat:
        if given.startswith("@"):
            name = given[1:].lower()
            ids = [a.id for a in self.accounts.values() if a.username.lower() == name]
            given = str(ids[0]) if ids else ""
        try:
            return self.chat(int(given))
        except (KeyError, ValueError):
            raise bad_request("chat not found") from None

    def put(self, chat: Chat, sender: User, draft: Draft) -> Message:
        """Write a message into a chat; the bot hears of it if it would."""
        message = Message(
            chat,
            chat.next_message_id(),
            sender,
            self.now,
            draft.body,
            keyboard=draft.markup if isinstance(draft.markup, InlineKeyboard) else None,
            reply_to=draft.reply_to,
            thread_id=draft.thread_id,
            file=draft.file,
            contact=draft.contact,
            service=draft.service,
            fixed=isinstance(draft.markup, ReplyKeyboard | RemoveKeyboard | ForceReply),
        )
        chat.messages.append(message)
        match draft.markup:
            case ReplyKeyboard() as keyboard:
                chat.reply_keyboard = keyboard
            case RemoveKeyboard():
                chat.reply_keyboard = None
        if sender is self.bot:
            chat.other_bot_spoke_last = False
        elif self.bot_hears(message):
            self.updates.add("message", message.json())
        self.changes.notify()
        return message

    def whisper(self, chat: Chat, receiver: Account, draft: Draft) -> Message:
        """Show one member of a group a message that is nowhere else; lost on who is offline."""
        message = Message(
            chat,
            0,
            self.bot,
            self.now,
            draft.body,
            keyboard=draft.markup if isinstance(draft.markup, InlineKeyboard) else None,
            thread_id=draft.thread_id,
            receiver=receiver,
            whisper_id=chat.next_whisper_id(),
            after_id=chat.newest_id,
        )
        if not receiver.offline:
            chat.whispers.append(message)
        self.changes.notify()
        return message

    def bot_hears(self, message: Message) -> bool:
        """Privacy mode (core.telegram.org/bots/features#privacy-mode).

        In a group: commands to it, general commands unless another bot spoke last, replies to
        it, service messages; everything when it is an administrator or privacy mode is off.
        """
        chat = message.chat
        if chat.is_private:
            return not self.accounts[chat.id].blocked
        if not chat.is_member(self.bot.id):
            return False
        if message.service is not None or not self.privacy_mode or chat.is_admin(self.bot.id):
            return True
        if message.reply_to is not None and message.reply_to.sender is self.bot:
            return True
        command = re.match(r"/\w+(@\w+)?", message.text)
        if command is None:
            return False
        if command[1]:
            return command[1][1:].lower() == self.bot.username.lower()
        return not chat.other_bot_spoke_last

    def edit(self, message: Message, body: FormattedText, keyboard: InlineKeyboard | None) -> None:
        """Change a message in place."""
        message.body = body
        message.keyboard = keyboard
        message.edits += 1
        message.edited_at = self.now
        self.changes.notify()

    def delete(self, message: Message) -> None:
        stand = message.chat.messages if message.receiver is None else message.chat.whispers
        stand.remove(message)
        message.deleted = True
        self.changes.notify()

    def stored(self, name: str, content: bytes, content_type: str) -> StoredFile:
        """Keep a file so that it can be fetched and sent again by its id."""
        number = len(self.files)
        suffix = name.rpartition(".")[2] if "." in name else "bin"
        file = StoredFile(
            f"file-{number}", f"documents/file_{number}.{suffix}", name, content, content_type
        )
        self.files[file.id] = file
        return file

    def standing_changed(self, chat: Chat, by: User, before: str, after: str) -> None:
        """Tell the bot that its own place in a chat changed (my_chat_member)."""
        if chat.is_group:
            chat.standing[self.bot.id] = after
        was, now = (
            Chat(0, chat.type, standing={self.bot.id: standing}).member_json(self.bot)
            for standing in (before, after)
        )
        self.updates.add(
            "my_chat_member",
            {
                "chat": chat.json(),
                "from": by.json(),
                "date": self.now,
                "old_chat_member": was,
                "new_chat_member": now,
            },
        )
        self.changes.notify()

    def member_changed(self, chat: Chat, by: User, before: Json, after: Json) -> None:
        """Tell a bot that runs the chat that somebody's place in it changed (chat_member)."""
        if not chat.is_admin(self.bot.id):
            return
        self.updates.add(
            "chat_member",
            {
                "chat": chat.json(),
                "from": by.json(),
                "date": self.now,
                "old_chat_member": before,
                "new_chat_member": after,
            },
        )

    def upgrade(self, group: Chat, new_id: int) -> Chat:
        """Turn a group into a supergroup, with the service messages at both ends."""
        new = Chat(
            new_id,
            "supergroup",
            group.title,
            users=group.users,
            standing=dict(group.standing),
        )
        self.chats[new_id] = new
        by = next(iter(group.users.values()))
        self.put(group, by, Draft(FormattedText(""), service={"migrate_to_chat_id": new_id}))
        group.migrated_to = new_id
        self.put(new, by, Draft(FormattedText(""), service={"migrate_from_chat_id": group.id}))
        return new

    def open_topic(self, chat: Chat, by: User, name: str) -> Topic:
        """A new topic in a forum."""
        created = {"forum_topic_created": {"name": name, "icon_color": 0x6FB9F0}}
        message = self.put(chat, by, Draft(FormattedText(""), service=created))
        topic = Topic(message.id, name)
        chat.topics[topic.id] = topic
        return topic
