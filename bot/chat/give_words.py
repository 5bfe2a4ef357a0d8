"""Give words: what follows `/give`, as a wish that can wait for what is still missing."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from zlib import crc32

from bot.chat.parse import PayWords, Unclear, pay_words, phone_apart, visible_words
from bot.texts import clean

__all__ = ["NAME_CHARS_MAX", "Wish", "behalf_words", "give_words"]

NAME_CHARS_MAX = 40
FROM = re.compile(
    r"(?:^|\s)(?:from|on behalf of|kutoka kwa|kwa niaba ya):?\s+(?P<name>.+)", re.IGNORECASE
)
UNNAMED = re.compile(
    r"(?<!\w)\(?(?:an?\s+)?(?:anonymous(?:ly)?|anon|unnamed|well[\s-]?wisher|bila jina|kwa siri"
    r"|msamaria mwema)(?!\w|['’‘ʼ]\w)\)?",  # "Anon's" is a name
    re.IGNORECASE,
)
SHORT_DIGITS = 6
"""So few are a year or a class, and no number of anybody."""
EDGES = " -–—:;,.|/"


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
    text, said = _without_unnamed(text)
    unnamed = True if said else None
    behalf = FROM.search(text)
    if behalf is None:
        words = pay_words(text)
        return words if isinstance(words, Unclear) else (words, "", unnamed)
    found = _name_and_phone(behalf["name"])
    if isinstance(found, Unclear):
        return found
    name, phone_text = found
    rest = f"{text[: behalf.start()]} {text[behalf.end() :]}"
    if name and not re.search(r"[^\W\d]|[^\x00-\x7f]", name):
        rest, name = f"{rest} {name}", ""  # nobody is called "300": it is one more number
    words = pay_words(rest)
    if isinstance(words, Unclear) or phone_text is None:
        return words if isinstance(words, Unclear) else (words, name, unnamed)
    if words.phone_text is not None:
        return Unclear("unclear.two-phones")
    return replace(words, phone_text=phone_text), name, unnamed


def behalf_words(text: str) -> tuple[str | None, bool | None] | None:
    """In whose name, and whether unnamed (None: as before); None where a number may stand in it."""
    text, unnamed = _without_unnamed(text)
    found = _name_and_phone(text)
    if isinstance(found, Unclear) or found[1] is not None:
        return None
    return (found[0] or None, True) if unnamed else (found[0], None)


def _name_and_phone(text: str) -> tuple[str, str | None] | Unclear:
    """Whose name it is, and the number that was typed with it, which is for the prompt alone."""
    words = visible_words(text)
    found = phone_apart(words)
    if isinstance(found, Unclear):
        short = found.values.get("text")
        if short is None or sum(char.isdigit() for char in short) >= SHORT_DIGITS:
            return found
        found = None, words
    phone_text, left = found
    return clean(" ".join(left).strip(EDGES), limit=NAME_CHARS_MAX), phone_text


def _without_unnamed(text: str) -> tuple[str, bool]:
    """The words without those that ask for no name to be shown, and whether there were any."""
    visible = "\n".join(" ".join(visible_words(line)) for line in text.splitlines())
    left, times = UNNAMED.subn(" ", visible)
    return left, times > 0
