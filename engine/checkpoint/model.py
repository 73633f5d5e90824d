"""Finds the model and checks that its folder is complete, before a worker takes minutes to load it.

A model is built in, a folder, or a Hub name that is pinned to one commit. Blocking: call it in a thread. An
interrupted download continues at the next call. Every call checks the folder again, so an incomplete model is
always noticed.
"""

import errno
import math
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.checkpoint import copies
from engine.checkpoint.contents import missing_parts, published_transformer, time_shift
from engine.checkpoint.remote import FILES_OF_A_MODEL, unreachable
from engine.config import BUILT_IN, EngineConfig
from engine.errors import (
    ModelError,
    ModelIncomplete,
    ModelMissing,
    ModelNeedsGuidance,
    ModelNotConverted,
    ModelNotDownloaded,
    ModelUnreachable,
)
from engine.request import LARGER, STEPS

log = structlog.get_logger(__name__)

BUILT_IN_WEIGHTS = Path(__file__).parents[1] / "demo" / "weights"
BASE_SHIFT = 6.0  # of Z-Image, which needs guidance and some 50 steps; Turbo has 3
MAX_STEPS, MAX_SHIFT = 50, 100.0
SHAPE_COUNTS = 4.0  # an error of 1 % in shape counts as much as one of 4 % in area
LARGER_SIDES = 2  # a picture with a start may have so many times the sides of one from noise …
MAX_LARGER_AREA_PX = 2048 * 2048  # … within this area: attention is then as long as the products
LARGER_FACTORS = (2.0, 1.5)  # that people are offered, largest first
LEAST_GROWTH = 1.2  # in area; less is not worth a picture
MAX_SIDE_PX = 8192  # the positions the transformer knows
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
SidePx = Annotated[int, Field(ge=16, le=MAX_SIDE_PX, multiple_of=16)]


