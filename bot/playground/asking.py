"""Owns the methods that ask about the bot, chats, members and files, and those that go away."""

from __future__ import annotations

from types import MappingProxyType

from bot.playground.backend import Backend, Method
from bot.playground.chats import User
from bot.playground.errors import Json, bad_request
from bot.playground.params import Params
from bot.playground.webhook import checked_webhook


def get_me(backend: Backend, params: Params) -> Json:
    """getMe."""
    return backend.world.bot.json() | {
        "can_join_groups": True,
        "can_read_all_group_messages": not backend.world.privacy_mode,
        "supports_inline_queries": True,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def get_chat(backend: Backend, params: Params) -> Json:
    """getChat: the ChatFullInfo."""
    chat = backend.world.chat_for_bot(params.text("chat_id"), reading=True)
    body = chat.json() | {
        "accent_color_id": abs(chat.id) % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": {
            "unlimited_gifts": False,
            "limited_gifts": False,
            "unique_gifts": False,
            "premium_subscription": False,
            "gifts_from_channels": False,
        },
    }
    if chat.pinned:
        body["pinned_message"] = chat.pinned[-1].json(with_reply=False)
    return body


def _user(backend: Backend, user_id: int) -> User:
    if user_id == backend.world.bot.id:
        return backend.world.bot
    account = backend.world.accounts.get(user_id)
    if account is None:
        raise bad_request("invalid user_id specified")
    return account


def get_chat_member(backend: Backend, params: Params) -> Json:
    """getChatMember; in private both sides are members."""
    chat = backend.chat(params)
    user = _user(backend, params.number("user_id"))
    if chat.is_private and user.id in (chat.id, backend.world.bot.id):
        return {"user": user.json(), "status": "member"}
    return chat.member_json(user)


def get_chat_administrators(backend: Backend, params: Params) -> list[Json]:
    """getChatAdministrators, other bots left out."""
    chat = backend.chat(params)
    if chat.is_private:
        raise bad_request("there are no administrators in the private chat")
    return [chat.member_json(u) for u in chat.users.values() if chat.is_admin(u.id)]


def get_chat_member_count(backend: Backend, params: Params) -> int:
    """getChatMemberCount."""
    chat = backend.chat(params)
    return 2 if chat.is_private else sum(chat.is_member(user_id) for user_id in chat.standing)


def get_file(backend: Backend, params: Params) -> Json:
    """getFile; the path is served under /file/bot<token>/."""
    file = backend.world.files.get(params.text("file_id"))
    if file is None:
        raise bad_request("invalid file_id")
    return {
        "file_id": file.id,
        "file_unique_id": f"unique-{file.id}",
        "file_size": len(file.content),
        "file_path": file.path,
    }


def leave_chat(backend: Backend, params: Params) -> bool:
    """leaveChat; not possible in private."""
    chat = backend.chat(params)
    if chat.is_private:
        raise bad_request("chat member status can't be changed in private chats")
    backend.world.standing_changed(
        chat, backend.world.bot, chat.standing[backend.world.bot.id], "left"
    )
    return True


def set_webhook(backend: Backend, params: Params) -> bool:
    """setWebhook; an empty url deletes it."""
    hook = checked_webhook(
        params.text("url"), params.text("secret_token"), params.number("max_connections", 40)
    )
    if params.has("allowed_updates"):
        backend.world.updates.allowed = list(params.object("allowed_updates") or [])
    if params.flag("drop_pending_updates"):
        backend.world.updates.drop_all()
    backend.sender.hook = hook
    backend.world.updates.interrupt_poll()
    return True


def delete_webhook(backend: Backend, params: Params) -> bool:
    """deleteWebhook."""
    backend.sender.hook = checked_webhook("", "", 40)
    if params.flag("drop_pending_updates"):
        backend.world.updates.drop_all()
    backend.world.changes.notify()
    return True


def get_webhook_info(backend: Backend, params: Params) -> Json:
    """getWebhookInfo."""
    return backend.sender.info()


def log_out(backend: Backend, params: Params) -> bool:
    """logOut: every later call is refused with 400 "Logged out"."""
    backend.logged_out = True
    return True


def close(backend: Backend, params: Params) -> bool:
    """close: the instance may be moved; the stand-in has nothing to put away."""
    return True


ASKING: MappingProxyType[str, Method] = MappingProxyType(
    {
        "getme": get_me,
        "getchat": get_chat,
        "getchatmember": get_chat_member,
        "getchatadministrators": get_chat_administrators,
        "getchatmembercount": get_chat_member_count,
        "getfile": get_file,
        "leavechat": leave_chat,
        "setwebhook": set_webhook,
        "deletewebhook": delete_webhook,
        "getwebhookinfo": get_webhook_info,
        "logout": log_out,
        "close": close,
    }
)
