"""Owns the nouns of the stand-in Telegram: users, chats, topics, messages, files."""

from __future__ import annotations

from dataclasses import dataclass, field

from markupsafe import Markup

from bot.playground.entities import Entity, FormattedText
from bot.playground.errors import Json, bad_request
from bot.playground.keyboards import Button, InlineKeyboard, ReplyKeyboard
from bot.playground.rendering import html_of


@dataclass(eq=False)
class User:
    """A Telegram account; the bot is one too."""

    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    language_code: str = "en"
    is_bot: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def json(self) -> Json:
        body: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        if self.last_name:
            body["last_name"] = self.last_name
        if self.username:
            body["username"] = self.username
        if self.language_code and not self.is_bot:
            body["language_code"] = self.language_code
        return body


@dataclass(eq=False)
class StoredFile:
    """A file that was sent; `path` is where /file/bot<token>/ serves it."""

    id: str
    path: str
    name: str
    content: bytes
    content_type: str
    size: tuple[int, int] | None = None

    def json(self) -> Json:
        body: Json = {
            "file_id": self.id,
            "file_unique_id": f"unique-{self.id}",
            "file_size": len(self.content),
        }
        if self.size is not None:
            body["width"], body["height"] = self.size
        else:
            body |= {"file_name": self.name, "mime_type": self.content_type}
        return body


@dataclass(eq=False)
class Message:
    """One message as everybody in its chat sees it now; a whisper (`receiver`) as one person."""

    chat: Chat
    id: int
    sender: User
    date: int
    body: FormattedText
    keyboard: InlineKeyboard | None = None
    reply_to: Message | None = None
    thread_id: int | None = None
    file: StoredFile | None = None
    contact: Json | None = None
    service: Json | None = None
    edits: int = 0
    edited_at: int | None = None
    reaction: str = ""
    fixed: bool = False
    pinned: bool = False
    deleted: bool = False
    receiver: User | None = None
    whisper_id: int = 0
    after_id: int = 0

    @property
    def anchor(self) -> str:
        """What names it on a page; a whisper has no id among its chat's messages."""
        return f"w{self.whisper_id}" if self.receiver is not None else str(self.id)

    @property
    def text(self) -> str:
        """The plain text (of a file: its caption)."""
        return self.body.text

    @property
    def html(self) -> Markup:
        """The text as a person sees it, as safe HTML in Telegram's tags."""
        return html_of(self.body)

    @property
    def from_bot(self) -> bool:
        return self.sender.is_bot

    @property
    def buttons(self) -> list[Button]:
        """All inline buttons, row by row."""
        return [button for row in (self.keyboard.rows if self.keyboard else ()) for button in row]

    @property
    def labels(self) -> list[str]:
        """The texts of all inline buttons."""
        return [button.text for button in self.buttons]

    def button(self, wanted: str) -> Button:
        """The button with this exact label or data, else the only one whose label holds it.

        Raises LookupError naming the labels there are.
        """
        exact = [b for b in self.buttons if wanted in (b.text, b.value)]
        part = exact or [b for b in self.buttons if wanted in b.text]
        if len(exact) >= 1 or len(part) == 1:
            return part[0]
        raise LookupError(f"no single button {wanted!r} among {self.labels}")

    def json(self, *, with_reply: bool = True) -> Json:
        """The Message object of the Bot API; a replied message is told one level deep."""
        body: Json = {
            "message_id": self.id,
            "date": self.date,
            "chat": self.chat.json(),
            "from": self.sender.json(),
        }
        if self.receiver is not None:
            body["ephemeral_message_id"] = self.whisper_id
        if self.service is not None:
            body |= self.service
        elif self.contact is not None:
            body["contact"] = self.contact
        else:
            body |= self._content()
        if self.thread_id is not None:
            body |= {"message_thread_id": self.thread_id, "is_topic_message": True}
        if self.reply_to is not None and with_reply:
            body["reply_to_message"] = self.reply_to.json(with_reply=False)
        if self.keyboard is not None:
            body["reply_markup"] = self.keyboard.json()
        if self.edited_at is not None:
            body["edit_date"] = self.edited_at
        return body

    def _content(self) -> Json:
        entities = [self.chat.entity_json(entity) for entity in self.body.entities]
        if self.file is None:
            return {"text": self.text} | ({"entities": entities} if entities else {})
        kind = "document" if self.file.size is None else "photo"
        described = self.file.json()
        body: Json = {kind: described if kind == "document" else [described]}
        if self.text:
            body["caption"] = self.text
        if entities:
            body["caption_entities"] = entities
        return body

    def __repr__(self) -> str:
        who = self.sender.first_name
        labels = f" {self.labels}" if self.labels else ""
        return (
            f"<{self.chat.id}/{self.id} {who}: {self.service or self.contact or self.text}{labels}>"
        )


