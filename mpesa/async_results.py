"""
Reads what Safaricom posts to a ResultURL: how a status question or a reversal ended.

The frame is the same for all such services and its insides are not: a parameter may come twice,
or without its value, alone in place of a list, or not at all; ids may be placeholders. What cannot
be read exactly is None, and a body that does not say how it ended is refused with a reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mpesa.bodies import Unreadable, read_object
from mpesa.fields import read_cents, read_id, read_instant, read_receipt, read_text
from mpesa.org_results import OrgResult, look_up_org

__all__ = [
    "AsyncResult",
    "ReversalAnswer",
    "StatusAnswer",
    "TransactionState",
    "parse_result",
    "read_reversal",
    "read_status",
]


class TransactionState(StrEnum):
    """Where a transaction stands by Safaricom's books. Only COMPLETED means that money moved."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    EXPIRED = "expired"
    PENDING = "pending"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether it stays so. A word that we do not know says nothing of that."""
        return self not in (TransactionState.PENDING, TransactionState.UNKNOWN)


_STATES = {
    "completed": TransactionState.COMPLETED,
    "cancelled": TransactionState.CANCELLED,
    "canceled": TransactionState.CANCELLED,
    "declined": TransactionState.DECLINED,
    "expired": TransactionState.EXPIRED,
    "initiated": TransactionState.PENDING,
    "authorized": TransactionState.PENDING,
    "pending authorized": TransactionState.PENDING,
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AsyncResult:
    """
    The frame of a result. `more_coming`: another message about the same request will follow.

    `values` holds, for each key, every value that came under it, in their order.
    """

    result: OrgResult
    more_coming: bool
    originator_conversation_id: str | None
    conversation_id: str | None
    transaction_id: str | None
    values: Mapping[str, Sequence[object]]

    def first(self, *keys: str) -> object:
        """The first value under the first of *keys* that has one; None otherwise."""
        return next((each for key in keys for each in self.values.get(key, ())), None)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StatusAnswer:
    """
    One transaction as Safaricom's books have it.

    `amount_cents` is integer cents; `paid_at` aware UTC. `payer` and `paid_party` are texts like
    "254712345678 - JANE N": who gave and who got. `account_reference` is "" where none is named.
    """

    state: TransactionState
    receipt: str | None
    amount_cents: int | None
    paid_at: datetime | None
    payer: str
    paid_party: str
    account_reference: str
    reason: str

    def paid_to(self, number: str) -> bool:
        """Whether the money surely went to the short code or till *number*."""
        return self.paid_party.partition(" - ")[0].strip() == number


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReversalAnswer:
    """
    What became of a reversal: `receipt` is its own, `original_receipt` of the payment taken back.
    """

    receipt: str | None
    original_receipt: str | None
    amount_cents: int | None
    reversed_at: datetime | None


def parse_result(body: bytes) -> AsyncResult | Unreadable:
    """Read one `POST` to a ResultURL or QueueTimeOutURL. Never raises."""
    found = read_object(body)
    if isinstance(found, Unreadable):
        return found
    frame = found.get("Result")
    if not isinstance(frame, dict):
        return Unreadable("there is no Result")
    code = frame.get("ResultCode")
    if code is None or code == "" or isinstance(code, bool | dict | list):
        return Unreadable("there is no ResultCode")
    return AsyncResult(
        result=look_up_org(code),
        more_coming=str(frame.get("ResultType", "0")) == "1",
        originator_conversation_id=read_id(frame.get("OriginatorConversationID")),
        conversation_id=read_id(frame.get("ConversationID")),
        transaction_id=read_receipt(frame.get("TransactionID")),
        values=_parameters(frame.get("ResultParameters")),
    )


def read_status(answer: AsyncResult) -> StatusAnswer | None:
    """What a result says about a transaction; None when it says nothing about one (yet)."""
    if not answer.result.done or answer.more_coming:
        return None
    said = read_text(answer.first("TransactionStatus", "Status")).casefold()
    state = _STATES.get(said, TransactionState.UNKNOWN)
    payer, paid_party = _parties(answer)
    return StatusAnswer(
        state=state,
        receipt=_receipt(answer),
        amount_cents=_agreed(
            [
                read_cents(each)
                for key in ("Amount", "TransactionAmount")
                for each in answer.values.get(key, ())
            ]
        ),
        paid_at=_instant(answer),
        payer=payer,
        paid_party=paid_party,
        account_reference=read_text(
            answer.first("AccountReference", "BillReferenceNumber", "BillRefNumber")
        ),
        reason=read_text(answer.first("ReasonType", "TransactionReason")),
    )


def read_reversal(answer: AsyncResult) -> ReversalAnswer | None:
    """What a result says about a reversal that was done; None for every other."""
    if not answer.result.done or answer.more_coming:
        return None
    return ReversalAnswer(
        receipt=answer.transaction_id,
        original_receipt=read_receipt(answer.first("OriginalTransactionID")),
        amount_cents=read_cents(answer.first("Amount")),
        reversed_at=read_instant(answer.first("TransCompletedTime")),
    )


def _parameters(listed: object) -> dict[str, list[object]]:
    """By key, and each value that came; an entry without its value adds nothing."""
    entries = listed.get("ResultParameter") if isinstance(listed, dict) else None
    if isinstance(entries, dict):
        entries = [entries]
    values: dict[str, list[object]] = {}
    for entry in entries if isinstance(entries, list) else []:
        key = entry.get("Key") if isinstance(entry, dict) else None
        value = entry.get("Value") if isinstance(entry, dict) else None
        if isinstance(key, str) and value is not None and value != "":
            values.setdefault(key, []).append(value)
    return values


def _parties(answer: AsyncResult) -> tuple[str, str]:
    """
    Who gave, and who got.

    In the older form the receiver comes as a second DebitPartyName.
    """
    debit = [read_text(each) for each in answer.values.get("DebitPartyName", ())]
    credit = [read_text(each) for each in answer.values.get("CreditPartyName", ())]
    payer = debit[0] if debit else ""
    if len(credit) == 1 and len(debit) <= 1:
        return payer, credit[0]
    if not credit and len(debit) == 2:
        return payer, debit[1]
    return payer, ""


def _receipt(answer: AsyncResult) -> str | None:
    # TransactionID is of the question, not of what it was about.
    named = {read_receipt(each) for each in answer.values.get("ReceiptNo", ())}
    return named.pop() if len(named) == 1 else None


def _instant(answer: AsyncResult) -> datetime | None:
    said = (
        read_instant(each)
        for key in ("FinalisedTime", "TransactionDate", "InitiatedTime")
        for each in answer.values.get(key, ())
    )
    return next((each for each in said if each is not None), None)


def _agreed(said: Sequence[int | None]) -> int | None:
    """The amount, when every mention of it says the same."""
    return said[0] if said and len(set(said)) == 1 else None
