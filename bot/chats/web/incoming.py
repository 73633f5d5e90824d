"""What a browser may send: one frozen model for each body, and plain values only.

pydantic validates strictly: no other types, no unknown fields, no NaN, no lone surrogates. Whatever does not
fit is refused before anything else sees it.
"""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bot.chats.web.talks import Wishes
from bot.commands.values import MAX_COUNT, MAX_WEIGHT, Ratio
from bot.messages import LOCALES

MAX_TEXT_CHARS = 4_000  # a prompt has at most 800, and its refusal names the real length
MAX_NAME_CHARS = 64
SHAPES = ("1:1", "2:3", "3:2", "9:16")


def _printable(text: str) -> str:
    """Control characters other than tab and line feed become spaces."""
    return "".join(
        " " if unicodedata.category(char) == "Cc" and char not in "\t\n" else char for char in text
    )


def _known_shape(shape: str) -> str:
    if shape and shape not in SHAPES:
        raise ValueError("not a shape")
    return shape


def _known_locale(locale: str) -> str:
    if locale not in LOCALES:
        raise ValueError("not a language of ours")
    return locale


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class SayBody(_Body):
    """A message and the controls beside it; ``shape`` is empty for the model's own."""

    text: Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(_printable)]
    lora: Annotated[str, Field(max_length=MAX_NAME_CHARS)] = ""
    weight: Annotated[float, Field(ge=0, le=MAX_WEIGHT, allow_inf_nan=False)] | None = None
    shape: Annotated[str, AfterValidator(_known_shape)] = ""
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] = 1

    @property
    def wishes(self) -> Wishes:
        """What the controls say; a weight counts with a named LoRA only."""
        weight = self.weight if self.lora not in ("", "none") else None
        ratio = Ratio(*map(int, self.shape.split(":"))) if self.shape else None
        return Wishes(self.lora, weight, ratio, self.count)


class PressBody(_Body):
    """The data of a button of ours."""

    press: Annotated[str, Field(max_length=MAX_NAME_CHARS)]


class LanguageBody(_Body):
    """The language that the page shall speak."""

    locale: Annotated[str, AfterValidator(_known_locale)]
