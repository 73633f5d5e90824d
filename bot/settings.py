"""One frozen ``Settings`` from ``sugarbot.toml`` and the environment; every bad value is reported at once.

The file is the given path, else ``SUGARBOT_CONFIG``, else ``./sugarbot.toml`` where there is one. Every
setting can also come from the environment, which wins: ``SUGARBOT_WEB__PORT=7861``. Tokens may come as
``DISCORD_TOKEN`` and ``TELEGRAM_TOKEN``, or from the file that ``DISCORD_TOKEN_FILE`` names.

Nothing else reads the environment. Secrets show themselves in no message, log or ``repr``.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
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
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from rapidfuzz import fuzz, process

from bot.errors import BadSettings
from engine.config import BUILT_IN, EngineConfig

PREFIX = "SUGARBOT_"
FILE_NAME = "sugarbot.toml"
MAX_SHOWN_CHARS = 60  # of a bad value
EXAMPLE_COMMIT = "0123456789abcdef0123456789abcdef01234567"

_WITH_TOKENS = ("discord", "telegram")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_ALIKE_PERCENT = 60

Raw = dict[str, Any]


def _listed(value: object) -> object:
    """The environment writes lists with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _url(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        if value:
            parts = urlsplit(value)
            if parts.scheme not in schemes or not parts.hostname or (parts.port == 0):
                raise ValueError
        return value

    return AfterValidator(check)


def _loopback(value: str) -> str:
    if value != "localhost" and not ipaddress.ip_address(value).is_loopback:
        raise ValueError
    return value


def _one_word(value: SecretStr) -> SecretStr:
    token = value.get_secret_value().strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError
    return SecretStr(token)


def _must_be(description: str, example: object, **checks: Any) -> Any:
    """A field whose problems read: ``<setting> must be <description>, not …; for example: <example>``."""
    return Field(description=description, examples=[example], **checks)


Host = Annotated[str, Field(pattern=r"^(discord|telegram):[0-9]{1,20}$")]
Allowed = Annotated[str, Field(pattern=r"^(discord|telegram):(-?[0-9]{1,20}|\*)$")]
Token = Annotated[
    SecretStr,
    AfterValidator(_one_word),
    _must_be("the bot's token, one word without quotes", "…", repr=False),
]
HttpProxy = Annotated[  # discord.py's aiohttp speaks no SOCKS
    str,
    _url("http", "https"),
    _must_be("an http or https address", "http://127.0.0.1:1080", repr=False),  # may hold a password
]
Proxy = Annotated[
    str,
    _url("http", "https", "socks5"),
    _must_be("an http, https or socks5 address", "socks5://127.0.0.1:1080", repr=False),  # likewise
]
Folder = Annotated[Path, _must_be("a folder", "/srv/sugarbot")]


def _is_hub_name(model: str) -> bool:
    """Whether a model is fetched by name: it looks like ``owner/name``, and there is no such folder."""
    return _HUB_NAME.fullmatch(model) is not None and not Path(model).is_dir()


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class QuotaSettings(_Section):
    """How much each person may draw."""

    daily_credits: Annotated[int, _must_be("a whole number from 0 to 100000", 40, ge=0, le=100_000)] = 40
    max_waiting: Annotated[int, _must_be("a whole number from 1 to 100", 4, ge=1, le=100)] = 4


class DiscordSettings(_Section):
    """The Discord chat; it opens when there is a token. An empty ``gateway`` is asked from the API."""

    token: Token = SecretStr("")
    api_base: Annotated[
        str,
        _url("http", "https"),
        _must_be("an http or https address", "https://discord.com/api/v10", min_length=1),
    ] = "https://discord.com/api/v10"
    gateway: Annotated[
        str, _url("ws", "wss"), _must_be("a ws or wss address, or empty", "wss://gateway.discord.gg")
    ] = ""
    proxy: HttpProxy = ""


class TelegramSettings(_Section):
    """The Telegram chat; it opens when there is a token, which is put right behind both addresses."""

    token: Token = SecretStr("")
    base_url: Annotated[
        str,
        _url("http", "https"),
        _must_be("an http or https address", "https://api.telegram.org/bot", min_length=1),
    ] = "https://api.telegram.org/bot"
    base_file_url: Annotated[
        str,
        _url("http", "https"),
        _must_be("an http or https address", "https://api.telegram.org/file/bot", min_length=1),
    ] = "https://api.telegram.org/file/bot"
    proxy: Proxy = ""


class WebSettings(_Section):
    """The page on this machine; whoever opens it acts as a host, so it answers on loopback alone."""

    enabled: Annotated[bool, _must_be("true or false", "true")] = True
    host: Annotated[
        str,
        AfterValidator(_loopback),
        _must_be(
            "this machine's own loopback address, as whoever opens the page acts as a host", "127.0.0.1"
        ),
    ] = "127.0.0.1"
    port: Annotated[int, _must_be("a port from 0 (any free one) to 65535", 7860, ge=0, le=65535)] = 7860


class EngineSettings(_Section):
    """The model, its LoRAs and the card, as ``EngineConfig`` says them; by default LoRAs lie in data_dir."""

    model: Annotated[
        str, _must_be("built-in, a folder or a Hub name", "Tongyi-MAI/Z-Image-Turbo", min_length=1)
    ] = BUILT_IN
    revision: Annotated[
        str,
        _must_be(
            "a commit, 40 hexadecimal digits",
            EXAMPLE_COMMIT,
            pattern=r"^([0-9a-f]{40})?$",
            validate_default=True,
        ),
    ] = ""
    source: Annotated[Literal["hub", "modelscope"], _must_be("hub or modelscope", "modelscope")] = "hub"
    device: Annotated[
        str, _must_be("auto, cpu, cuda or one card", "cuda:1", pattern=r"^(auto|cpu|cuda(:[0-9]{1,2})?)$")
    ] = "auto"
    default_lora: Annotated[str, _must_be("a LoRA's name, or empty", "sugar")] = ""
    lora_dir: Folder | None = None
    reserve_mib: Annotated[int, _must_be("mebibytes, from 0 to 1000000", 512, ge=0, le=1_000_000)] = 512
    step_timeout_s: Annotated[float, _must_be("seconds, from 1 to 3600", 120, ge=1, le=3600)] = 120.0
    start_timeout_s: Annotated[float, _must_be("seconds, from 10 to 7200", 300, ge=10, le=7200)] = 300.0

    @field_validator("revision")
    @classmethod
    def _is_pinned(cls, revision: str, info: ValidationInfo) -> str:
        if not revision and _is_hub_name(info.data.get("model", BUILT_IN)):
            raise PydanticCustomError(
                "unpinned",
                "engine.revision must name the commit of {model} to use, so that no other weights are ever "
                "loaded; for example: {example}",
                {"model": info.data["model"], "example": EXAMPLE_COMMIT},
            )
        return revision


class Settings(_Section):
    """All that a host decides. Paths are relative to the folder that the process starts in."""

    data_dir: Folder = Path("var")
    language: Annotated[Literal["en", "zh-CN"], _must_be("en or zh-CN", "zh-CN")] = "en"
    hosts: Annotated[
        tuple[Host, ...],
        BeforeValidator(_listed),
        _must_be("a list of people, each as platform:user-id", '["discord:123456789"]'),
    ] = ()
    allow: Annotated[
        tuple[Allowed, ...],
        BeforeValidator(_listed),
        _must_be("a list of chats, each as platform:id or platform:*", '["telegram:-1001234"]'),
    ] = ()
    quota: QuotaSettings = QuotaSettings()
    discord: DiscordSettings = DiscordSettings()
    telegram: TelegramSettings = TelegramSettings()
    web: WebSettings = WebSettings()
    engine: EngineSettings = EngineSettings()

    def secrets(self) -> tuple[str, ...]:
        """What must never be written anywhere: the tokens, and passwords of proxies."""
        tokens = [self.discord.token.get_secret_value(), self.telegram.token.get_secret_value()]
        passwords = [urlsplit(proxy).password or "" for proxy in (self.discord.proxy, self.telegram.proxy)]
        return tuple(secret for secret in [*tokens, *passwords] if secret)

    def to_engine_config(self) -> EngineConfig:
        """The engine's part, in its own terms."""
        engine = self.engine
        return EngineConfig(
            data_dir=self.data_dir,
            lora_dir=engine.lora_dir or self.data_dir / "loras",
            model=engine.model,
            revision=engine.revision,
            source=engine.source,
            device=engine.device,
            reserve_bytes=engine.reserve_mib * 2**20,
            start_timeout_s=engine.start_timeout_s,
            step_timeout_s=engine.step_timeout_s,
        )


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; blocking, once at the start.

    Args:
        path: The file; None looks where the module's first lines say.
        environ: The environment; None means this process's own.

    Raises:
        BadSettings: ``problems`` holds one sentence for each thing to mend.
    """
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    raw = _from_file(_file(path, environ), problems)
    _merge(raw, _from_environ(environ, problems))
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        problems += [_sentence(detail) for detail in error.errors(include_url=False)]
    else:
        if not problems:
            return settings
    raise BadSettings(problems=tuple(dict.fromkeys(problems)))


def _file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is None and (named := environ.get(f"{PREFIX}CONFIG")):
        path = Path(named)
    if path is None:
        default = Path(FILE_NAME)
        return default if default.is_file() else None
    return path.expanduser()


def _from_file(path: Path | None, problems: list[str]) -> Raw:
    """The file's content; a token in it must be for the owner's eyes alone."""
    if path is None:
        return {}
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        mode = path.stat().st_mode
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}. Name an existing file, or none at all.")
        return {}
    except ValueError as error:  # not TOML, or not UTF-8
        reason = _first_line(error)
        problems.append(f"{path} is not valid TOML: {reason}. Text stands in quotes, as in: language = 'en'")
        return {}
    sections = [raw.get(name) for name in _WITH_TOKENS]
    holds_token = any(isinstance(section, dict) and section.get("token") for section in sections)
    if holds_token and os.name == "posix" and mode & 0o077:
        problems.append(
            f"{path} holds a token, but others on this machine can read it. Run: chmod 600 {path}"
        )
    return raw


def _first_line(error: ValueError) -> str:
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error).splitlines()[0].rstrip(".")


def _from_environ(environ: Mapping[str, str], problems: list[str]) -> Raw:
    raw: Raw = {}
    for platform in _WITH_TOKENS:
        if token := _token(platform, environ, problems):
            raw[platform] = {"token": token}
    for variable, value in sorted(environ.items()):
        names = variable.removeprefix(PREFIX).lower().split("__")
        if variable.startswith(PREFIX) and not variable.endswith("_FILE") and _is_ours(names[0]):
            _merge(raw, _nested(names, value))
    return raw


def _token(platform: str, environ: Mapping[str, str], problems: list[str]) -> str:
    """A token under its usual name, or from a file, as containers hand secrets over."""
    name = f"{platform.upper()}_TOKEN"
    if token := environ.get(name):
        return token
    variables = (f"{name}_FILE", f"{PREFIX}{platform.upper()}__TOKEN_FILE")
    variable = next((variable for variable in variables if environ.get(variable)), "")
    if not variable:
        return ""
    try:
        return Path(environ[variable]).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        problems.append(f"{variable} must name a readable file with the token, not {environ[variable]}.")
        return ""


def _is_ours(name: str) -> bool:
    """Whether a variable is meant as a setting: it names one, or is close enough to be a slip."""
    return _closest(name, Settings) is not None


def _closest(name: str, section: type[BaseModel]) -> str | None:
    names = list(section.model_fields)
    found = process.extractOne(name, names, scorer=fuzz.ratio, score_cutoff=_ALIKE_PERCENT)
    return found[0] if found else None


def _nested(names: list[str], value: str) -> Raw:
    return {names[0]: value if len(names) == 1 else _nested(names[1:], value)}


def _merge(into: Raw, more: Raw) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _sentence(detail: ErrorDetails) -> str:
    """One problem, told with the setting's name and an example, never with a secret."""
    names = [str(part) for part in detail["loc"] if isinstance(part, str)]
    name = ".".join(names)
    if detail["type"] == "unpinned":
        return detail["msg"]
    owner, field = _field(names)
    if detail["type"] == "extra_forbidden":
        close = _closest(names[-1], owner)
        hint = (
            f"did you mean {'.'.join([*names[:-1], close])}?"
            if close
            else f"there are: {', '.join(owner.model_fields)}."
        )
        return f"{name} is not a setting; {hint}"
    if field is None or not field.description:
        return f"{name} must be a table of settings, as under [{name}]."
    example = field.examples[0] if field.examples else ""
    shown = f", not {str(detail['input'])[:MAX_SHOWN_CHARS]!r}" if field.repr else ""
    return f"{name} must be {field.description}{shown}; for example: {example}"


def _field(names: list[str]) -> tuple[type[BaseModel], FieldInfo | None]:
    """The section that a setting's name leads into, and the setting itself where there is one."""
    owner: type[BaseModel] = Settings
    field = None
    for name in names:
        field = owner.model_fields.get(name)
        section = field.annotation if field else None
        if name != names[-1] and isinstance(section, type) and issubclass(section, BaseModel):
            owner = section
    return owner, field
