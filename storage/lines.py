"""Lines: phone numbers as M-Pesa knows them, found by blind index, locked for limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    ScalarSelect,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.crypt import Crypt
from storage.page_tables import page_prompts
from storage.payment_rows import read_payment
from storage.records import OPEN, Line, LineFacts, Status
from storage.schema import Instant, buttons, intents, lines, looks, payments, people
from storage.set_back import FAR_AHEAD, UNSEEN
from storage.setwise import Among

__all__ = ["NAMED_BY", "Lines", "last_paid"]

CREDITED_OR_CLAIMED = (Status.PAID, Status.CONFIRMING, Status.REVIEW)
NOT_A_PROMPT = (Status.CREATED, Status.REFUSED, Status.VOID)
NOT_INCOMPLETE = (*NOT_A_PROMPT, Status.PAID, Status.CONFIRMING)
PHONES_AT_ONCE = 256

NAMED_BY = (people.c.line_id, payments.c.line_id, page_prompts.c.line_id)
"""Who shared it, what was asked of it and where: without any of these nobody needs the number."""

# Built once: every request asks all of these.
_LINE = payments.c.line_id == bindparam("line")
_INDEXES: BindParameter[str] = bindparam("indexes", expanding=True)
_FIND = (
    select(lines.c.id)
    .where(lines.c.phone_index.in_(_INDEXES))
    # Two processes may write one number under two keys at one instant: the first counts.
    .order_by(lines.c.id)
)
_LOCK = select(lines.c.id).where(lines.c.id == bindparam("line")).with_for_update()
_DROP = delete(lines).where(
    lines.c.id == bindparam("line"),
    *(~exists().where(column == bindparam("line")) for column in NAMED_BY),
)
# People are joined: no index tells who shared a line, and each of many would be looked for in all.
_UNUSED = (
    select(lines.c.id)
    .outerjoin(people, people.c.line_id == lines.c.id)
    .where(
        people.c.id.is_(None),
        *(~exists().where(column == lines.c.id) for column in NAMED_BY[1:]),
    )
    .order_by(lines.c.id)
    .limit(bindparam("most"))
)
_PHONE = select(lines.c.phone).where(lines.c.id == bindparam("line"))
_PHONES = Among(select(lines.c.id, lines.c.phone), lines.c.id)
_OWN = select(people.c.id).where(
    people.c.id == bindparam("person"), people.c.line_id == bindparam("line")
)
_FAR: BindParameter[datetime] = bindparam("far", type_=Instant())
_SAME_AMOUNT = select(func.max(payments.c.decided_at)).where(
    _LINE,
    payments.c.amount_kes == bindparam("amount"),
    payments.c.status.in_(CREDITED_OR_CLAIMED),
    payments.c.decided_at > bindparam("since", type_=Instant()),
    payments.c.decided_at <= _FAR,
)
_BEGUN_SINCE = bindparam("since", type_=Instant())
_NEWEST_OPEN = (
    select(payments)
    .where(
        _LINE,
        payments.c.status.in_(OPEN),
        # How old a prompt is that a clock has sent which was set back since, nobody knows. Once
        # it was looked at in vain, or a person is called, it is in nobody's way.
        or_(
            func.coalesce(payments.c.begun_at, payments.c.created_at) <= _FAR,
            UNSEEN,
        ),
        or_(
            payments.c.begun_at > _BEGUN_SINCE,
            and_(payments.c.begun_at.is_(None), payments.c.created_at > _BEGUN_SINCE),
        ),
    )
    .order_by(payments.c.created_at.desc())
    .limit(1)
)
_OWN_LINE = select(people.c.line_id).where(people.c.id == bindparam("person")).scalar_subquery()
_FIRST_ID: BindParameter[str] = bindparam("first_id")
_TO_A_STRANGER = select(payments.c.created_at).where(
    payments.c.intent_id == intents.c.id,
    payments.c.created_at > bindparam("since", type_=Instant()),
    payments.c.begun_at.is_not(None) | payments.c.status.in_(OPEN),  # not paid by hand
    payments.c.status.not_in((Status.REFUSED, Status.VOID)),
    or_(_OWN_LINE.is_(None), payments.c.line_id != _OWN_LINE),
)
# Somebody's history, or a day's payments, may be long: neither is read whole. Ids begin with the
# instant that they were made at, so what is new is found by them: the new intents of this person,
# and, among the new payments of all, those that try an older intent again.
_ASKS = union_all(
    _TO_A_STRANGER.where(
        intents.c.asked_by == bindparam("person"),
        intents.c.created_at > bindparam("since", type_=Instant()),
        intents.c.id >= _FIRST_ID,
    ),
    _TO_A_STRANGER.where(
        payments.c.id >= _FIRST_ID,
        # Reckoned with, so that no index of theirs is walked instead: they are the long ones.
        payments.c.intent_id.concat("") < _FIRST_ID,
        intents.c.asked_by + 0 == bindparam("person"),
    ),
).subquery()
_STRANGER_ASKS = select(
    func.count(), func.min(_ASKS.c.created_at), func.max(_ASKS.c.created_at)
).select_from(_ASKS)
_LAST_BEGUN = select(func.max(payments.c.begun_at)).where(
    _LINE, payments.c.status.not_in(NOT_A_PROMPT)
)


def last_paid(
    prompts: FromClause, line: ColumnElement[int], far: BindParameter[datetime]
) -> ScalarSelect[int]:
    """
    When the last of these prompts to this line was begun that was paid; 0 where none was.

    What is *far* ahead was begun by a clock that was set back since: nothing comes after that for
    as long as it was ahead, and the line would be anybody's to prompt.
    """
    return (
        select(func.coalesce(func.max(prompts.c.begun_at), literal_column("0")))
        .where(prompts.c.line_id == line, prompts.c.status == Status.PAID)
        .where(prompts.c.begun_at <= far)
        .scalar_subquery()
    )


_STREAK = select(func.count()).where(
    _LINE,
    payments.c.begun_at > last_paid(payments.alias(), bindparam("line"), _FAR),
    payments.c.status.not_in(NOT_INCOMPLETE),
)
_STREAK_UP_TO = _STREAK.where(payments.c.begun_at <= bindparam("up_to", type_=Instant()))


class Lines:
    """Lines, inside one open transaction."""

    def __init__(self, connection: AsyncConnection, crypt: Crypt) -> None:
        self._connection = connection
        self._crypt = crypt

    async def find(self, phone: str) -> Line | None:
        indexes = {"indexes": self._crypt.indexes(phone)}
        row_id = (await self._connection.execute(_FIND, indexes)).scalar()
        return None if row_id is None else Line(id=row_id, phone=phone)

    async def lock(self, phone: str) -> Line:
        """
        The line of *phone*, made if new, its row locked until the transaction ends.

        Two people who aim at one phone at the same instant therefore pass the limits one
        after the other (SQLite has one writer anyway).
        """
        while True:
            line = await self.find(phone)
            new = line is None and await self._make(phone)
            line = line or await self.find(phone)
            if line is not None and await self._lock(line.id):
                return replace(line, new=new)
            # Forgotten while we waited for it: made anew.

    async def _lock(self, line_id: int) -> bool:
        return (await self._connection.execute(_LOCK, {"line": line_id})).first() is not None

    async def _make(self, phone: str) -> bool:
        """Unless another has, a moment ago."""
        postgres = self._connection.dialect.name == "postgresql"
        insert = pg_insert if postgres else sqlite_insert
        made = await self._connection.execute(
            insert(lines)
            .values(phone_index=self._crypt.index(phone), phone=self._crypt.seal_text(phone))
            .on_conflict_do_nothing(index_elements=["phone_index"])
            .returning(lines.c.id)
        )
        return made.first() is not None

    async def drop_new(self, line: Line) -> None:
        """Nothing came of it: a line that `lock` has just made goes again, another one stays."""
        if line.new:
            await self._connection.execute(delete(lines).where(lines.c.id == line.id))

    async def drop_unused(self, line_id: int) -> bool:
        """
        Forget a number that nobody shares any more, and that nothing was asked of.

        Its row is locked first, as by `lock`: who is opening a payment on it is waited for, and
        that payment is seen. A line with a payment stays, for the books and for the limits.
        """
        await self._lock(line_id)
        gone = (await self._connection.execute(_DROP, {"line": line_id})).rowcount == 1
        if gone:
            await self._name_none(line_id)
        return gone

    async def _name_none(self, line_id: int) -> None:
        """What was looked at, or could be, by this id: SQLite may give the id to another line."""
        execute, number = self._connection.execute, str(line_id)
        for theirs, name in (
            (looks.c.payment_id == f"line:{line_id}", "line:gone"),
            (and_(looks.c.what == "statement-line", looks.c.payment_id == number), "gone"),
        ):
            await execute(update(looks).where(theirs).values(payment_id=name))
        await execute(delete(buttons).where(buttons.c.argument.like(f"%line:%:{line_id}")))

    async def unused(self, *, limit: int) -> list[int]:
        """Lines of which `drop_unused` would say that nobody needs them."""
        return list((await self._connection.execute(_UNUSED, {"most": limit})).scalars())

    async def phone(self, line_id: int) -> str:
        """The whole number of a line, `2547…`."""
        sealed = (await self._connection.execute(_PHONE, {"line": line_id})).scalar_one()
        return self._crypt.open_text(sealed)

    async def phones(self, line_ids: Sequence[int]) -> dict[int, str]:
        """The whole numbers of many lines, by line; others get their turn in between."""
        found: dict[int, str] = {}
        for start in range(0, len(line_ids), PHONES_AT_ONCE):
            wanted = line_ids[start : start + PHONES_AT_ONCE]
            rows = await self._connection.run_sync(_PHONES, wanted)
            found |= {row.id: self._crypt.open_text(row.phone) for row in rows}
        return found

    async def facts(
        self,
        line_id: int,
        *,
        by: int,
        amount_kes: int,
        now: datetime,
        prompt_life: timedelta,
        same_amount_within: timedelta,
        counted: bool = True,
    ) -> LineFacts:
        """
        What the limits ask about this line and this person, as of *now*.

        Not *counted*: how many lines of others they aim at is not asked, and not looked for.
        """
        execute = self._connection.execute
        whose = {"line": line_id, "person": by}
        far = now + FAR_AHEAD
        newest = {"line": line_id, "since": now - prompt_life, "far": far}
        newest_open = await execute(_NEWEST_OPEN, newest)
        open_row = newest_open.mappings().first()
        own = (await execute(_OWN, whose)).first() is not None
        asks, oldest = 0, None
        if counted and not own:
            asks, oldest, _ = await self.stranger_asks(by, since=now - timedelta(hours=1))
        same_amount = {
            "line": line_id,
            "amount": amount_kes,
            "since": now - same_amount_within,
            "far": far,
        }
        return LineFacts(
            own=own,
            streak=await self.streak(line_id, now=now),
            last_begun_at=await self.last_begun(line_id),
            open_payment=None if open_row is None else read_payment(open_row),
            same_amount_paid_at=(await execute(_SAME_AMOUNT, same_amount)).scalar(),
            stranger_asks=asks,
            oldest_stranger_ask_at=oldest,
        )

    async def stranger_asks(
        self, person_id: int, *, since: datetime
    ) -> tuple[int, datetime | None, datetime | None]:
        """How often they had lines that are not theirs prompted; the first and the last time."""
        values = {
            "person": person_id,
            "since": since,
            "first_id": f"{int(since.timestamp() * 1000):012x}",
        }
        asks, oldest, newest = (await self._connection.execute(_STRANGER_ASKS, values)).one()
        return asks, oldest, newest

    async def streak(self, line_id: int, *, now: datetime, up_to: datetime | None = None) -> int:
        """
        Prompts to this line in a row that were not completed, begun no later than *up_to*.

        Counted since the line's last paid push; refused and not-sent ones never reached it.
        """
        values = {"line": line_id, "far": now + FAR_AHEAD}
        values |= {} if up_to is None else {"up_to": up_to}
        query = _STREAK if up_to is None else _STREAK_UP_TO
        return (await self._connection.execute(query, values)).scalar_one()

    async def last_begun(self, line_id: int) -> datetime | None:
        found: datetime | None = (
            await self._connection.execute(_LAST_BEGUN, {"line": line_id})
        ).scalar()
        return found
