"""At rest: whoever steals the database learns no phone, no name, no word and no address."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.core.ask import PageAsk
from bot.core.buttons import Buttons, Rule
from bot.core.drive_acts import Actor
from bot.core.drives import Named
from bot.core.ports import Ids
from bot.core.post import Post
from bot.core.reminders import Remind, Reminders
from storage import schema
from storage.engine import Store, open_store
from storage.records import (
    NOBODY,
    Button,
    Closing,
    Deed,
    Draft,
    DraftKind,
    Etims,
    Keyboard,
    NewRecordRow,
    NewUpdate,
    Payment,
    Reply,
    RowKind,
    Source,
)
from tests.core.bodies import failure, success
from tests.core.conftest import Desk, ScriptedDaraja, make_desk
from tests.core.drive_life import GROUP, OPENER, make_drives
from tests.core.shop import NJERI, a_bill, make_shop
from tests.core.test_delete_me import opened
from tests.desk import a_desk
from tests.fakes import PHONE
from tests.stores import NOON, TestClock

NOTHING = Closing()
ADDRESS = "198.51.100.7"
WORDS = (
    *("Akinyi", "lunch", "Ksh50.00 sent", "unfinished", "hello there"),
    *("hospital", "Wanjiku", "Shosh", "Mzee", "at the gate", "Otieno", "Kamau"),
    *("Njeri", "A123456789Z", "Peter", "charcoal", "peterm", "by Friday", "Which bags", "CU-77"),
    *("Mwangi", "by mistake", "another book", ADDRESS),
)
PAYMENT_NAMES = re.compile(r"[0-9a-f]{32}")  # our own ids are digits too
LABEL = "AKINYI"
SHOWS_THE_LABEL = {"drives.label", "drives.reference", "payments.push_ref"}
"""
The one exception: by the telling word of a drive's title its prompts are known, and what people
type who pay by hand; Safaricom's books say it too, and by it they are looked through.
"""
JANE, OTIENO, PETER = 1005, 1006, 3001


async def live_a_little(desk: Desk) -> Payment:
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
    return paid


def _keys(payment_id: str) -> Keyboard:
    deed = Deed(action="again", subject=payment_id, owner=1001)
    return Keyboard(rows=((Button(label="Try again", does=deed),),))


class _unread:  # noqa: N801 - reads as the body that it stands for
    reason = "not read"


async def live(desk: Desk) -> None:
    paid = await live_a_little(desk)
    await collect(desk)
    await bill(desk)
    await reconcile_books(desk, paid)
    # What was told is emptied: this is not told yet.
    said = Reply(chat_id=1001, text="hello there, 0712 345 678")
    await Post(store=desk.store, clock=desk.clock).say(Closing(once_as="last", replies=(said,)))


async def collect(desk: Desk) -> None:
    """A drive with all that is written down about one."""
    life, mary = make_drives(desk), Actor(id=OPENER, name="Akinyi")
    drive = await life.open(
        title="Mama Akinyi hospital bill",
        opener_name=mary.name,
        named=(Named(id=OTIENO, name="Otieno"),),
    )
    otieno = Actor(id=OTIENO, name="Otieno")
    await life.drives.treasurers.accept(drive.id, otieno, yes=True, closing=NOTHING)
    await life.paid(drive, 3, giver_id=JANE, chat_id=JANE, name="Wanjiku", on_behalf="Shosh")
    await life.treasury.cash(
        drive.id, otieno, amount_kes=300, name="Mzee", key="w:1", closing=NOTHING
    )
    await life.treasury.correct(
        drive.id,
        otieno,
        change_kes=-100,
        reason="at the gate",
        key="w:2",
        closing=NOTHING,
    )
    title = "Mama Akinyi, hospital and home"
    await life.treasury.change(
        drive.id, mary, what="title", value=title, told=title, closing=NOTHING
    )
    due_at = desk.clock.now() + timedelta(days=2)
    await life.pledging.promise(
        drive.id,
        person_id=JANE,
        name="Kamau",
        amount_kes=500,
        due_at=due_at,
        key="p:1",
        closing=NOTHING,
    )
    await life.touched.run_due()
    desk.clock.advance(200)
    await life.owed(GROUP)
    await life.touched.run_due()
    await life.paid(drive, 4, name="Wanjiku")


async def bill(desk: Desk) -> None:
    """A merchant's invoice with all that is written down about one."""
    shop = make_shop(desk)
    await shop.appoint()
    await shop.merchants.change(
        NJERI, name="Mama Njeri Fish", kra_pin="A123456789Z", logo=b"Njeri", closing=NOTHING
    )
    view = await shop.issue(a_bill(username="peterm", note="by Friday"))
    code, invoice_id = view.invoice.code, view.invoice.id
    await shop.invoices.open(code, person_id=PETER, closing=NOTHING)
    await shop.talk.ask(
        code, person_id=PETER, text="Which bags?", key="q:1", closing=NOTHING, gone=NOTHING
    )
    await shop.billing.note_etims(
        invoice_id, etims=Etims(number="CU-77"), by=NJERI, closing=NOTHING
    )
    reminders = Reminders(store=desk.store, clock=desk.clock, wake=lambda: None)
    await reminders.remind(invoice_id, Remind.PLAN, by=NJERI, closing=NOTHING)
    page = PageAsk(address=ADDRESS, page=view.invoice.subject)
    await desk.ask(asked_by=NOBODY, chat_id=NOBODY, page=page, ask_key="page", phone="254722000001")
    await shop.talk.from_page(code, text="Which bags, asks Peter", key="q:2", page=page)


