"""A document that a message carries: small, and kept in the outbox until it has been told."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field

__all__ = ["DOCUMENT_BYTES_MAX", "Document"]

DOCUMENT_BYTES_MAX = 5 * 1024 * 1024
"""Of content. It waits in the database, sealed, and is held in memory while it is sent."""

NAME_CHARS_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """
    A file beside the text of a `Reply`, which becomes its caption.

    Raises:
        ValueError: it is empty or too large, or its name is none that every system can keep.
    """

    filename: str  # ends in what it is: "receipt-UKN4ABCDE7.pdf"
    content: bytes = field(repr=False)  # may hold what no log may show

    def __post_init__(self) -> None:
        name = self.filename
        if not (name.isprintable() and 0 < len(name) <= NAME_CHARS_MAX) or set(name) & set("/\\"):
            raise ValueError("a document has a plain name of 1 to 64 characters")
        if not 0 < len(self.content) <= DOCUMENT_BYTES_MAX:
            raise ValueError(f"a document has 1 to {DOCUMENT_BYTES_MAX:,} bytes")

    @property
    def is_picture(self) -> bool:
        """Looked at where it is, rather than fetched as a file."""
        return self.filename.endswith(".png")

    def packed(self) -> dict[str, str]:
        """As JSON can carry it."""
        return {"filename": self.filename, "content": b64encode(self.content).decode()}

    @staticmethod
    def unpacked(raw: dict[str, str]) -> Document:
        """What `packed` made. Raises ValueError, KeyError or TypeError for anything else."""
        return Document(filename=raw["filename"], content=b64decode(raw["content"], validate=True))
