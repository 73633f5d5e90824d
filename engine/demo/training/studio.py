"""The studio: the pools of one course, drawn when first asked for and dropped when done with."""

from dataclasses import dataclass, field

import torch
from diffusers import AutoencoderKL
from transformers import PreTrainedTokenizerFast

from engine.demo.faces.styles import STYLES
from engine.demo.faces.traits import sample_faces
from engine.demo.nets import NATIVE, SHAPES
from engine.demo.probe import STYLE_NAMES
from engine.demo.training.course import Course
from engine.demo.training.flow import Lessons
from engine.demo.training.loras import STRENGTHS
from engine.demo.training.pool import Pictures, draw, encode, write_captions
from engine.demo.training.probe import UNKNOWN, Marked

Key = tuple[str, float, tuple[int, int]]  # style, strength, width and height in px
TAUGHT = tuple(name for name in STYLES if name != "base")
CHECK = 1_000_000  # seeds of faces that no stage learns from


@dataclass
class Studio:
    """Draws what the stages ask for, each pool once."""

    course: Course
    tokenizer: PreTrainedTokenizerFast
    pools: dict[Key, Pictures] = field(default_factory=dict)

    def native(self) -> Pictures:
        """The base faces at the native size."""
        return self._pool(("base", 1.0, NATIVE), self.course.plan.faces)

    def others(self) -> list[Pictures]:
        """The base faces at every other size."""
        return [
            self._pool(("base", 1.0, size), self.course.plan.others)
            for size in SHAPES[1 : self.course.plan.sizes]
        ]

    def styled(self, style: str, strength: float) -> Pictures:
        """Faces in a style at the native size."""
        return self._pool((style, strength, NATIVE), self.course.plan.styled)

    def marked(self) -> Marked:
        """Every native pool with its style's index, for the probe."""
        found: Marked = [(self.native(), STYLE_NAMES.index("base"))]
        for style in TAUGHT:
            for strength in STRENGTHS:
                found.append(
                    (self.styled(style, strength), STYLE_NAMES.index(style) if strength == 1 else UNKNOWN)
                )
        return found

    def held_out(self, count: int) -> Marked:
        """Faces that no stage has seen, base and every style."""
        seed = CHECK + self.course.seed
        return [
            (draw(count, seed + index, NATIVE, STYLES[style], self.course.device), index)
            for index, style in enumerate(STYLE_NAMES)
        ]

    def base_lessons(self, vae: AutoencoderKL) -> list[Lessons]:
        """Latents and captions of the base faces, the native size first."""
        return [
            self._lessons(
                vae, ("base", 1.0, size), self.course.plan.others if index else self.course.plan.faces
            )
            for index, size in enumerate(SHAPES[: self.course.plan.sizes])
        ]

    def style_lessons(self, vae: AutoencoderKL, style: str) -> dict[float, list[Lessons]]:
        """Latents and captions of one style, by strength."""
        sizes = SHAPES[: min(3, self.course.plan.sizes)]
        return {
            strength: [
                self._lessons(vae, (style, strength, size), self._styled_count(size)) for size in sizes
            ]
            for strength in STRENGTHS
        }

    def forget(self, *styles: str) -> None:
        """Drop the pools of these styles."""
        self.pools = {key: pool for key, pool in self.pools.items() if key[0] not in styles}

    def _styled_count(self, size: tuple[int, int]) -> int:
        return self.course.plan.styled if size == NATIVE else max(2, self.course.plan.styled // 4)

    def _seed(self, key: Key) -> int:
        """The same faces in every strength of a style, others in another size or style."""
        style, _, size = key
        return self.course.seed * 100 + 10 * STYLE_NAMES.index(style) + SHAPES.index(size)

    def _pool(self, key: Key, count: int) -> Pictures:
        style, strength, size = key
        if key not in self.pools:
            look, plan = STYLES[style].at(strength), self.course.plan
            self.pools[key] = draw(count, self._seed(key), size, look, self.course.device, plan.fineness)
        return self.pools[key]

    def _lessons(self, vae: AutoencoderKL, key: Key, count: int) -> Lessons:
        """Draw and encode, or read what an earlier call encoded; the captions are written again."""
        style, strength, size = key
        kept = self.course.out / "latents" / f"{style}-{strength}-{size[0]}x{size[1]}-{count}.pt"
        faces = sample_faces(count, self._seed(key)).to(self.course.device)
        if not kept.is_file():
            pool = self._pool(key, count)
            kept.parent.mkdir(parents=True, exist_ok=True)
            torch.save({"latents": encode(vae, pool).cpu(), "weight": pool.weight.cpu()}, kept)
        stored = torch.load(kept, map_location=self.course.device, weights_only=True)
        trigger = "" if style == "base" else style
        each = min(2, self.course.plan.captions) if trigger else self.course.plan.captions
        captions = write_captions(faces, each, 7 * self._seed(key), self.tokenizer, trigger)
        return Lessons(stored["latents"], stored["weight"], captions)
