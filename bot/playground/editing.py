"""Owns the methods that change what is already there: edits, deletions, pins, query answers."""

from __future__ import annotations

from types import MappingProxyType

from bot.playground.backend import Backend, Method
from bot.playground.chats import Chat, Message
from bot.playground.entities import FormattedText
from bot.playground.errors import ApiError, Json, bad_request
from bot.playground.keyboards import InlineKeyboard
from bot.playground.params import Params
from bot.playground.sending import MAX_CAPTION, MAX_TEXT, formatted, reply_markup
from bot.playground.world import QUERY_LIFETIME_S, Draft

MAX_TOAST = 200
_DELETABLE_S = 48 * 3600
# Bot API, ReactionTypeEmoji: no other emoji may be used, and ✅ is not among them.
_REACTIONS = (
    "👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 "
    "🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 "
    "☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡"
)


def _found(chat: Chat, params: Params, purpose: str) -> Message:
    if not params.has("message_id"):
        raise bad_request("message identifier is not specified")
    message = chat.message(params.number("message_id"))
    if message is None:
        raise bad_request(f"message to {purpose} not found")
    return message


def _editable(backend: Backend, params: Params) -> tuple[Message, InlineKeyboard | None]:
    markup = reply_markup(params)
    if markup is not None and not isinstance(markup, InlineKeyboard):
        raise bad_request("inline keyboard expected")
    message = _found(backend.chat(params), params, "edit")
    # A message that brought a reply keyboard is closed to edits, as is everybody else's.
    if message.sender is not backend.world.bot or message.fixed or message.service is not None:
        raise bad_request("message can't be edited")
    return message, markup


def _change(
    backend: Backend, message: Message, body: FormattedText, keyboard: InlineKeyboard | None
) -> Json:
    old = message.keyboard.json() if message.keyboard else None
    if body == message.body and (keyboard.json() if keyboard else None) == old:
        raise bad_request(
            "message is not modified: specified new message content and reply markup are "
            "exactly the same as a current content and reply markup of the message"
        )
    backend.admit(message.chat)
    backend.world.edit(message, body, keyboard)
    return message.json()


def edit_message_text(backend: Backend, params: Params) -> Json:
    """editMessageText; without reply_markup the buttons go away."""
    body = formatted(params, "text", MAX_TEXT)
    if not body.text:
        raise bad_request("message text is empty")
    message, keyboard = _editable(backend, params)
    if message.file is not None:
        raise bad_request("there is no text in the message to edit")
    return _change(backend, message, body, keyboard)


def edit_message_caption(backend: Backend, params: Params) -> Json:
    """editMessageCaption."""
    body = formatted(params, "caption", MAX_CAPTION)
    message, keyboard = _editable(backend, params)
    if message.file is None:
        raise bad_request("there is no caption in the message to edit")
    return _change(backend, message, body, keyboard)


def edit_message_reply_markup(backend: Backend, params: Params) -> Json:
    """editMessageReplyMarkup."""
    message, keyboard = _editable(backend, params)
    return _change(backend, message, message.body, keyboard)


def delete_message(backend: Backend, params: Params) -> bool:
    """deleteMessage: own ones, incoming ones in private, any as an administrator; 48 hours."""
    chat = backend.chat(params)
    message = _found(chat, params, "delete")
    world = backend.world
    allowed = chat.is_private or message.sender is world.bot or chat.is_admin(world.bot.id)
    if not allowed or world.now - message.date > _DELETABLE_S:
        raise bad_request("message can't be deleted")
    world.delete(message)
    return True


def set_message_reaction(backend: Backend, params: Params) -> bool:
    """setMessageReaction; at most one emoji of Telegram's list, none to take it away."""
    chat = backend.chat(params)
    message = _found(chat, params, "react")
    wanted = params.object("reaction") or []
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise bad_request("can't parse reaction types")
    emoji = [str(one.get("emoji", "")) for one in wanted]
    allowed = _REACTIONS.split()
    if len(emoji) > 1 or any(one.removesuffix("\ufe0f") not in allowed for one in emoji):
        raise bad_request("REACTION_INVALID")
    message.reaction = "".join(emoji)
    backend.world.changes.notify()
    return True


def _pinnable(backend: Backend, params: Params) -> Chat:
    chat = backend.chat(params)
    if chat.is_group and not chat.is_admin(backend.world.bot.id):
        raise bad_request("not enough rights to manage pinned messages in the chat")
    return chat


def pin_chat_message(backend: Backend, params: Params) -> bool:
    """pinChatMessage; people see a service message."""
    chat = _pinnable(backend, params)
    message = _found(chat, params, "pin")
    message.pinned = True
    pinned: Json = {"pinned_message": message.json(with_reply=False)}
    backend.world.put(chat, backend.world.bot, Draft(FormattedText(""), service=pinned))
    return True


def unpin_chat_message(backend: Backend, params: Params) -> bool:
    """unpinChatMessage: the named one, or the newest."""
    chat = _pinnable(backend, params)
    pinned = chat.pinned
    if params.has("message_id"):
        message = _found(chat, params, "unpin")
    elif pinned:
        message = pinned[-1]
    else:
        raise bad_request("message to unpin not found")
    message.pinned = False
    backend.world.changes.notify()
    return True


def answer_callback_query(backend: Backend, params: Params) -> bool:
    """answerCallbackQuery: once, in time, at most 200 characters."""
    text = params.text("text")
    if len(text) > MAX_TOAST:
        raise bad_request("MESSAGE_TOO_LONG")
    press = backend.world.presses.get(params.text("callback_query_id"))
    too_late = press is not None and backend.world.clock() - press.at_s > QUERY_LIFETIME_S
    if press is not None and too_late:
        press.late = True
    if press is None or press.answered or too_late:
        raise ApiError(
            400,
            "Bad Request: query is too old and response timeout expired or query ID is invalid",
        )
    press.answered, press.toast, press.alert = True, text, params.flag("show_alert")
    press.opened = params.text("url")
    backend.world.changes.notify()
    return True


EDITING: MappingProxyType[str, Method] = MappingProxyType(
    {
        "editmessagetext": edit_message_text,
        "editmessagecaption": edit_message_caption,
        "editmessagereplymarkup": edit_message_reply_markup,
        "deletemessage": delete_message,
        "setmessagereaction": set_message_reaction,
        "pinchatmessage": pin_chat_message,
        "unpinchatmessage": unpin_chat_message,
        "answercallbackquery": answer_callback_query,
    }
)
