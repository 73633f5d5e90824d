"""Reads what trainers write about a LoRA beside its tensors: how strong it is, and what it is about.

The scale of a layer is alpha / rank. Alpha is a tensor of the file, else a value of the metadata; without
either the scale is 1. Only one of the three counts. ``lora_adapter_metadata`` is peft's configuration
as JSON, which diffusers writes with the model's part before each key, as ``transformer.lora_alpha``. A module
has the alpha and the rank of the first pattern that is its name or the end of it, else the common ones;
``use_rslora`` divides by the rank's square root instead. A file that contradicts itself has no scale: it is
refused, because a guess would draw it at the wrong strength without a word.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from engine.errors import LoraScaleRefused
from engine.formatting import printable

ADAPTER = "lora_adapter_metadata"
MAX_ADAPTER = 2**18  # characters; patterns of every module of Z-Image-Turbo need some 12,000
MAX_TEXT = 200  # characters of a title that are kept
_TITLES = ("modelspec.title", "ss_output_name", "name")
_TRIGGERS = ("modelspec.trigger_phrase", "trigger_word", "ss_trigger_word")
_BASES = ("ss_base_model_version", "modelspec.architecture", "ss_sd_model_name", "base_model")
WANTED = frozenset({ADAPTER, *_TITLES, *_TRIGGERS, *_BASES})
# peft's initial values that also change the base weight: the file alone does not say what it adds.
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
_ORDINARY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


_Rank = Annotated[int, Field(ge=1, le=2**20)]


class _Adapter(BaseModel):
    """What decides the scale in peft's configuration of LoRA, LoHa and LoKr."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    peft_type: str | None = None
    r: _Rank | None = None
    lora_alpha: float | None = None
    alpha: float | None = None
    rank_pattern: dict[str, _Rank] | None = None
    alpha_pattern: dict[str, float] | None = None
    use_rslora: bool | None = None
    use_dora: bool | None = None
    init_lora_weights: bool | str | None = None


def _starts(path: str) -> list[int]:
    return [0, *(place + 1 for place, letter in enumerate(path) if letter == ".")]


@dataclass(frozen=True, slots=True)
class Patterns:
    """Numbers by pattern; a pattern is a module's name or its end."""

    numbers: Mapping[str, float]

    def of(self, paths: Sequence[str]) -> float | None:
        """Return the number of the first pattern that fits, as peft searches; None if none fits."""
        ends = {path[start:] for path in paths for start in _starts(path)}
        fitting = ends & self.numbers.keys()
        if len(fitting) < 2:
            return self.numbers[fitting.pop()] if fitting else None
        return next(number for pattern, number in self.numbers.items() if pattern in fitting)


@dataclass(frozen=True, slots=True)
class AdapterScale:
    """The scale that the metadata states.

    Attributes:
        rank: The common rank; None if it is not stated.
        alpha: The common alpha.
        is_root: Whether to divide by the rank's square root.
        has_magnitudes: Whether it is DoRA.
    """

    rank: int | None
    alpha: float
    ranks: Patterns
    alphas: Patterns
    is_root: bool = False
    has_magnitudes: bool = False

    def of(self, paths: Sequence[str], rank: int | None) -> float:
        """Return the scale of a module's product.

        Args:
            paths: The module's names: as the file calls it, and as the library does.
            rank: Of its matrices; None if they have no rank of their own, as LoKr's whole factors.

        Raises:
            LoraScaleRefused: The stated rank is another one.
        """
        stated = self.ranks.of(paths) or self.rank
        if rank is not None and stated is not None and rank != stated:
            raise LoraScaleRefused(
                f"The metadata say rank {stated:g} for {paths[0][:80]}, whose matrices have rank {rank}.",
                why="scale", found=(paths[0][:80],),
            )  # fmt: skip
        divisor = stated or rank
        if divisor is None:
            raise _refuse(f"The metadata have no rank for {paths[0][:80]}.")
        alpha = self.alphas.of(paths)
        alpha = self.alpha if alpha is None else alpha
        return alpha / (math.sqrt(divisor) if self.is_root else divisor)


@dataclass(frozen=True, slots=True)
class Proposals:
    """What a file says about itself. Hostile text, shortened and printable; a host decides what is true."""

    title: str = ""
    trigger: str = ""
    base: str = ""


def proposals_of(metadata: Mapping[str, str]) -> Proposals:
    """Read a title, a trigger word and the model that it was trained on."""
    return Proposals(*(_first(metadata, names) for names in (_TITLES, _TRIGGERS, _BASES)))


def _first(metadata: Mapping[str, str], names: tuple[str, ...]) -> str:
    texts = (printable(metadata.get(name, "")[:MAX_TEXT].strip()) for name in names)
    return next((text for text in texts if text and text != "None"), "")


def adapter_scale(metadata: Mapping[str, str]) -> AdapterScale | None:
    """Read the scale that a file's metadata states; None if it states none.

    Raises:
        LoraScaleRefused: It cannot be read, or it describes an adapter whose scale is not known.
    """
    text = metadata.get(ADAPTER)
    if text is None:
        return None
    if len(text) > MAX_ADAPTER:
        raise _refuse("The metadata have too many characters.")
    try:
        entries = from_json(text, allow_inf_nan=False)
        if not isinstance(entries, dict):
            raise _refuse("The metadata are no JSON object.")
        adapter = _Adapter.model_validate(_of_transformer(entries))
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))[:80]
        raise _refuse(f"The metadata have a wrong {place}.") from error
    except ValueError as error:
        raise _refuse("The metadata are no JSON object.") from error
    return _scale(adapter)


def _of_transformer(entries: Mapping[str, object]) -> dict[str, object]:
    """Return the transformer's entries without their prefix; all entries if none has one."""
    own = {
        key.removeprefix("transformer."): value
        for key, value in entries.items()
        if key.startswith("transformer.")
    }
    return own or dict(entries)


def _scale(adapter: _Adapter) -> AdapterScale | None:
    kind = (adapter.peft_type or "LORA").upper()
    if kind not in ("LORA", "LOHA", "LOKR"):
        raise _refuse(f"The metadata describe an adapter of the kind {kind[:40]}.")
    initial = adapter.init_lora_weights
    if isinstance(initial, str) and initial.lower().startswith(_CHANGES_BASE):
        raise _refuse(f"The LoRA was made with {initial[:40]}, which changes the model itself, too.")
    for patterns in (adapter.rank_pattern, adapter.alpha_pattern):
        for pattern in patterns or {}:
            if not _ORDINARY.issuperset(pattern):
                raise _refuse(f"The metadata have a pattern that is no module's name: {pattern[:80]}.")
    alpha = adapter.lora_alpha if kind == "LORA" else adapter.alpha
    if alpha is None:
        if adapter.alpha_pattern or adapter.use_rslora:
            raise _refuse("The metadata have patterns but no alpha.")
        return None
    return AdapterScale(
        adapter.r,
        alpha,
        Patterns(adapter.rank_pattern or {}),
        Patterns(adapter.alpha_pattern or {}),
        bool(adapter.use_rslora),
        bool(adapter.use_dora),
    )


def _refuse(message: str) -> LoraScaleRefused:
    return LoraScaleRefused(message, why="scale", found=())
