"""The settings, section by section. Each field describes its valid values, for the message about a wrong one.

``bot.messages.settings`` says what each means. No message, log or ``repr`` contains a secret.
"""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from bot.settings.password import PasswordHash
from engine.config import BUILT_IN, PUBLISHED, PUBLISHED_COMMIT, EngineConfig

EXAMPLE_COMMIT = PUBLISHED_COMMIT

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def _listed(value: object) -> object:
    """Split a list from the environment at its commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class _UrlCheck(AfterValidator):
    """Marks a setting as an address, which may hold a password."""


def _url(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        if value:
            parts = urlsplit(value)
            if parts.scheme not in schemes or not parts.hostname or (parts.port == 0):
                raise ValueError
        return value

    return _UrlCheck(check)


def password_of(address: object) -> str:
    """Return the password inside an address; empty without one, and for what is no address."""
    try:
        return urlsplit(address).password or "" if isinstance(address, str) else ""
    except ValueError:
        return ""


def _loopback(value: str) -> str:
    if value != "localhost" and not ipaddress.ip_address(value).is_loopback:
        raise ValueError
    return value


def _one_word(value: SecretStr) -> SecretStr:
    token = value.get_secret_value().strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError
    return SecretStr(token)


def _hashed(value: object) -> PasswordHash | None:
    """Replace a password by its hash; an empty one means no password."""
    if value is None or isinstance(value, PasswordHash):
        return value
    if not isinstance(value, str):
        raise ValueError
    return PasswordHash.of(value) if value else None


def _must_be(description: str, example: object, **checks: Any) -> Any:
    """Return a field whose error is ``<setting> must be <description>, not …; for example: <example>``."""
    return Field(description=description, examples=[example], **checks)


_PersonId = Annotated[str, Field(pattern=r"^(discord|telegram):[0-9]{1,20}$")]
_ChatId = Annotated[str, Field(pattern=r"^(discord|telegram):(-?[0-9]{1,20}|\*)$")]
_RoleId = Annotated[str, Field(pattern=r"^discord:[0-9]{1,20}:[0-9]{1,20}$")]
_GroupId = Annotated[str, Field(pattern=r"^telegram:-[0-9]{1,20}$")]
_Token = Annotated[
    SecretStr,
    AfterValidator(_one_word),
    _must_be("the bot's token, one word without quotes", "…", repr=False),
]
_HttpProxy = Annotated[  # discord.py's aiohttp speaks no SOCKS
    str,
    _url("http", "https"),
    _must_be("an http or https address", "http://127.0.0.1:1080", repr=False),  # may hold a password
]
_Proxy = Annotated[
    str,
    _url("http", "https", "socks5"),
    _must_be(
        "an http, https or socks5 address", "socks5://127.0.0.1:1080", repr=False
    ),  # may hold a password
]


def _named_folder(value: object) -> object:
    """Refuse an empty name: it would be the working directory, which the bot would close to other users.

    No shell replaces ``~`` in the settings file, so that happens here.
    """
    if value == "":
        raise ValueError("no folder")
    return os.path.expanduser(value) if isinstance(value, str) else value


_Folder = Annotated[Path, BeforeValidator(_named_folder), _must_be("a folder", "/srv/sugarbot")]


def _is_hub_name(model: str) -> bool:
    """Whether a model is a Hub name: it looks like ``owner/name``, and no such folder exists."""
    return _HUB_NAME.fullmatch(model) is not None and not Path(model).is_dir()


class Section(BaseModel):
    """A frozen section that forbids unknown settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_Credits = Annotated[int, _must_be("a whole number from 0 to 100000", 40, ge=0, le=100_000)]


class TierSettings(Section):
    """People with a larger share of the card, or other credits; of several tiers, the best counts."""

    people: Annotated[
        tuple[_PersonId, ...],
        BeforeValidator(_listed),
        _must_be("a list of people, each as platform:user-id", '["discord:123456789"]'),
    ] = ()
    roles: Annotated[
        tuple[_RoleId, ...],
        BeforeValidator(_listed),
        _must_be("a list of roles, each as discord:server-id:role-id", '["discord:123456789:987654321"]'),
    ] = ()
    members: Annotated[
        tuple[_GroupId, ...],
        BeforeValidator(_listed),
        _must_be("a list of groups, each as telegram:group-id", '["telegram:-1001234"]'),
    ] = ()
    weight: Annotated[int, _must_be("a whole number from 1 to 100", 3, ge=1, le=100)] = 1
    daily_credits: _Credits | None = Field(
        None, description="a whole number from 0 to 100000", examples=[200]
    )


