"""Owns what Daraja's addresses for the organisation answer, faults included."""

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from mpesa.simulator import answers
from mpesa.simulator.answers import HttpAnswer, Refusal, invalid, json_answer
from mpesa.simulator.clock import EAT
from mpesa.simulator.endpoints import Incoming, read_body
from mpesa.simulator.faults import Endpoint, Fault, ReplyFault
from mpesa.simulator.org import Order, pulled_json
from mpesa.simulator.safaricom import Safaricom

_REFUSED_WORDS = ("mpesa", "m-pesa", "safaricom", "exe", "exec", "cmd", "sql", "query")
_URL = re.compile(r"https?://[!-;=?-~]+")
_MOMENT = "%Y-%m-%d %H:%M:%S"
_TOKEN_REFUSED = {
    Endpoint.STATUS: Refusal(400, "400.003.01", "Invalid Access Token"),
    Endpoint.REVERSAL: Refusal(404, "404.001.03", "Invalid Access Token"),
    Endpoint.REGISTER: Refusal(400, "400.003.01", "Invalid Access Token"),
    Endpoint.PULL: Refusal(401, "401.001", "Invalid Access Token"),
}
_REGISTERED = Refusal(500, "500.003.1001", "Urls are already registered")
_OTHER_VERSION = Refusal(
    401,
    "401.003.01",
    "Error Occurred - Invalid Access Token - Invalid API call as no apiproduct match found",
)


