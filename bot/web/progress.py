"""Progress: `GET /d/<code>/p/<address>`, what becomes of a prompt that was asked for on a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, assert_never

from aiohttp import web

from bot.core.attempts import PAID_MEANWHILE, Beside, of_others
from bot.core.outcomes import Outcome, may_have_timed_out, outcome_of
from bot.core.restored import RESTORED
from bot.texts import money
from bot.web.callbacks import not_found
from bot.web.live import Scene
from bot.web.rendering import Reader
from bot.web.site import Site
from storage.records import NOBODY, Payment, PaymentView, Status, Word

__all__ = ["Progress", "Sentence", "sentences"]

PURPOSE = "page-progress"
GOOD_FOR = timedelta(hours=2)
_ADDRESS = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{1,16})\.([0-9a-f]{32})")

ON_PAGE: Mapping[str, str] = MappingProxyType(
    {
        "below-minimum": "declined.page.below-minimum",
        "not-registered": "declined.page.not-registered",
        "bad-phone": "declined.page.bad-phone",
        "bad-amount": "declined.page.bad-amount",
        "sandbox-refused": "declined.page.sandbox-refused",
    }
)
"""Reasons whose words in the chat name a command."""

SAID = frozenset(
    {
        *("no-balance", "above-maximum", "daily-limit", "merchant-full", "account-inactive"),
        *("same-amount-too-soon", "busy", "line-busy", "expired", "prompt-failed", "cancelled"),
        *("no-answer", "wrong-pin", "pin-locked", "misconfigured", "auth-failed", "duplicate"),
    }
)
"""Reasons that a page says in the chat's own words."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the catalogue, and what it is filled with besides the payment's own values."""

    key: str
    values: Mapping[str, Any]


def _say(key: str, **values: Any) -> Sentence:
    return Sentence(key, values)


class Progress:
    """The page about one payment, for whoever asked for it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def address(self, page: str, payment_id: str) -> str:
        """Where its progress is shown, for two hours; nobody can guess another's."""
        until = f"{int((self._site.clock.now() + GOOD_FOR).timestamp()):x}"
        mac = self._site.signer.sign(PURPOSE, f"{page}\0{payment_id}\0{until}")
        return f"{page}/p/{payment_id}.{until}.{mac}"

    async def get(self, request: web.Request) -> web.StreamResponse:
        reader = Reader.of(request)
        known = self._payment_id(request)
        if known is None:
            return not_found()
        payment_id, over = known
        if over:
            return self._site.problem(reader, "page.status.over", status=410, again=_page(request))
        view = await self._view(payment_id)
        if view is None:
            return not_found()
        return self._site.press.page("status.html", reader, **self._values(request, view, reader))

    async def live(self, request: web.Request) -> web.StreamResponse:
        known = self._payment_id(request)
        if known is None or known[1]:
            return not_found()
        payment_id, _ = known
        reader = Reader.of(request, path=request.path.removesuffix("/live"))

        async def load() -> Scene | None:
            view = await self._view(payment_id)
            return None if view is None else Scene(view, over=view.payment.status is Status.PAID)

        with self._site.seats.seat(self._site.address(request)):
            if await self._view(payment_id) is None:
                return not_found()
        return await self._site.live.show(
            request,
            address=self._site.address(request),
            key=f"p:{payment_id}",
            load=load,
            draw=lambda view: {
                "live": self._site.press.fragment(
                    "status_live.html", reader, **self._values(request, view, reader)
                )
            },
            look=f"{reader.language}{reader.chosen}",
        )

    async def _view(self, payment_id: str) -> PaymentView | None:
        """The payment, if it was asked for on a page."""
        async with self._site.reads.turn():
            view = await self._site.books.view(payment_id)
        return None if view is None or view.intent.asked_by != NOBODY else view

    def _payment_id(self, request: web.Request) -> tuple[str, bool] | None:
        """Whose address this is, and whether its time is over; None if we never gave it out."""
        shape = _ADDRESS.fullmatch(request.match_info["address"])
        if shape is None:
            return None
        payment_id, until, mac = shape.groups()
        if not self._site.signer.signed(PURPOSE, f"{_page(request)}\0{payment_id}\0{until}", mac):
            return None
        return payment_id, int(until, 16) < self._site.clock.now().timestamp()

    def _values(self, request: web.Request, view: PaymentView, reader: Reader) -> dict[str, Any]:
        payment = view.payment
        collector = self._site.collector_of(payment.account)
        common = {
            "account": payment.push_ref,
            "amount": money(payment.amount_kes * 100),
            "collector": collector.name,
            "phone": payment.phone_mask,
        }
        outcome = outcome_of(payment.status)
        return {
            "sentences": [
                (each.key, {**common, **self._filled(each.values, reader)})
                for each in sentences(view, till=collector.kind == "till")
            ],
            "waiting": outcome in (Outcome.WAITING, Outcome.CHECKING, Outcome.UNKNOWN),
            "unpaid": outcome is Outcome.UNPAID and of_others(view) is not Beside.COUNTS,
            "paid": outcome is Outcome.PAID,
            "collector": collector,
            "back": _page(request),
        }

    def _filled(self, values: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
        """The values as the reader's language says them."""
        texts, said = self._site.press.texts, dict(values)
        if "when" in said:
            said["when"] = texts.when(reader.language, said["when"])
        if "until" in said:
            said["until"] = texts.until(reader.language, said["until"], now=self._site.clock.now())
        if "receipt" in said:
            said["receipt"] = said["receipt"] or texts.say(reader.language, "code-to-follow")
        return said


def _page(request: web.Request) -> str:
    """The page whose form asked for it."""
    return request.path.partition("/p/")[0]


def sentences(view: PaymentView, *, till: bool) -> list[Sentence]:
    """What the page says, as truthful as the chat: masks only, no whole receipt."""
    payment = view.payment
    match payment.status:
        case Status.CREATED | Status.ASKING:
            return [_say("status.sending")]
        case Status.PROMPTED | Status.UNSURE:
            return _waiting(view, till=till)
        case Status.CONFIRMING:
            return [_say("status.confirming")]
        case Status.REVIEW:
            return [_say("status.review"), _say("claim.look")]
        case Status.LAPSED:
            if of_others(view) is Beside.COUNTS:
                return [_say("status.another-counts")]
            return [_say("status.lapsed"), _say("claim.look")]
        case Status.PAID:
            return _paid(payment)
        case Status.DECLINED | Status.REFUSED | Status.VOID:
            return _not_paid(view)
        case unreachable:
            assert_never(unreachable)


def _waiting(view: PaymentView, *, till: bool) -> list[Sentence]:
    payment = view.payment
    if of_others(view) is Beside.COUNTS:
        return [_say("status.another-counts")]
    if payment.pending_at is not None:
        return [_say("status.unknown"), _say("claim.look")]
    if payment.not_yet > 0 or payment.unanswered > 0:
        return [_say("status.checking")]
    if payment.status is Status.UNSURE:
        return [_say("status.unsure")]
    return [_say("page.status.prompted-till" if till else "page.status.prompted")]


def _paid(payment: Payment) -> list[Sentence]:
    asked, credited = payment.amount_kes * 100, payment.credited_cents or 0
    arrived = {
        "amount": money(credited + payment.reversed_cents),
        "receipt": payment.receipt and f"{payment.receipt[:3]}…{payment.receipt[-3:]}",
        "when": payment.paid_at or payment.decided_at or payment.created_at,
    }
    if Word.REVERSED in payment.words:
        back, left = money(payment.reversed_cents), money(credited)
        key = "paid.partly-reversed" if credited else "paid.reversed"
        return [_say(key, **arrived, back=back, left=left)]
    said = [_say("paid.group", **arrived)]
    if Word.LATE in payment.words:
        said.append(_say("paid.late"))
    if Word.OTHER_AMOUNT in payment.words:
        key = "paid.more" if credited > asked else "paid.less"
        said.append(_say(key, arrived=money(credited), difference=money(abs(credited - asked))))
    if Word.TWICE in payment.words:
        said.append(_say("paid.twice"))
    if Word.CONTRADICTED in payment.words:
        said.append(_say("paid.contradicted"))
    return said


def _not_paid(view: PaymentView) -> list[Sentence]:
    payment = view.payment
    said = [_say("not-paid.private", icon="✖️"), _say(_reason(view))]
    if Word.CONTRADICTED in payment.words:
        said.append(_say("not-paid.contradicted"))
    if view.paused_until is not None and of_others(view) is not Beside.COUNTS:
        said.append(_say("streak.paused", until=view.paused_until))
    return said


def _reason(view: PaymentView) -> str:
    payment = view.payment
    if (other := of_others(view)) is not Beside.NOTHING:
        return f"not-paid.another-{other}"
    reason = payment.reason or ""
    if payment.status is Status.VOID:
        known = ("too-late", "unreachable", "bad-credentials", RESTORED, PAID_MEANWHILE)
        return f"void.{reason}" if reason in known else "void.page.operator"
    if reason == "cancelled" and may_have_timed_out(payment):
        return "declined.cancelled-or-timed-out"
    return ON_PAGE.get(reason, f"declined.{reason}" if reason in SAID else "declined.unlisted")
