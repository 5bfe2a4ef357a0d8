"""Owns the control calls: JSON in and out, for whoever plays the people and Safaricom's faults."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal, assert_never
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mpesa.simulator.books import Row
from mpesa.simulator.callbacks import Delivery, Posted
from mpesa.simulator.faults import CallbackFault, Endpoint, Fault, PendingAnswer, ReplyFault
from mpesa.simulator.handsets import Behaviour, Handset
from mpesa.simulator.portal import Portal
from mpesa.simulator.pushes import PushRecord
from mpesa.simulator.safaricom import Safaricom

LATEST = 200
"""Pushes and deliveries listed in one answer."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PhoneChange(_Body):
    """What to change about a phone; what is left out stays."""

    behaviour: Behaviour | None = None
    result_code: str | None = Field(None, max_length=20)
    next_time: bool = False
    balance_kes: int | None = Field(None, ge=0, le=1_000_000_000)
    pin: str | None = Field(None, pattern=r"^[0-9]{4}$")


class PromptReply(_Body):
    """What the person does with the prompt."""

    action: Literal["pin", "cancel", "ignore"]
    pin: str = Field("", max_length=20)


class PaymentByHand(_Body):
    """A payment from the phone's own menu."""

    amount_kes: int = Field(ge=1, le=250_000)
    account_reference: str = Field(max_length=50)


class FaultBody(_Body):
    """A fault in JSON, field for field."""

    slow_s: float = Field(0.0, ge=0, le=3600)
    reply: ReplyFault | None = None
    callback: CallbackFault | None = None
    callback_late_s: float = Field(0.0, ge=0, le=7 * 86_400)
    pending: PendingAnswer | None = None

    def fault(self) -> Fault:
        """The fault meant."""
        return Fault(
            slow_s=self.slow_s,
            reply=self.reply,
            callback=self.callback,
            callback_late_s=self.callback_late_s,
            pending=self.pending,
        )


class FaultChange(_Body):
    """Which requests get a fault; `phone` and `amount_kes` concern pushes only."""

    when: Literal["next", "always", "phone", "amount"]
    fault: FaultBody
    endpoint: Endpoint = Endpoint.PUSH
    times: int = Field(1, ge=1, le=1000)
    phone: str = ""
    amount_kes: int = 0


class ReversalOrder(_Body):
    """A payment to reverse."""

    receipt: str


Call = Callable[[web.Request], Awaitable[dict[str, object]]]


class Control:
    """The control calls of one simulator."""

    def __init__(self, safaricom: Safaricom) -> None:
        self._safaricom = safaricom

    def routes(self) -> list[web.RouteDef]:
        """Every control address."""
        calls: list[tuple[str, str, Call]] = [
            ("GET", "/control/state", self._state),
            ("GET", "/control/statement", self._statement),
            ("GET", "/control/pushes", self._pushes),
            ("GET", "/control/deliveries", self._deliveries),
            ("GET", "/control/posts", self._posts),
            ("GET", "/control/certificate", self._certificate),
            ("PUT", "/control/phones/{phone}", self._change_phone),
            ("POST", "/control/phones/{phone}/answer", self._answer_prompt),
            ("POST", "/control/phones/{phone}/pay-by-hand", self._pay_by_hand),
            ("POST", "/control/faults", self._set_fault),
            ("DELETE", "/control/faults", self._clear_faults),
            ("POST", "/control/expire-token", self._expire_token),
            ("POST", "/control/return-test-money", self._return_test_money),
            ("POST", "/control/reverse", self._reverse),
        ]
        routes = [web.route(method, path, _as_json(call)) for method, path, call in calls]
        return [*routes, web.get("/control/portal.{kind:csv|xlsx}", self._portal)]

    async def _state(self, _: web.Request) -> dict[str, object]:
        books = self._safaricom.books
        return {
            "now": _time(self._safaricom.clock.now()),
            "business_name": self._safaricom.settings.business_name,
            "phones": [phone_json(handset) for handset in self._safaricom.phones],
            "pushes": len(self._safaricom.pushes),
            "total_cents": books.total_cents(),
        }

    async def _statement(self, request: web.Request) -> dict[str, object]:
        exclude = request.query.get("exclude_overnight_reversals", "").lower() in {"1", "true"}
        books = self._safaricom.books
        rows = books.statement(exclude_overnight_reversals=exclude)
        total_cents = books.total_cents(exclude_overnight_reversals=exclude)
        return {"rows": [row_json(row) for row in rows], "total_cents": total_cents}

    async def _pushes(self, _: web.Request) -> dict[str, object]:
        return {"pushes": [push_json(push) for push in self._safaricom.pushes[-LATEST:]]}

    async def _deliveries(self, _: web.Request) -> dict[str, object]:
        latest = self._safaricom.deliveries[-LATEST:]
        return {"deliveries": [delivery_json(delivery) for delivery in latest]}

    async def _change_phone(self, request: web.Request) -> dict[str, object]:
        change = PhoneChange.model_validate_json(await request.read())
        handset = self._safaricom.phone(request.match_info["phone"])
        if change.behaviour is None and change.result_code is not None:
            raise ValueError("a result code goes with a behaviour")
        if change.behaviour is not None and change.next_time:
            handset.next_time(change.behaviour, result_code=change.result_code)
        elif change.behaviour is not None:
            handset.behave(change.behaviour, result_code=change.result_code)
        if change.balance_kes is not None:
            handset.set_balance(change.balance_kes)
        if change.pin is not None:
            handset.set_pin(change.pin)
        return phone_json(handset)

    async def _answer_prompt(self, request: web.Request) -> dict[str, object]:
        reply = PromptReply.model_validate_json(await request.read())
        handset = self._safaricom.phone(request.match_info["phone"])
        match reply.action:
            case "pin":
                answered = handset.enter_pin(reply.pin)
            case "cancel":
                answered = handset.cancel()
            case "ignore":
                answered = handset.ignore()
            case _ as never:
                assert_never(never)
        return {"answered": answered}

    async def _pay_by_hand(self, request: web.Request) -> dict[str, object]:
        payment = PaymentByHand.model_validate_json(await request.read())
        row = await self._safaricom.pay_by_hand_if_valid(
            request.match_info["phone"], payment.amount_kes, payment.account_reference
        )
        return {"row": None if row is None else row_json(row)}

    async def _portal(self, request: web.Request) -> web.StreamResponse:
        if not _from_here(request):
            return web.json_response({"error": "asked by a page of another site"}, status=403)
        export = Portal(self._safaricom.books, self._safaricom.settings).export(
            until=self._safaricom.clock.now()
        )
        as_csv = request.match_info["kind"] == "csv"
        return web.Response(
            body=export.csv() if as_csv else export.xlsx(),
            content_type="text/csv" if as_csv else "application/vnd.ms-excel",
            headers={"Content-Disposition": f'attachment; filename="{export.name}"'},
        )

    async def _certificate(self, _: web.Request) -> dict[str, object]:
        return {"certificate": self._safaricom.org.certificate.decode()}

    async def _posts(self, _: web.Request) -> dict[str, object]:
        return {"posts": [post_json(post) for post in self._safaricom.posts[-LATEST:]]}

    async def _set_fault(self, request: web.Request) -> dict[str, object]:
        change = FaultChange.model_validate_json(await request.read())
        faults, fault = self._safaricom.faults, change.fault.fault()
        match change.when:
            case "next":
                faults.next(change.endpoint, fault, times=change.times)
            case "always":
                faults.always(change.endpoint, fault)
            case "phone":
                faults.for_phone(self._safaricom.phone(change.phone).phone, fault)
            case "amount":
                faults.for_amount(change.amount_kes, fault)
            case _ as never:
                assert_never(never)
        return {}

    async def _clear_faults(self, _: web.Request) -> dict[str, object]:
        self._safaricom.faults.clear()
        return {}

    async def _expire_token(self, _: web.Request) -> dict[str, object]:
        self._safaricom.tokens.expire()
        return {}

    async def _return_test_money(self, _: web.Request) -> dict[str, object]:
        return {"rows": [row_json(row) for row in self._safaricom.return_test_money()]}

    async def _reverse(self, request: web.Request) -> dict[str, object]:
        order = ReversalOrder.model_validate_json(await request.read())
        row = self._safaricom.reverse(order.receipt)
        return {"row": None if row is None else row_json(row)}


