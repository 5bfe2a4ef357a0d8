"""Replies as they are kept: what a notice will say, as one text."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from storage.records import Button, Deed, Keyboard, Reply

__all__ = ["pack", "unpack"]


def pack(reply: Reply) -> str:
    return json.dumps(asdict(reply), ensure_ascii=False)


def unpack(text: str) -> Reply:
    raw: dict[str, Any] = json.loads(text)
    keyboard = raw.pop("keyboard")
    if keyboard is not None:
        keyboard["rows"] = tuple(
            tuple(_unpack_button(button) for button in row) for row in keyboard["rows"]
        )
        keyboard["other_keys"] = tuple(keyboard["other_keys"])
        keyboard = Keyboard(**keyboard)
    return Reply(**raw, keyboard=keyboard)


def _unpack_button(raw: dict[str, Any]) -> Button:
    does = raw.pop("does", None)
    return Button(**raw, does=None if does is None else Deed(**does))
