"""Notice words: a message as the outbox keeps it, and back."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from storage.records import Button, Deed, Document, Keyboard, Reply, Whisper

__all__ = ["pack", "read_whisper", "unpack"]


def pack(reply: Reply) -> str:
    """A message as text."""
    raw = asdict(replace(reply, document=None))
    # Left out where there is none, so that an instance of the version before can read it too.
    for name in ("document", "whisper_to", "query_id"):
        del raw[name]  # what is stored is no whisper
    if reply.keyboard is not None and reply.keyboard.ask_users is None:
        del raw["keyboard"]["ask_users"], raw["keyboard"]["ask_users_max"]
    if reply.document is not None:
        raw["document"] = reply.document.packed()
    return json.dumps(raw, ensure_ascii=False)


def unpack(text: str) -> Reply:
    """What `pack` made. Raises ValueError, LookupError or TypeError for anything else."""
    raw: dict[str, Any] = json.loads(text)
    document = raw.pop("document", None)
    keyboard = raw.pop("keyboard")
    if keyboard is not None:
        keyboard["rows"] = tuple(
            tuple(_unpack_button(button) for button in row) for row in keyboard["rows"]
        )
        keyboard["other_keys"] = tuple(keyboard["other_keys"])
        keyboard = Keyboard(**keyboard)
    return Reply(
        **raw,
        keyboard=keyboard,
        document=None if document is None else Document.unpacked(document),
    )


def _unpack_button(raw: dict[str, Any]) -> Button:
    does = raw.pop("does", None)
    return Button(**raw, does=None if does is None else Deed(**does))


def read_whisper(row: Any) -> Whisper | None:
    """Where a row of the outbox may be told besides, if anywhere."""
    if row["whisper_chat_id"] is None:
        return None
    return Whisper(
        chat_id=row["whisper_chat_id"],
        thread_id=row["whisper_thread_id"],
        query_id=row["whisper_query"],
        message_id=row["whisper_id"],
    )
