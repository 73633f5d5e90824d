"""Links that open the bot: a recipe, the private chat, and codes of other versions."""

from pathlib import Path

import pytest

from tests.fakes.renderer import FakeRenderer
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_end_to_end import pictures, serve_bot


async def test_a_recipe_link_shows_the_recipe_and_its_button_draws_the_same_picture(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    renderer = FakeRenderer()
    async with serve_bot(server, tmp_path, renderer):
        world.say("a fox --seed 7 --lora sugar:0.5")
        await server.until(lambda: pictures(world))
        [(label, code)] = pictures(world)[0].copied
        assert label == "Copy recipe"
        world.say(f"/start r_{code.replace('-', '')}")
        await server.until(lambda: len(world.in_chat(11)) == 2)
        recipe = world.in_chat(11)[1]
        assert "a fox" in recipe.text
        plain = code.replace("-", "")
        assert recipe.links == (
            ("Share", f"https://t.me/share/url?url=https%3A%2F%2Ft.me%2Fsugar_test_bot%3Fstart%3Dr_{plain}"),
        )
        world.press(recipe, "Draw this")
        await server.until(lambda: len(renderer.requests) == 2)
        await server.until(lambda: len(pictures(world)) == 2)
    first, second = renderer.requests
    assert (first.prompt, first.seed, first.loras) == (second.prompt, second.seed, second.loras)


@pytest.mark.parametrize("payload", ["", " private", " inline", " c_ABCDEFGH", " r_", " 🦊"])
async def test_another_payload_is_answered_with_help_or_a_reason(
    server: TelegramServer, world: World, tmp_path: Path, payload: str
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()):
        world.say(f"/start{payload}")
        await server.until(lambda: world.in_chat(11))
    assert world.texts(11)[0]