class QuotaSettings(Section):
    """How much each person may draw; ``tiers`` by name."""

    daily_credits: _Credits = 40
    max_waiting: Annotated[int, _must_be("a whole number from 1 to 100", 4, ge=1, le=100)] = 4
    tiers: dict[str, TierSettings] = {}


class DiscordSettings(Section):
    """The Discord chat; it opens if a token is set. The API provides an empty ``gateway``."""

    token: _Token = SecretStr("")
    api_base: Annotated[
        str,
        _url("http", "https"),
        _must_be("an http or https address", "https://discord.com/api/v10", min_length=1, repr=False),
    ] = "https://discord.com/api/v10"
    gateway: Annotated[
        str,
        _url("ws", "wss"),
        _must_be("a ws or wss address, or empty", "wss://gateway.discord.gg", repr=False),
    ] = ""
    proxy: _HttpProxy = ""


class TelegramSettings(Section):
    """The Telegram chat; it opens if a token is set. The token is appended to both addresses."""

    token: _Token = SecretStr("")
    base_url: Annotated[
        str,
        _url("http", "https"),
        _must_be("an http or https address", "https://api.telegram.org/bot", min_length=1, repr=False),
    ] = "https://api.telegram.org/bot"
    base_file_url: Annotated[
        str,
        _url("http", "https"),
        _must_be("an http or https address", "https://api.telegram.org/file/bot", min_length=1, repr=False),
    ] = "https://api.telegram.org/file/bot"
    proxy: _Proxy = ""


class SiteSettings(Section):
    """The host's account at a site that LoRAs are downloaded from; most files need none."""

    token: Annotated[
        SecretStr,
        AfterValidator(_one_word),
        _must_be("a token of your account there, one word without quotes", "…", repr=False),
    ] = SecretStr("")


