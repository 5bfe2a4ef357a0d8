"""Owing: how a notice comes into the outbox, once only, whoever owes it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    String,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from storage.crypt import Crypt
from storage.notice_words import pack
from storage.records import EDITED, NOBODY, NewNotice, NoticeKind
from storage.schema import intents, micros, notices, payments
from storage.setwise import Among, Many

__all__ = ["owe_notices"]

# Written out, for the values of a row are all that is bound.
_EDITED = [literal_column(f"'{kind}'", String) for kind in EDITED]
_SENDING = literal_column("'sending'", String)
_DUE = literal_column("'due'", String)
_TOLD = literal_column("'told'", String)


def _owe(make: Callable[..., Any]) -> Any:
    """A new notice; of a known key nothing, but that a STATUS or CARD is wanted once more."""
    statement = make(notices).inline()
    return statement.on_conflict_do_update(
        index_elements=["key"],
        where=and_(
            notices.c.kind.in_(_EDITED),
            statement.excluded.kind.in_(_EDITED),
        ),
        set_={
            "wanted": notices.c.wanted + literal_column("1"),
            # One being sent right now comes back by itself: `told` sees the newer version.
            "state": case((notices.c.state == _SENDING, _SENDING), else_=_DUE),
            "due_at": case(
                (notices.c.state.in_([_TOLD, _SENDING]), statement.excluded.due_at),
                else_=notices.c.due_at,
            ),
            # What waits already has waited since its first wish.
            "owed_at": func.coalesce(notices.c.owed_at, statement.excluded.owed_at),
        },
    )


# Built once: a status message is asked for anew by every move of every payment.
_OWE = Many(
    {"sqlite": _owe(sqlite_insert), "postgresql": _owe(pg_insert)},
    [column.name for column in notices.c if column.name != "id"],
)
_THIS = notices.alias()
# A ring says where its payment stands when it is told: who was away reads the last one alone.
_RING_ONCE = delete(notices).where(
    notices.c.payment_id == bindparam("of"),
    notices.c.kind == NoticeKind.RING.value,
    or_(notices.c.state == "due", notices.c.state == "dead"),  # no IN: these come many at once
    notices.c.key != bindparam("ring"),
    select(_THIS.c.id).where(_THIS.c.key == bindparam("ring"), _THIS.c.state == "due").exists(),
)
_HOMES = Among(
    select(payments.c.id, intents.c.chat_id).join(intents, payments.c.intent_id == intents.c.id),
    payments.c.id,
)


def owe_notices(
    connection: Connection,
    crypt: Crypt,
    new: Sequence[NewNotice],
    *,
    now: datetime,
    homes: Mapping[str, int] | None = None,
) -> None:
    """As `Notices.owe`; *homes* are chats of payments that the caller knows already."""
    homeless = {each.payment_id for each in new if each.chat_id is None} - {None, *(homes or ())}
    known = dict(homes or {})
    if homeless:
        found = _HOMES(connection, sorted(filter(None, homeless)))
        known |= {each.id: each.chat_id for each in found}
    at = micros(now)
    rows = [_row(each, known, crypt, at) for each in new]
    rows = [row for row in rows if row["chat_id"] not in (None, NOBODY)]
    if rows:
        _OWE(connection, rows)
    rings = [row for row in rows if row["kind"] == NoticeKind.RING.value]
    if rings:
        connection.execute(
            _RING_ONCE, [{"of": row["payment_id"], "ring": row["key"]} for row in rings]
        )


def _row(new: NewNotice, homes: Mapping[str, int], crypt: Crypt, at: int | None) -> dict[str, Any]:
    chat_id = new.chat_id
    if chat_id is None:
        chat_id = homes.get(new.payment_id or "")
    due_at = at if new.not_before is None else micros(new.not_before)
    return {
        "key": new.key,
        "kind": new.kind.value,
        "chat_id": chat_id,
        "payment_id": new.payment_id,
        "alarm": None if new.alarm is None else new.alarm.value,
        "body": None if new.reply is None else crypt.seal_text(pack(new.reply)),
        "message_id": None,
        "wanted": 1,
        "told": 0,
        "state": "due",
        "due_at": due_at,
        "lease_until": None,
        "lease_gen": 0,
        "holder": None,
        "tries": 0,
        "resent": False,
        "why": None,
        "created_at": at,
        "subject": new.subject,
        "topic": new.topic,
        "whisper_chat_id": None if new.whisper is None else new.whisper.chat_id,
        "whisper_thread_id": None if new.whisper is None else new.whisper.thread_id,
        "whisper_query": None if new.whisper is None else new.whisper.query_id,
        "whisper_id": None,
        "owed_at": due_at,
    }
