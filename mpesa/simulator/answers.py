"""Owns the bodies of Daraja's replies: its errors, the gateway's, and the firewall's page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mpesa.simulator.faults import ReplyFault

_FIREWALL_PAGE = """<html style="height:100%"><head><META NAME="ROBOTS" CONTENT="NOINDEX, NOFOLLOW">
</head><body style="margin:0px;height:100%"><iframe id="main-iframe" width="100%" height="100%">
Request unsuccessful. Incapsula incident ID: 532000210192-12345</iframe></body></html>
"""


@dataclass(frozen=True)
class HttpAnswer:
    """One HTTP reply; `drop` closes the connection instead of sending anything."""

    status: int
    text: str = ""
    content_type: str = "application/json"
    drop: bool = False


@dataclass(frozen=True)
class Refusal:
    """Safaricom's no: its HTTP status, its errorCode, and its words."""

    status: int
    code: str
    words: str

    def answer(self, request_id: str) -> HttpAnswer:
        """The refusal in Safaricom's envelope."""
        return json_answer(
            {"requestId": request_id, "errorCode": self.code, "errorMessage": self.words},
            status=self.status,
        )


DROPPED = HttpAnswer(0, drop=True)
MERCHANT_UNKNOWN = Refusal(500, "500.001.1001", "Merchant does not exist")
WRONG_CREDENTIALS = Refusal(500, "500.001.1001", "Wrong credentials")
LINE_BUSY = Refusal(
    500,
    "500.001.1001",
    "Unable to lock subscriber, a transaction is already in process for the current subscriber",
)
BEING_PROCESSED = Refusal(500, "500.001.1001", "The transaction is being processed")
NO_WORDS = Refusal(200, "500.001.1001", "")
PUSH_TOKEN_REFUSED = Refusal(404, "404.001.03", "Invalid Access Token")
QUERY_TOKEN_REFUSED = Refusal(400, "400.003.01", "Invalid Access Token")
NO_AUTHENTICATION = Refusal(404, "404.001.04", "Invalid Authentication Header")
BAD_PAYLOAD = Refusal(400, "400.002.05", "Invalid Request Payload")
METHOD_NOT_ALLOWED = Refusal(405, "405.001", "Method Not Allowed")
BASIC_WANTED = Refusal(400, "400.008.01", "Invalid Authentication passed")
GRANT_WANTED = Refusal(400, "400.008.02", "Invalid grant type passed")


def invalid(field: str) -> Refusal:
    """The refusal of one field."""
    return Refusal(400, "400.002.02", f"Bad Request - Invalid {field}")


def json_answer(body: Mapping[str, object], *, status: int = 200) -> HttpAnswer:
    """A JSON reply."""
    return HttpAnswer(status, json.dumps(body))


def gateway_fault(status: int, words: str, code: str) -> HttpAnswer:
    """A fault of the gateway (Apigee), which has an envelope of its own."""
    return json_answer(
        {"fault": {"faultstring": words, "detail": {"errorcode": code}}}, status=status
    )


def spike_arrest(requests: int = 5, period_s: float = 60.0, burst: int = 1) -> HttpAnswer:
    """The gateway's 429."""
    rate = (
        f"MessageRate{{messagesPerPeriod={requests}, "
        f"periodInMicroseconds={int(period_s * 1_000_000)}, maxBurstMessageCount={float(burst)}}}"
    )
    return gateway_fault(
        429,
        f"Spike arrest violation. Allowed rate : {rate}",
        "policies.ratelimit.SpikeArrestViolation",
    )


def unknown_path(path: str) -> HttpAnswer:
    """The gateway's 404 for an address that is none of Daraja's."""
    return gateway_fault(
        404,
        f"Unable to identify proxy for host: default and url: {path}",
        "messaging.adaptors.http.flow.ApplicationNotFound",
    )


def before_the_work(reply: ReplyFault | None, request_id: str) -> HttpAnswer | None:
    """The reply of a fault that refuses the request before anything is done, if it is one."""
    match reply:
        case ReplyFault.THROTTLED:
            return spike_arrest()
        case ReplyFault.BUSY:
            words = "System is busy. Please try again in few minutes."
            return Refusal(500, "500.003.02", words).answer(request_id)
        case ReplyFault.SPIKE_ARREST:
            words = "Error Occurred: Spike Arrest Violation"
            return Refusal(500, "500.003.02", words).answer(request_id)
        case ReplyFault.QUOTA:
            return Refusal(500, "500.003.03", "Quota Violation").answer(request_id)
        case ReplyFault.HTML_503:
            return HttpAnswer(503, _FIREWALL_PAGE, content_type="text/html")
        case ReplyFault.HUNG_UP:
            return DROPPED
        case _:
            return None


def after_the_work(reply: ReplyFault | None, answer: HttpAnswer) -> HttpAnswer:
    """What the caller gets in place of the true answer, once the work is done."""
    match reply:
        case ReplyFault.LOST:
            return DROPPED
        case ReplyFault.SERVER_ERROR:
            return gateway_fault(
                504, "Gateway Timeout", "messaging.adaptors.http.flow.GatewayTimeout"
            )
        case ReplyFault.UNREADABLE:
            return HttpAnswer(200, answer.text[: len(answer.text) // 2])
        case ReplyFault.WITHOUT_IDS:
            return json_answer({"ResponseCode": "0", "ResponseDescription": "Success"})
        case _:
            return answer
