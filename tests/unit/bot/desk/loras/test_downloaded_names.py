"""A LoRA under the name that people download, from the command to the stored job and back."""

from pathlib import Path

import pytest

from bot.commands.grammar import parse
from bot.commands.values import Draw, LoraWish, Scope
from bot.errors import UnknownLora
from bot.outcomes import LoraSwitched, Receipt
from engine.shelf import LoraFile, Shelf
from tests.fakes.desk_harness import HOST, a_context, open_harness

NAMES = ("faces/My LoRA v1.2", "Style 2", "Soft, warm (final)")
FILES = {name: LoraFile(name, Path(name), f"{place:064x}", 1, 8) for place, name in enumerate(NAMES)}


async def test_every_way_to_type_it_draws_with_it(tmp_path: Path) -> None:
    ways = {
        '/sugar a --lora "faces/My LoRA v1.2:0.8"': ("faces/My LoRA v1.2", 0.8),
        "/sugar a <lora:FACES/my lora v1.2:0.5>": ("faces/My LoRA v1.2", 0.5),
        "/sugar a --lora Style 2": ("Style 2", 1.0),
        "/sugar <lora:Soft, warm (final)> a": ("Soft, warm (final)", 1.0),
    }
    async with open_harness(tmp_path, shelf=Shelf(FILES)) as harness:
        for number, (text, expected) in enumerate(ways.items()):
            receipt = await harness.desk.handle(parse(text), a_context(str(number)))
            assert isinstance(receipt, Receipt), text
            [lora] = receipt.recipe.loras
            assert (lora.name, lora.weight) == expected


async def test_without_quotes_the_answer_shows_how_to_type_it(tmp_path: Path) -> None:
    async with open_harness(tmp_path, shelf=Shelf(FILES)) as harness:
        with pytest.raises(UnknownLora) as refused:
            await harness.desk.handle(parse("/sugar a --lora faces/My LoRA v1.2"), a_context("1"))
    assert refused.value.facts["nearest"] == ('"faces/My LoRA v1.2"',)


async def test_it_can_be_switched_to(tmp_path: Path) -> None:
    async with open_harness(tmp_path, shelf=Shelf(FILES)) as harness:
        for number, (text, name, weight) in enumerate(
            [
                ("/lora switch faces/My LoRA v1.2 0.8", "faces/My LoRA v1.2", 0.8),
                ("/lora switch Style 2", "Style 2", 1.0),
                ('/lora switch "Style 2" 0.5', "Style 2", 0.5),
            ]
        ):
            switched = await harness.desk.handle(parse(text), a_context(str(number), HOST))
            assert isinstance(switched, LoraSwitched)
            assert (switched.lora, switched.weight, switched.scope) == (name, weight, Scope.CHAT)
        receipt = await harness.desk.handle(Draw(prompt="a"), a_context("draw"))
        assert isinstance(receipt, Receipt)
        assert [lora.name for lora in receipt.recipe.loras] == ["Style 2"]
        again = Draw(prompt="a", loras=(LoraWish("style 2", 0.5),))
        assert isinstance(await harness.desk.handle(again, a_context("again")), Receipt)
