"""People: their language, their own number, and the question they are being asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from bot.core.ports import Clock
from bot.core.receipt_words import receipts_in
from bot.core.settle import Settle, status_notice
from bot.core.write_off import once_more
from storage.engine import Store
from storage.hearing import Admitted, Seen, Unit
from storage.records import (
    Alarm,
    Closing,
    Draft,
    Evidence,
    Kind,
    Payment,
    Person,
    Reply,
)
from storage.tx import Tx

__all__ = ["FIRST_PSEUDONYM", "People", "close", "is_forgotten"]

FIRST_PSEUDONYM = 2**60
"""Telegram's own ids have 52 bits: nobody has such a number, person or group."""


async def close(tx: Tx, closing: Closing, clock: Clock) -> list[str]:
    """
    Owe the replies and mark the update done, in the transaction of the effect itself.

    Returns the keys under which the replies are told, in their order.
    """
    now, keys = clock.now(), list[str]()
    if closing.replies:
        # The same update replayed says the same things under the same keys: once.
        update = f"new{now.timestamp():.6f}" if closing.update_id is None else closing.update_id
        origin = closing.once_as or update
        keys = [f"say:{origin}:{place}" for place in range(len(closing.replies))]
        await tx.notices.say(closing.replies, keys=keys, now=now)
    if closing.answers is not None:
        chat_id, person_id = closing.answers
        await tx.drafts.drop(chat_id=chat_id, person_id=person_id)
    if closing.notices:
        await tx.notices.owe(closing.notices, now=now)
    if closing.update_id is not None:
        await tx.inbox.done(closing.update_id, at=now)
    return keys


def is_forgotten(person_id: int) -> bool:
    """Whether this is the number of somebody who was forgotten: there is nobody to write to."""
    return person_id >= FIRST_PSEUDONYM


async def _drop_line(tx: Tx, before: Person | None) -> None:
    """The line that was theirs *before*, if nobody needs it."""
    if before is not None and before.line_id is not None:
        await tx.lines.drop_unused(before.line_id)


