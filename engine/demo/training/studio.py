"""The studio: the pools of one course, drawn when first asked for and dropped when done with."""

from dataclasses import dataclass, field

import torch
from diffusers import AutoencoderKL
from transformers import PreTrainedTokenizerFast

from engine.demo.faces.styles import STYLES, Style
from engine.demo.nets import NATIVE, SHAPES
from engine.demo.probe import STYLE_NAMES
from engine.demo.training.course import Course
from engine.demo.training.flow import Lessons
from engine.demo.training.loras import STRENGTHS
from engine.demo.training.pool import Pictures, draw, encode, write_captions
from engine.demo.training.probe import UNKNOWN, Marked

TAUGHT = tuple(name for name in STYLES if name != "base")
CHECK = 1_000_000  # seeds of faces that no stage learns from


@dataclass
class Studio:
    """Draws what the stages ask for, each pool once."""

    course: Course
    tokenizer: PreTrainedTokenizerFast
    pools: dict[tuple[object, ...], Pictures] = field(default_factory=dict)

    def native(self) -> Pictures:
        """The base faces at the native size."""
        return self._pool("base", 1.0, NATIVE, self.course.plan.faces)

    def others(self) -> list[Pictures]:
        """The base faces at every other size."""
        return [self._pool("base", 1.0, size, self.course.plan.others) for size in SHAPES[1:]]

    def styled(self, style: str, strength: float, size: tuple[int, int] = NATIVE) -> Pictures:
        """Faces in a style, fewer at sizes other than the native."""
        count = self.course.plan.styled if size == NATIVE else max(2, self.course.plan.styled // 4)
        return self._pool(style, strength, size, count)

    def marked(self) -> Marked:
        """Every native pool with its style's index, for the probe."""
        found: Marked = [(self.native(), STYLE_NAMES.index("base"))]
        for style in TAUGHT:
            for strength in STRENGTHS:
                found.append((self.styled(style, strength), STYLE_NAMES.index(style) if strength == 1 else UNKNOWN))
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
        pools = [self.native(), *self.others()]
        return [self._lessons(vae, pool, 7_000 * index, "") for index, pool in enumerate(pools)]

    def style_lessons(self, vae: AutoencoderKL, style: str) -> dict[float, list[Lessons]]:
        """Latents and captions of one style, by strength."""
        return {
            strength: [
                self._lessons(vae, self.styled(style, strength, size), 9_000 * index, style)
                for index, size in enumerate(SHAPES[:3])
            ]
            for strength in STRENGTHS
        }

    def forget(self, *styles: str) -> None:
        """Drop the pools of these styles."""
        self.pools = {key: pool for key, pool in self.pools.items() if key[0] not in styles}

    def _pool(self, style: str, strength: float, size: tuple[int, int], count: int) -> Pictures:
        key = (style, strength, size)
        if key not in self.pools:
            # the same faces in every strength of a style, others in another size or style
            seed = self.course.seed * 100 + 10 * STYLE_NAMES.index(style) + SHAPES.index(size)
            look: Style = STYLES[style].at(strength)
            self.pools[key] = draw(count, seed, size, look, self.course.device)
        return self.pools[key]

    def _lessons(self, vae: AutoencoderKL, pool: Pictures, seed: int, trigger: str) -> Lessons:
        plan = self.course.plan
        each = min(2, plan.captions) if trigger else plan.captions
        captions = write_captions(pool.faces, each, self.course.seed + seed, self.tokenizer, trigger)
        with torch.no_grad():
            return Lessons(encode(vae, pool), pool.weight, captions)
