"""Owns how a simulator is set up: the merchant, its secrets, and the pace of things."""

from dataclasses import dataclass
from typing import Literal

from mpesa.simulator.faults import PendingAnswer
from mpesa.simulator.handsets import Behaviour


@dataclass(frozen=True)
class QueryRate:
    """The sandbox's limit on queries as seen in June 2026: 5 in 60 s, one at a time."""

    requests: int = 5
    period_s: float = 60.0
    burst: int = 1


@dataclass(frozen=True, kw_only=True)
class SimulatorSettings:
    """One merchant at Safaricom, and how fast its world turns. Raises ValueError on nonsense.

    A till has a store number as `shortcode` (in BusinessShortCode) and the till in `till_number`
    (in PartyB). Times are seconds on the simulator's clock, and may be 0.
    """

    consumer_key: str = "demo-key"
    consumer_secret: str = "demo-secret"  # noqa: S105 - made up, and opens nothing but this
    shortcode: str = "174379"
    passkey: str = "demo-passkey"
    transaction_type: Literal["paybill", "till"] = "paybill"
    till_number: str | None = None
    business_name: str = "MAMA NJERI SHOP"
    opening_balance_kes: int = 50_000
    default_behaviour: Behaviour = Behaviour.PAY
    magic_amounts: bool = True
    answer_after_s: float = 2.0
    """How long a person who acts by themselves takes."""
    prompt_lifetime_s: float = 60.0
    """How long a prompt waits for its person."""
    unreachable_after_s: float = 20.0
    """How long Safaricom tries a phone that shows nothing (14 to 26 s were measured)."""
    callback_after_s: float = 0.5
    callback_timeout_s: float = 10.0
    token_lifetime_s: int = 3599
    pending: PendingAnswer = PendingAnswer.PROCESSING
    query_rate: QueryRate | None = None
    blocks_lines: bool = True
    """Whether five prompts in a row not completed block the line for 24 h."""
    returns_test_money: bool = True
    """Whether what was paid comes back at midnight, East Africa Time."""
    remembered_pushes: int = 100_000
    initiator: str = "testapi"
    initiator_password: str = "demo-initiator"  # noqa: S105 - made up, and opens nothing but this
    result_after_s: float = 1.0
    """How long a status question or a reversal takes to be answered."""
    receiver_as_second_payer: bool = False
    """Whether a status names the receiver as a second DebitPartyName, as was seen."""
    c2b: Literal["v1", "v2"] = "v2"
    """Which version of payments told by hand the app has: hashed numbers, or masked ones."""
    c2b_registers_once: bool = False
    """Whether a second registration of addresses is refused, as in production."""
    c2b_validates: bool = False
    """Whether the business is asked before money moves by hand (Safaricom grants it by e-mail)."""
    c2b_tells_pushes: bool = False
    """Whether a payment that was prompted for is told like one by hand, too."""
    pull_page: int = 100
    others: tuple["SimulatorSettings", ...] = ()
    """Further merchants at this Safaricom: of each counts who it is, and nothing of its pace."""

    def __post_init__(self) -> None:
        if (self.transaction_type == "till") != (self.till_number is not None):
            raise ValueError("till_number goes with transaction_type till, and only with it")
        if not self.shortcode.isdecimal() or not 5 <= len(self.shortcode) <= 7:
            raise ValueError("shortcode must be 5 to 7 digits")
        if self.remembered_pushes < 1:
            raise ValueError("remembered_pushes must be at least 1")
        shortcodes = {each.shortcode for each in self.merchants}
        keys = {each.consumer_key for each in self.merchants}
        if not len(shortcodes) == len(keys) == len(self.merchants):
            raise ValueError("every merchant has a shortcode and keys of its own")

    @property
    def merchants(self) -> tuple["SimulatorSettings", ...]:
        """Everybody whom this Safaricom knows; the first is we ourselves."""
        return (self, *self.others)

    def merchant(self, shortcode: str) -> "SimulatorSettings | None":
        """The one with this shortcode."""
        return next((each for each in self.merchants if each.shortcode == shortcode), None)

    @property
    def party_b(self) -> str:
        """What PartyB must be: the Paybill itself, or the till."""
        return self.till_number or self.shortcode

    @property
    def transaction_name(self) -> str:
        """What TransactionType must be."""
        till = self.transaction_type == "till"
        return "CustomerBuyGoodsOnline" if till else "CustomerPayBillOnline"
