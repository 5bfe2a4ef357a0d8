"""Owns what Daraja's three addresses answer, faults included."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from mpesa.simulator import answers
from mpesa.simulator.answers import HttpAnswer, Refusal, invalid, json_answer
from mpesa.simulator.clock import Clock
from mpesa.simulator.faults import (
    CallbackFault,
    Endpoint,
    Fault,
    PendingAnswer,
    ReplyFault,
)
from mpesa.simulator.outcomes import PAID, PROCESSING, Outcome, outcome
from mpesa.simulator.pushes import PushOrder, PushRecord, check_merchant, peek, read_push
from mpesa.simulator.safaricom import Safaricom
from mpesa.simulator.settings import QueryRate


@dataclass(frozen=True)
class Incoming:
    """The parts of a POST that Daraja looks at."""

    authorization: str
    content_type: str
    body: bytes


class SpikeArrest:
    """The gateway's limit: so many in a period, refilled evenly, few at once."""

    def __init__(self, rate: QueryRate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._left = float(rate.burst)
        self._at = clock.now()

    def lets_through(self) -> bool:
        """Whether one more may pass now; one that may not is not counted."""
        now = self._clock.now()
        refill = (now - self._at).total_seconds() * self._rate.requests / self._rate.period_s
        self._left = min(float(self._rate.burst), self._left + refill)
        self._at = now
        # A refill of a whole request may come out a hair short in floating point.
        if self._left < 1 - 1e-9:
            return False
        self._left -= 1
        return True


class Endpoints:
    """Token, push and query, as Daraja answers them."""

    def __init__(self, safaricom: Safaricom) -> None:
        self._safaricom = safaricom
        self._settings = safaricom.settings
        self._clock = safaricom.clock
        rate = self._settings.query_rate
        self._query_limit = SpikeArrest(rate, self._clock) if rate is not None else None

    async def token(self, query: Mapping[str, str], authorization: str) -> HttpAnswer:
        """GET /oauth/v1/generate."""
        fault = self._safaricom.faults.take(Endpoint.TOKEN)
        refused = answers.before_the_work(fault.reply, self._request_id())
        if refused is not None:
            return await self._slowly(fault, refused)
        answer = self._safaricom.tokens.answer(query, authorization)
        return await self._slowly(fault, answers.after_the_work(fault.reply, answer))

    async def push(self, incoming: Incoming) -> HttpAnswer:
        """POST /mpesa/stkpush/v1/processrequest."""
        body = read_body(incoming)
        phone, amount_kes = ("", 0) if isinstance(body, Refusal) else peek(body)
        fault = self._safaricom.faults.take_for_push(phone, amount_kes)
        record = PushRecord(
            seen_at=self._clock.now(), phone=phone, amount_kes=amount_kes, fault=fault
        )
        self._safaricom.note_push(record)
        answer = self._decide_push(incoming, body, record)
        if record.accepted:
            if fault.callback is CallbackFault.BEFORE_REPLY:
                await record.told.wait()
            answer = answers.after_the_work(fault.reply, answer)
        record.answer = answer
        return await self._slowly(fault, answer)

    async def query(self, incoming: Incoming) -> HttpAnswer:
        """POST /mpesa/stkpushquery/v1/query."""
        fault = self._safaricom.faults.take(Endpoint.QUERY)
        answer = answers.before_the_work(fault.reply, self._request_id())
        if answer is None and self._query_limit and not self._query_limit.lets_through():
            rate = self._settings.query_rate or QueryRate()
            answer = answers.spike_arrest(rate.requests, rate.period_s, rate.burst)
        if answer is None:
            self._expire_token(fault)
            answer = self._decide_query(incoming, fault)
            answer = answers.after_the_work(fault.reply, answer)
        return await self._slowly(fault, answer)

    def _decide_push(
        self, incoming: Incoming, body: Mapping[str, object] | Refusal, record: PushRecord
    ) -> HttpAnswer:
        request_id = self._request_id()
        refused = answers.before_the_work(record.fault.reply, request_id)
        if refused is not None:
            return refused
        self._expire_token(record.fault)
        refusal = self._refuse_token(incoming, answers.PUSH_TOKEN_REFUSED)
        if refusal is not None:
            return refusal.answer(request_id)
        order = body if isinstance(body, Refusal) else read_push(body)
        if isinstance(order, Refusal):
            return order.answer(request_id)
        record.order = order
        refusal = check_merchant(
            self._settings,
            shortcode=order.shortcode,
            password=order.password,
            timestamp=order.timestamp,
            owner=self._safaricom.tokens.owner(incoming.authorization),
        )
        if refusal is None and self._safaricom.finds_line_busy(order.phone):
            refusal = answers.LINE_BUSY
        return refusal.answer(request_id) if refusal else self._accept(record, order)

    def _accept(self, record: PushRecord, order: PushOrder) -> HttpAnswer:
        self._safaricom.accept(record, order)
        return json_answer(
            {
                "MerchantRequestID": record.merchant_request_id,
                "CheckoutRequestID": record.checkout_request_id,
                "ResponseCode": "0",
                "ResponseDescription": "Success. Request accepted for processing",
                "CustomerMessage": "Success. Request accepted for processing",
            }
        )

    def _decide_query(self, incoming: Incoming, fault: Fault) -> HttpAnswer:
        request_id = self._request_id()
        refusal = self._refuse_token(incoming, answers.QUERY_TOKEN_REFUSED)
        if refusal is not None:
            return refusal.answer(request_id)
        body = read_body(incoming)
        if isinstance(body, Refusal):
            return body.answer(request_id)
        fields = {name: body.get(name) for name in ("Password", "Timestamp", "CheckoutRequestID")}
        for name, value in fields.items():
            if not isinstance(value, str) or not value:
                return invalid(name).answer(request_id)
        refusal = check_merchant(
            self._settings,
            shortcode=str(body.get("BusinessShortCode")),
            password=str(fields["Password"]),
            timestamp=str(fields["Timestamp"]),
            owner=self._safaricom.tokens.owner(incoming.authorization),
        )
        if refusal is not None:
            return refusal.answer(request_id)
        push = self._safaricom.find_push(str(fields["CheckoutRequestID"]))
        anothers = push is not None and (
            push.order is None or push.order.shortcode != body.get("BusinessShortCode")
        )
        if push is None or anothers:
            return invalid("CheckoutRequestID").answer(request_id)
        return self._say_state(push, fault, request_id)

    def _say_state(self, push: PushRecord, fault: Fault, request_id: str) -> HttpAnswer:
        flaps = fault.pending is not None and fault.pending is not PendingAnswer.ZERO
        if push.outcome is not None and not flaps:
            return _result(push, push.outcome)
        pending = fault.pending or push.fault.pending or self._settings.pending
        match pending:
            case PendingAnswer.PROCESSING:
                words = "The transaction is still under processing"
                return _result(push, Outcome(PROCESSING, words, words))
            case PendingAnswer.ERROR_500:
                return answers.BEING_PROCESSED.answer(request_id)
            case PendingAnswer.ERROR_200:
                return answers.NO_WORDS.answer(request_id)
            case PendingAnswer.INVALID_ID:
                return invalid("CheckoutRequestID").answer(request_id)
            case PendingAnswer.ZERO:
                return _result(push, outcome(PAID))
            case _ as never:
                assert_never(never)

    def _refuse_token(self, incoming: Incoming, wrong: Refusal) -> Refusal | None:
        if not incoming.authorization:
            return answers.NO_AUTHENTICATION
        return None if self._safaricom.tokens.accepts(incoming.authorization) else wrong

    def _expire_token(self, fault: Fault) -> None:
        if fault.reply is ReplyFault.TOKEN_EXPIRED:
            self._safaricom.tokens.expire()

    async def _slowly(self, fault: Fault, answer: HttpAnswer) -> HttpAnswer:
        if fault.slow_s > 0:
            await self._clock.sleep(fault.slow_s)
        return answer

    def _request_id(self) -> str:
        return self._safaricom.ids.request()


def read_body(incoming: Incoming) -> Mapping[str, object] | Refusal:
    """The JSON object of a request, or Safaricom's no.

    A form instead of JSON is refused as if the first field were missing: Daraja says so.
    """
    if incoming.content_type != "application/json":
        return invalid("BusinessShortCode")
    try:
        body = json.loads(incoming.body)
    except (ValueError, RecursionError):
        return answers.BAD_PAYLOAD
    return body if isinstance(body, dict) else answers.BAD_PAYLOAD


def _result(push: PushRecord, result: Outcome) -> HttpAnswer:
    return json_answer(
        {
            "ResponseCode": "0",
            "ResponseDescription": "The service request has been accepted successsfully",
            "MerchantRequestID": push.merchant_request_id,
            "CheckoutRequestID": push.checkout_request_id,
            "ResultCode": result.code,
            "ResultDesc": result.query_text,
        }
    )
