"""The settings of a picture file, carried over to what this bot draws."""

import pytest

from bot.commands.grammar import parse
from bot.commands.values import Draw, DrawRecipe, LoraWish, PixelSize, ReadSettings, SentFile
from bot.errors import NoSettings, NotAPicture, PictureNeeded, PictureTooLarge, TextTooLong
from bot.outcomes import Receipt, Setting, SettingsRead
from bot.uploads import MAX_PICTURE_BYTES
from engine.finish.metadata import PictureSettings, describe
from tests.fakes.desk_harness import DeskHarness, a_context
from tests.unit.bot.uploads.files import international_chunk, png


async def read(harness: DeskHarness, text: str, event: str = "1") -> SettingsRead:
    return await read_file(harness, png(international_chunk(text.encode())), event)


async def read_file(
    harness: DeskHarness, content: bytes, event: str = "1", size: int | None = None
) -> SettingsRead:
    async def give() -> bytes:
        return content

    file = SentFile("a.png", len(content) if size is None else size, read=give)
    outcome = await harness.desk.handle(ReadSettings(file), a_context(event))
    assert isinstance(outcome, SettingsRead)
    return outcome


async def draw(harness: DeskHarness, code: str, event: str = "d") -> Receipt:
    receipt = await harness.desk.handle(DrawRecipe(code), a_context(event))
    assert isinstance(receipt, Receipt)
    return receipt


async def test_a_picture_of_ours_is_drawn_again_from_its_file(harness: DeskHarness) -> None:
    asked = Draw(prompt="a fox, {red|blue} eyes", loras=(LoraWish("sugar", 0.7),), seed=7)
    first = await harness.desk.handle(asked, a_context("0"))
    assert isinstance(first, Receipt)
    old = first.recipe
    text = describe(
        PictureSettings(old.prompt, old.seed, old.width_px, old.height_px, old.steps, "tiny", old.loras)
    )
    found = await read(harness, text)
    assert (found.left_out, found.by_name) == ((), ())
    second = await draw(harness, found.code)
    assert found.price == second.price
    assert (second.recipe.prompt, second.recipe.loras, second.recipe.seed) == (old.prompt, old.loras, 7)
    assert (second.recipe.width_px, second.recipe.height_px) == (old.width_px, old.height_px)
    assert isinstance(parse(found.text), Draw)


async def test_what_cannot_be_carried_over_is_named(harness: DeskHarness) -> None:
    found = await read(
        harness,
        "a {fox} --seed 3 <lora:SUGAR:9> <lora:lost:1> <hypernet:old:1>\nNegative prompt: bad\n"
        "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 99999999999, Size: 9000x100, Model: other, "
        'Denoising strength: 0.7, Lora hashes: "SUGAR: 1a2b3c4d5e6f"',
    )
    assert dict(found.left_out) == {
        Setting.NEGATIVE: "bad", Setting.SAMPLER: "Euler a", Setting.GUIDANCE: "7", Setting.STEPS: "20",
        Setting.MODEL: "other", Setting.SIZE: "9000 × 100", Setting.SEED: "99999999999",
        Setting.LORAS: "lost", Setting.HYPERNETS: "old", Setting.START: "0.7",
    }  # fmt: skip
    assert found.by_name == ("sugar",)
    receipt = await draw(harness, found.code)
    assert receipt.recipe.prompt.endswith("a {fox} --seed 3")
    assert [(lora.name, lora.weight) for lora in receipt.recipe.loras] == [("sugar", 2.0)]


async def test_upscaling_is_named_instead_of_a_start(harness: DeskHarness) -> None:
    found = await read(
        harness, "a\nSteps: 8, Seed: 7, Hires upscale: 2, Denoising strength: 0.4, Size: 128x128"
    )
    assert found.left_out == ((Setting.UPSCALING, "2"),)
    command = parse(found.text)
    assert isinstance(command, Draw)
    assert (command.seed, command.size, command.loras) == (7, PixelSize(128, 128), (LoraWish("none"),))


async def test_the_same_settings_keep_their_code_and_others_get_another(harness: DeskHarness) -> None:
    codes = [
        (await read(harness, text, event)).code for event, text in enumerate(["a fox", "a fox", "a cat"])
    ]
    assert codes[0] == codes[1] != codes[2]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"GIF89a", NotAPicture),
        (png(), NoSettings),
        (png(international_chunk(b"<lora:sugar:1>")), NoSettings),
        (png(international_chunk(b"x" * 9_000)), TextTooLong),
        (bytes(MAX_PICTURE_BYTES + 1), PictureTooLarge),
    ],
)
async def test_another_file_is_refused_with_its_reason(
    harness: DeskHarness, content: bytes, error: type[Exception]
) -> None:
    for size in (len(content), 0):
        with pytest.raises(error):
            await read_file(harness, content, size=size)


async def test_without_a_file_it_is_asked_for(harness: DeskHarness) -> None:
    with pytest.raises(PictureNeeded):
        await harness.desk.handle(ReadSettings(), a_context("1"))
