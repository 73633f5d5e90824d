"""Finding again on the console over a real desk and store: pictures, recipes, settings in files."""

import re
import zipfile
from pathlib import Path

from PIL import Image, PngImagePlugin

from tests.fakes.desk_harness import open_harness
from tests.integration.app.test_console import open_console

FOREIGN = """a freckled face
Negative prompt: blurry
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 11, Size: 128x128"""


def codes_in(text: str) -> list[str]:
    return re.findall(r"\b\w{4}-\w{4}-\w{4}\b", text)


async def test_a_picture_is_found_drawn_again_by_its_code_read_and_exported(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.png"
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", FOREIGN)
    Image.new("RGB", (8, 8)).save(foreign, pnginfo=chunks)

    async with open_harness(tmp_path) as harness:
        chat, message = open_console(harness, tmp_path)

        async def answer_to(text: str) -> str:
            message.seek(0)
            message.truncate()
            assert (await chat.say(text)).exit_code == 0, message.getvalue()
            return message.getvalue().strip()

        async with harness.running():
            drawn = await chat.say("/sugar a freckled face --lora sugar:0.8 --seed 7")
            [code] = codes_in(await answer_to("/mine freckled"))
            recipe = await answer_to(f"/recipe {code}")
            again = await chat.say(f"/sugar {code}")
            settings = await answer_to(f"/info {foreign}")
            of_file = await chat.say(f"/sugar {codes_in(settings)[0]}")
            exported = Path((await answer_to("/export")).splitlines()[-1])

    assert "/sugar a freckled face --lora sugar:0.8 --size 128x128 --seed 7" in recipe
    assert drawn.paths[0].read_bytes() == again.paths[0].read_bytes()
    assert "/sugar a freckled face --lora none --size 128x128 --seed 11" in settings
    for not_carried_over in ("blurry", "Euler a"):
        assert not_carried_over in settings
    with zipfile.ZipFile(exported) as archive:
        assert archive.testzip() is None
        kept = {archive.read(name) for name in archive.namelist() if name.endswith(".png")}
    assert kept == {path.read_bytes() for answer in (drawn, of_file) for path in answer.paths}
