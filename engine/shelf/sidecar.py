"""What the host says about a LoRA file in the ``NAME.toml`` beside it: how it is used, and by whom.

``[titles]`` has a title by language; helpers are written ``"NAME"`` or ``"NAME:0.7"``; ``expires`` is a date,
which begins at midnight UTC, or a time with its offset. Nothing is guessed: an unknown field or a wrong value
refuses the LoRA, because nobody knows then who may use it.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from engine.checkpoint.model import MAX_STEPS
from engine.durable import sync_file
from engine.errors import LoraNameRefused, LoraNotAFile, LoraSidecarRefused
from engine.formatting import normalize, printable
from engine.shelf.names import SIDECAR, is_lora_file, require_name
from engine.shelf.validation import open_regular_file

MAX_WEIGHT = 2.0
PROBLEMS_JOINT = " · "  # between the problems of one sidecar
MAX_BYTES = 2**16  # of a sidecar; a thousand people and chats need 40,000
# Of all text: what costs the parser time. Its time and memory grow with the square of a dotted key's parts.
MOST_SIGNS = {".": 1_000, ",": 4_000, "=": 1_000, "[": 1_000}
MAX_TITLE = 80  # characters
MAX_WORDS = 200  # characters of any other text
MAX_NAMES = 1_000  # people, and chats
MAX_HELPERS = 8
_SHOWN_FIELD = re.compile(r"[\w-]{1,40}")
_SOMEBODY = r"[a-z]{1,16}:[\w.-]{1,64}"


class LoraKind(StrEnum):
    """What a LoRA changes: ``FACE`` who is drawn, ``STYLE`` how; a ``HELPER`` is attached to others."""

    FACE = "face"
    STYLE = "style"
    HELPER = "helper"


@dataclass(frozen=True, slots=True)
class Helper:
    """A LoRA that is attached by itself, at this strength."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The statements of one sidecar; a missing field has its default.

    Attributes:
        titles: Language → what people call it.
        trigger: Words that are put before the prompt.
        weight: The strength of a request that names none.
        least_weight, most_weight: The strengths that a request may ask for.
        steps: Forwards of a distillation LoRA; None for any model's own number.
        helpers: Attached to every request of this LoRA.
        source, licence: Where it comes from, and on which terms.
        base: The model that it was trained on.
        depicts_person: A real person is recognisable; without ``people`` and ``chats`` only the owner may
            use it.
        consent: Who agreed, and to what.
        owner: ``platform:user_id`` of the person who may allow and revoke, and who gets the reports.
        people: ``platform:user_id`` of those who may use it; ``platform:*`` for all of a platform.
        chats: ``platform:chat_id`` of the chats where everybody may, ``discord:guild_id`` or ``platform:*``.
        expires_ms: The moment, UTC, from which nobody may use it; None for never.
        sha256: The only content that may be used; empty for any.
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    trigger: str = ""
    weight: float = 1.0
    least_weight: float = -MAX_WEIGHT
    most_weight: float = MAX_WEIGHT
    steps: int | None = None
    kind: LoraKind = LoraKind.STYLE
    helpers: tuple[Helper, ...] = ()
    source: str = ""
    licence: str = ""
    base: str = ""
    depicts_person: bool = False
    consent: str = ""
    owner: str = ""
    people: frozenset[str] = frozenset()
    chats: frozenset[str] = frozenset()
    expires_ms: int | None = None
    sha256: str = ""

    @property
    def rights(self) -> "Sidecar":
        """What it states on whose the LoRA is, who may use it, and until when; nothing else."""
        return Sidecar(
            depicts_person=self.depicts_person,
            consent=self.consent,
            owner=self.owner,
            people=self.people,
            chats=self.chats,
            expires_ms=self.expires_ms,
        )

    @property
    def says_who(self) -> bool:
        """Whether it states who may use the LoRA."""
        return bool(self.depicts_person or self.people or self.chats)

    @property
    def is_for_everybody(self) -> bool:
        """Whether it states no restriction on who may use the LoRA, and until when."""
        return not self.says_who and self.expires_ms is None


def _printable(text: str) -> str:
    if printable(text) != text:
        raise ValueError("control characters")
    return text


def _helper(text: str) -> str:
    _helper_of(text)
    return text


def _helper_of(text: str) -> Helper:
    """Read ``NAME`` or ``NAME:0.7``.

    Raises:
        ValueError: It is neither.
    """
    name, colon, weight = normalize(text).rpartition(":")
    strength = float(weight) if colon else 1.0
    typed = text[: -len(weight) - 1] if colon else text
    try:
        require_name(typed.strip())
    except LoraNameRefused as error:
        raise ValueError(name) from error
    if not abs(strength) <= MAX_WEIGHT:
        raise ValueError(weight)
    return Helper(typed.strip(), strength)


_Text = Annotated[str, Field(max_length=MAX_WORDS), AfterValidator(_printable)]
_Title = Annotated[str, Field(min_length=1, max_length=MAX_TITLE), AfterValidator(_printable)]
_Locale = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$")]
_Weight = Annotated[float, Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT, allow_inf_nan=False)]
_HelperText = Annotated[str, Field(max_length=MAX_WORDS), AfterValidator(_helper)]
_Names = Annotated[
    list[Annotated[str, Field(pattern=rf"^([a-z]{{1,16}}:\*|{_SOMEBODY})$")]], Field(max_length=MAX_NAMES)
]