class _Limits(BaseModel):
    """``sugarbot.json`` in a model's folder: the sizes that the model draws well, and its schedule.

    Defaults are Z-Image-Turbo's: 512 x 768 is the size its face LoRAs are used at; 256 to 1536 a side is what
    hosted services of this model accept; the largest area is the native shape with both sides doubled. A
    distillation names its own ``steps``; without a ``shift`` the schedule is that of its scheduler. A model
    that was trained at no larger size enlarges with a lower strength.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(max_length=80)] = ""
    native_width_px: SidePx = 512
    native_height_px: SidePx = 768
    min_side_px: SidePx = 256
    max_side_px: SidePx = 1536
    max_area_px: Annotated[int, Field(gt=0)] = 1024 * 1536
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)] = STEPS
    shift: Annotated[float, Field(gt=0, le=MAX_SHIFT)] | None = None
    larger_strength: Annotated[float, Field(gt=0, le=1)] = LARGER


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A complete model on disk, the sizes it draws and its schedule. Sides are multiples of ``multiple_px``.

    Attributes:
        folder: What is loaded.
        origin: The folder that the host named, if ``folder`` is a converted copy of it.
        steps: The number of steps that it was distilled for.
        shift: The time shift of its schedule; None for the one of its scheduler.
        larger_strength: Of the start picture at one of ``larger_sizes``.
        is_built_in: Whether it is the small model that comes with the program; it knows few words.
    """

    name: str
    folder: Path
    native_width_px: int
    native_height_px: int
    min_side_px: int
    max_side_px: int
    multiple_px: int = 16
    max_area_px: int
    steps: int = STEPS
    shift: float | None = None
    larger_strength: float = LARGER
    origin: Path | None = None
    is_built_in: bool = False

    def fit(self, ratio_w: int, ratio_h: int) -> tuple[int, int]:
        """Return the allowed size nearest to this shape with about the native area; 1:1 is a square.

        Args:
            ratio_w: The shape's width, > 0, in any unit; 2 of 2:3.
            ratio_h: Its height, > 0, in the same unit.
        """
        shape = ratio_w / ratio_h
        native_area = self.native_width_px * self.native_height_px
        sides = range(self._on_grid(self.min_side_px), self.max_side_px + 1, self.multiple_px)
        widths = {(width, self._on_grid(width / shape)) for width in sides}
        heights = {(self._on_grid(height * shape), height) for height in sides}

        allowed = [size for size in widths | heights if self.allows(*size)]
        return min(allowed, key=lambda size: (_distance(size, shape, native_area), size))

    def allows(self, width_px: int, height_px: int) -> bool:
        """Return whether this size can be drawn from noise alone."""
        return self._fits(width_px, height_px, self.max_side_px, self.max_area_px)

    def allows_with_start(self, width_px: int, height_px: int) -> bool:
        """Return whether this size can be drawn from an earlier picture, which has the composition."""
        return self._fits(width_px, height_px, *self._largest)

    def larger_sizes(self, width_px: int, height_px: int) -> tuple[tuple[int, int], ...]:
        """Return the sizes to which a picture can be enlarged, largest first; none if it is the largest.

        They have the picture's shape as nearly as the grid allows, and at most ``LARGER_SIDES`` times its
        sides and the model's.
        """
        shape, own_area, multiple = width_px / height_px, width_px * height_px, self.multiple_px
        max_side_px, max_area_px = self._largest
        widths = range(width_px, min(max_side_px, LARGER_SIDES * max(width_px, height_px)) + 1, multiple)
        sizes = [(width, round(width / shape / multiple) * multiple) for width in widths]
        allowed = [size for size in sizes if self.allows_with_start(*size)]

        found: dict[tuple[int, int], None] = {}
        for factor in LARGER_FACTORS:
            area = min(factor**2 * own_area, max_area_px)
            fitting = [each for each in allowed if LEAST_GROWTH * own_area <= each[0] * each[1] <= area]
            if fitting:
                found[min(fitting, key=lambda size: (_distance(size, shape, area), size))] = None
        return tuple(found)

    def _fits(self, width_px: int, height_px: int, max_side_px: int, max_area_px: int) -> bool:
        sides_fit = all(
            side % self.multiple_px == 0 and self.min_side_px <= side <= max_side_px
            for side in (width_px, height_px)
        )
        return sides_fit and width_px * height_px <= max_area_px

    @property
    def _largest(self) -> tuple[int, int]:
        """The longest side and the largest area of a picture with a start."""
        area = max(self.max_area_px, min(LARGER_SIDES**2 * self.max_area_px, MAX_LARGER_AREA_PX))
        return min(LARGER_SIDES * self.max_side_px, MAX_SIDE_PX), area

    def nearest(self, width_px: int, height_px: int) -> tuple[tuple[int, int], ...]:
        """Return up to three allowed sizes, nearest first: this one corrected, this shape, the native one."""
        wanted_w, wanted_h = max(width_px, 1), max(height_px, 1)
        sizes = {
            self._allowed(wanted_w, wanted_h),
            self.fit(wanted_w, wanted_h),
            (self.native_width_px, self.native_height_px),
        }

        shape, area = wanted_w / wanted_h, wanted_w * wanted_h
        return tuple(sorted(sizes, key=lambda size: (_distance(size, shape, area), size)))

    def small(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Return the allowed size of about this shape that is nearest to a quarter of this area.

        It is this size itself where the model draws nothing smaller of this shape.
        """
        shape, quarter = width_px / height_px, width_px * height_px / 4
        widths = range(self._on_grid(self.min_side_px), width_px + 1, self.multiple_px)
        sizes = {(width, self._on_grid(width / shape)) for width in widths} | {(width_px, height_px)}
        return min(sizes, key=lambda size: (_distance(size, shape, quarter), size))

    def _allowed(self, width_px: float, height_px: float) -> tuple[int, int]:
        """Bring a size within the limits: shrink its shape, then each side into its range and on the grid."""
        area, longest = width_px * height_px, max(width_px, height_px)
        shrink = min(1.0, math.sqrt(self.max_area_px / area), self.max_side_px / longest)
        width, height = self._on_grid(width_px * shrink), self._on_grid(height_px * shrink)
        while width * height > self.max_area_px:  # rounding went up, or one side was raised to the minimum
            if width >= height:
                width -= self.multiple_px
            else:
                height -= self.multiple_px
        return width, height

    def _on_grid(self, side: float) -> int:
        rounded = round(side / self.multiple_px) * self.multiple_px
        return min(max(rounded, self.min_side_px), self.max_side_px)


def _distance(size: tuple[int, int], shape: float, area: float) -> float:
    """How far a size is from a wanted shape (width / height) and area."""
    width, height = size
    return SHAPE_COUNTS * abs(math.log(width / height / shape)) + abs(math.log(width * height / area))


def find_model(config: EngineConfig, *, download: bool = True) -> ModelInfo:
    """Find what to load: the model that the settings name, or its converted copy if that loads faster.

    Args:
        config: Names the model.
        download: Download it if it is not on disk; minutes to hours. ``engine.checkpoint.fetch`` does the
            same in a process that can be ended.

    Raises:
        ModelMissing: It does not exist; correct the setting. ModelNotDownloaded: it is not on disk, and
            ``download`` is False. ModelUnreachable: it cannot be downloaded; correct the network.
        ModelIncomplete: ``missing`` names every part that the folder lacks.
        ModelNotConverted: Its transformer is a published file without a current copy.
    """
    source = find_source(config, download=download)
    is_published = config.model != BUILT_IN and published_transformer(source.folder) is not None
    if config.model == BUILT_IN or (config.device == "cpu" and not is_published):
        return source  # a processor draws in float32, which the source may have
    folder = copies.copy_folder(config.data_dir, source.folder, source.name)
    state = copies.copy_state(folder, source.folder)
    if state is not copies.CopyState.CURRENT:
        if state is copies.CopyState.STALE:
            log.warning("converted weights ignored", reason="their source has changed", folder=str(folder))
        return _usable(source, is_published=is_published)
    try:
        return replace(read_model(folder, source.name), origin=source.folder)
    except ModelIncomplete as error:
        log.warning("converted weights ignored", reason=str(error), folder=str(folder))
        return _usable(source, is_published=is_published)


def _usable(source: ModelInfo, *, is_published: bool) -> ModelInfo:
    if is_published:
        raise ModelNotConverted(f"{source.folder} is not converted.", folder=str(source.folder))
    return source


def find_source(config: EngineConfig, *, download: bool = True) -> ModelInfo:
    """Find the model itself, and download it if needed; raises as ``find_model``."""
    if config.model == BUILT_IN:
        return read_model(BUILT_IN_WEIGHTS)
    folder = Path(config.model).expanduser()
    if folder.is_dir():
        return read_model(folder)
    if not _HUB_NAME.fullmatch(config.model):
        raise ModelMissing(f"{folder} is not a folder.", folder=str(folder))
    return _fetch(config, download=download)


def read_model(folder: Path, name: str = "") -> ModelInfo:
    """Check that a folder has a complete Z-Image checkpoint, and read its limits.

    Raises:
        ModelMissing: The folder does not exist.
        ModelIncomplete: ``missing`` names every part that is missing or broken.
        ModelNeedsGuidance: It is the base model, which ``shift`` shows. A distillation of it names its
            ``steps`` in ``sugarbot.json``.
    """
    if not folder.is_dir():
        raise ModelMissing(f"{folder} is not a folder.", folder=str(folder))
    missing = missing_parts(folder)
    limits = _Limits()
    if (folder / "sugarbot.json").is_file():
        try:
            limits = _Limits.model_validate_json((folder / "sugarbot.json").read_bytes())
        except ValidationError as error:
            missing += [
                f"sugarbot.json ({'.'.join(map(str, each['loc']))}: {each['msg']})" for each in error.errors()
            ]
    if missing:
        parts = tuple(missing)
        raise ModelIncomplete(f"{folder} lacks {', '.join(parts)}.", folder=str(folder), missing=parts)
    shift = time_shift(folder)
    if shift is not None and shift >= BASE_SHIFT and "steps" not in limits.model_fields_set:
        raise ModelNeedsGuidance(
            f"{folder} has a time shift of {shift:g}; distilled models have less.",
            path=str(folder), shift=f"{shift:g}",
        )  # fmt: skip
    named = {**limits.model_dump(), "name": name or limits.name or folder.name}
    is_built_in = folder.resolve() == BUILT_IN_WEIGHTS.resolve()
    info = ModelInfo(folder=folder.resolve(), is_built_in=is_built_in, **named)
    if not info.allows(info.native_width_px, info.native_height_px):
        flaw = "sugarbot.json (the native size is outside its own limits)"
        raise ModelIncomplete(f"{folder} has a wrong {flaw}.", folder=str(folder), missing=(flaw,))
    return info


def built_in_lora_folder(model: ModelInfo) -> Path:
    """Return the folder of the LoRAs that came with this model; it may be missing, for most have none."""
    folder = model.origin or model.folder
    parent = folder.parent if folder == BUILT_IN_WEIGHTS.resolve() else folder
    return parent / "loras"


def lora_folders(config: EngineConfig, model: ModelInfo) -> list[Path]:
    """Return the folders of the shelf, the host's own last."""
    return [built_in_lora_folder(model), config.lora_dir]


def download_folder(config: EngineConfig) -> Path:
    """Return the folder of a published model below ``data_dir``; it need not exist."""
    return config.data_dir / "models" / config.model.replace("/", "--") / config.revision


def _fetch(config: EngineConfig, *, download: bool) -> ModelInfo:
    """Find a pinned Hub model on this machine, or download it below ``data_dir/models``."""
    if not _COMMIT.fullmatch(config.revision):
        raise ModelMissing(
            f"{config.model} is not a folder on this machine, "
            "and engine.revision is not a commit of 40 digits.",
            model=config.model, revision=config.revision,
        )  # fmt: skip
    folder = download_folder(config)
    try:
        return read_model(folder, config.model)
    except (ModelMissing, ModelIncomplete):
        pass  # never downloaded, or interrupted
    if config.source == "hub" and (cached := _in_hub_cache(config)) is not None:
        return cached
    if not download:
        raise ModelNotDownloaded(f"{config.model} is not on this machine.", model=config.model)
    from engine.checkpoint.download import download as fetch  # noqa: PLC0415 - few starts download

    started = time.monotonic()
    log.info("model download begins", model=config.model, revision=config.revision, source=config.source)
    try:
        fetch(config, folder)
    except ModelError:
        raise
    except Exception as error:  # supervision: the errors of download libraries change with their versions
        raise _unreachable(config, error) from error
    log.info("model download done", folder=str(folder), seconds=round(time.monotonic() - started, 1))
    return read_model(folder, config.model)


def _unreachable(config: EngineConfig, error: Exception) -> ModelUnreachable:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    detail = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        detail = f"no space left below {config.data_dir}"
    return unreachable(config, detail)


def _in_hub_cache(config: EngineConfig) -> ModelInfo | None:
    """Return the copy of this commit in the Hub's cache, if it is complete; uses no network."""
    import huggingface_hub as hub  # noqa: PLC0415 - only a Hub model needs it

    try:
        found = hub.snapshot_download(
            config.model,
            revision=config.revision,
            allow_patterns=FILES_OF_A_MODEL,
            local_files_only=True,
        )
        return read_model(Path(found), config.model)
    except (OSError, ValueError, ModelIncomplete, ModelMissing):
        return None
