"""A typed, asynchronous client for Safaricom's Daraja that never sends a push twice."""

from mpesa.callbacks import Unreadable, parse_callback
from mpesa.client import Daraja, open_daraja
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
from mpesa.models import Accepted, Account, Push, QueryAnswer, StkCallback
from mpesa.phones import BadPhone, PhoneProblem, mask, read_phone
from mpesa.results import AskAgain, Meaning, Result, look_up

__all__ = [
    "Accepted",
    "Account",
    "AskAgain",
    "BadCredentials",
    "BadPhone",
    "Daraja",
    "Meaning",
    "MpesaError",
    "NoAnswer",
    "NotSent",
    "OutcomeUnknown",
    "PhoneProblem",
    "Push",
    "QueryAnswer",
    "Refused",
    "Result",
    "StkCallback",
    "Throttled",
    "TooLate",
    "Unreachable",
    "Unreadable",
    "look_up",
    "mask",
    "open_daraja",
    "parse_callback",
    "read_phone",
]
