from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chats.web.conversation import Conversation
from bot.chats.web.panel import CardPanel
from bot.chats.web.rendering import render_conversation, render_message, render_page, render_panel
from bot.cli.serve import FIRST_MESSAGE
from bot.commands import grammar
from bot.commands.values import Draw
from bot.errors import BadSize
from bot.messages.page import EXAMPLES
from bot.outcomes import (
    CreditBalance,
    EditableText,
    ExportReady,
    History,
    HistoryEntry,
    JobState,
    LoraSummary,
    Originals,
    PictureFile,
    RecipeShown,
    ReportedJob,
    ReportListing,
    SettingsRead,
)
from engine.demo.vocabulary import PromptReading, read_prompt
from engine.host import CardReport
from engine.planner.headroom import Headroom
from engine.request import FailReason, Picture
from tests.fakes.renderer import tiny_png
from tests.unit.bot.chats.making import JOB, PNG, make_receipt, make_recipe, make_result, make_status

GIB = 2**30


class Page(HTMLParser):
    """The tags and the text of a page as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def having(self, attribute: str) -> list[str | None]:
        return [attributes[attribute] for _, attributes in self.tags if attribute in attributes]


def make_conversation(locale: str = "en") -> Conversation:
    return Conversation("page", locale)


def seen(conversation: Conversation) -> Page:
    return Page(render_conversation(conversation))


def test_an_empty_page_offers_examples() -> None:
    for locale, examples in EXAMPLES.items():
        text = seen(make_conversation(locale)).text
        assert all(example in text for example in examples)


def test_english_examples_are_in_english() -> None:
    assert all(example.isascii() for example in EXAMPLES["en"])
    assert not EXAMPLES["zh-CN"][0].isascii()


def test_a_waiting_job_shows_its_position_and_can_be_cancelled() -> None:
    conversation = make_conversation()
    conversation.answer(make_receipt(position=2))

    page = seen(conversation)

    assert "2 ahead of you" in page.text
    assert page.having("data-press") == [f"v2:cancel:{JOB}"]
    assert page.having("value") == ["0"]


def test_progress_counts_every_step_of_every_picture() -> None:
    conversation = make_conversation()
    conversation.show(make_status(count=2, index=1, step=4, steps=8))

    assert seen(conversation).having("value") == ["75"]


def test_a_finished_job_shows_its_pictures_and_can_be_drawn_again(tmp_path: Path) -> None:
    conversation = make_conversation()
    conversation.answer(make_receipt())
    conversation.deliver(make_result(paths=(tmp_path / "a.png", tmp_path / "b.png")))

    page = seen(conversation)

    assert [image["src"] for image in page.all("img")] == [f"/pictures/{JOB}/{n}.png" for n in (0, 1)]
    assert page.having("data-press") == [
        *(f"v2:{action}:{JOB}:{n}" for action in ("pick", "vary") for n in (0, 1)),
        *(f"v2:{action}:{JOB}" for action in ("reroll", "repeat", "edit", "original", "star", "delete")),
    ]
    assert "512 × 768" in page.text
    assert page.all("progress") == []


def test_a_spoiler_is_hidden_until_it_is_opened_and_each_picture_has_its_own_words(tmp_path: Path) -> None:
    conversation = make_conversation()
    recipe = replace(make_recipe("a {fox|hare}", 2), prompts=("a fox", "a hare"))
    paths = (tmp_path / "a.png", tmp_path / "b.png")
    conversation.deliver(make_result(recipe=recipe, paths=paths, spoiler=True))
    conversation.deliver(make_result("open", paths=paths[:1]))

    page = seen(conversation)

    assert [link.get("class") for link in page.all("a")] == ["spoiler", "spoiler", None]
    assert {image["alt"] for image in page.all("img")[:2]} <= {"a fox", "a hare"}


def test_a_spoiler_is_hidden_while_its_batch_is_drawn() -> None:
    drawn = (Picture(0, 7, 512, 768, PNG),)
    for spoiler, link in ((True, "spoiler"), (False, None)):
        conversation = make_conversation()
        conversation.show(make_status(count=2, index=1, pictures=drawn, spoiler=spoiler))
        assert [one.get("class") for one in seen(conversation).all("a")] == [link]


def test_a_recipe_code_can_be_copied(tmp_path: Path) -> None:
    conversation = make_conversation()
    recipe = replace(make_recipe(), code="K3F97QXM2AWV")
    conversation.deliver(make_result(recipe=recipe, paths=(tmp_path / "a.png",)))
    conversation.deliver(make_result("failed", recipe=recipe, state=JobState.FAILED))

    assert seen(conversation).having("data-copy") == ["K3F9-7QXM-2AWV"]


def test_pictures_of_a_batch_appear_one_by_one_in_their_frames() -> None:
    conversation = make_conversation()
    conversation.answer(make_receipt(recipe=make_recipe("a face", 4)))
    drawn = tuple(Picture(index, 7 + index, 512, 768, PNG) for index in (0, 1))
    conversation.show(make_status(count=4, index=2, pictures=drawn))

    page = seen(conversation)

    assert [image["src"] for image in page.all("img")] == [f"/pictures/{JOB}/{n}.png" for n in (0, 1)]
    assert [frame["class"] for frame in page.all("svg")] == ["frame next", "frame"]
    assert {frame["viewbox"] for frame in page.all("svg")} == {"0 0 512 768"}


def test_a_failed_job_says_why_and_shows_no_picture() -> None:
    conversation = make_conversation()
    conversation.deliver(make_result(state=JobState.FAILED, fail=FailReason.OUT_OF_MEMORY, refund=1))

    page = seen(conversation)

    assert page.all("img") == []
    assert "1" in page.text
    assert any("refusal" in (css or "") for css in page.having("class"))


def test_history_shows_earlier_pictures(tmp_path: Path) -> None:
    conversation = make_conversation()
    entry = HistoryEntry("old1", JobState.DONE, make_recipe(), (PictureFile(0, 7, tmp_path / "a.png"),))
    conversation.answer(History((entry,)))

    page = seen(conversation)

    assert page.all("img")[0]["src"] == "/pictures/old1/0.png"
    assert page.having("data-press") == [
        "v2:reroll:old1",
        "v2:original:old1",
        "v2:star:old1",
        "v2:starred:-:1",
    ]


def test_an_empty_history_has_a_sentence() -> None:
    conversation = make_conversation()
    conversation.answer(History(()))

    assert seen(conversation).text.strip()


def test_the_whole_conversation_changes_its_language() -> None:
    conversation = make_conversation()
    conversation.answer(CreditBalance(12, 40, 1_800_000_000))
    conversation.answer(BadSize(text="0"))
    english = seen(conversation).text

    conversation.locale = "zh-CN"

    assert seen(conversation).text != english
    assert Page(render_page(conversation, "", ())).all("html")[0]["lang"] == "zh-CN"


@given(st.text(min_size=1, max_size=80))
@pytest.mark.parametrize("frame", ["{}", "<script>alert(1)</script>{}", '"><img src=x onerror=alert(1)>{}'])
def test_a_person_s_text_never_becomes_markup(frame: str, typed: str) -> None:
    markup = frame.format(typed)
    conversation, calm = make_conversation(), make_conversation()
    for one, prompt in ((conversation, markup), (calm, "calm")):
        one.say(prompt)
        one.answer(BadSize(text=prompt))
        one.deliver(make_result(recipe=make_recipe(prompt), paths=(Path("a.png"),)))

    def bones(page: Page) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in page.tags]

    assert bones(seen(conversation)) == bones(seen(calm))


def test_the_panel_shows_the_card_in_numbers() -> None:
    card = CardPanel("NVIDIA A10", 9 * GIB, 3 * GIB, 12 * GIB, 3, JOB, 5, 8, "sugar")

    page = Page(render_panel(card, "Anime", "en"))

    assert "9.0 of 12.0 GiB used" in page.text
    assert "3.0 GiB for drawing" in page.text
    assert page.having("value") == ["75"]
    for fact in ("NVIDIA A10", "step 5 of 8", "Anime"):
        assert fact in page.text
    assert JOB not in page.text
    assert "sugar" not in page.text


def test_the_panel_of_an_idle_card_of_unknown_size_is_complete() -> None:
    page = Page(render_panel(CardPanel("CPU", 0, 0, 0), "", "en"))

    assert "idle" in page.text
    assert "none" in page.text
    assert page.having("value") == ["0"]


def test_a_machine_without_a_card_has_a_name_in_every_language() -> None:
    panel = CardPanel("CPU, 2 threads", 0, 0, 0, is_card=False)

    assert "CPU, 2 threads" in Page(render_panel(panel, "", "en")).text
    assert "CPU，2 个线程" in Page(render_panel(panel, "", "zh-CN")).text


def test_the_page_needs_no_inline_script_or_style() -> None:
    conversation = make_conversation()
    conversation.answer(make_receipt())
    loras = (LoraSummary("sugar", {"en": "Sugar face"}, "", 0.8), LoraSummary("x", {}, "", 1.0))

    page = Page(render_page(conversation, render_panel(CardPanel("CPU", 1, 1, 2), "", "en"), loras))

    assert "Sugarbot" in page.text
    assert "Sugar face" in page.text
    assert [script["src"] for script in page.all("script")] == ["/live.js", "/page.js"]
    assert page.having("style") == []
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    urls = [url or "" for name in ("src", "href") for url in page.having(name)]
    assert all(url.startswith("/") and not url.startswith("//") for url in urls)


def test_every_message_carries_the_number_of_its_entry() -> None:
    conversation = make_conversation()
    conversation.say("one")
    conversation.say("two")

    assert [
        Page(render_message(item, conversation)).having("data-number") for item in conversation.items
    ] == [["0"], ["1"]]


@pytest.mark.parametrize("prompt", [*EXAMPLES["en"][:2], *EXAMPLES["zh-CN"][:2], *FIRST_MESSAGE.values()])
def test_the_built_in_model_knows_every_word_of_the_examples(prompt: str) -> None:
    command = grammar.parse(prompt)
    assert isinstance(command, Draw)
    assert read_prompt(command.prompt) == PromptReading((), is_blank=False)


def test_the_chart_of_the_card_is_a_picture_of_its_message() -> None:
    conversation = Conversation("page", "en")
    memory = Headroom(9, 9, 0, "NVIDIA A10", "a test")
    png = tiny_png(7)
    conversation.answer(CardReport(device_name="NVIDIA A10", state="ready", memory=memory))
    conversation.answer(CardReport(device_name="NVIDIA A10", state="ready", memory=memory, png=png))
    first, second = conversation.items
    assert Page(render_message(first, conversation)).all("img") == []
    [image] = Page(render_message(second, conversation)).all("img")
    assert image["src"] == f"/charts/{second.number}.png"
    assert image["alt"] == "The last hour of the card"
    assert conversation.chart(second.number) == png
    assert conversation.chart(first.number) is None
    assert conversation.chart(99) is None


def test_the_text_of_a_job_fills_the_text_box_and_says_whose_it_is() -> None:
    conversation = make_conversation()
    conversation.answer(EditableText(JOB, "/sugar a <b>face</b>"))

    page = seen(conversation)

    assert page.having("data-edits") == [JOB]
    assert "/sugar a <b>face</b>" in page.text


def test_the_files_of_a_job_are_links_and_reports_have_their_buttons(tmp_path: Path) -> None:
    conversation = make_conversation()
    conversation.answer(Originals(JOB, (PictureFile(0, 7, tmp_path / "a.png"),)))
    conversation.answer(ReportListing((ReportedJob("bad1", "a face", "discord:7", "discord:8", 0, 2),)))

    page = seen(conversation)

    assert [image["src"] for image in page.all("img")] == [f"/pictures/{JOB}/0.png"]
    assert page.having("data-press") == ["v2:original:bad1", "v2:delete:bad1"]
    assert "discord:8" in page.text


def test_the_files_of_an_export_are_links_of_this_conversation_alone(tmp_path: Path) -> None:
    conversation, other = make_conversation(), make_conversation()
    part = tmp_path / "sugarbot-0123456789abcdef-1.zip"
    conversation.answer(ExportReady((part,), 2))

    page = seen(conversation)

    assert [link["href"] for link in page.all("a")] == [f"/exports/{part.name}"]
    assert conversation.export(part.name) == part
    assert conversation.export("../secret.zip") is None
    assert other.export(part.name) is None


def test_a_recipe_and_the_settings_of_a_file_can_be_drawn_unless_a_lora_is_gone() -> None:
    for outcome, pressed in (
        (RecipeShown("K3F97QXM2AWV", "/sugar a face"), ["v2:draw:K3F97QXM2AWV"]),
        (RecipeShown("K3F97QXM2AWV", "/sugar a face", gone=("sugar",)), []),
        (SettingsRead("K3F97QXM2AWV", "/sugar a face"), ["v2:draw:K3F97QXM2AWV"]),
    ):
        conversation = make_conversation()
        conversation.answer(outcome)
        assert seen(conversation).having("data-press") == pressed
