"""
Statement desk: whose money somebody may have a statement of, and how they name it.

Operators: everybody's, a merchant's, a drive's, a person's, a number's. Merchants: what came for
their invoices, or from one customer of theirs. Treasurers: their drives. Everybody: what they paid.
Whoever may not see something is answered as if there were none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.core.merchants import Merchants
from bot.core.phones import BadPhone, mask, read_phone
from bot.core.ports import Clock, Collector
from storage.engine import Store
from storage.records import Drive, Invoice, Merchant, Person, TreasurerState
from storage.statements import Scope, Whose
from storage.tx import Tx

__all__ = ["Choice", "StatementDesk"]

FOUND_MAX = 10
NAMES_PAGE = 200
DRIVES_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One thing that a statement can be of."""

    whose: Whose
    about: str = ""  # id of the merchant, person, line or drive; of a customer: one of the invoices
    title: str  # as people call it; of a number, its mask


class StatementDesk:
    """Finds and checks choices; every method names who asks."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        merchants: Merchants,
        operators: Collection[int],
        collector: Collector,
    ) -> None:
        self._store = store
        self._clock = clock
        self._merchants = merchants
        self._operators = operators
        self._collector = collector

    async def own(self, asker: Person) -> Choice:
        """What somebody gets who names nothing."""
        if asker.id in self._operators:
            return Choice(whose=Whose.EVERYBODY, title=self._collector.name)
        merchant = await self._merchants.get(asker.id)
        if merchant is not None:
            return _of_merchant(merchant)
        return Choice(whose=Whose.PERSON, about=str(asker.id), title=asker.first_name)

    async def kinds(self, asker: int) -> tuple[Whose, ...]:
        """What somebody may choose from, besides their own."""
        if asker in self._operators:
            return (Whose.MERCHANT, Whose.DRIVE, Whose.PERSON)
        async with self._store.read() as tx:
            merchant = await self._merchants.within(tx, asker)
            drives = await tx.drives.of_treasurer(asker, limit=1)
        kinds = [
            *([] if merchant is None else [Whose.CUSTOMER]),
            *([Whose.DRIVE] if drives else []),
        ]
        return tuple(kinds)

    async def newest(self, asker: int, whose: Whose) -> list[Choice]:
        """The newest few of a kind, to be pressed."""
        if whose not in await self.kinds(asker):
            return []
        async with self._store.read() as tx:
            match whose:
                case Whose.MERCHANT:
                    found = await tx.merchants.all()
                    return [_of_merchant(each) for each in found[-FOUND_MAX:]]
                case Whose.DRIVE:
                    drives = await self._drives(tx, asker, limit=FOUND_MAX)
                    return [_of_drive(each) for each in drives]
                case Whose.CUSTOMER:
                    customers = await tx.invoice_lists.customers(asker, "", limit=FOUND_MAX)
                    return [_of_customer(each) for each in customers]
                case _:
                    return []

    async def find(self, asker: int, words: str) -> list[Choice]:
        """
        What somebody may mean by *words*: @name, a number, or a name.

        A whole number that an operator looks up is kept in the audit.
        """
        operator, found = asker in self._operators, list[Choice]()
        if operator and (phone := _phone_in(words)) is not None:
            return await self._of_phone(asker, phone)
        async with self._store.read() as tx:
            if operator and words.startswith("@"):
                person = await tx.people.by_username(words[1:])
                merchant = None if person is None else await tx.merchants.get(person.id)
                found += [] if merchant is None else [_of_merchant(merchant)]
                return [*found, *([] if person is None else [_of_person(person)])]
            if operator:
                merchants = [*await tx.merchants.all(), *await tx.merchants.revoked_ones()]
                found += [_of_merchant(each) for each in merchants if _holds(each.name, words)]
            drives = await self._drives(tx, asker, limit=DRIVES_MAX)
            found += [_of_drive(each) for each in drives if _holds(each.title, words)]
            if await self._merchants.within(tx, asker) is not None:
                customers = await tx.invoice_lists.customers(asker, words, limit=FOUND_MAX)
                found += [_of_customer(each) for each in customers]
        if operator and len(found) < FOUND_MAX:
            found += await self._people_called(words)
        return found[:FOUND_MAX]

    async def choice(self, asker: Person, whose: Whose, about: str) -> Choice | None:
        """The same by its id, if this person may still have it."""
        own, operator = await self.own(asker), asker.id in self._operators
        if (whose, about) == (own.whose, own.about):
            return own
        if (whose, about) == (Whose.PERSON, str(asker.id)):
            return _of_person(asker)
        async with self._store.read() as tx:
            match whose:
                case Whose.MERCHANT if operator:
                    merchant = await tx.merchants.get(int(about))
                    return None if merchant is None else _of_merchant(merchant)
                case Whose.PERSON if operator:
                    person = await tx.people.get(int(about))
                    return None if person is None else _of_person(person)
                case Whose.LINE if operator:
                    phones = await tx.lines.phones([int(about)])
                    # None: whose it was had it forgotten.
                    return next(
                        (
                            Choice(whose=whose, about=about, title=mask(each))
                            for each in phones.values()
                        ),
                        None,
                    )
                case Whose.DRIVE:
                    drive = await tx.drives.get(about)
                    theirs = drive is not None and (
                        operator or await _looks_after(tx, drive, asker.id)
                    )
                    return _of_drive(drive) if drive is not None and theirs else None
                case Whose.CUSTOMER:
                    merchant = await self._merchants.within(tx, asker.id)
                    invoice = await tx.invoices.get(about)
                    theirs = merchant is not None and invoice is not None
                    if not theirs or invoice is None or invoice.merchant_id != asker.id:
                        return None
                    return _of_customer(invoice)
                case _:
                    return None

    async def scope(self, asker: Person, choice: Choice, since: datetime, until: datetime) -> Scope:
        """What the rows of a checked choice are, from *since* up to *until* (not included)."""
        subjects: Sequence[str] = ()
        if choice.whose is Whose.CUSTOMER:
            async with self._store.read() as tx:
                invoice = await tx.invoices.get(choice.about)
                assert invoice is not None, "the choice was checked"
                subjects = await tx.invoice_lists.of_same_customer(asker.id, invoice)
        person_id = asker.id
        if choice.whose in (Whose.MERCHANT, Whose.PERSON):
            person_id = int(choice.about)
        return Scope(
            whose=choice.whose,
            person_id=person_id,
            about=choice.about,
            invoice_ids=tuple(subjects),
            since=since,
            until=until,
        )

    async def looked(self, asker: int, choice: Choice) -> None:
        """Keep in the audit that somebody took these books with them."""
        at, what = self._clock.now(), f"statement-{choice.whose}"
        ids = [choice.about[:32]]
        await self._store.write(
            lambda tx: tx.payments.looked(by=asker, payment_ids=ids, what=what, at=at)
        )

    async def _of_phone(self, asker: int, phone: str) -> list[Choice]:
        now = self._clock.now()

        async def run(tx: Tx) -> list[Choice]:
            line = await tx.lines.find(phone)
            if line is None:
                return []
            ids = [f"line:{line.id}"]
            await tx.payments.looked(by=asker, payment_ids=ids, what="number", at=now)
            people = [await tx.people.get(each) for each in await tx.people.of_line(line.id)]
            return [
                Choice(whose=Whose.LINE, about=str(line.id), title=mask(phone)),
                *(_of_person(each) for each in people if each is not None),
            ]

        return await self._store.write(run)

    async def _people_called(self, words: str) -> list[Choice]:
        """Names are sealed, so all are opened, a page at a time: nobody else waits for it."""
        found: list[Choice] = []
        after: int | None = None
        while len(found) < FOUND_MAX:
            async with self._store.read() as tx:
                page = await tx.people.after(after, limit=NAMES_PAGE)
            found += [_of_person(each) for each in page if _holds(each.first_name, words)]
            if len(page) < NAMES_PAGE:
                break
            after = page[-1].id
            await asyncio.sleep(0)
        return found

    async def _drives(self, tx: Tx, asker: int, *, limit: int) -> list[Drive]:
        if asker in self._operators:
            return await tx.drives.newest(limit=limit)
        return await tx.drives.of_treasurer(asker, limit=limit)


def _phone_in(words: str) -> str | None:
    try:
        return read_phone(words)
    except BadPhone:
        return None


def _holds(name: str, words: str) -> bool:
    known = name.casefold()
    return all(each in known for each in words.casefold().split())


async def _looks_after(tx: Tx, drive: Drive, person_id: int) -> bool:
    return any(
        each.person_id == person_id and each.state is TreasurerState.ACCEPTED
        for each in await tx.drives.treasurers(drive.id)
    )


def _of_merchant(merchant: Merchant) -> Choice:
    return Choice(whose=Whose.MERCHANT, about=str(merchant.id), title=merchant.name)


def _of_person(person: Person) -> Choice:
    return Choice(whose=Whose.PERSON, about=str(person.id), title=person.first_name)


def _of_drive(drive: Drive) -> Choice:
    return Choice(whose=Whose.DRIVE, about=drive.id, title=drive.title)


def _of_customer(invoice: Invoice) -> Choice:
    return Choice(whose=Whose.CUSTOMER, about=invoice.id, title=invoice.bill.customer)