async def reconcile_books(desk: Desk, payment: Payment) -> None:
    """Rows of Safaricom's, what is open about them, and what was asked and decided."""
    record = a_desk(desk.store, desk.clock)
    row = NewRecordRow(
        receipt="UKN7ABCDEF",
        amount_cents=6_000_000,
        at=desk.clock.now(),
        source=Source.PULL,
        kind=RowKind.PAID,
        reference="for Mwangi",
        payer=f"{PHONE} - PETER MWANGI",
    )
    other = replace(row, receipt="UKN8ABCDEF", amount_cents=100)
    await record.rows.take([row, other])
    large, small = sorted(
        await record.open_differences(limit=10), key=lambda each: each.receipt or ""
    )
    await record.assign(large.id, to=payment.id, by=900, why="paid by mistake, says Mwangi")
    await record.dismiss(small.id, by=900, why="in another book")
    await record.ways.ask("UKN9ABCDEF", by=900)
    await record.ways.unread.keep("hand", "no amount", b'{"FirstName": "MWANGI"}')


# Filled only where processes share them: they hold a name and a moment.
OTHER_STORIES = {"paces"}


def readable(text: str) -> list[str]:
    """What a thief could use, of all that is legible."""
    text = PAYMENT_NAMES.sub("", text).casefold()
    wanted = ("712345678", "712 345 678", "ws_CO", *WORDS)
    return [each for each in wanted if each.casefold() in text]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, which nobody else may read."""
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.both_engines
async def test_no_table_tells_a_thief_anything(desk: Desk, store: Store) -> None:
    await live(desk)

    empty = []
    async with store.read() as tx:
        for table in schema.metadata.sorted_tables:
            rows = (await tx.people._connection.execute(select(table))).mappings().all()
            empty += [] if rows else [table.name]
            for column in table.columns:
                shown = " ".join(legible(row[column.name]) for row in rows)
                if str(column) in SHOWS_THE_LABEL:
                    assert LABEL in shown, "an exception that nothing needs"
                    shown = shown.replace(LABEL, "")
                assert readable(shown) == [], column
                for push in desk.daraja.pushes:
                    assert push.callback_url.rpartition(".")[2] not in shown, column
    assert set(empty) <= OTHER_STORIES, "a table that is empty proves nothing"
    sealed = " ".join((await opened(store)).values())
    # An address is kept as an HMAC alone.
    assert [each for each in WORDS if each.casefold() not in sealed] == [ADDRESS]


def legible(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


async def test_neither_the_file_nor_its_log_tells_a_thief_anything(
    tmp_path: Path, clock: TestClock, daraja: ScriptedDaraja
) -> None:
    async with open_store(f"sqlite:///{tmp_path / 'bot.db'}", now=clock.now) as store:
        desk = make_desk(store, clock, daraja)
        await live(desk)
        await desk.close()
        files = contents(tmp_path)

    assert len(files["bot.db-wal"]) > 100_000
    for name, content in files.items():
        assert readable(content.decode("latin-1").replace(LABEL, "")) == [], name
