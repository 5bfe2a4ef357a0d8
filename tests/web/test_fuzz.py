"""A slice of the long proofs with liars: fuzzed bodies, and forgeries, over real HTTP."""

from __future__ import annotations

import json

from mpesa.callbacks import parse_callback
from mpesa.models import StkCallback
from tests.prove import forgeries, fuzz
from tests.prove.door import Target
from tests.prove.shots import Arsenal, right_body

TARGETS = [
    Target(f"{n:032x}", "ab" * 16, 50, f"29115-{n}-1", f"ws_CO_{n:014d}", f"UKN{n:07d}")
    for n in range(1, 41)
]


def arsenal(seed: int) -> Arsenal:
    return Arsenal(
        seed,
        small=TARGETS[:20],
        doubtful=TARGETS[20:30],
        large=TARGETS[30:],
        strays=["/c/stray"],
    )


async def test_twenty_thousand_bad_bodies_move_nothing_and_leave_little() -> None:
    [row] = await fuzz.run(count=20_000, seed=20261123)

    assert row.violations == 0, row
    assert row.many == 20_000


async def test_two_thousand_forgeries_credit_nothing_that_safaricom_must_confirm() -> None:
    [row] = await forgeries.run(count=2_000, seed=20261123)

    assert row.violations == 0, row
    assert row.many == 2_000


def test_every_shot_can_be_fired_again() -> None:
    first, again = arsenal(7), arsenal(7)

    assert [first.shot(n) for n in range(500)] == [again.shot(n) for n in reversed(range(500))][
        ::-1
    ]
    assert first.shot(1) != arsenal(8).shot(1)


def test_every_kind_of_shot_is_fired() -> None:
    kinds = {arsenal(1).shot(n).kind for n in range(1000)}

    assert kinds == {
        *("spoilt", "bare", "anything", "raw", "wrong-address", "stray", "wrong-place"),
        *("odd-headers", "bad-wire"),
    }


def test_the_body_that_is_spoilt_was_right_before() -> None:
    heard = parse_callback(json.dumps(right_body(TARGETS[0])).encode())

    assert isinstance(heard, StkCallback)
    assert heard.result.paid
    assert (heard.amount_cents, heard.receipt) == (5000, TARGETS[0].receipt)
