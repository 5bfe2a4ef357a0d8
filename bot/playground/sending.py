"""Owns the methods that put something new into a chat."""

from __future__ import annotations

import struct
from types import MappingProxyType

from bot.playground.backend import Backend, Method
from bot.playground.chats import Chat, Message, StoredFile
from bot.playground.entities import (
    Entity,
    FormattedText,
    parse_html,
    trimmed,
    utf16_length,
    with_automatic,
)
from bot.playground.errors import Json, bad_request
from bot.playground.keyboards import InlineKeyboard, Markup, parse_markup
from bot.playground.params import MAX_UPLOAD_BYTES, Params
from bot.playground.world import QUERY_LIFETIME_S, Account, Draft

MAX_TEXT = 4096
MAX_CAPTION = 1024
_CHAT_ACTIONS = (
    "typing upload_photo record_video upload_video record_voice upload_voice upload_document "
    "choose_sticker find_location record_video_note upload_video_note"
)


def formatted(params: Params, name: str, limit: int) -> FormattedText:
    """The text `name` with its entities, from HTML or from a list of entities.

    Raises ApiError 400: unsupported parse_mode, can't parse entities, too long. Markdown is not
    spoken here and is refused as unsupported.
    """
    text, mode = params.text(name), params.text("parse_mode")
    if mode.lower() == "html":
        body = parse_html(text)
    elif mode:
        raise bad_request("unsupported parse_mode")
    else:
        given = params.object("entities" if name == "text" else f"{name}_entities") or []
        body = FormattedText(text, tuple(_entity(raw) for raw in given))
    body = with_automatic(trimmed(body))
    if utf16_length(body.text) > limit:
        raise bad_request(f"message {'caption ' if name == 'caption' else ''}is too long")
    return body


def _entity(raw: Json) -> Entity:
    try:
        return Entity(
            str(raw["type"]),
            int(raw["offset"]),
            int(raw["length"]),
            url=raw.get("url"),
            language=raw.get("language"),
            user_id=(raw.get("user") or {}).get("id"),
        )
    except (KeyError, TypeError, ValueError):
        raise bad_request("can't parse MessageEntity") from None


def reply_target(params: Params, chat: Chat) -> Message | None:
    """The message to reply to; raises ApiError 400 unless it may be left out when gone."""
    wanted = params.object("reply_parameters") or {}
    if not isinstance(wanted, dict):
        raise bad_request("can't parse ReplyParameters: expected an Object")
    message_id = int(wanted.get("message_id") or params.number("reply_to_message_id"))
    if not message_id:
        return None
    found = chat.message(message_id)
    optional = wanted.get("allow_sending_without_reply") or params.flag(
        "allow_sending_without_reply"
    )
    if found is None and not optional:
        raise bad_request("message to be replied not found")
    return found


def reply_markup(params: Params) -> Markup | None:
    """The checked reply markup of a call; raises ApiError 400."""
    chat_id = params.text("chat_id")
    return parse_markup(params.values.get("reply_markup"), private=not chat_id.startswith("-"))


def _send(backend: Backend, params: Params, body: FormattedText, file: StoredFile | None) -> Json:
    markup = reply_markup(params)
    chat = backend.chat(params)
    thread_id = params.number("message_thread_id") or None
    draft = Draft(
        body,
        markup,
        reply_target(params, chat),
        chat.require_thread(thread_id),
        file,
    )
    backend.admit(chat)
    return backend.world.put(chat, backend.world.bot, draft).json()


def send_message(backend: Backend, params: Params) -> Json:
    """sendMessage."""
    body = formatted(params, "text", MAX_TEXT)
    if not body.text:
        raise bad_request("message text is empty")
    if backend.world.whispers and params.has("ephemeral_message_parameters"):
        return _whisper(backend, params, body)
    return _send(backend, params, body, None)


def _whisper(backend: Backend, params: Params, body: FormattedText) -> Json:
    markup = reply_markup(params)
    if markup is not None and not isinstance(markup, InlineKeyboard):
        raise bad_request("inline keyboard expected")
    chat = backend.chat(params)
    receiver = _receiver(backend, params, chat)
    thread_id = chat.require_thread(params.number("message_thread_id") or None)
    backend.admit(chat)
    draft = Draft(body, markup, thread_id=thread_id)
    return backend.world.whisper(chat, receiver, draft).json()


def _receiver(backend: Backend, params: Params, chat: Chat) -> Account:
    """
    Who may be told ephemerally: a member of a group.

    An admin needs nothing more, another bot a press by that member within 15 s.
    """
    world, wanted = backend.world, params.object("ephemeral_message_parameters")
    try:
        receiver_id, query_id = int(wanted["receiver_user_id"]), wanted.get("callback_query_id")
    except (KeyError, TypeError, ValueError):
        raise bad_request("can't parse EphemeralMessageParameters") from None
    if wanted.get("replace_callback_query_message"):
        raise bad_request("the stand-in replaces no message")
    if chat.is_private:
        raise bad_request("BOT_NOT_ADMIN")
    receiver = world.accounts.get(receiver_id)
    if receiver is None or not chat.is_member(receiver_id):
        raise bad_request("USER_NOT_PARTICIPANT")
    if query_id is None and not chat.is_admin(world.bot.id):
        raise bad_request("BOT_NOT_ADMIN")
    if query_id is not None:
        press = world.presses.get(str(query_id))
        theirs = press is not None and press.person is receiver and press.message.chat is chat
        if press is None or not theirs or world.clock() - press.at_s > QUERY_LIFETIME_S:
            raise bad_request("QUERY_ID_INVALID")
    return receiver


def _file(backend: Backend, params: Params, kind: str) -> StoredFile:
    upload = params.upload(kind)
    if upload is None:
        known = backend.world.files.get(params.text(kind))
        if known is None and params.has(kind):
            raise bad_request("wrong file identifier/HTTP URL specified")
        if known is None:
            raise bad_request(f"there is no {kind} in the request")
        return known
    if not upload.content:
        raise bad_request("file must be non-empty")
    if len(upload.content) > MAX_UPLOAD_BYTES:
        raise bad_request("file is too big")
    return backend.world.stored(upload.name, upload.content, upload.content_type)


def send_document(backend: Backend, params: Params) -> Json:
    """sendDocument, by upload or by file_id."""
    body = formatted(params, "caption", MAX_CAPTION)
    return _send(backend, params, body, _file(backend, params, "document"))


def send_photo(backend: Backend, params: Params) -> Json:
    """sendPhoto of a PNG or a JPEG."""
    body = formatted(params, "caption", MAX_CAPTION)
    file = _file(backend, params, "photo")
    file.size = image_size(file.content)
    if file.size is None:
        raise bad_request("IMAGE_PROCESS_FAILED")
    return _send(backend, params, body, file)


def image_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG or JPEG in pixels, None for anything else."""
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return width, height
    at = 2
    while content.startswith(b"\xff\xd8") and at + 9 <= len(content):
        marker, length = struct.unpack(">HH", content[at : at + 4])
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


def send_chat_action(backend: Backend, params: Params) -> bool:
    """sendChatAction; kept in `chat.typing`, the newest last."""
    action = params.text("action").lower()
    if action not in _CHAT_ACTIONS.split():
        raise bad_request("wrong parameter action in request")
    chat = backend.chat(params)
    chat.typing.append(action)
    backend.world.changes.notify()
    return True


SENDING: MappingProxyType[str, Method] = MappingProxyType(
    {
        "sendmessage": send_message,
        "senddocument": send_document,
        "sendphoto": send_photo,
        "sendchataction": send_chat_action,
    }
)
