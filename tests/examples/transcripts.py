"""Draws the pictures of the README: what people see on Discord, on Telegram and on the page.

``python -m tests.examples.transcripts`` runs a whole bot with the built-in model against the fakes of both
platforms, lets a member talk to it, and writes ``discord.png``, ``telegram.png``, ``page.png`` and
``phone.png`` beside this file. It needs Chromium.
"""

import asyncio
import base64
import html
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import async_playwright

from tests.fakes.discord_components import BUTTON, SELECT, walk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import MEMBER_ID
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.ports import free_port
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person, Sent
from tests.integration.app.conftest import environment, sugarbot, with_platforms
from tests.integration.web.conftest import CHROMIUM, FLAGS

HERE = Path(__file__).parent
PICTURE_S = 120.0
BATCH = "a girl, dewy skin, {red|nude} lips, blue twin tails --lora anime -n 4 --seed 5"
VISITS: tuple[tuple[str, tuple[int, int], Literal["light", "dark"], str], ...] = (
    ("page", (1180, 760), "light", BATCH),
    ("phone", (390, 844), "dark", "一个女孩，冷白瓷肌，浆果唇，波浪卷发 --lora sugar --种子 11"),
)
MEMBER = Person(11, "A member", "zh-hans")
STYLE = """
body { margin: 0; background: var(--back); color: var(--ink);
       font: 15px/1.45 "Noto Sans", "Noto Sans CJK SC", sans-serif; }
main { width: 620px; padding: 20px 24px; display: flex; flex-direction: column; gap: 14px; }
.discord { --back: #f6f6f8; --ink: #1f2024; --bubble: #fff; --own: #e7e9fb;
           --pill: #e6e7ee; --line: #d5d7e0; }
.telegram { --back: #dfe9e4; --ink: #16211c; --bubble: #fff; --own: #d9f3c8; --pill: #fffc; --line: #c7d6ce; }
h1 { margin: 0; font-size: 14px; opacity: .65; font-weight: 600; }
.message { max-width: 88%; align-self: flex-start; }
.person { align-self: flex-end; }
.bubble { background: var(--bubble); border: 1px solid var(--line); border-radius: 14px; padding: 10px 13px;
          white-space: pre-wrap; }
.person .bubble { background: var(--own); }
.pictures { display: flex; flex-wrap: wrap; gap: 5px; margin-bottom: 6px; }
.pictures img { height: 168px; border-radius: 9px; }
.row { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 6px; }
.pill { background: var(--pill); border: 1px solid var(--line); border-radius: 9px; padding: 3px 11px;
        font-size: 13.5px; }
pre { margin: 4px 0; padding: 6px 9px; border: 1px solid var(--line); border-radius: 6px; }
blockquote { margin: 2px 0; padding-left: 9px; border-left: 3px solid var(--line); }
code { background: var(--pill); border-radius: 5px; padding: 0 4px; }
"""


@dataclass(frozen=True)
class Shown:
    """One message as people see it."""

    text: str
    is_bot: bool = True
    pictures: Sequence[bytes] = ()
    rows: Sequence[Sequence[str]] = ()


async def on_discord(server: FakeDiscord) -> list[Shown]:
    """Let a member use Discord; return the conversation."""
    shown = []
    batch = {
        "prompt": "a girl, dewy skin, {peach|rose} blush, wavy hair",
        "lora": "sugar",
        "count": 4,
        "seed": 7,
    }
    for name, options in (("sugar", batch), ("quota", {})):
        asked = await server.slash(name, options, user_id=MEMBER_ID, locale="en-US")
        await until(partial(_is_ended, server, asked), PICTURE_S)
        shown += [Shown(_as_typed(name, options), is_bot=False), _discord_message(server, asked)]
    return shown


def _is_ended(server: FakeDiscord, asked: Interaction) -> bool:
    message = server.messages.get(asked.message_id)
    return message is not None and bool(message["text"]) and ":cancel:" not in str(message["components"])


def _as_typed(name: str, options: dict[str, Any]) -> str:
    return f"/{name} " + "  ".join(f"{option}: {value}" for option, value in options.items())


def _discord_message(server: FakeDiscord, asked: Interaction) -> Shown:
    message, rows = server.answer_to(asked), []
    for row in walk(message["components"]):
        within = row.get("components", [])
        labels = [str(one["label"]) for one in within if one["type"] == BUTTON]
        labels += [f"{one['placeholder']} ▾" for one in within if one["type"] == SELECT]
        rows += [labels] if labels else []
    pictures = list(server.files.get(message["id"], {}).values())
    return Shown(str(message["text"]), pictures=pictures, rows=rows)


