"""Help, made from the table of commands, and the labels of buttons."""

from bot.commands.face import suggestions
from bot.commands.table import COMMANDS, SUGAR_OPTIONS, Entry, Kind, Option, Right
from bot.words.catalogue import N_, text

LABELS = {
    "cancel": N_("Cancel"),
    "reroll": N_("Reroll"),
    "original": N_("Original file"),
}
FACE = N_("The face, feature by feature")


def label(key: str, locale: str) -> str:
    """The label of a button.

    Raises:
        KeyError: There is no such button; a mistake of ours.
    """
    return text(LABELS[key], locale)


def help_text(locale: str) -> str:
    """What the bot can do, on one screen: every command, then the options of a picture."""
    options = [option for option in SUGAR_OPTIONS if not option.positional and not option.is_face_slot]
    return "\n".join(
        [
            text(N_("Send me a sentence and I'll draw it, or use a command:"), locale),
            *(_command_line(entry, locale) for entry in COMMANDS),
            "",
            text(N_("Options, anywhere in the text:"), locale),
            *(_option_line(option, locale) for option in options),
            _face_line(locale),
        ]
    )


def _command_line(entry: Entry, locale: str) -> str:
    sentence = (
        N_("{usage} – {about}") if entry.right is Right.EVERYONE else N_("{usage} – {about} (hosts only)")
    )
    return text(sentence, locale, usage=entry.usage, about=text(entry.about, locale))


def _option_line(option: Option, locale: str) -> str:
    name = _name(option, locale)
    usage = f"--{name}" if option.kind is Kind.SWITCH else f"--{name} {option.example}"
    return text(N_("{usage} – {about}"), locale, usage=usage, about=text(option.about, locale))


def _face_line(locale: str) -> str:
    """The five face slots as one example that can be copied."""
    slots = [option for option in SUGAR_OPTIONS if option.is_face_slot]
    said = [f"--{_name(option, locale)} {suggestions(option.name, locale=locale)[0]}" for option in slots]
    return text(N_("{usage} – {about}"), locale, usage=" ".join(said), about=text(FACE, locale))


def _name(option: Option, locale: str) -> str:
    return option.word if locale == "zh-CN" else option.name