class _Written(BaseModel):
    """The fields as they are written."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    titles: Annotated[dict[_Locale, _Title], Field(max_length=8)] = {}
    trigger: _Text = ""
    weight: _Weight = 1.0
    least_weight: _Weight = -MAX_WEIGHT
    most_weight: _Weight = MAX_WEIGHT
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)] | None = None
    kind: Annotated[LoraKind, Field(strict=False)] = LoraKind.STYLE
    helpers: Annotated[list[_HelperText], Field(max_length=MAX_HELPERS)] = []
    source: _Text = ""
    licence: _Text = ""
    base: _Text = ""
    depicts_person: bool = False
    consent: _Text = ""
    owner: Annotated[str, Field(pattern=rf"^({_SOMEBODY})?$")] = ""
    people: _Names = []
    chats: _Names = []
    expires: datetime | date | None = None
    sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""


_MUST = {
    "titles": f"titles must be a table of texts of at most {MAX_TITLE} characters by language",
    "weight": f"weight must be a number from {-MAX_WEIGHT:g} to {MAX_WEIGHT:g}",
    "least_weight": f"least_weight must be a number from {-MAX_WEIGHT:g} to {MAX_WEIGHT:g}",
    "most_weight": f"most_weight must be a number from {-MAX_WEIGHT:g} to {MAX_WEIGHT:g}",
    "steps": f"steps must be a whole number from 1 to {MAX_STEPS}",
    "kind": "kind must be face, style or helper",
    "helpers": f"helpers must be a list of at most {MAX_HELPERS} names, each with or without :weight",
    "depicts_person": "depicts_person must be true or false",
    "owner": "owner must be platform:id",
    "people": f"people must be a list of at most {MAX_NAMES} times platform:id or platform:*",
    "chats": f"chats must be a list of at most {MAX_NAMES} times platform:id or platform:*",
    "expires": "expires must be a date, or a time with its offset",
    "sha256": "sha256 must be 64 digits from 0 to f",
}


def read_sidecar(path: Path) -> Sidecar:
    """Read the sidecar of a LoRA file; a missing one states nothing.

    Args:
        path: Of the LoRA file.

    Raises:
        LoraSidecarRefused: It is malformed; its text names every wrong field.
    """
    place = sidecar_path(path)
    if not os.path.lexists(place):
        return Sidecar()
    try:
        with open_regular_file(place) as file:
            content = file.read(MAX_BYTES + 1)
    except LoraNotAFile as error:
        raise _refuse("it is no regular file, or may not be read") from error
    return parse_sidecar(content)


def sidecar_path(path: Path) -> Path:
    """Return where the sidecar of a LoRA file is."""
    return path.with_suffix(SIDECAR)


def remove_file(path: Path) -> None:
    """Delete a LoRA file and its sidecar, durably; a sidecar that another file shares stays.

    Raises:
        OSError: The folder accepts no change.
    """
    path.unlink(missing_ok=True)
    place = sidecar_path(path)
    if not any(is_lora_file(each.name) and sidecar_path(each) == place for each in path.parent.iterdir()):
        place.unlink(missing_ok=True)
    sync_file(path.parent)


def _parse_toml(content: bytes) -> dict[str, object]:
    if len(content) > MAX_BYTES:
        raise _refuse(f"it has more than {MAX_BYTES} bytes")
    for sign, most in MOST_SIGNS.items():
        if content.count(sign.encode()) > most:
            raise _refuse(f"it has more than {most} times “{sign}”")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _refuse("it is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        line = re.search(r"line (\d{1,9})", str(error))
        raise _refuse(f"line {line[1]} is not TOML" if line else "it is not TOML") from error


def parse_sidecar(content: bytes) -> Sidecar:
    """Parse a sidecar; raises as ``read_sidecar``."""
    try:
        written = _Written.model_validate(_parse_toml(content))
    except ValidationError as error:
        problems = dict.fromkeys(_problem(each["loc"], each["type"]) for each in error.errors())
        raise _refuse(PROBLEMS_JOINT.join(problems)) from error
    weight = written.weight
    if "weight" not in written.model_fields_set:
        weight = min(max(weight, written.least_weight), written.most_weight)
    if not written.least_weight <= weight <= written.most_weight:
        raise _refuse("weight must be between least_weight and most_weight")
    return _sidecar(written, weight)


def _sidecar(written: _Written, weight: float) -> Sidecar:
    values: dict[str, Any] = {name: getattr(written, name) for name in type(written).model_fields}
    expires = values.pop("expires")
    if isinstance(expires, datetime):
        if expires.tzinfo is None:
            raise _refuse(_MUST["expires"])
    elif expires is not None:
        expires = datetime.combine(expires, time(), UTC)
    return Sidecar(
        **values
        | {
            "weight": weight,
            "helpers": tuple(map(_helper_of, written.helpers)),
            "people": frozenset(written.people),
            "chats": frozenset(written.chats),
            "expires_ms": expires and int(expires.timestamp() * 1_000),
        }
    )


def _problem(place: tuple[int | str, ...], kind: str) -> str:
    """Say what a field must be; names of fields come from the file and are shown if they are harmless."""
    name = str(place[0])
    if name in _Written.model_fields:
        return _MUST.get(name, f"{name} must be a text of at most {MAX_WORDS} characters")
    if kind == "extra_forbidden" and _SHOWN_FIELD.fullmatch(name):
        return f"{name} is not a field of a sidecar"
    return "it has an unknown field"


def _refuse(why: str) -> LoraSidecarRefused:
    return LoraSidecarRefused(why)
