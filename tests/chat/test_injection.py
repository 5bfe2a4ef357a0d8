"""Words that attack: SQL, markup and odd letters come out of the parser and the store as words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.chat.parse import PayWords, Unclear, pay_words
from storage.engine import Store
from tests.fakes import PHONE, an_intent

ATTACKS = [
    "'; DROP TABLE payments;--",
    "' OR '1'='1",
    '" OR ""="',
    "1; UPDATE payments SET status='paid' WHERE 1=1",
    "') UNION SELECT phone FROM lines--",
    "admin'--",
    "\\'; SELECT pg_sleep(10)--",
    "$$; DROP TABLE evidence; $$",
    "%27%20OR%201%3D1",
    "{{7*7}}${7*7}<%= 7*7 %>",
    ":payment_id",
    "%(id)s ? $1 :1",
    "x' AND randomblob(1000000000)--",
    "/* */ -- #",
    "<b>✅ KES 1,500</b><a href='http://x'>",
    "\u202etxet desrever\u200b\u2066",
    "=HYPERLINK(1)",
    "𝕏💸" * 10,
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_after_pay_is_a_note_or_unclear(attack: str) -> None:
    words = pay_words(f"50 0712345678 lunch {attack}")

    assert isinstance(words, PayWords | Unclear)
    if isinstance(words, PayWords):
        assert words.amount_kes == 50
        assert len(words.note) <= 64
        assert not set(words.note) & set("\u202e\u200b\u2066\x00")


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_is_kept_as_words_and_finds_nothing(store: Store, attack: str) -> None:
    hidden = replace(an_intent(), note=attack)

    async def keep(tx: object) -> None:
        await tx.lines.lock(PHONE)  # type: ignore[attr-defined]  # a Tx
        await tx.payments.add_intent(hidden)  # type: ignore[attr-defined]  # a Tx

    await store.write(keep)
    async with store.read() as tx:
        assert (await tx.payments.intent(hidden.id)).note == attack
        assert await tx.payments.get(attack) is None
        assert await tx.payments.by_ask_key(attack) is None
        assert await tx.evidence.of([attack]) == {}
        assert await tx.evidence.receipt_holders([attack]) == {}