async def on_telegram(server: TelegramServer) -> list[Shown]:
    """Let a member use Telegram; return the conversation."""
    shown = []
    text = "一个女孩，清透水光肌，正红唇，蓝色双马尾 --lora anime --种子 7"
    server.world.say(text, by=MEMBER)
    await server.wake()
    shown += [Shown(text, is_bot=False), *await _telegram_answers(server, 0)]
    before = _newest(server)
    [drawn] = [sent for sent in server.world.in_chat(MEMBER.id) if sent.file]
    strongly = next(label for label, data in drawn.buttons if data.startswith("v2:vary-strong:"))
    server.world.press(drawn, strongly, by=MEMBER)
    await server.wake()
    return [*shown, *await _telegram_answers(server, before)]


def _newest(server: TelegramServer) -> int:
    return max((sent.message_id for sent in server.world.in_chat(MEMBER.id)), default=0)


async def _telegram_answers(server: TelegramServer, before: int) -> list[Shown]:
    def new() -> list[Sent]:
        return [sent for sent in server.world.in_chat(MEMBER.id) if sent.message_id > before]

    def is_settled() -> bool:
        return bool(new()) and ":cancel:" not in str([sent.buttons for sent in new()])

    await server.until(is_settled, PICTURE_S)
    return [
        Shown(sent.text, pictures=[sent.file] if sent.file else [], rows=[row for row in sent.rows if row])
        for sent in new()
    ]


def as_html(title: str, style: str, shown: Sequence[Shown]) -> str:
    """Return the conversation as a page."""
    messages = "".join(_message(one) for one in shown)
    return (
        f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>"
        f"<body class={style}><main><h1>{html.escape(title)}</h1>{messages}</main>"
    )


def _message(shown: Shown) -> str:
    pictures = "".join(
        f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}">' for png in shown.pictures
    )
    rows = "".join(
        "<div class=row>"
        + "".join(f"<span class=pill>{html.escape(label)}</span>" for label in row)
        + "</div>"
        for row in shown.rows
    )
    by = "" if shown.is_bot else " person"
    gallery = f"<div class=pictures>{pictures}</div>" if pictures else ""
    return f'<div class="message{by}"><div class=bubble>{gallery}{_marked(shown.text)}</div>{rows}</div>'


def _pill(label: str) -> str:
    return f"<span class=pill>{html.escape(label)}</span>"


def _marked(text: str) -> str:
    """Return Discord's marks as HTML; a text of Telegram has none."""
    lines = []
    plain = html.escape(text, quote=False).replace("\\", "")
    for line in re.sub(r"```\n(.*)\n```", r"<pre>\1</pre>", plain).splitlines():
        line = re.sub(r"`([^`]+)`", r"<code>\1</code>", line)
        line = re.sub(r"&lt;t:\d+:f&gt; \(&lt;t:\d+:R&gt;\)", "30 November 2026 00:00", line)
        quoted = re.match(r"&gt;+ (.*)", line)
        lines.append(f"<blockquote>{quoted[1]}</blockquote>" if quoted else line + "\n")
    return "".join(lines).rstrip()


async def on_page(url: str) -> None:
    """Talk to the bot on the page, on a desktop and on a phone, and take a picture of each."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for name, (width, height), scheme, said in VISITS:
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                locale="en-US" if said.isascii() else "zh-CN",
                device_scale_factor=1.5,
            )
            page = await context.new_page()
            await page.goto(url)
            await page.fill("#input", said)
            await page.press("#input", "Enter")
            await page.locator('[data-press^="v2:reroll:"]').last.wait_for(timeout=1_000 * PICTURE_S)
            await page.wait_for_timeout(1_000)  # the page scrolls to its newest message
            await page.screenshot(path=HERE / f"{name}.png", animations="disabled")
            await context.close()
        await browser.close()


async def main() -> None:
    """Run the bot, talk to it, draw both pictures."""
    with tempfile.TemporaryDirectory() as folder:
        async with FakeDiscord() as discord, TelegramServer() as telegram:
            port = free_port()
            environ = environment(Path(folder), **with_platforms(discord, telegram)) | {
                "SUGARBOT_WEB__ENABLED": "true",
                "SUGARBOT_WEB__PORT": str(port),
            }
            async with sugarbot("run", environ=environ) as process:
                assert process.stdout is not None
                log = asyncio.create_task(process.stdout.read(), name="log")
                await until(lambda: discord.gateway.is_connected and telegram.named("getUpdates"), 90)
                pages = {
                    "discord": as_html("Discord, in a server", "discord", await on_discord(discord)),
                    "telegram": as_html("Telegram，私聊", "telegram", await on_telegram(telegram)),
                }
                await on_page(f"http://127.0.0.1:{port}/")
            await log
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for name, content in pages.items():
            page = await browser.new_page(device_scale_factor=1.5)
            await page.set_content(content)
            await page.locator("main").screenshot(path=HERE / f"{name}.png", animations="disabled")
        await browser.close()


if __name__ == "__main__":
    if CHROMIUM is None:
        sys.exit("no Chromium")
    asyncio.run(main())
