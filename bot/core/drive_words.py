"""Drive words: the references that people read on a prompt and type when they pay by hand."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["label_of", "typed_reference"]

# Words that begin many titles and tell none of them apart.
COMMON = frozenset(
    (
        *("MAMA", "BABA", "THE", "FOR", "AND", "OUR", "HELP", "DRIVE", "FUND", "BILL", "BILI"),
        *("HARAMBEE", "MCHANGO", "KWA", "YETU", "MRS", "MISS"),
    )
)
WORD = re.compile(r"[A-Z0-9]+")
LABEL_CHARS_MAX = 6


def label_of(title: str) -> str:
    """How a drive's accounts begin: the word that says most, in six of A–Z and 0–9."""
    bare = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().upper()
    words = WORD.findall(bare.replace("'", ""))
    telling = [word for word in words if len(word) > 2 and word not in COMMON]
    best: str = (telling or words or ["CHANGA"])[0]
    return best[:LABEL_CHARS_MAX]


def typed_reference(text: str) -> str:
    """A reference as it is kept, from what somebody typed: any case, spaces, a missing dash."""
    bare = re.sub(r"[^A-Z0-9]", "", text.upper())
    return f"{bare[:-5]}-{bare[-5:]}"
