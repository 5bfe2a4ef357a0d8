"""Owns the methods by which the bot describes itself: command menus, name, descriptions."""

from __future__ import annotations

import re
from functools import partial
from types import MappingProxyType

from bot.playground.backend import Backend, CommandScope, Method
from bot.playground.chats import Chat, User
from bot.playground.errors import Json, bad_request
from bot.playground.params import Params

_SCOPES = {
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_administrators": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}
_TEXT_LIMITS = {"name": 64, "description": 512, "short_description": 120}


def _language(params: Params) -> str:
    code = params.text("language_code")
    if code and not re.fullmatch(r"[a-z]{2}", code):
        raise bad_request("invalid language code specified")
    return code


def _scope(backend: Backend, params: Params) -> CommandScope:
    raw = params.object("scope") or {"type": "default"}
    kind = raw.get("type") if isinstance(raw, dict) else None
    if kind not in _SCOPES:
        raise bad_request("can't parse BotCommandScope: unsupported type specified")
    chat_id = user_id = 0
    if "chat_id" in _SCOPES[kind]:
        chat_id = backend.world.chat_for_bot(str(raw.get("chat_id", "")), reading=True).id
    if "user_id" in _SCOPES[kind]:
        user_id = int(raw.get("user_id") or 0)
    return kind, chat_id, user_id


def _command(raw: Json) -> Json:
    name = str(raw.get("command", "")).removeprefix("/")
    description = str(raw.get("description", ""))
    if not re.fullmatch(r"[a-z0-9_]{1,32}", name):
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= len(description) <= 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name, "description": description}


def set_my_commands(backend: Backend, params: Params) -> bool:
    """setMyCommands, one menu per scope and language."""
    given = params.object("commands")
    if not isinstance(given, list):
        raise bad_request("can't parse commands: expected an Array")
    if len(given) > 100:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    commands = [_command(raw) for raw in given]
    backend.profile.commands[_scope(backend, params), _language(params)] = commands
    backend.world.changes.notify()
    return True


def get_my_commands(backend: Backend, params: Params) -> list[Json]:
    """getMyCommands of exactly this scope and language."""
    return backend.profile.commands.get((_scope(backend, params), _language(params)), [])


def delete_my_commands(backend: Backend, params: Params) -> bool:
    """deleteMyCommands."""
    backend.profile.commands.pop((_scope(backend, params), _language(params)), None)
    backend.world.changes.notify()
    return True


def _set_text(backend: Backend, params: Params, *, kind: str) -> bool:
    text = params.text(kind)
    if len(text) > _TEXT_LIMITS[kind]:
        raise bad_request(f"bot {kind.replace('_', ' ')} is too long")
    backend.profile.texts[kind, _language(params)] = text
    backend.world.changes.notify()
    return True


def _get_text(backend: Backend, params: Params, *, kind: str) -> Json:
    texts = backend.profile.texts
    fallback = backend.world.bot.first_name if kind == "name" else ""
    own = texts.get((kind, _language(params))) or texts.get((kind, ""))
    return {kind: own or fallback}


def menu(backend: Backend, chat: Chat, user: User) -> list[Json]:
    """The commands this person is offered in this chat (Bot API, "Determining list of commands").

    The narrowest scope first; in each, the person's language before none.
    """
    scopes: list[CommandScope] = []
    if chat.is_private:
        scopes += [("chat", chat.id, 0), ("all_private_chats", 0, 0)]
    else:
        scopes.append(("chat_member", chat.id, user.id))
        if chat.is_admin(user.id):
            scopes.append(("chat_administrators", chat.id, 0))
        scopes.append(("chat", chat.id, 0))
        if chat.is_admin(user.id):
            scopes.append(("all_chat_administrators", 0, 0))
        scopes.append(("all_group_chats", 0, 0))
    for scope in [*scopes, ("default", 0, 0)]:
        for language in (user.language_code[:2], ""):
            commands = backend.profile.commands.get((scope, language))
            if commands:
                return commands
    return []


PROFILE: MappingProxyType[str, Method] = MappingProxyType(
    {
        "setmycommands": set_my_commands,
        "getmycommands": get_my_commands,
        "deletemycommands": delete_my_commands,
        "setmyname": partial(_set_text, kind="name"),
        "getmyname": partial(_get_text, kind="name"),
        "setmydescription": partial(_set_text, kind="description"),
        "getmydescription": partial(_get_text, kind="description"),
        "setmyshortdescription": partial(_set_text, kind="short_description"),
        "getmyshortdescription": partial(_get_text, kind="short_description"),
    }
)
