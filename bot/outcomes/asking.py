"""What a person learns about their settings and presets."""

from dataclasses import dataclass

from bot.commands.prompts.advice import AdviceKind
from bot.commands.values import ChatProfile, Draw, PersonSettings


@dataclass(frozen=True, slots=True)
class FromDefaults:
    """A request got options from the person's settings (their names), and from a preset; empty for none."""

    settings: tuple[str, ...]
    preset: str = ""


@dataclass(frozen=True, slots=True)
class DefaultSkipped:
    """The person's own default LoRA cannot be used here, so the request is drawn without it."""

    lora: str


@dataclass(frozen=True, slots=True)
class Advice:
    """Something in a request cannot work; it is drawn all the same, and the person reads this once."""

    kind: AdviceKind


@dataclass(frozen=True, slots=True)
class SettingsShown:
    """What the person always wants."""

    settings: PersonSettings
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class SavedPreset:
    """Options under a name."""

    name: str
    options: Draw


@dataclass(frozen=True, slots=True)
class PresetList:
    """The person's presets, of ``limit`` at most."""

    presets: tuple[SavedPreset, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class PresetSaved:
    """Options were saved under a name; ``is_new`` False: they replace earlier ones."""

    preset: SavedPreset
    is_new: bool


@dataclass(frozen=True, slots=True)
class PresetDeleted:
    """The options of this name are deleted."""

    name: str


@dataclass(frozen=True, slots=True)
class ProfileShown:
    """What may be drawn in this chat, and the default LoRA here; empty for none."""

    profile: ChatProfile
    default_lora: str
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class SizeLimited:
    """The picture is smaller than asked for, because of the largest size of this chat."""

    width_px: int
    height_px: int


AskingNote = FromDefaults | DefaultSkipped | Advice | SizeLimited
"""What a person should know about a request because of settings, of the chat, or of its words."""
