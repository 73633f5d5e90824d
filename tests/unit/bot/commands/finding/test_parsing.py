"""What people type to find something again."""

import pytest

from bot.commands.finding.parsing import favourite_of, mine_of, recipe_of
from bot.commands.grammar import parse, with_file
from bot.commands.values import (
    Command,
    Draw,
    DrawRecipe,
    Export,
    Favourite,
    Help,
    Mine,
    ReadSettings,
    SentFile,
    ShowRecipe,
)
from bot.errors import BadPage, BadPicture, BadRecipeCode, OptionBehindCode

CODE = "K3F97QXM2AWV"
JOB = "0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/mine", Mine()),
        ("/mine 2", Mine(page=2)),
        ("/mine freckles red --page 3", Mine("freckles red", 3)),
        ("/mine --favourites", Mine(favourites=True)),
        ("/mine favourites", Mine(favourites=True)),
        ("/我的 收藏", Mine(favourites=True)),
        ("我的图 雀斑", Mine("雀斑")),
        ("我的 女孩", Draw("我的 女孩")),
        ("/favourite", Mine(favourites=True)),
        (f"/favourite {JOB}", Favourite(JOB)),
        (f"/favourite #{JOB} 2", Favourite(JOB, 1)),
        ("/favourite 2", Favourite("", 1)),
        (f"/favourite {JOB} --off", Favourite(JOB, None, on=False)),
        (f"收藏 {JOB} 2", Favourite(JOB, 1)),
        ("收藏 一个女孩", Draw("收藏 一个女孩")),
        ("/recipe", ShowRecipe()),
        ("/recipe k3f9-7qxm-2awv", ShowRecipe(CODE)),
        (f"/recipe {CODE}", ShowRecipe(CODE)),
        (f"/recipe {JOB}", ShowRecipe(job_id=JOB)),
        ("配方 K3F9-7QXM-2AWV", ShowRecipe(CODE)),
        ("配方 一个女孩", Draw("配方 一个女孩")),
        (f"/start r_{CODE}", ShowRecipe(CODE)),
        ("/start", Help()),
        ("look: K3F9-7QXM-2AWV!", ShowRecipe(CODE)),
        ("/sugar K3F9-7QXM-2AWV", DrawRecipe(CODE)),
        ("/sugar K3F9-7QXM-2AWV --dry", DrawRecipe(CODE, dry=True)),
        ("/sugar K3F9–7QXM—2AWV", DrawRecipe(CODE)),
        ("/sugar --dry K3F9-7QXM-2AWV", DrawRecipe(CODE, dry=True)),
        ("画 K3F9-7QXM-2AWV --试算", DrawRecipe(CODE, dry=True)),
        ("/画K3F9-7QXM-2AWV --预览", DrawRecipe(CODE, dry=True)),
        ("/sugar K3F9-7QXM-2AWV --private --spoiler", DrawRecipe(CODE, private=True, spoiler=True)),
        ("/sugar K3F9-7QXM-2AWV --public", DrawRecipe(CODE, private=False)),
        ("/sugar a girl K3F9-7QXM-2AWV --dry", Draw("a girl K3F9-7QXM-2AWV", dry=True)),
        ("/sugar a girl K3F9-7QXM-2AWV", Draw("a girl K3F9-7QXM-2AWV")),
        ("a phone 5551-2345-6789", Draw("a phone 5551-2345-6789")),
        ("/mine export", Export()),
        ("/export", Export()),
        ("/我的 导出", Export()),
        ("/info", ReadSettings()),
        ("/info 'my picture.png'", ReadSettings(path="my picture.png")),
    ],
)
def test_each_text_has_its_command(text: str, command: Command) -> None:
    assert parse(text) == command


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("K3F9-7QXM-2AWW", BadRecipeCode),
        ("/sugar K3F9-7QXM-2AWW", BadRecipeCode),
        ("/sugar K3F9-7QXM-2AWW --dry", BadRecipeCode),
        ("/recipe nonsense", BadRecipeCode),
        ("/start r_K3F9", BadRecipeCode),
        ("/mine --page x", BadPage),
        ("/favourite 99", BadPicture),
    ],
)
def test_a_typo_has_its_own_refusal(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse(text)


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("/sugar K3F9-7QXM-2AWV --seed 3 --dry", "seed"),
        ("/sugar K3F9-7QXM-2AWV -n 4", "count"),
        ("/sugar K3F9-7QXM-2AWV <lora:sugar:1>", "lora"),
        ("/sugar K3F9-7QXM-2AWV --skin dewy", "skin"),
        ("画 K3F9-7QXM-2AWV --种子 3", "seed"),
    ],
)
def test_an_option_that_would_change_the_recipe_is_refused(text: str, option: str) -> None:
    with pytest.raises(OptionBehindCode) as caught:
        parse(text)
    assert caught.value.facts == {"option": option, "code": "K3F9-7QXM-2AWV"}


def test_the_options_of_a_menu_are_read_like_text() -> None:
    assert mine_of("fox", page=2.0, favourites=True) == Mine("fox", 2, favourites=True)
    assert mine_of() == mine_of("", page=None) == Mine()
    assert mine_of("x" * 99).search == "x" * 64
    assert favourite_of(JOB, picture=2) == Favourite(JOB, 1)
    assert favourite_of(off=True) == Favourite("", None, on=False)
    assert recipe_of() == ShowRecipe()


def test_a_file_belongs_to_the_command_that_reads_one() -> None:
    file = SentFile("a.png", 1)
    assert with_file(ReadSettings(), file) == ReadSettings(file)
    assert with_file(Mine(), file) == Mine()
    assert with_file(ReadSettings(), None) == ReadSettings()
