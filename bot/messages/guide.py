"""Help, from the table of commands, and the labels of buttons."""

from collections.abc import Sequence

from bot.commands.prompts.face import suggestions
from bot.commands.table import COMMANDS, SUGAR_OPTIONS, CommandEntry, Option, OptionKind, Right
from bot.commands.table.jobs import JOB_COMMANDS
from bot.commands.values import (
    Adopt,
    Command,
    Compare,
    Draft,
    Draw,
    Export,
    Favourite,
    GiveCredits,
    Link,
    LoraAllow,
    LoraInfo,
    LoraList,
    LoraRevoke,
    Mine,
    Quota,
    ReadSettings,
    ShowRecipe,
    Unlink,
)
from bot.languages import in_script, is_chinese
from bot.messages.catalogue import N_, shorten, text

NAME_CHARS = 40  # of a LoRA on a button
BUTTON_LABELS = {
    "cancel": N_("Cancel"),
    "cancel-job": N_("Cancel {number}"),
    "reroll": N_("Reroll"),
    "repeat": N_("Same seed"),
    "vary": N_("Vary subtly"),
    "vary-strong": N_("Vary strongly"),
    "vary-one": N_("Vary {number}"),
    "larger": N_("Larger"),
    "pick": N_("Picture {number}"),
    "adopt": N_("No. {number}"),
    "lora": N_("About {name}"),
    "lora-list": N_("Choose a LoRA"),
    "pick-list": N_("Choose a picture"),
    "vary-one-list": N_("Vary a picture"),
    "edit": N_("Edit"),
    "original": N_("Original file"),
    "copy": N_("Copy"),
    "copy_recipe": N_("Copy recipe"),
    "share": N_("Share"),
    "publish": N_("Publish"),
    "delete": N_("Delete"),
    "report": N_("Report"),
    "star": N_("★ Favourite"),
    "unstar": N_("★ Remove"),
    "draw": N_("Draw this"),
    "example": N_("Draw with it"),
    "default": N_("Make default"),
    "previous": N_("‹ Newer"),
    "next": N_("Older ›"),
    "previous-page": N_("‹ Previous"),
    "next-page": N_("Next ›"),
    "favourites": N_("★ Favourites"),
    "all_jobs": N_("All pictures"),
}
_BESIDE = (  # lines of their own would not fit
    *(entry.command_type for entry in JOB_COMMANDS),
    *(Compare, Draft, Adopt, LoraInfo, LoraRevoke, Unlink, GiveCredits),
    *(Favourite, ShowRecipe, ReadSettings, Export),
)
_ALSO: dict[type[Command], str] = {
    Draw: N_("{about}; also /compare, /draft, /adopt"),
    Mine: N_("{about}; also /favourite, /recipe, /info, /export, /again, /vary …"),
    LoraList: N_("{about}; /lorainfo shows one"),
    Quota: N_("{about}; /give gives some away"),
    Link: N_("{about}; /unlink undoes it"),
    LoraAllow: N_("{about}; /lora revoke takes it back"),
}
SWITCHES_ABOUT = N_("Private; hidden; a random face; only the price; once more")
FACE_ABOUT = N_("The face, feature by feature")


def greeting(bot: str, locale: str) -> str:
    """Return the greeting in a group; ``bot`` is the user name, which commands need in some groups."""
    sentence = N_(
        "Thanks for adding me! Write /sugar@{bot} and what to draw. /help@{bot} shows what else I can do."
    )
    return text(sentence, locale, bot=bot)


def button_label(key: str, locale: str, *, number: int | None = None, name: str = "") -> str:
    """Return the label of a button.

    Args:
        key: Of ``BUTTON_LABELS``.
        locale: The reader's.
        number: The picture or the line, from 1, that some labels name.
        name: The LoRA that some labels name.

    Raises:
        KeyError: There is no such button: a bug.
    """
    return text(BUTTON_LABELS[key], locale, number=number, name=shorten(name, NAME_CHARS))


def list_label(key: str, locale: str) -> str:
    """Return the label of a list of buttons that differ by their picture; some lists have their own."""
    return text(BUTTON_LABELS.get(f"{key}-list", BUTTON_LABELS["pick-list"]), locale)


_SHOWN = tuple(
    option
    for option in SUGAR_OPTIONS
    if not (option.positional or option.is_face_slot or option.typed_only)
    and option.name != "preset"  # see /preset
)
"""The options of a picture that the help lists one by one."""


def help_text(locale: str, vocabulary: Sequence[str] = ()) -> str:
    """Return the help, on one screen: all commands, the options of a picture, and a small vocabulary."""
    return "\n".join(
        [
            text(N_("Send me a sentence and I'll draw it, or use a command:"), locale),
            *(
                _command_line(entry, locale)
                for entry in COMMANDS
                if entry.right is Right.EVERYONE and entry.command_type not in _BESIDE
            ),
            text(N_("For hosts: /help hosts"), locale),
            "",
            text(N_("Options, anywhere in the text:"), locale),
            *(_option_line(option, locale) for option in _SHOWN if option.kind is not OptionKind.SWITCH),
            _switches_line([option for option in _SHOWN if option.kind is OptionKind.SWITCH], locale),
            _face_line(locale),
            *_vocabulary(vocabulary, locale),
        ]
    )


def command_list(locale: str) -> tuple[tuple[str, str], ...]:
    """Return everyone's commands for a menu: each with its slash, and what it does."""
    return tuple(
        (f"/{entry.telegram_name}", text(entry.about, locale))
        for entry in COMMANDS
        if entry.right is Right.EVERYONE
    )


def host_help_text(locale: str) -> str:
    """Return the help for hosts: their commands, one a line."""
    lines = [_command_line(entry, locale) for entry in COMMANDS if entry.right is Right.HOST]
    return "\n".join([text(N_("Commands of hosts:"), locale), *lines])


def _vocabulary(lines: Sequence[str], locale: str) -> list[str]:
    if not lines:
        return []
    words = ("；" if is_chinese(locale) else "; ").join(lines)
    return ["", text(N_("This bot draws with the small built-in model, which knows:"), locale), words]


def _command_line(entry: CommandEntry, locale: str) -> str:
    about = text(entry.about, locale)
    if also := _ALSO.get(entry.command_type):
        about = text(also, locale, about=about)
    return text(N_("{usage} – {about}"), locale, usage=text(entry.usage, locale), about=about)


def _option_line(option: Option, locale: str) -> str:
    usage = example_of(option, locale)
    return text(N_("{usage} – {about}"), locale, usage=usage, about=text(option.about, locale))


def _switches_line(switches: Sequence[Option], locale: str) -> str:
    """Return the options without a value on one line; menus explain each."""
    usage = " ".join(f"--{_name_of(option, locale)}" for option in switches)
    return text(N_("{usage} – {about}"), locale, usage=usage, about=text(SWITCHES_ABOUT, locale))


def example_of(option: Option, locale: str) -> str:
    """Return the option with a value, as it is typed: ``--seed 7``, ``--种子 7``."""
    return f"--{_name_of(option, locale)} {text(option.example, locale)}".rstrip()


def _face_line(locale: str) -> str:
    """Return the five face slots as one example to copy."""
    slots = [option for option in SUGAR_OPTIONS if option.is_face_slot]
    usage = [f"--{_name_of(option, locale)} {suggestions(option.name, locale=locale)[0]}" for option in slots]
    return text(N_("{usage} – {about}"), locale, usage=" ".join(usage), about=text(FACE_ABOUT, locale))


def _name_of(option: Option, locale: str) -> str:
    return in_script(option.word, locale) if is_chinese(locale) else option.name
