"""Owns reply markups: the four kinds, checked as Telegram checks them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bot.playground.errors import ApiError, Json, bad_request

MAX_BUTTONS = 100
MAX_ROW = 8
_ACTIONS = (
    "callback_data",
    "url",
    "copy_text",
    "login_url",
    "web_app",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "pay",
)
_STYLES = frozenset({"primary", "success", "danger"})


@dataclass(frozen=True)
class Button:
    """An inline button; `action` names its one action, `value` is that action's text."""

    text: str
    action: str
    value: str
    style: str | None
    json: Json


@dataclass(frozen=True)
class InlineKeyboard:
    """Buttons under one message."""

    rows: tuple[tuple[Button, ...], ...]

    def json(self) -> Json:
        return {"inline_keyboard": [[button.json for button in row] for row in self.rows]}


@dataclass(frozen=True)
class ReplyButton:
    """A button in place of the phone's keyboard; it sends its text, the own contact, or people."""

    text: str
    request_contact: bool
    request_id: int = 0
    users_max: int = 0  # above 0: it lets people be chosen, at most so many


@dataclass(frozen=True)
class ReplyKeyboard:
    """Buttons in place of the phone's keyboard."""

    rows: tuple[tuple[ReplyButton, ...], ...]
    one_time: bool
    hint: str


@dataclass(frozen=True)
class RemoveKeyboard:
    """Takes the reply keyboard away."""


@dataclass(frozen=True)
class ForceReply:
    """Opens a reply to the message."""

    hint: str


Markup = InlineKeyboard | ReplyKeyboard | RemoveKeyboard | ForceReply


def parse_markup(value: Any, *, private: bool) -> Markup | None:
    """A checked reply markup, or None when there is none.

    Raises ApiError 400 in Telegram's words. Stricter than Telegram in one thing: an inline
    button with two actions is refused, where Telegram takes one of them silently.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value) if value else None
        except ValueError:
            raise bad_request("can't parse reply keyboard markup JSON object") from None
    if value is None:
        return None
    if not isinstance(value, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" in value:
        return _inline(value["inline_keyboard"])
    if "keyboard" in value:
        return _reply(value, private=private)
    if value.get("remove_keyboard"):
        return RemoveKeyboard()
    if value.get("force_reply"):
        return ForceReply(_hint(value))
    return None


def _rows(rows: Any, field: str, owner: str) -> list[list[Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request(f'field "{field}" of the {owner} should be an Array of Arrays')
    kept = [row for row in rows if row]
    if sum(map(len, kept)) > MAX_BUTTONS or any(len(row) > MAX_ROW for row in kept):
        raise bad_request("reply markup is too long")
    return kept


def _inline(rows: Any) -> InlineKeyboard | None:
    checked = _rows(rows, "inline_keyboard", "InlineKeyboardMarkup")
    if not checked:
        return None
    return InlineKeyboard(tuple(tuple(_button(raw) for raw in row) for row in checked))


def _unreadable(reason: str) -> ApiError:
    return bad_request(f"can't parse inline keyboard button: {reason}")


def _button(raw: Any) -> Button:
    if isinstance(raw, str):
        raise _unreadable("Text buttons are unallowed in the inline keyboard")
    if not isinstance(raw, dict):
        raise _unreadable("InlineKeyboardButton must be an Object")
    if "text" not in raw:
        raise _unreadable('Can\'t find field "text"')
    text = raw["text"]
    if not isinstance(text, str):
        raise _unreadable('Field "text" must be of type String')
    if not text.strip():
        raise bad_request("inline keyboard button text must be non-empty")
    actions = [name for name in _ACTIONS if raw.get(name) is not None]
    if not actions or raw.get("callback_data") == "":
        raise _unreadable("Text buttons are unallowed in the inline keyboard")
    if len(actions) > 1:
        raise _unreadable("Exactly one action must be specified")
    if raw.get("style") is not None and raw["style"] not in _STYLES:
        raise bad_request("invalid button style specified")
    kept = {name: raw[name] for name in ("text", "style", actions[0]) if name in raw}
    return Button(text, actions[0], _action_value(actions[0], raw), raw.get("style"), kept)


def _action_value(action: str, raw: Json) -> str:
    value = raw[action]
    match action:
        case "callback_data":
            if not isinstance(value, str) or not 1 <= len(value.encode()) <= 64:
                raise bad_request("BUTTON_DATA_INVALID")
            return value
        case "copy_text":
            text = value.get("text") if isinstance(value, dict) else None
            if not isinstance(text, str) or not 1 <= len(text) <= 256:
                raise bad_request("BUTTON_COPY_TEXT_INVALID")
            return text
        case "url":
            return _checked_url(str(value))
        case "web_app":
            return _checked_url(str(value.get("url", "")) if isinstance(value, dict) else "")
    return str(value)


def _checked_url(url: str) -> str:
    """Telegram takes http, https, tg and ton links, and never a host without a dot."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    reason = None
    if parts.scheme not in ("http", "https", "tg", "ton"):
        reason = "Unsupported URL protocol"
    elif parts.scheme in ("http", "https") and "." not in (parts.hostname or ""):
        reason = "Wrong HTTP URL"
    if reason:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: {reason}")
    return url


def _hint(raw: Json) -> str:
    hint = str(raw.get("input_field_placeholder") or "")
    if len(hint) > 64:
        raise bad_request("input_field_placeholder is too long")
    return hint


def _reply(raw: Json, *, private: bool) -> ReplyKeyboard | None:
    rows = _rows(raw["keyboard"], "keyboard", "ReplyKeyboardMarkup")
    if not rows:
        return None
    return ReplyKeyboard(
        tuple(tuple(_reply_button(button, private) for button in row) for row in rows),
        bool(raw.get("one_time_keyboard")),
        _hint(raw),
    )


def _reply_button(raw: Any, private: bool) -> ReplyButton:
    if isinstance(raw, str):
        raw = {"text": raw}
    if not isinstance(raw, dict):
        raise bad_request("can't parse keyboard button: KeyboardButton must be an Object")
    text = raw.get("text")
    if not isinstance(text, str) or not text.strip():
        raise bad_request("keyboard button text must be non-empty")
    if raw.get("request_contact") and not private:
        raise bad_request("phone number can be requested in private chats only")
    if raw.get("request_location") and not private:
        raise bad_request("location can be requested in private chats only")
    wanted = raw.get("request_users")
    if wanted is None:
        return ReplyButton(text, bool(raw.get("request_contact")))
    if not private:
        raise bad_request("users can be requested in private chats only")
    if not isinstance(wanted, dict) or not isinstance(wanted.get("request_id"), int):
        raise bad_request("can't parse KeyboardButtonRequestUsers")
    most = wanted.get("max_quantity", 1)
    if not isinstance(most, int) or not 1 <= most <= 10:
        raise bad_request("wrong max_quantity in KeyboardButtonRequestUsers")
    return ReplyButton(text, request_contact=False, request_id=wanted["request_id"], users_max=most)
