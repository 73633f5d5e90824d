"""The datasets of one training run, made on first use and released after the last."""

from dataclasses import dataclass, field

import torch
from diffusers import AutoencoderKL
from transformers import PreTrainedTokenizerFast

from engine.demo.faces.styles import STYLES
from engine.demo.faces.traits import sample_faces
from engine.demo.networks import NATIVE, SHAPES
from engine.demo.probe import STYLE_NAMES
from engine.demo.training.flow import LatentDataset
from engine.demo.training.loras import STRENGTHS
from engine.demo.training.probe import UNKNOWN, LabelledPictures
from engine.demo.training.run import TrainingRun
from engine.demo.training.samples import FacePictures, draw, encode, write_captions

PoolKey = tuple[str, float, tuple[int, int]]  # style, strength, width and height in px
LORA_STYLES = tuple(name for name in STYLES if name != "base")
CHECK = 1_000_000  # seeds of held-out faces


@dataclass
class DatasetCache:
    """Renders and encodes the faces that the stages need, each pool once."""

    run: TrainingRun
    tokenizer: PreTrainedTokenizerFast
    pools: dict[PoolKey, FacePictures] = field(default_factory=dict)

    def native(self) -> FacePictures:
        """Return the base faces at the native size."""
        return self._pool(("base", 1.0, NATIVE), self.run.plan.faces)

    def others(self) -> list[FacePictures]:
        """Return the base faces at every other size."""
        return [
            self._pool(("base", 1.0, size), self.run.plan.others) for size in SHAPES[1 : self.run.plan.sizes]
        ]

    def styled(self, style: str, strength: float) -> FacePictures:
        """Return faces in a style at the native size."""
        return self._pool((style, strength, NATIVE), self.run.plan.styled)

    def labelled(self) -> LabelledPictures:
        """Return all pools of native size with the index of their style, for the probe."""
        found: LabelledPictures = [(self.native(), STYLE_NAMES.index("base"))]
        for style in LORA_STYLES:
            for strength in STRENGTHS:
                found.append(
                    (self.styled(style, strength), STYLE_NAMES.index(style) if strength == 1 else UNKNOWN)
                )
        return found

    def held_out(self, count: int) -> LabelledPictures:
        """Return held-out faces of the base and every style."""
        seed, device, plan = CHECK + self.run.seed, self.run.device, self.run.plan
        return [
            (draw(count, seed + index, NATIVE, STYLES[style], device, plan.supersampling), index)
            for index, style in enumerate(STYLE_NAMES)
        ]

    def base_datasets(self, vae: AutoencoderKL) -> list[LatentDataset]:
        """Return latents and captions of the base faces, the native size first."""
        return [
            self._dataset(vae, ("base", 1.0, size), self.run.plan.others if index else self.run.plan.faces)
            for index, size in enumerate(SHAPES[: self.run.plan.sizes])
        ]

    def style_datasets(self, vae: AutoencoderKL, style: str) -> dict[float, list[LatentDataset]]:
        """Return latents and captions of one style, by strength."""
        sizes = SHAPES[: min(3, self.run.plan.sizes)]
        return {
            strength: [
                self._dataset(vae, (style, strength, size), self._styled_count(size)) for size in sizes
            ]
            for strength in STRENGTHS
        }

    def forget(self, *styles: str) -> None:
        """Release the pools of these styles."""
        self.pools = {key: pool for key, pool in self.pools.items() if key[0] not in styles}

    def _styled_count(self, size: tuple[int, int]) -> int:
        return self.run.plan.styled if size == NATIVE else max(2, self.run.plan.styled // 4)

    def _seed(self, key: PoolKey) -> int:
        """Return a seed that is equal for all strengths of a style, and differs by size and style."""
        style, _, size = key
        return self.run.seed * 100 + 10 * STYLE_NAMES.index(style) + SHAPES.index(size)

    def _pool(self, key: PoolKey, count: int) -> FacePictures:
        style, strength, size = key
        if key not in self.pools:
            look, plan = STYLES[style].at(strength), self.run.plan
            self.pools[key] = draw(count, self._seed(key), size, look, self.run.device, plan.supersampling)
        return self.pools[key]

    def _dataset(self, vae: AutoencoderKL, key: PoolKey, count: int) -> LatentDataset:
        """Render and encode, or load latents that an earlier call encoded; write the captions again."""
        style, strength, size = key
        path = self.run.out / "latents" / f"{style}-{strength}-{size[0]}x{size[1]}-{count}.pt"
        faces = sample_faces(count, self._seed(key)).to(self.run.device)
        if not path.is_file():
            pool = self._pool(key, count)
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save({"latents": encode(vae, pool).cpu(), "weight": pool.weight.cpu()}, path)
        stored = torch.load(path, map_location=self.run.device, weights_only=True)
        trigger = "" if style == "base" else style
        each = min(2, self.run.plan.captions) if trigger else self.run.plan.captions
        captions = write_captions(faces, each, 7 * self._seed(key), self.tokenizer, trigger)
        return LatentDataset(stored["latents"], stored["weight"], captions)
