"""Sheets: one picture made of several small ones, of which a person adopts one."""

from dataclasses import dataclass, field, replace

from bot.commands.values.drawing import Draw, LoraWish, Size

MAX_CELLS = 16  # a phone shows four by four; at a quarter of the area each, they cost four pictures
DRAFTS = 4  # at a quarter of the area each, they cost one picture


@dataclass(frozen=True, slots=True)
class Compare:
    """Draw a labelled sheet of small pictures, which differ in one or two of the first four attributes.

    Attributes:
        prompts: At least one.
        loras: Each makes pictures of its own; empty for the chat's default.
        weights: Of each LoRA that is named without one; empty for the recommended ones.
        seeds: Empty for one new seed, which the answer names.
        size: Of the picture that is drawn when a cell is adopted; None for the model's native size.
        private, spoiler, dry, again: As in ``Draw``.
    """

    prompts: tuple[str, ...] = field(repr=False)
    loras: tuple[LoraWish, ...] = ()
    weights: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    size: Size | None = None
    private: bool | None = None
    spoiler: bool | None = None
    dry: bool = False
    again: bool = False

    @property
    def draw(self) -> Draw:
        """What all its pictures have in common, as a drawing of the first prompt."""
        seed = self.seeds[0] if self.seeds else None
        return Draw(
            self.prompts[0],
            loras=self.loras,
            size=self.size,
            seed=seed,
            private=self.private,
            spoiler=self.spoiler,
            dry=self.dry,
            again=self.again,
        )

    def with_draw(self, draw: Draw) -> "Compare":
        """Return the comparison with LoRAs, size and switches of ``draw``."""
        return replace(self, loras=draw.loras, size=draw.size, private=draw.private, spoiler=draw.spoiler)


@dataclass(frozen=True, slots=True)
class Draft:
    """Draw ``DRAFTS`` small pictures with the seeds after that of ``draw``; one of them may be adopted."""

    draw: Draw

    @property
    def dry(self) -> bool:
        """As in ``Draw``."""
        return self.draw.dry

    def with_draw(self, draw: Draw) -> "Draft":
        """Return the drafts of another drawing."""
        return Draft(draw)


@dataclass(frozen=True, slots=True)
class Adopt:
    """Draw a picture of a sheet at full size.

    Attributes:
        job_id: Of the sheet; empty for the person's newest one.
        index: Of the picture, from 0; people count from 1.
    """

    job_id: str
    index: int
