"""Owns the methods that change ephemeral messages: those that one member of a group sees."""

from __future__ import annotations

from types import MappingProxyType

from bot.playground.backend import Backend, Method
from bot.playground.chats import Message
from bot.playground.errors import bad_request
from bot.playground.keyboards import InlineKeyboard
from bot.playground.params import Params
from bot.playground.sending import MAX_TEXT, formatted, reply_markup


def _found(backend: Backend, params: Params, purpose: str) -> Message | None:
    """
    The message; None where its receiver was not there to get it.

    Raises ApiError 400 for one that was never said, or not to them.
    """
    chat = backend.chat(params)
    if not params.has("receiver_user_id") or not params.has("ephemeral_message_id"):
        raise bad_request("message identifier is not specified")
    whisper_id, receiver_id = (
        params.number("ephemeral_message_id"),
        params.number("receiver_user_id"),
    )
    for message in chat.whispered_to(receiver_id):
        if message.whisper_id == whisper_id:
            return message
    account = backend.world.accounts.get(receiver_id)
    if account is not None and account.offline:
        return None
    raise bad_request(f"message to {purpose} not found")


def edit_ephemeral_message_text(backend: Backend, params: Params) -> bool:
    """editEphemeralMessageText; without reply_markup the buttons go away."""
    body = formatted(params, "text", MAX_TEXT)
    if not body.text:
        raise bad_request("message text is empty")
    markup = reply_markup(params)
    if markup is not None and not isinstance(markup, InlineKeyboard):
        raise bad_request("inline keyboard expected")
    message = _found(backend, params, "edit")
    if message is None:
        return True
    old = message.keyboard.json() if message.keyboard else None
    if body == message.body and (markup.json() if markup else None) == old:
        raise bad_request("message is not modified")
    backend.admit(message.chat)
    backend.world.edit(message, body, markup)
    return True


def delete_ephemeral_message(backend: Backend, params: Params) -> bool:
    """deleteEphemeralMessage."""
    message = _found(backend, params, "delete")
    if message is not None:
        backend.world.delete(message)
    return True


WHISPERING: MappingProxyType[str, Method] = MappingProxyType(
    {
        "editephemeralmessagetext": edit_ephemeral_message_text,
        "deleteephemeralmessage": delete_ephemeral_message,
    }
)
