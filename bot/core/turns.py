"""
Turns: what there was to say of a payment that is money, each time that this has changed.

What is said to have gone back may turn out to be another payment's, and then truly go back later:
each turn is news of its own, also where it leads to what was so before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.core.settle import Standing, stand
from storage.records import Evidence, Payment, Status, Word
from storage.tx import Tx

__all__ = ["AGAIN", "PAID", "REVERSED", "topics_of", "untold"]

PAID, REVERSED, AGAIN = "paid", "reversed", "again"


async def topics_of(tx: Tx, credited: Sequence[Payment]) -> dict[str, list[str]]:
    """
    By payment, the topics of all its turns so far; the last is how it is now.

    Its evidence is read after the payments: what moves in between is looked at once more.
    """
    turned = await tx.evidence.reversed_among([each.id for each in credited])
    evidence = await tx.evidence.of(turned)
    return {each.id: _topics(each, evidence.get(each.id, [])) for each in credited}


def untold(topics: Sequence[str], told: Collection[str]) -> str | None:
    """
    The topic that is to be told now; None where what was told last is still so.

    What turned and turned back before anybody was told of it is no news.
    """
    last = max((place for place, each in enumerate(topics) if each in told), default=-1)
    now = _said(topics[-1])
    if last >= 0 and _said(topics[last]) == now:
        return None
    return next(each for each in topics[last + 1 :] if _said(each) == now)


def _topics(payment: Payment, evidence: Sequence[Evidence]) -> list[str]:
    """As each piece of *evidence* was heard, in that order."""
    heard = sorted(evidence, key=lambda each: each.id)
    standings = [stand(payment, heard[:count]) for count in range(1, len(heard) + 1)]
    turns: list[str] = []
    for standing in standings:
        said = _state(standing)
        if standing.status is Status.PAID and turns[-1:] != [said]:
            turns.append(said)
    turns = turns or [""]
    return [
        _topic(payment.id, said, before=turns[:place].count(said))
        for place, said in enumerate(turns)
    ]


def _state(standing: Standing) -> str:
    """Empty: all of it counts. Of two parts that went back, both are told."""
    if Word.REVERSED not in standing.words:
        return ""
    return f"{standing.reversed_cents}" if standing.credited_cents else "all"


def _topic(payment_id: str, state: str, *, before: int) -> str:
    """*before*: how often it was so, and was not so any more."""
    nth = f":{before}" if before else ""
    if not state:
        return f"{AGAIN if before else PAID}:{payment_id}{nth}"
    part = "" if state == "all" else state
    return f"{REVERSED}:{payment_id}:{part}{nth}".rstrip(":")


def _said(topic: str) -> tuple[bool, str]:
    """Whether it says that something went back, and how much: nothing is all of it."""
    what, _, *part = topic.split(":")
    return what == REVERSED, part[0] if what == REVERSED and part else ""
