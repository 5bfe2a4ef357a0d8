"""The configuration's keys: their names, defaults and bounds."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from bot.config_checks import (
    SAFARICOM,
    AccountName,
    CallerNetwork,
    Count,
    InitiatorName,
    KenyanPhone,
    Kes,
    LineOfText,
    Months,
    Positive,
    ProxyNetwork,
    PublicUrl,
    SafaricomUrl,
    Secret,
    Shortcode,
    SigningKey,
    StorageUrl,
    TelegramId,
    TelegramToken,
    TelegramUrl,
    host_of,
    password_in,
)
from mpesa.addresses import CALLS_FROM

__all__ = [
    "ENV_PREFIX",
    "Config",
    "Limits",
    "Logs",
    "Mpesa",
    "MpesaAccount",
    "Polling",
    "Privacy",
    "Section",
    "Security",
    "Storage",
    "Telegram",
    "Webhook",
]

ENV_PREFIX: Final = "LIPABOT_"
PRODUCTION_HOST: Final = "api.safaricom.co.ke"
CHECK_AFTER_S: Final = (25, 60, 130, 300, 900, 3600, 21600, 86400)
LAPSE_S: Final = 48 * 3600  # nobody asks about a payment after that


class Section(BaseModel):
    """One table of the file. A key that it does not know is refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        validate_default=True,
    )


class Telegram(Section):
    """The bot account and Telegram's limits."""

    token: TelegramToken
    api_url: TelegramUrl = "https://api.telegram.org"
    mode: Literal["polling", "webhook"] = "polling"
    operators: tuple[TelegramId, ...] = ()
    messages_per_second: Positive = 30
    group_messages_per_minute: Positive = 20


class MpesaAccount(Section):
    """A Daraja app and the Paybill or Till that is paid, besides the first one."""

    name: AccountName
    consumer_key: Secret
    consumer_secret: Secret
    shortcode: Shortcode
    passkey: Secret
    transaction_type: Literal["paybill", "till"] = "paybill"
    till_number: Shortcode | None = None
    business_name: LineOfText = ""

    @field_validator("till_number")
    @classmethod
    def _goes_with_till(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _till_of(value, info.data.get("transaction_type"))

    def secrets(self) -> tuple[SecretStr, ...]:
        """What of it no log may show."""
        return self.consumer_key, self.consumer_secret, self.passkey


class Mpesa(Section):
    """The Daraja app and the Paybill or Till that is paid."""

    base_url: SafaricomUrl = "https://sandbox.safaricom.co.ke"
    consumer_key: Secret
    consumer_secret: Secret
    shortcode: Shortcode
    passkey: Secret
    transaction_type: Literal["paybill", "till"] = "paybill"
    till_number: Shortcode | None = None
    business_name: LineOfText = ""
    initiator: InitiatorName | None = None
    initiator_password: Secret | None = None
    certificate: Path | None = None
    pull: bool = False
    pull_number: KenyanPhone | None = None
    c2b: Literal["off", "v1", "v2"] = "off"
    reversals: bool = False
    accounts: tuple[MpesaAccount, ...] = ()

    @property
    def asks_status(self) -> bool:
        """Whether Safaricom can be asked about a receipt: the three go together."""
        return self.initiator is not None

    @field_validator("till_number")
    @classmethod
    def _goes_with_till(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _till_of(value, info.data.get("transaction_type"))

    @field_validator("accounts")
    @classmethod
    def _named_once(cls, value: tuple[MpesaAccount, ...]) -> tuple[MpesaAccount, ...]:
        if len({each.name for each in value}) != len(value):
            raise ValueError("two of them have the same name: a merchant is given one by name")
        return value


def _till_of(value: str | None, kind: str | None) -> str | None:
    if kind == "till" and value is None:
        raise ValueError('is required with transaction_type "till": the till that is paid')
    if kind == "paybill" and value is not None:
        raise ValueError('goes with transaction_type "till" only: remove one of the two')
    return value


class Webhook(Section):
    """Where Safaricom (and Telegram, in webhook mode) reaches us."""

    public_url: PublicUrl
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    trusted_proxies: tuple[ProxyNetwork, ...] = ()
    allow_from: tuple[CallerNetwork, ...] = ()
    probe: bool = True

    @property
    def callers(self) -> tuple[str, ...]:
        """`allow_from` as networks, the word "safaricom" written out."""
        named = (CALLS_FROM if each == SAFARICOM else (each,) for each in self.allow_from)
        return tuple(network for networks in named for network in networks)


class Storage(Section):
    """The database. The URL may hold a password, so it is a secret as a whole."""

    url: StorageUrl = SecretStr("sqlite:///lipabot.db")


class Polling(Section):
    """How silent payments are asked about."""

    check_after_s: Annotated[
        tuple[Annotated[int, Field(gt=0, le=LAPSE_S)], ...], Field(min_length=1)
    ] = CHECK_AFTER_S
    queries_per_minute: Positive = 5

    @field_validator("check_after_s")
    @classmethod
    def _increases(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in pairwise(value)):
            raise ValueError("must increase from one check to the next")
        return value


class Security(Section):
    """The key of everything that is sealed or signed, and what a callback alone may credit."""

    key: SigningKey | None = None
    previous_keys: tuple[SigningKey, ...] = ()
    confirm_above_kes: Kes = 5000
    unconfirmed_total_kes: Kes = 100_000
    two_people_above_kes: Kes = 50_000


class Limits(Section):
    """How the phones of others are protected."""

    # Safaricom itself blocks a line at five.
    incomplete_before_pause: Annotated[int, Field(ge=1, le=4)] = 4
    pause_h: Positive = 24
    strangers_per_person_per_hour: Count = 30
    pushes_per_second: Positive = 20
    page_prompts_per_address_per_hour: Count = 5
    page_prompts_per_page_per_hour: Count = 200


class Privacy(Section):
    """How long it is kept what nobody needs for the books."""

    raw_bodies_months: Months = 18
    looks_months: Months = 84


class Logs(Section):
    """What is written to standard output."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Config(BaseSettings):
    """
    Everything that can be set, checked and frozen. Read it with `bot.config.load_config`.

    Made in code, it takes nothing from the environment.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=True,
    )

    telegram: Telegram
    mpesa: Mpesa
    webhook: Webhook
    storage: Storage = Storage()
    polling: Polling = Polling()
    security: Security = Security()
    limits: Limits = Limits()
    privacy: Privacy = Privacy()
    logs: Logs = Logs()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @property
    def takes_real_money(self) -> bool:
        """Whether this is production: money that is paid stays paid."""
        return host_of(self.mpesa.base_url) == PRODUCTION_HOST

    def secrets(self) -> tuple[str, ...]:
        """Every configured value that no log may show."""
        sealed = [
            self.telegram.token,
            self.mpesa.consumer_key,
            self.mpesa.consumer_secret,
            self.mpesa.passkey,
            *([] if self.mpesa.initiator_password is None else [self.mpesa.initiator_password]),
            *(secret for each in self.mpesa.accounts for secret in each.secrets()),
            *self.security.previous_keys,
            *([] if self.security.key is None else [self.security.key]),
        ]
        password = password_in(self.storage.url.get_secret_value())
        return (*(each.get_secret_value() for each in sealed), *([password] if password else []))
