"""A typed, asynchronous client for Safaricom's Daraja that never sends a push twice."""

from mpesa.async_results import (
    AsyncResult,
    ReversalAnswer,
    StatusAnswer,
    TransactionState,
    parse_result,
    read_reversal,
    read_status,
)
from mpesa.back_office import BackOffice
from mpesa.c2b import C2bPayment, C2bRefusal, parse_c2b, validation_answer
from mpesa.callbacks import Unreadable, parse_callback
from mpesa.client import Daraja, open_daraja
from mpesa.credential import BadCertificate, security_credential
from mpesa.errors import (
    BadCredentials,
    MpesaError,
    NoAnswer,
    NotSent,
    OutcomeUnknown,
    Refused,
    Throttled,
    TooLate,
    Unreachable,
)
from mpesa.models import (
    Accepted,
    Account,
    Ack,
    Initiator,
    PulledPage,
    PulledRow,
    Push,
    QueryAnswer,
    ResultUrls,
    StkCallback,
)
from mpesa.org_results import OrgMeaning, OrgResult, look_up_org
from mpesa.phones import BadPhone, PhoneProblem, mask, may_be, read_phone
from mpesa.results import AskAgain, Meaning, Result, look_up

__all__ = [
    "Accepted",
    "Account",
    "Ack",
    "AskAgain",
    "AsyncResult",
    "BackOffice",
    "BadCertificate",
    "BadCredentials",
    "BadPhone",
    "C2bPayment",
    "C2bRefusal",
    "Daraja",
    "Initiator",
    "Meaning",
    "MpesaError",
    "NoAnswer",
    "NotSent",
    "OrgMeaning",
    "OrgResult",
    "OutcomeUnknown",
    "PhoneProblem",
    "PulledPage",
    "PulledRow",
    "Push",
    "QueryAnswer",
    "Refused",
    "Result",
    "ResultUrls",
    "ReversalAnswer",
    "StatusAnswer",
    "StkCallback",
    "Throttled",
    "TooLate",
    "TransactionState",
    "Unreachable",
    "Unreadable",
    "look_up",
    "look_up_org",
    "mask",
    "may_be",
    "open_daraja",
    "parse_c2b",
    "parse_callback",
    "parse_result",
    "read_phone",
    "read_reversal",
    "read_status",
    "security_credential",
    "validation_answer",
]
