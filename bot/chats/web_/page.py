"""The page in Gradio's terms: components, and which event calls what.

A message is sent by a short event that returns at once; a second event then follows the conversation as a
generator until no job of the page is under way. One follower lives at a time, so several jobs need no more.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import gradio as gr
from fastapi import FastAPI
from starlette.routing import Mount

from bot.chats.web_.conversation import Conversation
from bot.chats.web_.talks import Talks, Wishes
from bot.chats.web_.theme import sugar_theme
from bot.chats.web_.view import EXAMPLES, card_html, header_html, talk_html
from bot.commands.values import MAX_COUNT, MAX_WEIGHT, Ratio
from bot.words import LOCALES
from bot.words.page import LANGUAGES, page

HERE = Path(__file__).parent
CARD_EVERY_S = 1.5
FRAME_S = 0.1  # at most ten updates a second reach the browser
NATIVE = "native"
TAKE_TEXT = """(_, ...wishes) => {
  const box = document.querySelector("#message textarea");
  const text = box.value;
  box.value = "";
  box.dispatchEvent(new Event("input"));
  return [text, ...wishes];
}"""
"""Takes what stands in the box as it is sent, for Gradio's own copy may lag behind the last keys; and empties
it at once, so that what is typed while the desk answers stays."""
SHAPES = ("1:1", "2:3", "3:2", "9:16")


class Page:
    """The components of the page and the handlers of their events."""

    def __init__(self, talks: Talks) -> None:
        self._talks = talks
        first = LOCALES[0]
        languages = [(LANGUAGES[locale], locale) for locale in LOCALES]
        with gr.Blocks(
            title="Sugarbot", analytics_enabled=False, fill_height=True, fill_width=True
        ) as blocks:
            with gr.Row(elem_id="head"):
                self.header = gr.HTML(header_html(first), elem_id="brand", apply_default_css=False)
                self.language = gr.Radio(languages, value=first, elem_id="language", container=False)
            with gr.Row(elem_id="room"):
                with gr.Column(elem_id="main"):
                    self.talk = gr.HTML(
                        elem_id="talk",
                        apply_default_css=False,
                        js_on_load=(HERE / "page.js").read_text("utf-8"),
                    )
                    self._compose(first)
                with gr.Column(elem_id="side"):
                    self.card = gr.HTML(elem_id="card", apply_default_css=False)
            self.timer = gr.Timer(CARD_EVERY_S)
            self._wire(blocks)
        self.blocks = blocks

    def _compose(self, first: str) -> None:
        with gr.Column(elem_id="composer"):
            with gr.Row(elem_id="line"):
                self.box = gr.Textbox(
                    lines=1, max_lines=5, container=False, show_label=False, autofocus=True, elem_id="message"
                )
                self.send = gr.Button(variant="primary", elem_id="send")
            with gr.Accordion(open=False, elem_id="options") as self.options, gr.Row():
                self.lora = gr.Dropdown(self._lora_choices(first), value="", elem_id="lora", min_width=150)
                self.weight = gr.Slider(
                    0, MAX_WEIGHT, 1, step=0.05, buttons=[], interactive=False, elem_id="weight"
                )
                self.shape = gr.Radio(shape_choices(first), value=NATIVE, elem_id="shape")
                self.count = gr.Radio(range(1, MAX_COUNT + 1), value=1, elem_id="count")

    def _wire(self, blocks: gr.Blocks) -> None:
        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        stream: dict[str, Any] = {
            "fn": self._follow,
            "outputs": self.talk,
            "concurrency_limit": None,
            "trigger_mode": "multiple",
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        spoken = [
            self.header, self.language, self.talk, self.card, self.box, self.send,
            self.options, self.lora, self.weight, self.shape, self.count,
        ]  # fmt: skip
        blocks.load(self._arrive, None, spoken, **quick)
        blocks.unload(self._leave)
        self.language.input(self._speak, self.language, spoken, **quick)
        typed = [self.box, self.lora, self.weight, self.shape, self.count]
        asked = [self.box.submit, self.send.click]
        said = gr.on(asked, self._say, typed, self.talk, js=TAKE_TEXT, trigger_mode="multiple", **quick)
        said.then(**stream)
        self.talk.click(self._press, None, self.talk, trigger_mode="multiple", **quick).then(**stream)
        self.talk.select(self._example, None, self.box, **quick)
        self.lora.input(self._choose, self.lora, self.weight, **quick)
        self.timer.tick(self._tick, None, self.card, **quick)

    def _here(self, request: gr.Request) -> Conversation:
        return self._talks.open(request.session_hash, request.headers.get("accept-language", ""))

    async def _arrive(self, request: gr.Request) -> list[Any]:
        return self._spoken(self._here(request))

    async def _leave(self, request: gr.Request) -> None:
        self._talks.close(request.session_hash)

    async def _speak(self, locale: str, request: gr.Request) -> list[Any]:
        here = self._here(request)
        here.locale = locale if locale in LOCALES else LOCALES[0]
        return self._spoken(here)

    def _spoken(self, here: Conversation) -> list[Any]:
        """The updates that make every component speak the page's language, in the order of ``spoken``."""
        locale = here.locale
        return [
            header_html(locale),
            gr.update(value=locale, label=page("language", locale)),
            talk_html(here),
            card_html(self._talks.card(), locale),
            gr.update(placeholder=page("placeholder", locale), label=page("message", locale)),
            gr.update(value=page("send", locale)),
            gr.update(label=page("options", locale)),
            gr.update(label=page("lora", locale), choices=self._lora_choices(locale)),
            gr.update(label=page("weight", locale)),
            gr.update(label=page("shape", locale), choices=shape_choices(locale)),
            gr.update(label=page("count", locale)),
        ]

    def _lora_choices(self, locale: str) -> list[tuple[str, str]]:
        shelf = [(card.titles.get(locale) or card.name, card.name) for card in self._talks.loras(locale)]
        return [(page("chat_default", locale), ""), (page("no_lora", locale), "none"), *shelf]

    async def _say(
        self, text: str, lora: str | None, weight: float, shape: str | None, count: int, request: gr.Request
    ) -> str:
        here = self._here(request)
        wishes = Wishes(
            lora or "", weight if lora not in (None, "", "none") else None, ratio_of(shape), count
        )
        await self._talks.say(here, text, wishes)
        return talk_html(here)

    async def _press(self, request: gr.Request, event: gr.EventData) -> str:
        here = self._here(request)
        await self._talks.press(here, str(event.press))
        return talk_html(here)

    async def _follow(self, request: gr.Request) -> AsyncIterator[str]:
        here = self._here(request)
        async for _ in here.follow():
            yield talk_html(here)
            await asyncio.sleep(FRAME_S)
        # Gradio shows the last value once more when a stream ends; it must not be one from before the pause.
        yield talk_html(here)

    async def _example(self, event: gr.EventData) -> str:
        return EXAMPLES[int(event.example) % len(EXAMPLES)]

    async def _choose(self, name: str, request: gr.Request) -> Any:
        """The weight goes with a named LoRA: its own strength first, and nothing to set without one."""
        cards = self._talks.loras(self._here(request).locale)
        weight = next((card.weight for card in cards if card.name == name), None)
        return gr.update(value=1 if weight is None else weight, interactive=weight is not None)

    async def _tick(self, request: gr.Request) -> str:
        return card_html(self._talks.card(), self._here(request).locale)


def shape_choices(locale: str) -> list[tuple[str, str]]:
    """Label and value of each shape, the model's own first."""
    return [(page("native", locale), NATIVE), *((shape, shape) for shape in SHAPES)]


def ratio_of(shape: str | None) -> Ratio | None:
    """The ratio of a choice such as ``2:3``; None for the model's own."""
    if shape not in SHAPES:
        return None
    width, height = shape.split(":")
    return Ratio(int(width), int(height))


def mount_page(app: FastAPI, talks: Talks) -> Callable[[], None]:
    """Put the page at ``/`` of the application.

    Returns:
        Ends the streams that browsers hold open; call it before the server stops.
    """
    blocks = Page(talks).blocks
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        show_error=True,
        theme=sugar_theme(),
        head=(HERE / "templates" / "head.html").read_text("utf-8"),
    )
    mounted = cast(Mount, app.routes[-1])
    stop: asyncio.Event = cast(Any, mounted.app).stop_event  # ends the heartbeat that each page holds open
    return stop.set
