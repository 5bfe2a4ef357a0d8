"""Outside: what `lipabot doctor` asks of the world: Telegram, Safaricom, and our own address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, assert_never
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from bot.commands.findings import Finding, Patient
from bot.commands.inside import crypt_of, passing_crypt
from bot.config_checks import host_of, is_loopback
from bot.config_keys import Mpesa, MpesaAccount
from bot.core.reach import Reached
from bot.core.skew import SKEW_BAD_S
from bot.web.probe import PROBE_PREFIX, ProbeDoor, Signer, probe
from mpesa.client import open_daraja
from mpesa.errors import BadCredentials, MpesaError
from mpesa.models import Account, Push
from mpesa.transport import read_date

__all__ = ["outside", "push_one_shilling"]

WITHIN_S = 10.0
NO_PAYMENT = "/c/doctor"
"""An address of ours that belongs to no payment: what is posted there changes nothing."""


async def outside(patient: Patient) -> AsyncIterator[Finding]:
    """In the order in which one would mend it."""
    timeout = aiohttp.ClientTimeout(total=WITHIN_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        for check in (_telegram, _daraja, _clock, _callbacks):
            for found in await check(patient, http):
                yield found


async def _telegram(patient: Patient, http: aiohttp.ClientSession) -> list[Finding]:
    telegram = patient.config.telegram
    base = f"{telegram.api_url}/bot{telegram.token.get_secret_value()}"
    try:
        me = await _result(http, f"{base}/getMe")
        hook = None if me is None else await _result(http, f"{base}/getWebhookInfo")
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        return [
            Finding(
                False,
                f"Telegram cannot be reached at {telegram.api_url} ({type(exc).__name__})",
                "let this machine make connections to it, or mend telegram.api_url",
            )
        ]
    if me is None:
        return [
            Finding(
                False,
                "Telegram does not know telegram.token",
                "copy it whole from @BotFather: /mybots, your bot, API Token",
            )
        ]
    return [
        Finding(True, f"Telegram knows the bot as @{me.get('username')}"),
        _privacy(me),
        _webhook(patient, str((hook or {}).get("url") or "")),
    ]


async def _result(http: aiohttp.ClientSession, url: str) -> dict[str, Any] | None:
    """What Telegram answers, or None where it does not know the token."""
    async with http.get(url) as answer:
        if answer.status in {401, 404}:
            return None
        body = await answer.json()
        if not body.get("ok"):
            raise ValueError("refused")
        found: dict[str, Any] = body["result"]
        return found


def _privacy(me: dict[str, Any]) -> Finding:
    if me.get("can_read_all_group_messages"):
        return Finding(
            False,
            "privacy mode is off: the bot is sent everything that groups say",
            "@BotFather: /setprivacy, your bot, Enable; then take it out of its groups and add "
            "it again",
        )
    return Finding(True, "privacy mode is on: in groups the bot sees only what is meant for it")


def _webhook(patient: Patient, url: str) -> Finding:
    polling = patient.config.telegram.mode == "polling"
    if polling and url:
        return Finding(
            False,
            "a webhook is set, and telegram.mode is polling: nobody would get the updates",
            f'if that webhook ({host_of(url)}) is yours, set telegram.mode = "webhook"; if not, '
            "another program uses this token: stop it, or make a new token at @BotFather. The "
            "next `lipabot run` in polling mode removes the webhook",
        )
    ours = f"{patient.config.webhook.public_url.rstrip('/')}/telegram"
    if not polling and url not in {"", ours}:
        return Finding(
            False,
            f"Telegram sends the updates to {host_of(url)}, which is not webhook.public_url",
            "stop the other program; the next `lipabot run` sets the webhook anew",
        )
    return Finding(True, f"updates come by {patient.config.telegram.mode}")


async def _daraja(patient: Patient, _http: aiohttp.ClientSession) -> list[Finding]:
    """A token for the keys of each account; the keys are all that can be tried in silence."""
    mpesa = patient.config.mpesa
    found = [await _token(patient, mpesa, "mpesa.consumer_key and mpesa.consumer_secret")]
    for account in mpesa.accounts:
        keys = f"consumer_key and consumer_secret of [[mpesa.accounts]] {account.name!r}"
        found.append(await _token(patient, account, keys))
    return found


async def _token(patient: Patient, account: Mpesa | MpesaAccount, keys: str) -> Finding:
    base_url = patient.config.mpesa.base_url
    try:
        async with _open(patient, account) as daraja:
            await daraja.ready()
    except BadCredentials:
        return Finding(
            False,
            f"Safaricom does not accept {keys}",
            "copy both from your app at developer.safaricom.co.ke, and see that they are of "
            f"the same kind (sandbox or production) as mpesa.base_url ({base_url})",
        )
    except MpesaError as exc:
        return Finding(
            False,
            f"Safaricom cannot be reached at {base_url} ({type(exc).__name__})",
            "let this machine make connections to it, or mend mpesa.base_url",
        )
    if isinstance(account, MpesaAccount):
        return Finding(True, f"Safaricom gives a token for the keys of {account.name!r}")
    return Finding(True, "Safaricom gives a token for these keys")


def _open(patient: Patient, account: Mpesa | MpesaAccount) -> Any:
    return open_daraja(
        base_url=patient.config.mpesa.base_url,
        consumer_key=account.consumer_key,
        consumer_secret=account.consumer_secret,
        account=Account(
            shortcode=account.shortcode,
            passkey=account.passkey,
            transaction_type=account.transaction_type,
            till_number=account.till_number,
        ),
        now=patient.now,
    )


async def push_one_shilling(patient: Patient, phone: str) -> Finding:
    """Ask *phone* (2547…) for KES 1: the only way to learn whether the passkey is right."""
    push = Push(
        phone=phone,
        amount_kes=1,
        reference="DOCTOR",
        description="Test",
        callback_url=f"{patient.config.webhook.public_url.rstrip('/')}{NO_PAYMENT}",
    )
    try:
        async with _open(patient, patient.config.mpesa) as daraja:
            await daraja.ready()
            await daraja.push(push, leave_within_s=WITHIN_S)
    except MpesaError as exc:
        return Finding(
            False,
            f"Safaricom did not take the push: {exc}",
            "if it speaks of credentials or of a password, mpesa.passkey does not belong to "
            "mpesa.shortcode: both are on the page of your app, and in production in the mail "
            "that said you are live",
        )
    return Finding(True, "Safaricom took a push of KES 1: passkey and shortcode belong together")


async def _clock(patient: Patient, http: aiohttp.ClientSession) -> list[Finding]:
    try:
        async with http.get(patient.config.mpesa.base_url) as answer:
            theirs = read_date(answer.headers.get("Date", ""))
    except (aiohttp.ClientError, TimeoutError):
        return []  # that it cannot be reached is a finding of its own
    if theirs is None:
        return []
    skew_s = (patient.now() - theirs).total_seconds()
    if abs(skew_s) > SKEW_BAD_S:
        way = "ahead" if skew_s > 0 else "behind"
        return [
            Finding(
                False,
                f"this machine's clock is {abs(skew_s):,.0f} s {way} of Safaricom's, which would "
                "refuse our passwords",
                "timedatectl set-ntp true (or install chrony)",
            )
        ]
    return [Finding(True, "the clock agrees with Safaricom's")]


async def _callbacks(patient: Patient, http: aiohttp.ClientSession) -> list[Finding]:
    """From Safaricom's side: the name, the certificate, and that it is us who answer there."""
    url = patient.config.webhook.public_url.rstrip("/")
    if not patient.config.webhook.probe:
        said = f"not tried from here (webhook.probe is false): whether {url} can be reached"
        return [Finding(True, said)]
    if not is_loopback(host_of(patient.config.mpesa.base_url)):
        bad = await _not_public(url)
        if bad is not None:
            return [bad]
    async with _somebody_to_find(patient) as (signer, why):
        if why is not None:
            return [why]
        return [_met(patient, url, await probe(url, signer, within_s=WITHIN_S))]


