"""One token for everybody, fetched by one flight, renewed before it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from mpesa.errors import Unreachable
from mpesa.models import Token
from mpesa.tokens import TokenKeeper

NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class TokenService:
    """Grants t1, t2, …; may be down, and may be made to hold its answer back."""

    def __init__(self, clock: Clock, lifetime_s: float = 3600) -> None:
        self.clock = clock
        self.lifetime_s = lifetime_s
        self.asked = 0
        self.down = False
        self.open = asyncio.Event()
        self.open.set()
        self.reached = asyncio.Event()

    async def fetch(self) -> Token:
        self.asked += 1
        number = self.asked
        self.reached.set()
        await self.open.wait()
        if self.down:
            raise Unreachable("the token service is down")
        at = self.clock.now()
        return Token(f"t{number}", at, at + timedelta(seconds=self.lifetime_s))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> TokenService:
    return TokenService(clock)


@pytest.fixture
def keeper(service: TokenService, clock: Clock) -> TokenKeeper:
    return TokenKeeper(service.fetch, clock.now, renewal_wait_s=0.01)


async def test_a_hundred_callers_share_one_flight(
    keeper: TokenKeeper, service: TokenService
) -> None:
    tokens = await asyncio.gather(*(keeper.get() for _ in range(100)))

    assert {token.value for token in tokens} == {"t1"}
    assert service.asked == 1


async def test_a_token_serves_until_a_minute_before_its_end(
    keeper: TokenKeeper, service: TokenService, clock: Clock
) -> None:
    await keeper.get()
    clock.pass_s(3600 - 61)
    before = await keeper.get()
    clock.pass_s(1)
    after = await keeper.get()

    assert (before.value, after.value) == ("t1", "t2")
    assert service.asked == 2


async def test_a_token_granted_for_seconds_serves_half_of_them(
    keeper: TokenKeeper, service: TokenService, clock: Clock
) -> None:
    service.lifetime_s = 10
    await keeper.get()
    clock.pass_s(4)

    assert (await keeper.get()).value == "t1"


async def test_a_failed_renewal_keeps_the_old_token_and_is_not_repeated_at_once(
    keeper: TokenKeeper, service: TokenService, clock: Clock
) -> None:
    await keeper.get()
    clock.pass_s(3600 - 30)
    service.down = True

    first, second = await keeper.get(), await keeper.get()

    assert (first.value, second.value) == ("t1", "t1")
    assert service.asked == 2


async def test_a_failed_renewal_is_tried_again_later(
    keeper: TokenKeeper, service: TokenService, clock: Clock
) -> None:
    await keeper.get()
    clock.pass_s(3600 - 30)
    service.down = True
    await keeper.get()
    service.down = False
    clock.pass_s(10)

    assert (await keeper.get()).value == "t3"


async def test_a_slow_renewal_does_not_hold_up_the_holder_of_a_good_token(
    keeper: TokenKeeper, service: TokenService, clock: Clock
) -> None:
    await keeper.get()
    clock.pass_s(3600 - 30)
    service.open.clear()

    assert (await keeper.get()).value == "t1"

    service.open.set()
    clock.pass_s(30)
    assert (await keeper.get()).value == "t2"
    assert service.asked == 2


async def test_without_a_good_token_a_failure_is_everybodys(
    keeper: TokenKeeper, service: TokenService
) -> None:
    service.down = True

    outcomes = await asyncio.gather(*(keeper.get() for _ in range(3)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Unreachable] * 3
    assert service.asked == 1


async def test_after_a_failure_the_next_caller_asks_again(
    keeper: TokenKeeper, service: TokenService
) -> None:
    service.down = True
    with pytest.raises(Unreachable):
        await keeper.get()
    service.down = False

    assert (await keeper.get()).value == "t2"


async def test_a_refused_token_is_replaced_once(keeper: TokenKeeper, service: TokenService) -> None:
    first = await keeper.get()

    keeper.refuse(first)
    second = await keeper.get()
    keeper.refuse(first)
    third = await keeper.get()

    assert second is third
    assert service.asked == 2


async def test_a_waiter_that_leaves_does_not_end_the_flight(
    keeper: TokenKeeper, service: TokenService
) -> None:
    service.open.clear()
    leaver = asyncio.create_task(keeper.get())
    stayer = asyncio.create_task(keeper.get())
    await service.reached.wait()

    leaver.cancel()
    await asyncio.wait([leaver])
    service.open.set()

    assert leaver.cancelled()
    assert (await stayer).value == "t1"
    assert service.asked == 1


async def test_closing_ends_a_flight_that_is_out(
    keeper: TokenKeeper, service: TokenService
) -> None:
    service.open.clear()
    waiter = asyncio.create_task(keeper.get())
    await service.reached.wait()

    await keeper.aclose()

    await asyncio.wait([waiter])
    assert waiter.cancelled()


class Shelf:
    """A shelf on which another process may have put a token."""

    def __init__(self) -> None:
        self.kept: Token | None = None
        self.refused: list[Token | None] = []

    async def renew(
        self,
        fetch: Callable[[], Awaitable[Token]],
        *,
        refused: Token | None,
        spent: Callable[[Token], bool],
    ) -> Token:
        self.refused.append(refused)
        if self.kept is None or self.kept == refused or spent(self.kept):
            self.kept = await fetch()
        return self.kept


async def test_a_token_on_the_shelf_is_used_and_not_fetched(
    service: TokenService, clock: Clock
) -> None:
    shelf = Shelf()
    await TokenKeeper(service.fetch, clock.now, shelf=shelf).get()

    token = await TokenKeeper(service.fetch, clock.now, shelf=shelf).get()

    assert token.value == "t1"
    assert service.asked == 1


async def test_only_the_token_that_was_refused_is_replaced(
    service: TokenService, clock: Clock
) -> None:
    shelf = Shelf()
    one = TokenKeeper(service.fetch, clock.now, shelf=shelf)
    other = TokenKeeper(service.fetch, clock.now, shelf=shelf)
    first = await one.get()
    assert await other.get() is first
    one.refuse(first)
    second = await one.get()

    other.refuse(first)  # voided by what the first process has fetched meanwhile

    assert await other.get() is second
    assert shelf.refused[-1] is first
    assert service.asked == 2


async def test_a_shelved_token_that_is_due_is_renewed(service: TokenService, clock: Clock) -> None:
    shelf = Shelf()
    await TokenKeeper(service.fetch, clock.now, shelf=shelf).get()
    clock.pass_s(3600 - 30)

    assert (await TokenKeeper(service.fetch, clock.now, shelf=shelf).get()).value == "t2"
