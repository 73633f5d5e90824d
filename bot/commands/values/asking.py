"""What a person wants of every picture, named sets of options, and what may be drawn in a chat."""

from dataclasses import dataclass, field

from bot.commands.values.drawing import Draw, PixelSize

SETTINGS = ("lora", "size", "count", "private", "spoiler", "language", "advice")
"""The names of the settings, as their options are called."""


@dataclass(frozen=True, slots=True)
class PersonSettings:
    """What holds for every request of a person that does not say otherwise.

    Attributes:
        options: Only its LoRAs, size, count, privacy and spoiler count.
        language: A locale; empty for that of the platform.
        advice: Whether the bot says what cannot work, each thing once.
    """

    options: Draw = field(default=Draw(), repr=False)
    language: str = ""
    advice: bool = True


@dataclass(frozen=True, slots=True)
class EditSettings:
    """Change the person's settings and show them; without a change, show them.

    Attributes:
        options: As in ``PersonSettings``; what is not given stays.
        language: None to keep it.
        advice: None to keep it.
        reset: Names of ``SETTINGS`` that return to the usual before the changes.
    """

    options: Draw = field(default=Draw(), repr=False)
    language: str | None = None
    advice: bool | None = None
    reset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EditPresets:
    """Show, save or delete the person's presets: all of them without a ``name``, else that one.

    Attributes:
        options: What to save; an equal name is replaced. Its prompt is put behind that of a request.
        job_id: A job whose options to save, with ``options`` over them.
        delete: Delete it.
    """

    name: str = ""
    options: Draw = field(default=Draw(), repr=False)
    job_id: str = ""
    delete: bool = False


PROFILE = ("loras", "limit", "language")
"""The names of what a chat's profile says, as its options are called."""


@dataclass(frozen=True, slots=True)
class ChatProfile:
    """What may be drawn in a chat.

    Attributes:
        loras: The only ones; empty for all that people may use.
        limit: Pictures have at most as many pixels as one of this size; None for any.
        language: A locale; empty for each person's own.
    """

    loras: tuple[str, ...] = ()
    limit: PixelSize | None = None
    language: str = ""


@dataclass(frozen=True, slots=True)
class EditProfile:
    """Change what may be drawn in this chat and show it; without a change, show it; hosts only.

    Attributes:
        loras, limit, language: As in ``ChatProfile``; None to keep it.
        reset: Names of ``PROFILE`` that return to the usual before the changes.
    """

    loras: tuple[str, ...] | None = None
    limit: PixelSize | None = None
    language: str | None = None
    reset: tuple[str, ...] = ()
