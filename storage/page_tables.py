"""The tables of what was asked for on public pages: what their limits are counted from."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, String, Table

from storage.columns import Instant, metadata, row_id

__all__ = ["page_prompts", "page_words"]

page_prompts = Table(
    "page_prompts",
    metadata,
    row_id(),
    Column("address_index", String(32), nullable=False),  # HMAC: no address is kept
    Column("page", String(40), nullable=False),  # what is paid there: "d:<drive>"
    Column("payment_id", ForeignKey("payments.id", name="page_prompts_payment"), nullable=False),
    Column("line_id", ForeignKey("lines.id", name="page_prompts_line"), nullable=False),
    Column("at", Instant, nullable=False),
    Index("page_prompts_of_address", "address_index", "at"),
    Index("page_prompts_of_page", "page", "at"),
    Index("page_prompts_of_line", "line_id", "at"),
    Index("page_prompts_by_age", "at"),
)

page_words = Table(
    "page_words",
    metadata,
    row_id(),
    Column("address_index", String(32), nullable=False),  # HMAC: no address is kept
    Column("page", String(40), nullable=False),  # whose merchant is written to: "i:<invoice>"
    Column("at", Instant, nullable=False),
    Index("page_words_of_address", "address_index", "at"),
    Index("page_words_of_page", "page", "at"),
    Index("page_words_by_age", "at"),
)
