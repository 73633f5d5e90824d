"""One suite for all chats: the same conversations get the same answers on each of the four, in each language.

Discord and Telegram are fakes over sockets that check each request against the vendor's schema.
"""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot import errors
from bot.commands.prompts.advice import AdviceKind
from bot.languages import LOCALES, in_script, is_chinese
from bot.messages import button_label
from bot.messages.asking.answers import ADVICE
from bot.messages.catalogue import read_catalogue
from bot.messages.finding.recipes import RECIPE_PRICE
from bot.messages.refusals import SENTENCES
from tests.integration.chats.sides import SIDES, Answer, Side

CHINESE = read_catalogue()
FACT = re.compile(r"\{\w+\}")
MARKS = re.compile(r"[\\*_`~|>\s]")  # of Markdown, and where lines break
PEOPLE = {"discord": 12, "telegram": 12, "web": 12, "console": 3}  # as many of each language


@dataclass(frozen=True)
class Turn:
    """One message, and what its answer must contain.

    Attributes:
        said: By locale; one text for all, or English and Chinese.
        sentences: msgids of sentences that the answer contains, in the reader's language.
        words: Texts that the answer contains in every language.
        pictures: How many pictures it brings; None if that differs.
        by_members: Only hosts may do it; on the page everybody is one.
    """

    said: str | tuple[str, str]
    sentences: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    pictures: int | None = 0
    by_members: bool = False

    def text_for(self, locale: str) -> str:
        if isinstance(self.said, str):
            return self.said
        return self.said[locale != "en"]


def refused(error: type[errors.PersonError]) -> tuple[str, ...]:
    return (SENTENCES[error],)


CONVERSATION = (
    Turn(("a fox --seed 7", "一只狐狸 --种子 7"), pictures=1),
    Turn(("/sugar a fox --seed 7 -n 2", "/画图 一只狐狸 --种子 7 --张数 2"), pictures=2),
    Turn(("a fox, --seed 8 --lora sugar:0.5", "狐狸 --种子 8 --lora sugar:0.5"), pictures=1),
    Turn(
        ("a fox --dry --seed 9", "狐狸 --试算 --种子 9"), sentences=("A trial: nothing is drawn or charged.",)
    ),
    Turn("/quota", ("Credits left: {credits}. They refill to {daily} at {renews_at}.",), by_members=True),
    Turn("/loras", words=("sugar", "anime")),
    Turn("/lorainfo sugar", words=("sugar",), pictures=None),
    Turn("/mine", words=("1m",), pictures=None),
    Turn("/help", words=("/mine", "/quota", "/cancel", "--lora")),
    Turn("/cancel", refused(errors.NothingToCancel)),
    Turn("/cancel nothing", refused(errors.NoSuchJob)),
    Turn("/lora switch anime", refused(errors.HostsOnly), by_members=True),
    Turn("/gpu", refused(errors.HostsOnly), by_members=True),
    Turn(("/status", "状态"), ("None of your jobs is waiting.",)),
    Turn("/help hosts", ("Commands of hosts:",), words=("/pause",)),
    Turn("/pause now", refused(errors.HostsOnly), by_members=True),
    Turn("/drain", refused(errors.HostsOnly), by_members=True),
    Turn("/resume", refused(errors.HostsOnly), by_members=True),
    Turn(("/queue", "/队列"), refused(errors.HostsOnly), by_members=True),
    Turn("/ban discord:1234", refused(errors.HostsOnly), by_members=True),
    Turn("/unban discord:1234", refused(errors.HostsOnly), by_members=True),
    Turn("/allow here", refused(errors.HostsOnly), by_members=True),
    Turn(("/doctor", "/体检"), refused(errors.HostsOnly), by_members=True),
    Turn("/stats", refused(errors.HostsOnly), by_members=True),
    Turn("/grant discord:1234 9", refused(errors.HostsOnly), by_members=True),
    Turn(("/people ann --page 2", "/用户"), refused(errors.HostsOnly), by_members=True),
    Turn(("/audit 2", "/管理记录"), refused(errors.HostsOnly), by_members=True),
    Turn("/disallow here", refused(errors.HostsOnly), by_members=True),
    Turn("a fox --lora nobody", refused(errors.UnknownLora)),
    Turn("a fox --size 9:1000", refused(errors.ShapeNotAllowed)),
    Turn("a fox --seed -5", refused(errors.BadSeed)),
    Turn("a fox -n 400", refused(errors.BadCount)),
    Turn("a fox --steps 30", refused(errors.FixedSteps)),
    Turn("a fox --no hats --dry", sentences=(ADVICE[AdviceKind.NEGATIVE],)),
    Turn("a fox --cfg 7", refused(errors.NoGuidance)),
    Turn("a fox --frobnicate 7", refused(errors.UnknownFlag)),
    Turn(("/sugar K3F9-7QXM-2AWV --dry", "画 K3F9-7QXM-2AWV --试算"), refused(errors.UnknownRecipe)),
    Turn(("/sugar K3F9-7QXM-2AWV --seed 7", "画 K3F9-7QXM-2AWV --种子 7"), refused(errors.OptionBehindCode)),
    Turn("/recipe", (RECIPE_PRICE,), by_members=True),
    Turn("/original nothing", refused(errors.NoSuchJob)),
    Turn("/frobnicate", refused(errors.UnknownCommand)),
    Turn("/sugar", refused(errors.EmptyPrompt)),
    Turn("/settings", words=("/settings",)),
    Turn("/settings foo", refused(errors.BadSetting)),
    Turn(("/preset cosy --seed 7 soft light", "/预设 cosy --种子 7 柔光"), words=("--seed 7",)),
    Turn(("/preset", "预设"), sentences=("Your presets ({count} of {limit}):",), words=("cosy",)),
    Turn(("a fox --preset cosy", "狐狸 --预设 cosy"), pictures=1),
    Turn("a fox --preset nobody", refused(errors.UnknownPreset)),
    Turn("a {red|red} fox --seed 7", sentences=("Drawn: {drawn}",), words=("red",), pictures=1),
    Turn(("--surprise --dry", "--惊喜 --试算"), sentences=("Final prompt: {prompt}",)),
    Turn(("a fox --size 1001x1001 --dry", "狐狸 --尺寸 1001x1001 --试算"), words=("1001x1001",)),
    Turn("/profile", refused(errors.HostsOnly), by_members=True),
    Turn("x" * 3_500 + " --seed 3", pictures=1),
    Turn("**a** _fox_ <b>&amp;</b> @everyone `x` --seed 3", pictures=1),
    Turn(("/help again", "帮助"), words=("/mine",)),
)
PRESSES = {"reroll": 1, "repeat": 1, "original": None, "edit": 0}
"""The controls under one picture, and how many pictures they bring; the page offers originals as links."""


