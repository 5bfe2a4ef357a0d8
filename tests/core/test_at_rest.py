"""At rest: whoever steals the database learns no phone, no name, no word and no address."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.core.buttons import Buttons, Rule
from bot.core.ports import Ids
from bot.core.post import Post
from storage import schema
from storage.engine import Store, open_store
from storage.records import Button, Closing, Deed, Draft, DraftKind, Keyboard, NewUpdate, Reply
from tests.core.bodies import failure, success
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.fakes import PHONE
from tests.stores import NOON, TestClock

WORDS = ("Akinyi", "lunch", "Ksh50.00 sent", "unfinished", "hello there")
PAYMENT_NAMES = re.compile(r"[0-9a-f]{32}")  # our own ids are digits too


async def live_a_little(desk: Desk) -> None:
    """Everything that is kept about a person, in every table."""
    store, clock = desk.store, desk.clock
    await desk.people.meet(user_id=1001, first_name="Akinyi", telegram_language="en", private=True)
    await desk.people.remember_phone(1001, PHONE, Closing())
    new = NewUpdate(update_id=1, body='{"text":"/pay 50 0712345678"}')
    await store.write(lambda tx: tx.inbox.put([new], at=NOON))
    unpaid = await desk.ask(note="lunch")
    await desk.post(unpaid, failure())
    await desk.post(unpaid, b'{"PhoneNumber": 254712345678')
    clock.advance(300)
    paid = await desk.ask(ask_key="m:1001:8", note="lunch")
    await desk.post(paid, success(2))
    await desk.hear.callback("f" * 32, _unread(), success(3), source="test")
    sms = "UKN4ABCDE7 Confirmed. Ksh50.00 sent to MAMA NJERI from 0712345678"
    said = Reply(chat_id=1001, text="hello there, 0712 345 678", keyboard=_keys(unpaid.id))
    await desk.people.claim(
        payment_id=unpaid.id, by=1001, text=sms, closing=Closing(replies=(said,))
    )
    draft = Draft(
        chat_id=1001,
        person_id=1001,
        kind=DraftKind.PAY_PHONE,
        note="unfinished",
        expires_at=NOON,
    )
    await desk.people.keep_draft(draft, Closing())
    await desk.books.pending(by=900)
    buttons = Buttons(store=store, clock=clock, ids=Ids(random.Random(7).randbytes))
    for notice in await Post(store=store, clock=clock).due():
        await buttons.show(notice, said, {"again": Rule(once=True)})


def _keys(payment_id: str) -> Keyboard:
    deed = Deed(action="again", subject=payment_id, owner=1001)
    return Keyboard(rows=((Button(label="Try again", does=deed),),))


class _unread:  # noqa: N801 - reads as the body that it stands for
    reason = "not read"


# Filled by drives, invoices, pages and Safaricom's books, in other stories than this one; and
# paces, which hold a name and a moment, only where processes share them.
OTHER_STORIES = {
    *("drives", "treasurers", "gifts", "drive_entries", "drive_edits", "drive_thanked", "pledges"),
    *("merchants", "invoices", "bills", "invoice_entries", "invoice_readers", "reminders"),
    *("record_rows", "record_open", "receipt_claims", "questions", "decisions"),
    *("page_prompts", "page_words", "touched", "paces", "record_unread"),
}


def readable(text: str) -> list[str]:
    """What a thief could use, of all that is legible."""
    text = PAYMENT_NAMES.sub("", text)
    return [each for each in ("712345678", "712 345 678", "ws_CO", *WORDS) if each in text]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, which nobody else may read."""
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.both_engines
async def test_no_table_tells_a_thief_anything(desk: Desk, store: Store) -> None:
    await live_a_little(desk)

    empty = []
    async with store.read() as tx:
        for table in schema.metadata.sorted_tables:
            rows = (await tx.people._connection.execute(select(table))).all()
            empty += [] if rows else [table.name]
            shown = " ".join(
                value.decode("latin-1") if isinstance(value, bytes) else str(value)
                for row in rows
                for value in row
            )
            assert readable(shown) == [], table.name
            for push in desk.daraja.pushes:
                assert push.callback_url.rpartition(".")[2] not in shown, table.name
    assert set(empty) <= OTHER_STORIES, "a table that is empty proves nothing"


async def test_neither_the_file_nor_its_log_tells_a_thief_anything(
    tmp_path: Path, clock: TestClock, daraja: ScriptedDaraja
) -> None:
    async with open_store(f"sqlite:///{tmp_path / 'bot.db'}", now=clock.now) as store:
        desk = make_desk(store, clock, daraja)
        await live_a_little(desk)
        await desk.close()
        files = contents(tmp_path)

    assert len(files["bot.db-wal"]) > 100_000
    for name, content in files.items():
        assert readable(content.decode("latin-1")) == [], name
