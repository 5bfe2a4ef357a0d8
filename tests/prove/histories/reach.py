"""Owns what the histories must have met: each fault's effect, by the name the judge counts it."""

from __future__ import annotations

from collections import Counter

from tests.prove.table import Row

__all__ = ["EFFECTS", "REACH", "reached"]

REACH = 100

EFFECTS = (
    # Safaricom's answers, and their absence
    "reply lost",
    "lost reply, found by callback",
    "lost callback, found by query",
    "credited by callback, confirmed by query",
    "above the limit, credited by two",
    "callback before the reply",
    "callback doubled, credited once",
    "callback refused with 503, and found all the same",
    "callback met nobody, and found all the same",
    "late success",
    "said paid and failed",
    "Safaricom could not be reached",
    "too late to send",
    "throttled, and sent again",
    "turned away in an outage",
    "nothing left",
    "refused",
    "declined",
    "lapsed",
    "waited for a person",
    "paid, and left to a person",
    # liars
    "contradicted",
    "untrusted body kept",
    "credited wrongly, and flagged",
    "review",
    "lie: the address",
    "lie: another's ids",
    "lie: both ids",
    "lie: a real body",
    "lie: failure",
    # the machine
    "died in sql",
    "died before COMMIT",
    "died after COMMIT",
    "died before push",
    "died after push",
    "died with the push under way",
    "stopped in order",
    "clock set",
    "asked under a wrong clock",
    "database busy",
    "database full",
    "database lying",
    "bad hours came back",
    # Telegram and its people
    "Telegram flood",
    "Telegram error",
    "Telegram before",
    "Telegram after",
    "Telegram silent",
    "a message came twice",
    "could not be told, and written down",
    "bot blocked",
    "group migrated",
    "button pressed",
    "tried again",
    # drives and invoices
    "a gift was paid",
    "a gift was not paid",
    "told in a whisper",
    "a gift came after closing",
    "cash was written down",
    "a drive was closed",
    "a card followed its group",
    "an instalment was paid",
    "an instalment was not paid",
    "an invoice was paid",
    "an invoice was paid in part",
    "an invoice was overpaid",
    "cash came for an invoice",
    # what people decide, write and press
    "an operator credited",
    "an operator wrote off",
    "an operator recorded a reversal",
    "an operator was wrong",
    "two operators were asked",
    "operators contradicted each other",
    "a statement was dropped",
    "only ours, and noted",
    "a payment went back",
    "paid by hand, and counted",
    "a treasurer corrected",
    "a merchant took cash back",
    "an invoice was closed",
    "an invoice was opened again",
    "a customer asked a merchant",
    "somebody claimed to have paid",
    "people: mistake the question",
    "people: press again",
    "people: edit",
    # two processes
    "a process stalled",
    "stalled until it was taken for dead",
    "an update was posted",
    "waited for a lock",
)


def reached(effects: Counter[str]) -> Row:
    """One row: which effects were too seldom for the histories to prove anything about them."""
    missing = [name for name in EFFECTS if effects[name] < REACH]
    for name in missing:
        print(f"  seen only {effects[name]} times: {name}", flush=True)
    seldom = min((effects[name], name) for name in EFFECTS)
    return Row(
        f"effects of the faults, each seen at least {REACH} times",
        len(EFFECTS),
        "effects",
        len(missing),
        0.0,
        f"the rarest, {seldom[0]} times: {seldom[1]}",
    )