class WebSettings(Section):
    """The local page; it answers on loopback only.

    Without a password everyone who opens it acts as a host; with one, a host logs in at the operator tab.
    """

    enabled: Annotated[bool, _must_be("true or false", "true")] = True
    host: Annotated[
        str,
        AfterValidator(_loopback),
        _must_be(
            "a loopback address of this machine, because everyone who opens the page acts as a host",
            "127.0.0.1",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, _must_be("a port from 0 (any free one) to 65535", 7860, ge=0, le=65535)] = 7860
    operator_password: Annotated[
        PasswordHash | None,
        BeforeValidator(_hashed),
        _must_be("a password of 8 to 200 characters", "a sentence is a good one", repr=False),
    ] = None


class StorageSettings(Section):
    """How much of the disk of ``data_dir`` pictures may use.

    While less than ``reserve_mib`` is free (on a small disk: a twentieth of it), nothing is drawn. Pictures
    older than ``keep_pictures_days`` are deleted; 0 keeps them forever. Originals older than
    ``keep_originals_days`` become small previews, and the oldest ones while the disk is below the reserve; 0
    keeps an original as long as its picture.
    """

    reserve_mib: Annotated[int, _must_be("mebibytes, from 0 to 1000000", 256, ge=0, le=1_000_000)] = 256
    keep_pictures_days: Annotated[
        int, _must_be("days, from 1 to 10000, or 0 to keep them forever", 30, ge=0, le=10_000)
    ] = 30
    keep_originals_days: Annotated[
        int, _must_be("days, from 1 to 10000, or 0 to keep them as long as the picture", 7, ge=0, le=10_000)
    ] = 7

    @property
    def reserve_bytes(self) -> int:
        """``reserve_mib`` in bytes."""
        return self.reserve_mib * 2**20


class EngineSettings(Section):
    """Model, LoRAs and card, see ``EngineConfig``; the default folder of LoRAs is in data_dir."""

    model: Annotated[
        str, _must_be("built-in, a folder or a Hub name", "Tongyi-MAI/Z-Image-Turbo", min_length=1)
    ] = BUILT_IN
    source: Annotated[Literal["hub", "modelscope"], _must_be("hub or modelscope", "modelscope")] = "hub"
    endpoint: Annotated[
        str,
        _url("http", "https"),
        # The address may hold a password.
        _must_be("an http or https address, or empty", "https://mirror.example.org", repr=False),
    ] = ""
    revision: Annotated[
        str,
        _must_be(
            "a commit, 40 hexadecimal digits",
            EXAMPLE_COMMIT,
            pattern=r"^([0-9a-f]{40})?$",
            validate_default=True,
        ),
    ] = ""
    device: Annotated[
        str, _must_be("auto, cpu, cuda or one card", "cuda:1", pattern=r"^(auto|cpu|cuda(:[0-9]{1,2})?)$")
    ] = "auto"
    precision: Annotated[
        Literal["auto", "bf16", "fp8", "int8"], _must_be("auto, bf16, fp8 or int8", "auto")
    ] = "auto"
    default_lora: Annotated[str, _must_be("a LoRA's name, or empty", "sugar")] = ""
    lora_dir: Annotated[Path | None, BeforeValidator(_named_folder), _must_be("a folder", "/srv/loras")] = (
        None
    )
    reserve_mib: Annotated[int, _must_be("mebibytes, from 0 to 1000000", 512, ge=0, le=1_000_000)] = 512
    spare_worker: Annotated[bool, _must_be("true or false", "true")] = True
    idle_release_min: Annotated[
        int, _must_be("minutes, from 1 to 10000, or 0 to keep the card forever", 15, ge=0, le=10_000)
    ] = 15
    step_timeout_s: Annotated[float, _must_be("seconds, from 1 to 3600", 120, ge=1, le=3600)] = 120.0
    start_timeout_s: Annotated[float, _must_be("seconds, from 10 to 7200", 300, ge=10, le=7200)] = 300.0

    @field_validator("revision")
    @classmethod
    def _is_pinned(cls, revision: str, info: ValidationInfo) -> str:
        if revision or not _is_hub_name(info.data.get("model", BUILT_IN)):
            return revision
        if info.data["model"] == PUBLISHED and info.data.get("source", "hub") == "hub":
            return PUBLISHED_COMMIT
        raise PydanticCustomError(
            "unpinned",
            "engine.revision must name a commit of {model}",  # people read the sentence of bot.messages
            {"model": info.data["model"], "example": EXAMPLE_COMMIT},
        )


class Settings(Section):
    """All settings. Paths are relative to the working directory."""

    data_dir: _Folder = Path("var")
    language: Annotated[Literal["en", "zh-CN", "zh-TW"], _must_be("en, zh-CN or zh-TW", "zh-CN")] = "en"
    hosts: Annotated[
        tuple[_PersonId, ...],
        BeforeValidator(_listed),
        _must_be("a list of people, each as platform:user-id", '["discord:123456789"]'),
    ] = ()
    allow: Annotated[
        tuple[_ChatId, ...],
        BeforeValidator(_listed),
        _must_be("a list of chats, each as platform:id or platform:*", '["telegram:-1001234"]'),
    ] = ()
    alerts: Annotated[bool, _must_be("true or false", "true")] = True
    quota: QuotaSettings = QuotaSettings()
    discord: DiscordSettings = DiscordSettings()
    telegram: TelegramSettings = TelegramSettings()
    web: WebSettings = WebSettings()
    huggingface: SiteSettings = SiteSettings()
    modelscope: SiteSettings = SiteSettings()
    civitai: SiteSettings = SiteSettings()
    engine: EngineSettings = EngineSettings()
    storage: StorageSettings = StorageSettings()

    def secrets(self) -> tuple[str, ...]:
        """Return what must never be written: the tokens, and the passwords inside addresses."""
        with_token = (self.discord, self.telegram, self.huggingface, self.modelscope, self.civitai)
        tokens = [section.token.get_secret_value() for section in with_token]
        passwords = [password_of(getattr(getattr(self, section), name)) for section, name in ADDRESSES]
        return tuple(secret for secret in [*tokens, *passwords] if secret)

    def to_engine_config(self) -> EngineConfig:
        """Return the engine's configuration."""
        engine = self.engine
        return EngineConfig(
            data_dir=self.data_dir,
            lora_dir=engine.lora_dir or self.data_dir / "loras",
            model=engine.model,
            revision=engine.revision,
            source=engine.source,
            endpoint=engine.endpoint,
            device=engine.device,
            precision=engine.precision,
            reserve_bytes=engine.reserve_mib * 2**20,
            keeps_spare=engine.spare_worker,
            idle_release_s=engine.idle_release_min * 60.0,
            start_timeout_s=engine.start_timeout_s,
            step_timeout_s=engine.step_timeout_s,
        )


ADDRESSES = tuple(
    (section, name)
    for section, holder in Settings.model_fields.items()
    if isinstance(holder.annotation, type) and issubclass(holder.annotation, Section)
    for name, field in holder.annotation.model_fields.items()
    if any(isinstance(each, _UrlCheck) for each in field.metadata)
)
"""The settings that may hold a password inside an address: section and name."""