class OrgEndpoints:
    """Status, reversal, addresses and lists, as Daraja answers them."""

    def __init__(self, safaricom: Safaricom) -> None:
        self._safaricom = safaricom
        self._settings = safaricom.settings

    async def status(self, incoming: Incoming) -> HttpAnswer:
        """POST /mpesa/transactionstatus/v1/query."""
        return await self._answer(Endpoint.STATUS, incoming)

    async def reversal(self, incoming: Incoming) -> HttpAnswer:
        """POST /mpesa/reversal/v1/request."""
        return await self._answer(Endpoint.REVERSAL, incoming)

    async def register(self, incoming: Incoming, *, version: str) -> HttpAnswer:
        """POST /mpesa/c2b/v1/registerurl, or v2."""
        return await self._answer(Endpoint.REGISTER, incoming, version=version)

    async def register_pull(self, incoming: Incoming) -> HttpAnswer:
        """POST /pulltransactions/v1/register."""
        return await self._answer(Endpoint.PULL, incoming, version="register")

    async def pull(self, incoming: Incoming) -> HttpAnswer:
        """POST /pulltransactions/v1/query."""
        return await self._answer(Endpoint.PULL, incoming)

    async def _answer(
        self, endpoint: Endpoint, incoming: Incoming, *, version: str = ""
    ) -> HttpAnswer:
        fault = self._safaricom.faults.take(endpoint)
        request_id = self._safaricom.ids.request()
        answer = answers.before_the_work(fault.reply, request_id)
        if answer is None:
            if fault.reply is ReplyFault.TOKEN_EXPIRED:
                self._safaricom.tokens.expire()
            found = self._decide(endpoint, incoming, fault, version)
            answer = found.answer(request_id) if isinstance(found, Refusal) else found
            answer = answers.after_the_work(fault.reply, answer)
        if fault.slow_s > 0:
            await self._safaricom.clock.sleep(fault.slow_s)
        return answer

    def _decide(
        self, endpoint: Endpoint, incoming: Incoming, fault: Fault, version: str
    ) -> HttpAnswer | Refusal:
        if not incoming.authorization:
            return answers.NO_AUTHENTICATION
        if not self._safaricom.tokens.accepts(incoming.authorization):
            return _TOKEN_REFUSED[endpoint]
        body = read_body(incoming)
        if isinstance(body, Refusal):
            return body
        match endpoint, version:
            case Endpoint.REGISTER, _:
                return self._register(body, version)
            case Endpoint.PULL, "register":
                return self._register_pull(body)
            case Endpoint.PULL, _:
                return self._pull(body)
            case _:
                return self._take(endpoint, body, fault)

    def _take(
        self, endpoint: Endpoint, body: Mapping[str, object], fault: Fault
    ) -> HttpAnswer | Refusal:
        reversal = endpoint is Endpoint.REVERSAL
        command = "TransactionReversal" if reversal else "TransactionStatusQuery"
        if body.get("CommandID") != command:
            return invalid("CommandID")
        receipt = body.get("TransactionID")
        if not isinstance(receipt, str) or not receipt:
            return invalid("TransactionID")
        party, kind = (
            ("ReceiverParty", "RecieverIdentifierType")
            if reversal
            else (
                "PartyA",
                "IdentifierType",
            )
        )
        if str(body.get(party)) != self._settings.party_b:
            return invalid(party)
        till = self._settings.transaction_type == "till"
        if str(body.get(kind)) != ("11" if reversal else "2" if till else "4"):
            return invalid(kind)
        for name in ("ResultURL", "QueueTimeOutURL"):
            if not _is_url(body.get(name)):
                return invalid(name)
        remarks = body.get("Remarks")
        if not isinstance(remarks, str) or not 2 <= len(remarks) <= 100:
            return invalid("Remarks")
        amount = str(body.get("Amount", "0"))
        if not amount.isdecimal():
            return invalid("Amount")
        authentic = self._safaricom.org.is_initiator(
            body.get("Initiator"), body.get("SecurityCredential")
        )
        order = Order(
            kind=endpoint,
            receipt=receipt,
            amount_kes=int(amount),
            result_url=str(body["ResultURL"]),
            timeout_url=str(body["QueueTimeOutURL"]),
            originator_conversation_id=self._safaricom.ids.request(),
            conversation_id=self._safaricom.ids.conversation(self._safaricom.clock.now()),
            authentic=authentic,
        )
        self._safaricom.org.take(order, fault)
        return json_answer(
            {
                "OriginatorConversationID": order.originator_conversation_id,
                "ConversationID": order.conversation_id,
                "ResponseCode": "0",
                "ResponseDescription": "Accept the service request successfully.",
            }
        )

    def _register(self, body: Mapping[str, object], version: str) -> HttpAnswer | Refusal:
        if version != self._settings.c2b:
            return _OTHER_VERSION
        if str(body.get("ShortCode")) != self._settings.shortcode:
            return invalid("ShortCode")
        if body.get("ResponseType") not in ("Completed", "Cancelled"):
            return invalid("ResponseType")
        for name in ("ConfirmationURL", "ValidationURL"):
            if not _is_url(body.get(name)):
                return invalid(name)
            words = [word for word in _REFUSED_WORDS if word in str(body[name]).lower()]
            if words:
                return Refusal(400, "400.003.02", f"Bad Request - URL has the word {words[0]}")
        org = self._safaricom.org
        if org.confirmation_url is not None and self._settings.c2b_registers_once:
            return _REGISTERED
        org.confirmation_url = str(body["ConfirmationURL"])
        org.validation_url = str(body["ValidationURL"])
        # The misspelling is Safaricom's; so is the missing ResponseCode of the older form.
        return json_answer(
            {
                "OriginatorCoversationID": self._safaricom.ids.request(),
                "ResponseCode": "0",
                "ResponseDescription": "success",
            }
        )

    def _register_pull(self, body: Mapping[str, object]) -> HttpAnswer | Refusal:
        if str(body.get("ShortCode")) != self._settings.shortcode:
            return invalid("ShortCode")
        if body.get("RequestType") != "Pull":
            return invalid("RequestType")
        if not str(body.get("NominatedNumber", "")).isdecimal():
            return invalid("NominatedNumber")
        if not _is_url(body.get("CallBackURL")):
            return invalid("CallBackURL")
        self._safaricom.org.pull_registered = True
        return json_answer(
            {
                "ResponseRefID": self._safaricom.ids.request(),
                "ResponseCode": "1000",
                "ResponseDescription": "ShortCode Registered Successfully",
            }
        )

    def _pull(self, body: Mapping[str, object]) -> HttpAnswer | Refusal:
        shortcode = str(body.get("ShortCode"))
        if shortcode != self._settings.shortcode or not self._safaricom.org.pull_registered:
            return invalid("ShortCode")
        moments = [_moment(body.get(name)) for name in ("StartDate", "EndDate")]
        if moments[0] is None:
            return invalid("StartDate")
        if moments[1] is None:
            return invalid("EndDate")
        offset = str(body.get("OffSetValue", ""))
        if not offset.isdecimal():
            return invalid("OffSetValue")
        rows = self._safaricom.org.pulled(moments[0], moments[1], int(offset))
        ref = self._safaricom.ids.request()
        return json_answer(pulled_json(rows, self._settings.business_name, ref))


def _moment(written: object) -> datetime | None:
    try:
        return datetime.strptime(str(written), _MOMENT).replace(tzinfo=EAT)
    except ValueError:
        return None


def _is_url(value: object) -> bool:
    if not isinstance(value, str) or not _URL.fullmatch(value):
        return False
    try:
        return bool(urlsplit(value).hostname)
    except ValueError:
        return False
