"""The outbox: owed once, handed out one per chat and in order, never lost, edited to the latest."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from storage.documents import DOCUMENT_BYTES_MAX
from storage.engine import Store
from storage.notices import SET_ASIDE
from storage.records import (
    Alarm,
    Button,
    Document,
    Draft,
    DraftKind,
    Keyboard,
    NewNotice,
    Notice,
    NoticeKind,
    Reply,
    Whisper,
)
from storage.schema import notices
from storage.tx import Tx
from tests.fakes import add_payment
from tests.stores import NOON

LEASE = timedelta(seconds=60)
PAYMENT = f"{1:032x}"
STATUS = NewNotice(
    key=f"status:{PAYMENT}", kind=NoticeKind.STATUS, chat_id=None, payment_id=PAYMENT
)


def saying(key: str, chat_id: int, text: str = "hello") -> NewNotice:
    reply = Reply(
        chat_id=chat_id,
        text=text,
        keyboard=Keyboard(rows=((Button(label="Go", data="x"), Button(label="Copy", copy="y")),)),
    )
    return NewNotice(key=key, kind=NoticeKind.SAY, chat_id=chat_id, reply=reply)


async def owe(store: Store, *new: NewNotice) -> None:
    await store.write(lambda tx: tx.notices.owe(new, now=NOON))


async def claim(store: Store, seconds: float = 0) -> list[Notice]:
    now = NOON + timedelta(seconds=seconds)
    return await store.write(lambda tx: tx.notices.claim(now=now, lease=LEASE, limit=50))


async def tell(store: Store, notice: Notice, message_id: int = 77) -> bool:
    """It is told; whether that message goes on."""
    return await store.write(lambda tx: tx.notices.told(notice, message_id=message_id, now=NOON))


async def test_what_is_said_comes_out_as_it_went_in(store: Store) -> None:
    new = saying("a", 1, "<b>Ng’ang’a</b> 🙏")
    await owe(store, new)

    [notice] = await claim(store)

    assert notice.reply == new.reply
    assert not notice.resent


async def test_the_same_key_is_owed_once(store: Store) -> None:
    await owe(store, saying("a", 1))
    await owe(store, saying("a", 1), saying("b", 2))

    assert len(await claim(store)) == 2
    assert await claim(store) == []


async def test_words_pass_a_receipts_file_that_is_being_sent(store: Store) -> None:
    paper = NewNotice(
        key="p:1:receipt", kind=NoticeKind.NEWS, chat_id=1, subject="p:1", topic="receipt"
    )
    await owe(store, paper, saying("word", 1), saying("another", 1))

    [file] = await claim(store)
    [word] = await claim(store, 1)
    nothing = await claim(store, 2)
    await tell(store, word)
    [another] = await claim(store, 3)
    await tell(store, another)

    assert file.subject == "p:1"
    assert nothing == []
    assert [each.reply and each.reply.text for each in (word, another)] == ["hello"] * 2
    [again] = await claim(store, LEASE.total_seconds() + 1)
    assert (again.id, again.resent) == (file.id, True)


async def test_each_chat_gets_its_next_one_only_after_the_last(store: Store) -> None:
    await owe(store, saying("a1", 1), saying("a2", 1), saying("b1", 2))

    first = await claim(store)
    assert [notice.chat_id for notice in first] == [1, 2]
    assert await claim(store) == []
    await tell(store, first[0])

    [second] = await claim(store)
    assert second.chat_id == 1


async def test_a_chat_that_must_wait_keeps_its_order_and_delays_nobody(store: Store) -> None:
    await owe(store, saying("a1", 1), saying("a2", 1), saying("b1", 2), saying("b2", 2))
    a1, b1 = await claim(store)
    due_at = NOON + timedelta(seconds=30)
    await store.write(lambda tx: tx.notices.later(a1, due_at=due_at, why="429", counts=False))
    await tell(store, b1)

    assert [notice.chat_id for notice in await claim(store, 1)] == [2]
    [again] = [notice for notice in await claim(store, 31) if notice.chat_id == 1]
    assert again.id == a1.id
    assert again.tries == 1


async def test_a_status_is_one_message_that_is_edited_to_the_latest(store: Store) -> None:
    await add_payment(store)
    await owe(store, STATUS)
    [sending] = await claim(store)
    assert sending.chat_id == 1001  # where it was asked for
    assert sending.message_id is None
    for _ in range(3):
        await owe(store, STATUS)
    assert await claim(store) == []  # still being sent

    await tell(store, sending)

    [edit] = await claim(store)
    assert (edit.id, edit.message_id) == (sending.id, 77)
    await tell(store, edit)
    assert await claim(store) == []
    assert await store.write(lambda tx: tx.notices.owed()) == 0


async def stale_and_taken(store: Store, *, message_id: int | None) -> tuple[Notice, Notice]:
    """A status in the hands of one who was away, and of another who has it now."""
    await add_payment(store)
    await owe(store, STATUS)
    if message_id is not None:
        await tell(store, (await claim(store))[0], message_id)
        await owe(store, STATUS)
    [stale] = await claim(store)
    [taken] = await claim(store, 61)
    assert (stale.id, stale.lease_gen + 1) == (taken.id, taken.lease_gen)
    return stale, taken


async def test_what_may_stand_written_over_a_newer_word_is_written_again(store: Store) -> None:
    stale, taken = await stale_and_taken(store, message_id=77)
    assert await tell(store, taken, 77)
    assert await claim(store, 62) == []

    assert await tell(store, stale, 77), "it is the very same message"

    [again] = await claim(store, 63)
    assert again.message_id == 77
    await tell(store, again, 77)
    assert await store.write(lambda tx: tx.notices.owed()) == 0


async def test_that_is_so_also_while_the_newer_word_is_on_its_way(store: Store) -> None:
    stale, taken = await stale_and_taken(store, message_id=77)

    assert await tell(store, stale, 77)
    assert await claim(store, 62) == []
    await tell(store, taken, 77)

    [again] = await claim(store, 63)
    await tell(store, again, 77)
    assert await store.write(lambda tx: tx.notices.owed()) == 0


@pytest.mark.parametrize("may_have_arrived", [True, False])
async def test_nor_does_a_try_without_an_answer_stand_over_a_newer_word(
    store: Store, may_have_arrived: bool
) -> None:
    stale, taken = await stale_and_taken(store, message_id=77)
    await tell(store, taken, 77)

    await store.write(
        lambda tx: tx.notices.later(stale, due_at=NOON, why="x", counts=may_have_arrived)
    )

    assert len(await claim(store, 62)) == may_have_arrived


@pytest.mark.parametrize("first", ["the one who was away", "the other"])
async def test_of_two_messages_that_stand_for_one_status_one_goes_on(
    store: Store, first: str
) -> None:
    stale, taken = await stale_and_taken(store, message_id=None)
    if first == "the other":
        assert await tell(store, taken, 78)

    assert not await tell(store, stale, 77)

    if first != "the other":
        assert await tell(store, taken, 78)
    [again] = await claim(store, 63)
    assert again.message_id == 78


async def test_who_lets_it_go_and_tells_it_all_the_same_has_told_it(store: Store) -> None:
    await add_payment(store)
    await owe(store, STATUS)
    [notice] = await claim(store)
    await store.write(lambda tx: tx.notices.release_all(now=NOON))

    assert await tell(store, notice, 77)

    assert await claim(store) == []


async def test_a_word_that_is_written_down_twice_owes_nothing_more(store: Store) -> None:
    await add_payment(store)
    await owe(store, STATUS)
    [notice] = await claim(store)
    assert await tell(store, notice, 77)

    assert await tell(store, notice, 77), "the COMMIT was done, and its answer lost"

    assert await claim(store, 61) == []


async def test_what_was_being_sent_when_we_stopped_is_sent_again_and_marked(
    store: Store,
) -> None:
    await owe(store, saying("a", 1))
    await claim(store)

    await store.write(lambda tx: tx.notices.release_all(now=NOON))

    [again] = await claim(store)
    assert again.resent


async def test_what_a_dead_process_was_sending_is_due_when_its_lease_ends(store: Store) -> None:
    await owe(store, saying("a", 1))
    await claim(store)

    assert await claim(store, 59) == []
    [again] = await claim(store, 61)
    assert again.resent


async def test_a_message_that_is_gone_is_sent_anew(store: Store) -> None:
    await add_payment(store)
    await owe(store, STATUS)
    [first] = await claim(store)
    await tell(store, first)
    await owe(store, STATUS)
    [edit] = await claim(store)

    await store.write(lambda tx: tx.notices.lost_message(edit, now=NOON))

    [anew] = await claim(store)
    assert anew.message_id is None


async def test_what_is_wanted_as_a_new_message_is_one_though_it_is_being_edited(
    store: Store,
) -> None:
    await add_payment(store)
    await owe(store, STATUS)
    await tell(store, (await claim(store))[0])
    await owe(store, STATUS)
    [edit] = await claim(store)

    await store.write(lambda tx: tx.notices.send_anew(STATUS.key, now=NOON))

    await tell(store, edit)
    [anew] = await claim(store)
    assert anew.message_id is None
    assert await tell(store, anew, 78)
    assert await claim(store) == []


async def test_what_is_wanted_as_a_new_message_while_one_is_sent_is_that_one(store: Store) -> None:
    await add_payment(store)
    await owe(store, STATUS)
    [first] = await claim(store)

    await store.write(lambda tx: tx.notices.send_anew(STATUS.key, now=NOON))

    assert await tell(store, first, 77)
    assert await claim(store) == []


async def test_what_cannot_be_told_is_kept_with_why_and_moves_out_of_the_way(
    store: Store,
) -> None:
    await owe(store, saying("a1", 1), saying("a2", 1))
    [first] = await claim(store)

    await store.write(lambda tx: tx.notices.dead(first, why="blocked"))

    [second] = await claim(store)
    assert second.id != first.id


async def test_a_group_that_moved_gets_everything_at_its_new_address(store: Store) -> None:
    await add_payment(store)
    await owe(store, STATUS, saying("a", 1001))
    [status] = await claim(store)
    await tell(store, status)

    async def move(tx: Tx) -> None:
        await tx.notices.migrate(old_chat_id=1001, new_chat_id=-1001)

    await store.write(move)
    await owe(store, STATUS)

    found = await claim(store)
    assert [(n.chat_id, n.message_id) for n in found] == [(-1001, None)]
    async with store.read() as tx:
        assert (await tx.payments.intent(PAYMENT)).chat_id == -1001


async def test_a_whisper_is_remembered_goes_with_its_group_and_ends_for_good(
    store: Store,
) -> None:
    place = Whisper(chat_id=-5, thread_id=7, query_id="q")
    owed = replace(STATUS, chat_id=1001, whisper=place)
    await owe(store, owed)
    [first] = await claim(store)
    said = replace(place, message_id=3)

    async def whispered(tx: Tx) -> None:
        await tx.notices.told(first, message_id=None, whisper=said, now=NOON)

    async def move(tx: Tx) -> None:
        await tx.notices.migrate(old_chat_id=-5, new_chat_id=-1005)

    await store.write(whispered)
    await owe(store, owed)
    [second] = await claim(store)
    await tell(store, second)
    await owe(store, owed)
    [third] = await claim(store)

    assert (first.whisper, first.message_id) == (place, None)
    assert (second.whisper, second.message_id) == (said, None)
    assert (third.whisper, third.message_id) == (None, 77)

    other = replace(owed, key="status:2", payment_id=None)
    await owe(store, other)
    await store.write(move)
    await tell(store, third)
    [moved] = await claim(store)
    assert moved.whisper == replace(place, chat_id=-1005)


@pytest.mark.parametrize("newer", [False, True], ids=["the last word", "there is a newer word"])
async def test_what_was_whispered_rings_no_more_once_its_last_word_was_a_new_message(
    store: Store, newer: bool
) -> None:
    whispered = replace(STATUS, chat_id=1001, whisper=Whisper(chat_id=-5))
    ring = NewNotice(key="ring:1", kind=NoticeKind.RING, chat_id=1001, payment_id=PAYMENT)
    await owe(store, whispered)
    [status] = await claim(store)
    await owe(store, ring)
    if newer:
        await owe(store, whispered)

    await tell(store, status)

    async with store.read() as tx:
        assert await tx.notices.known("ring:1") is newer


async def test_alarms_know_what_they_are_about(store: Store) -> None:
    alarm = NewNotice(
        key="alarm:x",
        kind=NoticeKind.ALARM,
        chat_id=900,
        payment_id=PAYMENT,
        alarm=Alarm.UNTRUSTED,
    )
    await owe(store, alarm, replace(alarm, key="alarm:y", alarm=Alarm.TWICE))

    [first] = await claim(store)

    assert (first.alarm, first.payment_id) == (Alarm.UNTRUSTED, PAYMENT)


async def test_a_notice_about_a_payment_nobody_knows_has_no_home_and_is_dropped(
    store: Store,
) -> None:
    await owe(store, replace(STATUS, payment_id="f" * 32))

    assert await claim(store) == []


async def test_told_messages_are_forgotten_in_time(store: Store) -> None:
    await owe(store, saying("a", 1))
    [notice] = await claim(store)
    await tell(store, notice)
    later = NOON + timedelta(days=8)

    assert await store.write(lambda tx: tx.notices.purge(before=later)) == 1


async def test_who_comes_back_is_told_what_payments_came_to(store: Store) -> None:
    await add_payment(store)
    await owe(store, STATUS, saying("chatter", 1001))
    for _ in range(2):
        for notice in await claim(store):
            await store.write(lambda tx, n=notice: tx.notices.dead(n, why="blocked"))  # type: ignore[misc]  # the default pins n

    await store.write(lambda tx: tx.notices.revive(1001, now=NOON))

    assert [notice.kind for notice in await claim(store)] == [NoticeKind.STATUS]


@pytest.mark.parametrize(
    ("why", "hours", "again"),
    [
        (f"{SET_ASIDE}BadRequest", 2, [NoticeKind.STATUS]),
        (f"{SET_ASIDE}BadRequest", 0.5, []),
        (f"{SET_ASIDE}BadRequest", 50, []),
        ("Forbidden: bot was blocked by the user", 2, []),
    ],
)
async def test_what_nobody_could_explain_is_owed_again_and_nothing_else(
    store: Store, why: str, hours: float, again: list[NoticeKind]
) -> None:
    await add_payment(store)
    await owe(store, STATUS, saying("chatter", 1001))
    for _ in range(2):
        for notice in await claim(store):
            await store.write(lambda tx, n=notice: tx.notices.dead(n, why=why))  # type: ignore[misc]  # the default pins n
    now = NOON + timedelta(hours=hours)

    await store.write(
        lambda tx: tx.notices.try_set_aside(
            now=now, tried_before=now - timedelta(hours=1), since=now - timedelta(days=2)
        )
    )

    async with store.read() as tx:
        assert await tx.notices.owed() == len(again)
    assert [notice.kind for notice in await claim(store, hours * 3600)] == again


REPORT = Document(filename="report.csv", content=b"\xef\xbb\xbfday,KES\r\n" + bytes(range(256)))


async def test_a_document_comes_out_as_it_went_in_and_is_forgotten_once_told(store: Store) -> None:
    reply = Reply(chat_id=1, text="Your <b>report</b>", document=REPORT)
    await owe(store, NewNotice(key="d", kind=NoticeKind.SAY, chat_id=1, reply=reply))

    [notice] = await claim(store)
    assert notice.reply == reply

    await tell(store, notice)
    async with store.read() as tx:
        assert (await tx.notices._connection.execute(select(notices.c.body))).scalar_one() is None


@pytest.mark.parametrize(("tries", "open_question"), [(1, True), (2, True), (2, False)])
async def test_the_words_of_an_open_question_that_was_sent_twice_are_kept(
    store: Store, tries: int, open_question: bool
) -> None:
    draft = Draft(
        chat_id=1,
        person_id=1,
        kind=DraftKind.CLAIM,
        expires_at=NOON + timedelta(minutes=30),
        asked_as="q" if open_question else "another",
    )
    await store.write(lambda tx: tx.drafts.put(draft))
    await owe(store, saying("above", 1), saying("q", 1, "How much?"), saying("below", 1))
    [above] = await claim(store)
    await tell(store, above, 50)
    for _ in range(tries):
        [question] = await claim(store)
        await store.write(
            lambda tx, n=question: tx.notices.later(n, due_at=NOON, why="x", counts=True)  # type: ignore[misc]  # the default pins n
        )
    async with store.read() as tx:
        before = await tx.notices.copies("q")

    await tell(store, question, 52)

    async with store.read() as tx:
        after = await tx.notices.copies("q")
    known = (50, saying("q", 1, "How much?").reply)
    assert (before, after) == (known, known if tries > 1 and open_question else None)


async def test_a_document_is_sealed_and_never_in_a_log_line(store: Store) -> None:
    secret = b"Jane,0712 345 678,4400"
    reply = Reply(chat_id=1, text="x", document=Document(filename="a.csv", content=secret))
    await owe(store, NewNotice(key="d", kind=NoticeKind.SAY, chat_id=1, reply=reply))

    async with store.read() as tx:
        body = (await tx.notices._connection.execute(select(notices.c.body))).scalar_one()

    assert secret not in body
    assert b64encode(secret) not in body
    [notice] = await claim(store)
    assert "0712" not in repr(notice)
    assert "0712" not in repr(reply)


async def test_words_without_a_document_are_stored_as_the_version_before_reads_them(
    store: Store,
) -> None:
    await owe(store, saying("a", 1))

    async with store.read() as tx:
        body = (await tx.notices._connection.execute(select(notices.c.body))).scalar_one()

    assert "document" not in json.loads(store.crypt.open_text(body))


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("", b"x"),
        ("../etc/passwd", b"x"),
        ("a\nb.csv", b"x"),
        ("x" * 65, b"x"),
        ("a.csv", b""),
        ("a.csv", bytes(DOCUMENT_BYTES_MAX + 1)),
    ],
)
def test_what_no_chat_could_take_is_no_document(filename: str, content: bytes) -> None:
    with pytest.raises(ValueError, match="a document has"):
        Document(filename=filename, content=content)


CARD = NewNotice(key="card:d:1", kind=NoticeKind.CARD, chat_id=1, subject="d:1", topic="card")


def card(*, after_s: float) -> NewNotice:
    return replace(CARD, not_before=NOON + timedelta(seconds=after_s))


@pytest.mark.parametrize("kind", [NoticeKind.CARD, NoticeKind.NEWS])
async def test_what_was_put_off_lets_the_others_of_its_chat_pass(
    store: Store, kind: NoticeKind
) -> None:
    await owe(store, replace(card(after_s=10), kind=kind), saying("a", 1))

    [said] = await claim(store)
    assert said.kind is NoticeKind.SAY
    await tell(store, said)
    assert await claim(store, 9) == []

    [late] = await claim(store, 10)
    assert (late.kind, late.subject, late.topic) == (kind, "d:1", "card")


async def test_a_card_that_changes_while_it_is_sent_keeps_the_time_it_was_put_off_to(
    store: Store,
) -> None:
    await owe(store, card(after_s=0))
    [first] = await claim(store)
    await owe(store, card(after_s=10))

    await tell(store, first)

    async with store.read() as tx:
        assert await tx.notices.edited_at(CARD.key) is None
    assert await claim(store, 9) == []
    [again] = await claim(store, 10)
    assert (again.wanted, again.message_id) == (2, 77)
    await store.write(
        lambda tx: tx.notices.told(again, message_id=None, now=NOON + timedelta(seconds=11))
    )
    async with store.read() as tx:
        assert await tx.notices.edited_at(CARD.key) == NOON + timedelta(seconds=11)
    await owe(store, card(after_s=20))
    [third] = await claim(store, 20)
    assert third.message_id == 77


HOUR_S = 3600.0


async def test_what_was_owed_before_the_clock_was_set_back_is_due(store: Store) -> None:
    await owe(store, saying("a", 1), saying("b", 1), card(after_s=0))

    [first] = await claim(store, -HOUR_S)
    await tell(store, first)
    [second] = await claim(store, -HOUR_S)

    assert (first.kind, second.kind) == (NoticeKind.SAY, NoticeKind.SAY)


async def test_what_changed_before_the_clock_was_set_back_is_due(store: Store) -> None:
    await store.write(
        lambda tx: tx.notices.owe([card(after_s=-2 * HOUR_S)], now=NOON - timedelta(hours=2))
    )
    [old] = await claim(store)
    await tell(store, old)
    await owe(store, card(after_s=10))

    [again] = await claim(store, -HOUR_S)

    assert again.wanted == 2


async def test_what_was_put_off_by_a_clock_that_was_set_back_waits_once_more_at_most(
    store: Store,
) -> None:
    await owe(store, saying("a", 1))

    async def put_off(notice: Notice, at_s: float) -> None:
        due_at = NOON + timedelta(seconds=at_s + 60)
        await store.write(lambda tx: tx.notices.later(notice, due_at=due_at, why="x", counts=False))

    [notice] = await claim(store)
    await put_off(notice, 0)
    assert await claim(store, 59) == []

    [notice] = await claim(store, -HOUR_S)
    await put_off(notice, -HOUR_S)

    assert await claim(store, -HOUR_S + 59) == []
    assert len(await claim(store, -HOUR_S + 60)) == 1


async def test_news_that_are_gathered_come_at_their_time_whatever_the_clock_did(
    store: Store,
) -> None:
    await owe(store, replace(card(after_s=120), kind=NoticeKind.NEWS), saying("a", 1))

    [said] = await claim(store, -HOUR_S)

    assert said.kind is NoticeKind.SAY
    await tell(store, said)
    assert await claim(store, -HOUR_S) == []
    assert len(await claim(store, 120)) == 1