def _met(patient: Patient, url: str, reached: Reached) -> Finding:
    hook = patient.config.webhook
    match reached:
        case Reached.OURS:
            return Finding(True, f"we are reached through {url}")
        case Reached.BAD_CERTIFICATE:
            return Finding(
                False,
                f"the certificate of {url} is not valid: Safaricom would not call it",
                "let Caddy or certbot make one for this name (docs/install.md)",
            )
        case Reached.NOBODY:
            return Finding(
                False,
                f"nobody answers at {url}; payments would still be found, by asking, but late",
                "let ports 80 and 443 in, and have the proxy hand them to "
                f"{hook.host}:{hook.port}. Where only this machine cannot reach its own public "
                "address (no hairpin NAT), set webhook.probe = false and try from another network",
            )
        case Reached.SOMEBODY_ELSE:
            return Finding(
                False,
                f"somebody else answers at {url}",
                f"have the proxy hand this name, with all of /c/, to {hook.host}:{hook.port}, and "
                "see that the name points to this machine; a bot of another security.key is "
                "somebody else too",
            )
    assert_never(reached)


async def _not_public(url: str) -> Finding | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        return Finding(
            False,
            "webhook.public_url is not https: Safaricom calls no other in production",
            "write https://…, and let Caddy or certbot make a certificate (docs/install.md)",
        )
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except OSError:
        return Finding(
            False,
            f"there is no {host} in the DNS",
            "make an A record of that name with this machine's public address",
        )
    if any(not ip_address(each[4][0]).is_global for each in found):
        return Finding(
            False,
            f"{host} is an address that only this network knows: Safaricom cannot call it",
            "use a public name, or a tunnel while you are trying things out",
        )
    return None


@asynccontextmanager
async def _somebody_to_find(patient: Patient) -> AsyncIterator[tuple[Signer, Finding | None]]:
    """
    Whoever is to be found through the public address: the bot, if it runs, else we ourselves.

    Yields whose signature the answer must bear, and what is wrong.
    """
    ours = passing_crypt()
    app = web.Application()
    app.router.add_post(f"{PROBE_PREFIX}{{address}}", ProbeDoor(ours).post)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    hook = patient.config.webhook
    try:
        try:
            await web.TCPSite(runner, hook.host, hook.port).start()
        except OSError:
            # Its key is the database's; without one, a finding of its own, nobody can be known.
            yield crypt_of(patient.config) or ours, await _not_the_bot(patient)
        else:
            yield ours, None
    finally:
        await runner.cleanup()


async def _not_the_bot(patient: Patient) -> Finding | None:
    """The port is taken. Is it by our bot?"""
    hook = patient.config.webhook
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(hook.host, hook.host)  # noqa: S104 -- compared with
    timeout = aiohttp.ClientTimeout(total=WITHIN_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(f"http://{host}:{hook.port}/healthz") as answer,
        ):
            if answer.headers.get("Server") == "lipabot":
                return None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        pass
    return Finding(
        False,
        f"another program has {hook.host}:{hook.port}",
        "stop it, or give the bot another webhook.port (and tell the proxy)",
    )
