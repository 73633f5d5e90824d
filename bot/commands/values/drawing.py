"""What a person asks to be drawn."""

from dataclasses import dataclass, field

MAX_COUNT = 4


MAX_WEIGHT = 2.0


MAX_TOTAL_WEIGHT = 2.0  # of all LoRAs of a picture: more damages the pictures of a distilled model


@dataclass(frozen=True, slots=True)
class Ratio:
    """A shape, such as ``2:3``; the model's native area gives the pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PixelSize:
    """An exact size, such as ``512x768``."""

    width_px: int
    height_px: int


Size = Ratio | PixelSize


@dataclass(frozen=True, slots=True)
class LoraWish:
    """A LoRA as a person names it; ``weight`` None means the strength that the LoRA recommends.

    The name ``none`` means no LoRA, even if the chat has a default. An empty name means the chat's default
    LoRA at this weight, or no LoRA without a default.

    Attributes:
        joined: The words that commas join to it, as typed. They are part of the prompt; if the first is a
            LoRA, too, the person means a stack, and the refusal shows how to write one.
    """

    name: str
    weight: float | None = None
    joined: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Face:
    """The five face slots of ``/sugar``, as the person wrote them; empty means not given."""

    skin: str = ""
    blush: str = ""
    lips: str = ""
    eyes: str = ""
    lashes: str = ""


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw ``count`` pictures of this prompt.

    Attributes:
        loras: Empty for the chat's default.
        size: None for the model's native size.
        seed: None for a new one, which the answer names.
        count: None for the person's own default, else one.
        private: Only the person sees the answer, if the platform supports that; None for their own default.
        spoiler: Somebody must open the pictures to see them, if the platform supports that; None as above.
        surprise: Every slot of the face that is empty is drawn at random.
        negative: What the person does not want to see. The model cannot use it, so it only gives advice.
        preset: The name of options of the person that count where the request says nothing.
        dry: Only say what it would be, and cost.
        again: Draw it even if the person asked for the same a moment ago.
        edited_from: The job whose text the person changed; empty for a new text. Text cannot name it.
    """

    prompt: str = field(default="", repr=False)
    face: Face = field(default=Face(), repr=False)
    loras: tuple[LoraWish, ...] = ()
    size: Size | None = None
    seed: int | None = None
    count: int | None = None
    private: bool | None = None
    spoiler: bool | None = None
    surprise: bool = False
    negative: str = field(default="", repr=False)
    preset: str = ""
    dry: bool = False
    again: bool = False
    edited_from: str = ""