def contains(shown: str, msgid: str, locale: str) -> bool:
    """Whether a sentence is shown, whatever its facts are."""
    sentence = in_script(CHINESE[msgid], locale) if is_chinese(locale) else msgid
    parts = [MARKS.sub("", part) for part in FACT.split(sentence)]
    plain = MARKS.sub("", shown)
    position = 0
    for part in parts:
        found = plain.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return True


def faults(turn: Turn, answer: Answer, locale: str) -> list[str]:
    lacks = [each for each in turn.sentences if not contains(answer.text, each, locale)]
    lacks += [each for each in turn.words if each not in answer.text]
    wrong = [f"lacks {each!r}: {answer.text!r}" for each in lacks]
    if turn.pictures is not None and answer.pictures != turn.pictures:
        wrong.append(f"brings {answer.pictures} pictures: {answer.text!r}")
    return wrong + ([] if answer.text else ["is answered by nothing"])


@dataclass
class Held:
    """A conversation that was held: how many answers there were, and what was wrong."""

    answers: int = 0
    wrong: list[str] = field(default_factory=list)


async def converse(side: Side, locale: str, chat: str) -> Held:
    """Hold the conversation, then press every control, until something has no answer."""
    held = Held()
    about = ""
    try:
        for turn in CONVERSATION:
            if turn.by_members and chat == "web":
                continue
            about = f"{chat} {locale} {turn.text_for(locale)[:40]!r}"
            answer = await side.say(turn.text_for(locale))
            held.answers += 1
            held.wrong += [f"{about} {fault}" for fault in faults(turn, answer, locale)]
        for action, pictures in PRESSES.items() if chat != "console" else ():
            about = f"{chat} {locale} the control {action}"
            answer = await side.press(action)
            held.answers += 1
            if pictures not in (None, answer.pictures) or not (answer.text or answer.pictures):
                held.wrong.append(f"{about} brings {answer.pictures} pictures: {answer.text!r}")
    except TimeoutError:
        held.wrong.append(f"{about} has no answer")
    return held


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("chat", SIDES)
async def test_the_same_conversation_is_answered_alike_in_every_chat_and_language(
    chat: str, tmp_path: Path
) -> None:
    locales = [LOCALES[number % len(LOCALES)] for number in range(PEOPLE[chat])]
    async with SIDES[chat](tmp_path, locales) as sides:
        found = await asyncio.gather(
            *(converse(side, locale, chat) for side, locale in zip(sides, locales, strict=True))
        )
    wrong = [each for part in found for each in part.wrong]
    assert not wrong, "\n".join(wrong)


def test_the_conversations_have_a_thousand_events() -> None:
    events = len(CONVERSATION) + len(PRESSES)
    on_page = events - sum(turn.by_members for turn in CONVERSATION)
    each = {"discord": events, "telegram": events, "web": on_page, "console": len(CONVERSATION)}
    assert sum(PEOPLE[chat] * each[chat] for chat in SIDES) >= 1_000


def test_every_control_has_a_label_in_every_language() -> None:
    for locale in LOCALES:
        assert all(button_label(action, locale) for action in PRESSES)
