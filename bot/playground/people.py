"""Owns what a person can do in Telegram: write, press, share, edit, block, and keep groups."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Literal

from bot.playground.chats import Chat, Message
from bot.playground.entities import FormattedText, trimmed, with_automatic
from bot.playground.errors import Json
from bot.playground.inline import InlineQuestion, ask_inline
from bot.playground.keyboards import ReplyButton
from bot.playground.world import Account, Draft, Press, World


@dataclass(eq=False)
class Person(Account):
    """Somebody with a telephone; every act is seen by the bot as Telegram would tell it."""

    world: World = field(kw_only=True, repr=False)

    @property
    def chat(self) -> Chat:
        """The private chat of this person with the bot."""
        return self.world.chat(self.id)

    @property
    def messages(self) -> list[Message]:
        """What stands in the private chat now, oldest first."""
        return self.chat.messages

    def start(self, payload: str = "") -> Message:
        """Press Start, or open t.me/bot?start=payload."""
        if self.blocked:
            self.unblock()
        return self.say(f"/start {payload}".strip())

    def say(
        self,
        text: str,
        *,
        chat: Chat | None = None,
        reply_to: Message | None = None,
        thread_id: int | None = None,
    ) -> Message:
        """Write a text, in private unless a group is named.

        Raises ValueError for what Telegram's clients do not let a person do.
        """
        body = with_automatic(trimmed(FormattedText(text)))
        if not 1 <= len(body.text) <= 4096:
            raise ValueError("Telegram's clients send no empty and no longer text")
        return self._put(Draft(body, reply_to=reply_to, thread_id=thread_id), chat)

    def tap(self, label: str, *, chat: Chat | None = None) -> Message:
        """Press a button of the reply keyboard: it writes its text, or shares the own contact."""
        where = chat or self.chat
        button = _reply_button(where, label)
        keyboard = where.reply_keyboard
        if keyboard is not None and keyboard.one_time:
            where.reply_keyboard = None
        if button.users_max:
            raise ValueError("that button lets people be chosen: choose them")
        if button.request_contact:
            return self.share_contact()
        return self.say(button.text, chat=chat)

    def choose(self, label: str, *people: Account) -> Message:
        """Press a reply button that lets people be chosen, and choose these."""
        button = _reply_button(self.chat, label)
        if not 1 <= len(people) <= button.users_max:
            raise ValueError(f"Telegram's clients let 1 to {button.users_max} be chosen")
        self.chat.reply_keyboard = None
        shared: Json = {
            "users_shared": {
                "request_id": button.request_id,
                "users": [{"user_id": each.id, "first_name": each.first_name} for each in people],
            }
        }
        return self._put(Draft(FormattedText(""), service=shared), None)

    def share_contact(
        self,
        phone: str = "",
        *,
        user_id: int | Literal["own"] | None = "own",
        first_name: str = "",
    ) -> Message:
        """Share the own contact in private, or another card with `user_id` (None: no account)."""
        card: Json = {
            "phone_number": phone or self.phone,
            "first_name": first_name or self.first_name,
        }
        if not card["phone_number"]:
            raise ValueError("a contact has a phone number")
        if user_id is not None:
            card["user_id"] = self.id if user_id == "own" else user_id
        return self._put(Draft(FormattedText(""), contact=card), None)

    def send_file(
        self,
        name: str,
        content: bytes,
        *,
        content_type: str = "application/octet-stream",
        caption: str = "",
        chat: Chat | None = None,
    ) -> Message:
        """Drop a document into a chat."""
        file = self.world.stored(name, content, content_type)
        return self._put(Draft(trimmed(FormattedText(caption)), file=file), chat)

    def press(self, message: Message, wanted: str) -> Press:
        """Press an inline button by its label or its data.

        Raises LookupError when there is no such button or the message is gone.
        """
        if message.deleted:
            raise LookupError("the message was deleted")
        if message.receiver not in (None, self):
            raise LookupError("that message is for somebody else's eyes")
        button = message.button(wanted)
        press = Press(secrets.token_hex(8), self, message, "", self.world.clock(), answered=True)
        match button.action:
            case "copy_text":
                press.copied = button.value
            case "callback_data":
                press.data, press.answered = button.value, False
                self.world.presses[press.id] = press
                self.world.updates.add("callback_query", self._query(press))
            case _:
                press.opened = button.value
        self.world.changes.notify()
        return press

    def ask_inline(self, query: str = "") -> InlineQuestion:
        """Type the bot's name and some words in any chat."""
        return ask_inline(self.world, self, query)

    def press_again(self, press: Press) -> None:
        """The same callback query reaches the bot once more (a client that lost the answer)."""
        self.world.updates.add("callback_query", self._query(press))

    def edit(self, message: Message, text: str) -> Message:
        """Change an own message; the bot gets edited_message."""
        if message.sender is not self:
            raise ValueError("only own messages can be edited")
        self.world.edit(message, with_automatic(trimmed(FormattedText(text))), None)
        if self.world.bot_hears(message):
            self.world.updates.add("edited_message", message.json())
        return message

    def block(self) -> None:
        """Stop the bot: it gets 403 from now on, and is told so by my_chat_member."""
        self.blocked = True
        self.world.standing_changed(self.chat, self, "member", "kicked")

    def unblock(self) -> None:
        self.blocked = False
        self.world.standing_changed(self.chat, self, "kicked", "member")

    def add_bot(self, group: Chat) -> None:
        """Put the bot into a group."""
        before = group.standing.get(self.world.bot.id, "left")
        group.users[self.world.bot.id] = self.world.bot
        self.world.standing_changed(group, self, before, "member")
        joined: Json = {"new_chat_members": [self.world.bot.json()]}
        self.world.put(group, self, Draft(FormattedText(""), service=joined))

    def remove_bot(self, group: Chat) -> None:
        """Put the bot out of a group: it gets 403 there from now on."""
        before = group.standing.get(self.world.bot.id, "left")
        self.world.standing_changed(group, self, before, "kicked")

    def promote_bot(self, group: Chat, *, admin: bool = True) -> None:
        """Make the bot an administrator with every right, or take that away."""
        before = group.standing.get(self.world.bot.id, "left")
        after = "administrator" if admin else "member"
        self.world.standing_changed(group, self, before, after)

    def join(self, group: Chat) -> Message:
        before = group.member_json(self)
        group.users[self.id] = self
        group.standing[self.id] = "member"
        self.world.member_changed(group, self, before, group.member_json(self))
        joined: Json = {"new_chat_members": [self.json()]}
        return self.world.put(group, self, Draft(FormattedText(""), service=joined))

    def leave(self, group: Chat) -> Message:
        """Leave a group: a service message, and chat_member for a bot that runs it and asked."""
        return self._out(group, by=self, after="left")

    def put_out(self, whom: Person, group: Chat) -> Message:
        """Put somebody out of a group, told in the same two ways."""
        return whom._out(group, by=self, after="kicked")

    def _out(self, group: Chat, *, by: Person, after: str) -> Message:
        before = group.member_json(self)
        left: Json = {"left_chat_member": self.json()}
        message = self.world.put(group, by, Draft(FormattedText(""), service=left))
        group.standing[self.id] = after
        self.world.member_changed(group, by, before, group.member_json(self))
        return message

    def open_topic(self, group: Chat, name: str) -> int:
        """Open a topic in a forum; its thread id."""
        return self.world.open_topic(group, self, name).id

    def _put(self, draft: Draft, chat: Chat | None) -> Message:
        where = chat or self.chat
        if where.is_group and not where.is_member(self.id):
            raise ValueError(f"{self.first_name} is not in {where.title}")
        if where.is_private and self.blocked:
            raise ValueError("unblock the bot first")
        if where.is_private:
            self.started = True
        return self.world.put(where, self, draft)

    def _query(self, press: Press) -> Json:
        return {
            "id": press.id,
            "from": self.json(),
            "message": press.message.json(),
            "chat_instance": str(press.message.chat.id),
            "data": press.data,
        }


def _reply_button(chat: Chat, label: str) -> ReplyButton:
    rows = chat.reply_keyboard.rows if chat.reply_keyboard is not None else ()
    found = [button for row in rows for button in row if button.text == label]
    if not found:
        labels = [button.text for row in rows for button in row]
        raise LookupError(f"no reply button {label!r} among {labels}")
    return found[0]
