"""Give words: what follows `/give`, as a wish that can wait for what is still missing."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from zlib import crc32

from bot.chat.parse import PayWords, Unclear, pay_words
from bot.texts import clean

__all__ = ["NAME_CHARS_MAX", "Wish", "give_words"]

NAME_CHARS_MAX = 40
FROM = re.compile(
    r"(?:^|\s)(?:from|on behalf of|kutoka kwa|kwa niaba ya)\s+(?P<name>.+)$", re.IGNORECASE
)
UNNAMED = re.compile(
    r"(?:^|\s)(?:anonymous(?:ly)?|anon|unnamed|bila jina|kwa siri)(?=\s|$)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Somebody wants to give; what is None is not known yet."""

    key: str  # the same wish twice is one gift
    drive_id: str | None = None
    chat_id: int | None = None  # among whose drives to choose
    amount_kes: int | None = None
    phone: str | None = None  # 2547…
    on_behalf: str = ""
    anonymous: bool | None = None

    @property
    def mark(self) -> str:
        """Tells one wish from another, in a button below the question about it."""
        return f"{crc32(self.key.encode()):08x}"

    def packed(self) -> str:
        """As a draft keeps it, sealed."""
        return json.dumps(asdict(self))

    @staticmethod
    def unpacked(text: str) -> Wish:
        return Wish(**json.loads(text))


def give_words(text: str) -> tuple[PayWords, str, bool | None] | Unclear:
    """The amount and phone, in whose name, and whether unnamed (None: not said)."""
    behalf = FROM.search(text)
    name = "" if behalf is None else clean(behalf["name"], limit=NAME_CHARS_MAX)
    rest = text if behalf is None else text[: behalf.start()]
    unnamed = UNNAMED.search(rest)
    if unnamed is not None:
        rest = rest[: unnamed.start()] + rest[unnamed.end() :]
    words = pay_words(rest)
    if isinstance(words, Unclear):
        return words
    return words, name, None if unnamed is None else True
