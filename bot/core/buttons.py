"""Buttons: what a press carries, signed, so that nobody can press what they were not shown."""

from __future__ import annotations

import re
from typing import Protocol

__all__ = ["Buttons"]

PURPOSE = "button"
MAC_CHARS = 16  # 64 bits; Telegram allows 64 bytes for the whole of it
SHAPE = re.compile(r"([a-z]{1,12}):([0-9a-f]{32}):([0-9a-f]{16})")


class Signer(Protocol):
    """The part of `storage.crypt.Crypt` that buttons need."""

    def sign(self, purpose: str, text: str) -> str: ...

    def signs(self, purpose: str, text: str) -> list[str]: ...


class Buttons:
    """Signs and reads `action:payment:mac`. Who may press is the handler's question."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def sign(self, action: str, payment_id: str) -> str:
        mac = self._signer.sign(PURPOSE, f"{action}:{payment_id}")[:MAC_CHARS]
        return f"{action}:{payment_id}:{mac}"

    def read(self, data: str) -> tuple[str, str] | None:
        """(action, payment id), or None when the signature is not ours."""
        shape = SHAPE.fullmatch(data)
        if shape is None:
            return None
        action, payment_id, given = shape.groups()
        good = self._signer.signs(PURPOSE, f"{action}:{payment_id}")
        if given not in {mac[:MAC_CHARS] for mac in good}:
            return None
        return action, payment_id
