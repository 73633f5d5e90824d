"""What one row of the table of commands says."""

from dataclasses import dataclass, fields
from enum import StrEnum

from bot.commands.values import Command, Face
from bot.languages import typed_forms

FACE_SLOTS = tuple(slot.name for slot in fields(Face))
OFF = "off"  # the value of a switch that is turned off
CHATS = ("discord", "telegram", "web", "console")


class Right(StrEnum):
    """Who may give a command. ``ANYONE`` may also where the bot serves nobody."""

    ANYONE = "anyone"
    EVERYONE = "everyone"
    HOST = "host"


class OptionKind(StrEnum):
    """The type of an option.

    ``LORA`` is text with suggestions from the shelf, a ``SWITCH`` has no value, a ``FILE`` cannot be typed.
    """

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    LORA = "lora"
    SWITCH = "switch"
    CHOICE = "choice"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class OptionChoice:
    """One value of a ``CHOICE`` option; ``name`` and zh-CN ``word`` as in ``Option``."""

    value: str
    name: str
    word: str


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command.

    Attributes:
        name: In menus and, after two dashes, in text.
        word: Its zh-CN name; lower case, as Discord requires.
        about: A msgid of at most 100 characters.
        example: A valid value, for help and for the error of a missing value; a msgid for face slots.
        flags: Its other names in text, without dashes.
        is_list: Its value may be several, with commas between them.
        keyword: Whether its Chinese names count in text without dashes if a number follows.
        typed_only: Menus and help do not show it.
        takes_rest: Its value ends only at the next option.
        positional: It has no name in text; its value is the text between the options.
        named: Names of single values; after two dashes each is this option with its value: ``--public``.
        least: The smallest number allowed; ``most`` is the largest.
        choices: The values of a ``CHOICE``, the default first; in text each is a flag.
    """

    name: str
    word: str
    kind: OptionKind
    about: str
    example: str = ""
    flags: tuple[str, ...] = ()
    keyword: bool = False
    positional: bool = False
    is_list: bool = False
    required: bool = False
    least: float | None = None
    most: float | None = None
    choices: tuple[OptionChoice, ...] = ()
    named: tuple[OptionChoice, ...] = ()
    typed_only: bool = False
    takes_rest: bool = False

    @property
    def value_of(self) -> dict[str, str]:
        """The value of each name of a single value; Chinese names also in Traditional characters."""
        return {
            name: choice.value for choice in self.named for name in (choice.name, *typed_forms(choice.word))
        }

    @property
    def spellings(self) -> tuple[str, ...]:
        """All names of the option in text; Chinese names in Simplified and Traditional characters."""
        names = (self.name, self.word, *self.flags)
        return tuple(dict.fromkeys(form for name in names for form in typed_forms(name)))

    @property
    def is_face_slot(self) -> bool:
        """Whether it is one of the five slots of ``Face``."""
        return self.name in FACE_SLOTS

    @property
    def takes_words(self) -> bool:
        """Whether its value may contain spaces, in quotes."""
        takes_lora = self.kind is OptionKind.LORA and not self.is_list
        return self.is_face_slot or self.takes_rest or takes_lora


@dataclass(frozen=True, slots=True)
class StandaloneName:
    """A name of one word for everyone's command of two words.

    Discord shows or hides all commands with the same first word together, so everyone's command must not
    share its first word with a host's command.

    Attributes:
        name: In menus, help and text.
        word: Its zh-CN name; lower case, as Discord requires.
    """

    name: str
    word: str


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command.

    Attributes:
        name: One or two words: ``sugar``, ``lora switch``.
        word: Its zh-CN name in menus; of the second word, for a name of two words.
        words: Other names to type: always with a slash; without one, only as the whole message or, for
            commands that take text, before a space. See also ``is_understood_bare``.
        about: A msgid of at most 100 characters.
        usage: An example for help; a msgid.
        makes: The class of its command value.
        menus: The chats whose menu shows it.
        alone: Its name outside the group of its first word.
    """

    name: str
    word: str
    words: tuple[str, ...]
    about: str
    usage: str
    command_type: type[Command]
    options: tuple[Option, ...] = ()
    right: Right = Right.EVERYONE
    menus: tuple[str, ...] = CHATS
    alone: StandaloneName | None = None

    @property
    def menu_options(self) -> tuple[Option, ...]:
        """The options that menus show."""
        return tuple(option for option in self.options if not option.typed_only)

    @property
    def is_understood_bare(self) -> bool:
        """Whether its Chinese name alone, without a slash, is the command and no prompt.

        A command of hosts and one that needs more than its name may be a prompt: it asks for the slash.
        """
        is_short = " " not in self.name and not any(option.required for option in self.options)
        return self.word in self.words or (is_short and self.right is Right.EVERYONE)

    @property
    def slashed_word(self) -> str:
        """Its Chinese name as it is always understood: ``/删除``, ``/lora 切换``."""
        if self.alone:
            return f"/{self.alone.word}"
        return f"/{' '.join((*self.name.split()[:-1], self.word))}"

    @property
    def joined_name(self) -> str:
        """The name as one word: ``lora_list``."""
        return self.name.replace(" ", "_")

    @property
    def telegram_name(self) -> str:
        """The name in Telegram's menu, which allows only a-z, 0-9 and _."""
        return self.alone.name if self.alone else self.joined_name