class People:
    """Who we talk to."""

    def __init__(
        self, *, store: Store, settle: Settle, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self._wake = wake

    async def meet(
        self,
        *,
        user_id: int,
        first_name: str,
        telegram_language: str | None,
        private: bool,
        username: str | None = None,
    ) -> Person:
        """The person as we know them, written down if that changed."""
        async with self._store.read() as tx:
            known = await tx.people.get(user_id)
        wanted = replace(
            known or Person(id=user_id),
            first_name=first_name,
            username=username,
            telegram_language=None if telegram_language is None else telegram_language[:16],
            reachable=private or (known is not None and known.reachable),
        )
        if wanted == known:
            return known

        async def run(tx: Tx) -> Person:
            # Read again: a language or a number may have been chosen meanwhile, or all forgotten.
            now_known = await tx.people.get(user_id, locked=True)
            kept = now_known or Person(id=user_id)
            person = replace(
                wanted,
                language=kept.language,
                line_id=kept.line_id,
                phone=kept.phone,
                reachable=private or kept.reachable,
            )
            await tx.people.put(person)
            if private and (now_known is None or not now_known.reachable):
                await tx.notices.revive(user_id, now=self._clock.now())
            return person

        met = await self._store.write(run)
        self._wake()
        return met

    async def shut_out(self, person_id: int, closing: Closing) -> None:
        """They blocked us: what is theirs to know is said where they are, to come and read it."""

        async def run(tx: Tx) -> None:
            await tx.people.set_reachable(person_id, False)
            await close(tx, closing, self._clock)

        await self._store.write(run)

    async def let_in(self, person_id: int, closing: Closing) -> None:
        """They have unblocked us: what we could not tell them is told now."""

        async def run(tx: Tx) -> None:
            await tx.people.set_reachable(person_id, True)
            await tx.notices.revive(person_id, now=self._clock.now())
            await close(tx, closing, self._clock)

        await self._store.write(run)
        self._wake()

    async def known_as(self, username: str) -> Person | None:
        """The person who was last seen with this @name (given without the @)."""
        async with self._store.read() as tx:
            return await tx.people.by_username(username)

    async def get(self, person_id: int) -> Person | None:
        """Somebody who has spoken to us."""
        async with self._store.read() as tx:
            return await tx.people.get(person_id)

    async def choose_language(self, person_id: int, language: str, closing: Closing) -> None:
        async def run(tx: Tx) -> None:
            await tx.people.set_language(person_id, language)
            await close(tx, closing, self._clock)

        await self._store.write(run)
        self._wake()

    async def remember_phone(self, person_id: int, phone: str, closing: Closing) -> None:
        """*phone* (2547…) is this person's own line, as Telegram's contact button proved."""

        async def run(tx: Tx) -> None:
            before = await tx.people.get(person_id, locked=True)
            line = await tx.lines.lock(phone)
            if await tx.people.set_line(person_id, line.id):
                await _drop_line(tx, before)
            await close(tx, closing, self._clock)

        await self._store.write(run)
        self._wake()

    async def forget_phone(self, person_id: int, closing: Closing) -> bool:
        """
        No longer tie a line to this person; True if one was tied.

        The number itself goes in the same commit, unless somebody else needs it, or the books do.
        """

        async def run(tx: Tx) -> bool:
            before = await tx.people.get(person_id, locked=True)
            forgotten = await tx.people.set_line(person_id, None)
            await _drop_line(tx, before)
            await close(tx, closing, self._clock)
            return forgotten

        forgotten = await self._store.write(run)
        self._wake()
        return forgotten

    async def draft(self, *, chat_id: int, person_id: int) -> Draft | None:
        """What this person is being asked in this chat, unless it expired."""
        async with self._store.read() as tx:
            return await tx.drafts.get(chat_id=chat_id, person_id=person_id, now=self._clock.now())

    async def keep_draft(self, draft: Draft, closing: Closing) -> None:
        """Ask: what is said last in the draft's own chat is the question."""

        async def run(tx: Tx) -> None:
            keys = await close(tx, closing, self._clock)
            said = zip(keys, closing.replies, strict=True)
            asked = [key for key, reply in said if reply.chat_id == draft.chat_id]
            await tx.drafts.put(replace(draft, asked_as=asked[-1] if asked else None))

        await self._store.write(run)
        self._wake()

    async def question_of(self, draft: Draft) -> int | None:
        """The message that asks it; None while nobody has seen one, as far as we know."""
        if draft.asked_as is None:
            return None
        async with self._store.read() as tx:
            return await tx.notices.message_of(draft.asked_as)

    async def copies_of(self, draft: Draft) -> tuple[int, Reply] | None:
        """
        If it may have been asked more than once: after which message, and with which words.

        Of a message that Telegram took and did not confirm we know nothing else.
        """
        if draft.asked_as is None:
            return None
        async with self._store.read() as tx:
            return await tx.notices.copies(draft.asked_as)

    async def drop_draft(self, *, chat_id: int, person_id: int, closing: Closing) -> bool:
        async def run(tx: Tx) -> bool:
            dropped = await tx.drafts.drop(chat_id=chat_id, person_id=person_id)
            await close(tx, closing, self._clock)
            return dropped

        dropped = await self._store.write(run)
        self._wake()
        return dropped

    async def claim(self, *, payment_id: str, by: int, text: str, closing: Closing) -> None:
        """
        "I have paid", with the pasted M-PESA message: evidence for a person, never a credit.

        The evidence and the closing are two commits; the digest makes a replay harmless.
        """
        now = self._clock.now()

        def admit(payment: Payment, seen: Seen) -> Admitted:
            # Whoever says the same again after a person has looked wants it looked at again.
            said, key = once_more(text, seen.told), once_more(payment_id, seen.told)
            evidence = Evidence(
                payment_id=payment_id,
                kind=Kind.CLAIM,
                at=now,
                digest=sha256(said.encode("utf-8", "replace")).hexdigest(),
                source="chat",
                body=text.encode("utf-8", "replace"),
                by=by,
            )
            return Admitted(
                evidence=(evidence,),
                notices=(
                    status_notice(payment.id),
                    *self._settle.alarm(Alarm.CLAIM, payment.id, key=key),
                ),
            )

        await self._store.submit(Unit(payment_id=payment_id, admit=admit), self._settle)

        async def run(tx: Tx) -> None:
            for receipt in receipts_in(text):
                await tx.record.claim(receipt, payment_id, by=by, at=now)
            chats = {reply.chat_id for reply in closing.replies}
            for chat_id in chats:
                await tx.drafts.drop(chat_id=chat_id, person_id=by)
            await close(tx, closing, self._clock)

        await self._store.write(run)
        self._wake()