def phone_json(handset: Handset) -> dict[str, object]:
    """A phone as the control calls show it, with its prompt and inbox."""
    prompt = handset.prompt
    shown = None
    if prompt is not None and not prompt.answer.done():
        shown = {
            "checkout_request_id": prompt.checkout_request_id,
            "text": prompt.text,
            "amount_kes": prompt.amount_kes,
            "shown_at": _time(prompt.shown_at),
            "closes_at": _time(prompt.closes_at),
        }
    return {
        "phone": handset.phone,
        "behaviour": handset.behaviour,
        "balance_kes": handset.balance_kes,
        "prompt": shown,
        "uncompleted": handset.uncompleted,
        "blocked_until": _time(handset.blocked_until),
        "inbox": [{"at": _time(sms.at), "text": sms.text} for sms in handset.inbox],
    }


def row_json(row: Row) -> dict[str, object]:
    """A row of the statement as the control calls show it."""
    return {
        "receipt": row.receipt,
        "completed_at": _time(row.completed_at),
        "kind": row.kind,
        "phone": row.phone,
        "amount_cents": row.amount_cents,
        "account_reference": row.account_reference,
        "merchant_request_id": row.merchant_request_id,
        "checkout_request_id": row.checkout_request_id,
        "reason": row.reason,
        "linked_receipt": row.linked_receipt,
    }


def push_json(push: PushRecord) -> dict[str, object]:
    """A push request as the control calls show it."""
    return {
        "seen_at": _time(push.seen_at),
        "phone": push.phone,
        "amount_kes": push.amount_kes,
        "account_reference": push.order.account_reference if push.order else None,
        "accepted": push.accepted,
        "checkout_request_id": push.checkout_request_id,
        "result_code": push.outcome.code if push.outcome else None,
        "decided_at": _time(push.decided_at),
    }


def delivery_json(delivery: Delivery) -> dict[str, object]:
    """A callback's delivery as the control calls show it."""
    return {
        "at": _time(delivery.at),
        "checkout_request_id": delivery.checkout_request_id,
        "url": delivery.url,
        "body": delivery.body,
        "http_status": delivery.http_status,
        "error": delivery.error,
    }


def post_json(post: Posted) -> dict[str, object]:
    """A result or confirmation that was posted, as the control calls show it."""
    return {
        "at": _time(post.at),
        "about": post.about,
        "url": post.url,
        "body": post.body,
        "http_status": post.http_status,
        "error": post.error,
    }


def _as_json(call: Call) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        if not _from_here(request):
            return web.json_response({"error": "asked by a page of another site"}, status=403)
        try:
            return web.json_response(await call(request))
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            return web.json_response({"error": f"{where}: {first['msg']}"}, status=400)
        except ValueError as problem:
            return web.json_response({"error": str(problem)}, status=400)

    return handle


def _from_here(request: web.Request) -> bool:
    # A web page anywhere can make a browser post to loopback; a browser then names the page.
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
