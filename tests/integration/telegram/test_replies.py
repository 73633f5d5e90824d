"""A reply to a picture of the bot changes what it says and keeps the other settings, also after a restart."""

from pathlib import Path

from tests.fakes.desk_harness import is_delivered
from tests.fakes.renderer import FakeRenderer
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person, Sent
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_end_to_end import GROUP, pictures, serve_bot


def files(world: World, chat_id: int = 11) -> list[Sent]:
    return [sent for sent in world.in_chat(chat_id) if sent.file]


async def test_a_reply_keeps_the_settings_of_the_picture_that_it_replies_to(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    renderer = FakeRenderer()
    async with serve_bot(server, tmp_path, renderer):
        world.say("a fox --seed 7 --lora sugar:0.5 -n 2 --size 512x768")
        await server.until(lambda: len(files(world)) == 2 and "Reroll" in dict(world.in_chat(11)[0].buttons))
    control, first, second = world.in_chat(11)
    renderer = FakeRenderer()
    async with serve_bot(server, tmp_path, renderer):
        for number, (replied, text) in enumerate(
            [(second, "a hare"), (control, "--seed 9"), (first, "/sugar -n 1 --lora none")], start=1
        ):
            world.say(text, reply_to=replied)
            await server.until(lambda number=number: len(renderer.requests) == number)
        world.say("a bear", reply_to=Sent(11, 999, "text", "no picture of a job"))
        await server.until(lambda: len(renderer.requests) == 4)
        await server.until(lambda: not _waiting(world))
    drawn = [
        (each.prompt, each.seed, each.count, (each.width_px, each.height_px)) for each in renderer.requests
    ]
    assert drawn[:3] == [
        ("sugar face, a hare", 8, 1, (512, 768)),
        ("sugar face, a fox", 9, 2, (512, 768)),
        ("a fox", 7, 1, (512, 768)),
    ]
    assert drawn[3][0] == "a bear"
    assert [each.loras[0].weight for each in renderer.requests[:2]] == [0.5, 0.5]


def _waiting(world: World) -> list[Sent]:
    return [sent for sent in world.in_chat(11) if sent.kind == "text" and "Cancel" in dict(sent.buttons)]


async def test_a_reply_to_a_picture_of_somebody_else_needs_it_to_be_open_here(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    renderer = FakeRenderer()
    async with serve_bot(server, tmp_path, renderer):
        world.say("/sugar a fox --seed 7", group=GROUP)
        await server.until(lambda: pictures(world, GROUP.id))
        shown = pictures(world, GROUP.id)[0]
        await server.until(lambda: is_delivered(tmp_path))  # until then, nobody knows whose picture it is
        world.say("a hare", group=GROUP, reply_to=shown, by=Person(77))
        await server.until(lambda: len(pictures(world, GROUP.id)) == 2)
        world.press(shown, "Edit", by=Person(77))
        await server.until(lambda: any("reply to this message" in text for text in world.texts(GROUP.id)))
        [editable] = [sent for sent in world.in_chat(GROUP.id) if "reply to this message" in sent.text]
        world.say("--seed 3", group=GROUP, reply_to=editable)
        await server.until(lambda: len(pictures(world, GROUP.id)) == 3)
    assert [(each.prompt, each.seed) for each in renderer.requests] == [
        ("a fox", 7),
        ("a hare", 7),
        ("a fox", 3),
    ]
    [(kind, code)] = editable.entities
    assert (kind, code) == ("code", editable.copied[0][1])
    assert code.startswith("/sugar a fox")


async def test_a_command_about_a_job_is_about_the_picture_that_it_replies_to(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    renderer = FakeRenderer()
    async with serve_bot(server, tmp_path, renderer) as harness:
        world.say("a fox --seed 7 -n 2")
        await server.until(lambda: len(files(world)) == 2 and "Reroll" in dict(world.in_chat(11)[0].buttons))
        control, _, second = world.in_chat(11)
        world.say("a bear --seed 3")
        await server.until(lambda: len(files(world)) == 3)
        for text, answer in (("/recipe", "a fox"), ("/info", "a fox"), ("收藏", "Picture 2 of job")):
            before = len(world.texts(11))
            world.say(text, reply_to=second)
            await server.until(
                lambda answer=answer, before=before: any(answer in each for each in world.texts(11)[before:])
            )
        world.say("/again", reply_to=control)
        await server.until(lambda: len(renderer.requests) == 3)
        await server.until(lambda: not _waiting(world))
        world.say("/delete", reply_to=control)
        await server.until(lambda: "deleted" in world.texts(11)[-1])
        left = await harness.store.jobs.newest_of(1, 9)
    assert [each.prompt for each in renderer.requests] == ["a fox", "a bear", "a fox"]
    assert sorted(job.recipe.typed for job in left) == ["a bear", "a fox"]