@dataclass(eq=False)
class Topic:
    """A topic of a forum; its id is the id of the service message that made it."""

    id: int
    name: str
    closed: bool = False


@dataclass(eq=False)
class Chat:
    """A private chat (its id is the person's), a group, or a supergroup."""

    id: int
    type: str
    title: str = ""
    person: User | None = None
    forum: bool = False
    users: dict[int, User] = field(default_factory=dict, repr=False)
    standing: dict[int, str] = field(default_factory=dict, repr=False)
    messages: list[Message] = field(default_factory=list, repr=False)
    whispers: list[Message] = field(default_factory=list, repr=False)
    topics: dict[int, Topic] = field(default_factory=dict)
    reply_keyboard: ReplyKeyboard | None = None
    typing: list[str] = field(default_factory=list)
    migrated_to: int | None = None
    other_bot_spoke_last: bool = False
    _last_id: int = 0
    _last_whisper_id: int = 0

    @property
    def is_private(self) -> bool:
        return self.type == "private"

    @property
    def is_group(self) -> bool:
        return not self.is_private

    @property
    def texts(self) -> list[str]:
        """The plain texts of all messages now in the chat, oldest first."""
        return [message.text for message in self.messages]

    @property
    def from_bot(self) -> list[Message]:
        """The bot's messages now in the chat, oldest first."""
        return [m for m in self.messages if m.from_bot and m.service is None]

    @property
    def last(self) -> Message:
        """The newest message from the bot; raises LookupError when there is none."""
        if not self.from_bot:
            raise LookupError(f"the bot has said nothing in chat {self.id}")
        return self.from_bot[-1]

    @property
    def pinned(self) -> list[Message]:
        return [message for message in self.messages if message.pinned]

    def next_message_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def message(self, message_id: int) -> Message | None:
        """The message with this id, unless it was deleted."""
        return next((m for m in reversed(self.messages) if m.id == message_id), None)

    def next_whisper_id(self) -> int:
        self._last_whisper_id += 1
        return self._last_whisper_id

    @property
    def newest_id(self) -> int:
        """The id of the newest message there ever was."""
        return self._last_id

    def whispered_to(self, user_id: int) -> list[Message]:
        """The ephemeral messages that this member alone sees, oldest first."""
        return [m for m in self.whispers if m.receiver is not None and m.receiver.id == user_id]

    def seen_by(self, user_id: int) -> list[Message]:
        """All that stands in the chat on this person's telephone, oldest first."""

        def place(message: Message) -> tuple[int, int]:
            return (message.id or message.after_id, message.whisper_id)

        return sorted([*self.messages, *self.whispered_to(user_id)], key=place)

    def is_member(self, user_id: int) -> bool:
        return self.standing.get(user_id) in ("creator", "administrator", "member")

    def is_admin(self, user_id: int) -> bool:
        return self.standing.get(user_id) in ("creator", "administrator")

    def require_thread(self, thread_id: int | None) -> int | None:
        """The topic to write to; raises ApiError 400 for one that is not there or is closed."""
        if thread_id is None or (self.forum and thread_id == 1):
            return None
        topic = self.topics.get(thread_id)
        if topic is None:
            raise bad_request("message thread not found")
        if topic.closed:
            raise bad_request("TOPIC_CLOSED")
        return thread_id

    def json(self) -> Json:
        body: Json = {"id": self.id, "type": self.type}
        if self.person is not None:
            body |= {"first_name": self.person.first_name}
            if self.person.last_name:
                body["last_name"] = self.person.last_name
            if self.person.username:
                body["username"] = self.person.username
        else:
            body["title"] = self.title
        if self.forum:
            body["is_forum"] = True
        return body

    def entity_json(self, entity: Entity) -> Json:
        """An entity, with the person that a text_mention points at."""
        body = entity.json()
        if entity.user_id is not None:
            user = self.users.get(entity.user_id)
            if user is not None:
                body["user"] = user.json()
        return body

    def member_json(self, user: User) -> Json:
        """The ChatMember object of this user."""
        standing = self.standing.get(user.id, "left")
        body: Json = {"user": user.json(), "status": standing}
        if standing == "creator":
            body["is_anonymous"] = False
        if standing == "administrator":
            body |= dict.fromkeys(_ADMIN_RIGHTS, True) | {"is_anonymous": False}
            body["can_be_edited"] = False
        if standing == "kicked":
            body["until_date"] = 0
        return body


_ADMIN_RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_pin_messages",
    "can_manage_topics",
)
