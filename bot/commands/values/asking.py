"""What a person wants of every picture, and named sets of options."""

from dataclasses import dataclass, field

from bot.commands.values.drawing import Draw

SETTINGS = ("lora", "size", "count", "private", "spoiler", "language", "advice")
"""The names of the settings, as their options are called."""


@dataclass(frozen=True, slots=True)
class PersonSettings:
    """What holds for every request of a person that does not say otherwise.

    Attributes:
        options: Only its LoRAs, size, count, privacy and spoiler count.
        language: A locale; empty for that of the platform.
        advice: Whether the person is told, once each, what cannot work.
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
