"""Parses the commands that find pictures and settings again, from typed text and from menus."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from bot.commands.finding.codes import (
    START_PREFIX,
    find_recipe_code,
    format_recipe_code,
    looks_like_recipe_code,
    recipe_code_of,
)
from bot.commands.flags import Scan, scan
from bot.commands.job_commands import words_about_job
from bot.commands.makers.drawing import read_switch
from bot.commands.reading import OptionValue, as_typed, page_of
from bot.commands.table import ENTRY_OF
from bot.commands.text import clean, normalize
from bot.commands.values import Command, DrawRecipe, Export, Favourite, Help, Mine, ReadSettings, ShowRecipe
from bot.errors import OptionBehindCode

MAX_SEARCH_CHARS = 64
MAX_PATH_CHARS = 4_096

_MINE_FLAGS = tuple(each for each in ENTRY_OF[Mine].options if not each.positional)
_FAVOURITE_FLAGS = tuple(each for each in ENTRY_OF[Favourite].options if not each.positional)
_PAGE = re.compile(r"[0-9]{1,4}")
_EXPORT_WORDS = frozenset({"export", "导出", "匯出", "導出"})
_FAVOURITES_WORDS = frozenset({"favourites", "favorites", "收藏"})
_JOB_AND_NUMBER = re.compile(r"[#＃]?[0-9a-z]{16}(?:\s+\S{1,4})?")

_BEHIND_CODE = ("private", "spoiler", "dry")
"""Options that leave the pictures of a recipe as they are."""
_HOST_WORDS = frozenset({"hosts", "host", "管理", "管理员", "管理員"})


def mine_of(search: str = "", *, page: OptionValue = None, favourites: bool = False) -> Mine:
    """Return the ``/mine`` of menu options; a number alone is a page.

    Raises:
        NotUnderstood: The page is not a number.
    """
    wanted, number = clean(search), as_typed(page)
    if not number and _PAGE.fullmatch(wanted):
        wanted, number = "", wanted
    if wanted.casefold() in _FAVOURITES_WORDS:
        wanted, favourites = "", True
    return Mine(wanted[:MAX_SEARCH_CHARS], page_of(number) if number else 1, favourites)


def favourite_of(job: str = "", *, picture: OptionValue = None, off: bool = False) -> Favourite | Mine:
    """Return the ``/favourite`` of menu options; without a job and a picture, the list of favourites.

    Raises:
        BadPicture: The picture is no number of a picture.
    """
    words = words_about_job(f"{clean(job)} {as_typed(picture)}")
    if not (words.job_id or words.has_picture or off):
        return Mine(favourites=True)
    return Favourite(words.job_id, words.index if words.has_picture else None, not off)


def recipe_of(code: str = "") -> ShowRecipe:
    """Return the ``/recipe`` of a code, of a text with a code in it, or of a job.

    Raises:
        BadRecipeCode: It is written like a code, and has a typo.
    """
    text = clean(code)
    if not text:
        return ShowRecipe()
    if code := find_recipe_code(text):
        return ShowRecipe(code)
    word = text.split()[0].lstrip("#＃")
    if len(word) == len(text) and _is_job_id(word):
        return ShowRecipe(job_id=word)
    return ShowRecipe(recipe_code_of(text))


def code_in(message: str) -> ShowRecipe | None:
    """Return the recipe of a message without a command that contains a code; None for any other message.

    Raises:
        BadRecipeCode: The whole message is written like a code, and has a typo.
    """
    if code := find_recipe_code(message):
        return ShowRecipe(code)
    return ShowRecipe(recipe_code_of(message)) if looks_like_recipe_code(message) else None


def drawn_code(rest: str, chosen: Mapping[str, str] = MappingProxyType({})) -> DrawRecipe | None:
    """Return the drawing of a code that is the whole text behind ``/sugar``; None for any other text.

    Options of the text count, and those in ``chosen``, which come from a menu and win.

    Raises:
        BadRecipeCode: It is written like a code, and has a typo.
        OptionBehindCode: An option is none of those that a code takes.
        NotUnderstood: As for ``scan``.
    """
    # In a code, long dashes are no options.
    found = Scan(rest, (), ()) if looks_like_recipe_code(rest) else scan(rest)
    if not looks_like_recipe_code(found.prompt):
        return None
    code = recipe_code_of(found.prompt)
    values = {**{flag.option.name: flag.value for flag in found.flags}, **chosen}
    for name in (*values, *(["lora"] if found.tags else [])):
        if name not in _BEHIND_CODE:
            raise OptionBehindCode(option=name, code=format_recipe_code(code))
    private, spoiler, dry = (read_switch(name, values) for name in _BEHIND_CODE)
    return DrawRecipe(code, private, spoiler, dry=bool(dry))


def is_prose(command_type: type[Command], word: str, rest: str) -> bool:
    """Whether a Chinese word and a text behind it are more likely a prompt than this command."""
    if command_type is Mine:
        return word == "我的"  # “我的 …” begins many sentences; “我的图 …” does not
    if command_type is ShowRecipe:
        return not (find_recipe_code(rest) or looks_like_recipe_code(rest) or _is_job_id(rest))
    return command_type is Favourite and _JOB_AND_NUMBER.fullmatch(rest) is None


def start_of(payload: str) -> ShowRecipe | Help:
    """Return the ``/start`` of a link with this payload: of a recipe, or the help.

    Raises:
        BadRecipeCode: The link was cut off or changed.
    """
    if payload.lower().startswith(START_PREFIX):
        return ShowRecipe(recipe_code_of(payload))
    return Help(for_hosts=normalize(payload).lstrip("-") in _HOST_WORDS)


def _is_job_id(word: str) -> bool:
    """Whether a word has the form of a job's id: sixteen small letters and digits, without dashes."""
    return re.fullmatch(r"[0-9a-z]{16}", word) is not None


def _mine(rest: str) -> Mine | Export:
    if normalize(rest) in _EXPORT_WORDS:
        return Export()
    found = scan(rest, _MINE_FLAGS)
    return mine_of(found.prompt, page=found.last("page"), favourites=found.last("favourites") is not None)


def _favourite(rest: str) -> Favourite | Mine:
    found = scan(rest, _FAVOURITE_FLAGS)
    return favourite_of(found.prompt, picture=found.last("picture"), off=found.last("off") is not None)


FINDING_MAKERS: dict[type[Command], Callable[[str], Command]] = {
    Mine: _mine,
    Favourite: _favourite,
    ShowRecipe: recipe_of,
    Export: lambda rest: Export(),
    ReadSettings: lambda rest: ReadSettings(path=rest.strip("'\" ")[:MAX_PATH_CHARS]),
}
"""The text behind the name of a command → the command."""
