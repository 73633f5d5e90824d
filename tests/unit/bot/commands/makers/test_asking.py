"""The texts and menus of ``/settings`` and ``/preset``."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.grammar import parse
from bot.commands.makers.asking import ASKING_MENUS, preset_of, settings_of
from bot.commands.values import (
    SETTINGS,
    Command,
    Draw,
    EditPresets,
    EditProfile,
    EditSettings,
    Face,
    LoraWish,
    PixelSize,
    Ratio,
)
from bot.errors import BadLanguage, BadPresetName, BadSetting, BadSize, PersonError, UnknownFlag

SUGAR = (LoraWish("sugar", 0.8),)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/settings", EditSettings()),
        ("设置", EditSettings()),
        ("/設置", EditSettings()),
        ("/settings --size portrait --count 2", EditSettings(Draw(size=Ratio(2, 3), count=2))),
        ("/settings --lora sugar:0.8 --public", EditSettings(Draw(loras=SUGAR, private=False))),
        ("/设置 --尺寸 512x768 --剧透", EditSettings(Draw(size=PixelSize(512, 768), spoiler=True))),
        ("/settings --language zh-TW --no-advice", EditSettings(language="zh-TW", advice=False)),
        ("/settings --語言 自動 --提示", EditSettings(language="", advice=True)),
        ("/settings --english", EditSettings(language="en")),
        ("/settings reset", EditSettings(reset=SETTINGS)),
        ("/settings reset all", EditSettings(reset=SETTINGS)),
        ("/settings reset count, lora", EditSettings(reset=("lora", "count"))),
        ("/设置 重置 尺寸", EditSettings(reset=("size",))),
        ("/settings reset size --count 3", EditSettings(Draw(count=3), reset=("size",))),
        ("设置 灯光昏暗的房间", Draw("设置 灯光昏暗的房间")),  # prose
        ("/preset", EditPresets()),
        ("预设", EditPresets()),
        ("/preset cosy", EditPresets("cosy")),
        ("/preset cosy --size 2:3 soft light", EditPresets("cosy", Draw("soft light", size=Ratio(2, 3)))),
        ("/preset cosy, --lips red", EditPresets("cosy", Draw(face=Face(lips="red")))),
        ("/预设 温柔 --job #k3f9 -n 2", EditPresets("温柔", Draw(count=2), "k3f9")),
        ("/預設 溫柔 --刪除", EditPresets("溫柔", delete=True)),
        ("a face --preset cosy", Draw("a face", preset="cosy")),
        ("甜妹 --自定义 温柔", Draw("甜妹", preset="温柔")),
    ],
)
def test_a_text_becomes_its_command(text: str, command: Command) -> None:
    assert parse(text) == command


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("/settings size", BadSetting),
        ("/settings reset seed", BadSetting),
        ("/settings --seed 7", UnknownFlag),
        ("/settings --size huge", BadSize),
        ("/settings --language klingon", BadLanguage),
        ("/preset co.sy --size 2:3", BadPresetName),
        ("/preset " + "x" * 33, BadPresetName),
        ("/preset cosy --preset other", UnknownFlag),
        ("a face --preset !", BadPresetName),
    ],
)
def test_what_is_no_setting_is_refused_as_typed(text: str, error: type[PersonError]) -> None:
    with pytest.raises(error):
        parse(text)


def test_a_menu_gives_the_same_commands() -> None:
    options = {
        "lora": "sugar:0.8",
        "count": 2,
        "private": False,
        "advice": False,
        "reset": "size",
        "language": "en",
    }
    wanted = EditSettings(Draw(loras=SUGAR, count=2, private=False), "en", False, ("size",))
    assert settings_of(options=options) == wanted  # type: ignore[arg-type]
    assert settings_of(options={"reset": "all"}) == EditSettings(reset=SETTINGS)
    assert preset_of("--size 2:3 soft light", name="cosy") == EditPresets(
        "cosy", Draw("soft light", size=Ratio(2, 3))
    )
    assert preset_of(name="cosy", delete=True) == EditPresets("cosy", delete=True)
    assert preset_of() == EditPresets()
    menu = {"name": "cosy", "options": "--size 2:3 soft light", "job": "#k3f9"}
    assert ASKING_MENUS[EditPresets](menu) == EditPresets(
        "cosy", Draw("soft light", size=Ratio(2, 3)), "k3f9"
    )
    assert ASKING_MENUS[EditPresets]({}) == EditPresets()
    assert ASKING_MENUS[EditSettings]({"count": 2}) == EditSettings(Draw(count=2))
    profile = {"loras": "sugar, anime", "limit": "512x512", "language": "auto"}
    wanted_profile = EditProfile(("sugar", "anime"), PixelSize(512, 512), "")
    assert ASKING_MENUS[EditProfile](profile) == wanted_profile


@given(st.sampled_from(["/settings ", "/preset ", "/预设 "]), st.text(max_size=60))
def test_any_text_is_a_command_or_refused(word: str, text: str) -> None:
    try:
        command = parse(word + text)
    except PersonError:
        return
    assert isinstance(command, EditSettings | EditPresets)
