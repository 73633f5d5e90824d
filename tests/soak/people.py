"""What people of both platforms ask during a soak, and which of it the bot has not answered."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from tests.fakes.discord_payloads import LOADING, MEMBER_ID
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group, Person, Sent

PEOPLE = 20  # on each platform; a private chat accepts one message per second
MOST_UNFINISHED = 12  # jobs that are asked for and not shown; then people ask for other things
LOOK_AGAIN_S = 0.5
NOT_PRESSED = ("Delete", "Report")  # they would remove what later acts need, or reach a person's limit
UNFINISHED = re.compile(
    r"Got it|\S+ ahead of you|You are next|Drawing|Your pictures? (is|are) on"
    r"|收到|前面还有|下一个就是你|开始画了|正在画|正在用|图片马上就到"
)  # how the text of a job begins that has not ended
LORAS = ("sugar", "anime", "sugar:0.6+anime:0.4")


@dataclass
class Crowd:
    """Twenty people on each platform; the first one on Discord is the host."""

    random: Random
    discord: FakeDiscord
    telegram: TelegramServer
    acts: int = 0
    interactions: list[Interaction] = field(default_factory=list)
    messages: list[tuple[int, int]] = field(default_factory=list)  # chat id, message id
    presses: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    suggested: int = 0

    async def act(self) -> None:
        """Do one thing that people do, more often a picture than anything else."""
        self.acts += 1
        draws = self._draw_on_telegram, self._draw_on_discord
        others = (
            self._ask_on_telegram, self._press_on_telegram, self._type_inline, self._ask_on_discord,
            self._press_on_discord, self._type_an_option,
        )  # fmt: skip
        is_full = len(self.unfinished()) >= MOST_UNFINISHED
        acts: tuple[Callable[[], Awaitable[None]], ...] = others if is_full else (*draws, *draws, *others)
        await self.random.choice(acts)()
        await self.telegram.wake()

    def unfinished(self) -> list[str]:
        """What people asked, and what they see of it, where the bot has not given its last answer."""
        world = self.telegram.world
        replies: dict[tuple[int, int | None], Sent] = {}
        for sent in world.history:  # a later form of a message replaces an earlier one
            replies[sent.chat_id, sent.reply_to] = sent
        open_ = [f"telegram message {key}: {_text(replies.get(key))}" for key in self.messages
                 if _is_open(_text(replies.get(key)))]  # fmt: skip
        open_ += [f"telegram press {one}" for one in self.presses if one not in world.answered_presses]
        open_ += [f"telegram query {one}" for one in self.queries if one not in world.inline_answers]
        return open_ + [
            f"discord interaction {one.interaction_id}: {self._shown(one)}"
            for one in self.interactions
            if _is_open(self._shown(one))
        ]

    def _shown(self, asked: Interaction) -> str:
        """What a person sees as the answer to an interaction; empty while there is nothing."""
        if asked.deleted or (asked.callbacks and not asked.message_id):
            return "an answer that is no message"
        message = self.discord.messages.get(asked.message_id)
        if message is None or message["flags"] & LOADING:
            return ""
        return message["text"] or "pictures alone"

    def _wish(self) -> str:
        """Words that nobody has asked for: the same ones again within a minute would be no second job."""
        return f"a face {self.acts} --lora {self.random.choice(LORAS)} -n {self.random.choice((1, 1, 1, 2))}"

    def _person(self) -> Person:
        number = self.random.randrange(PEOPLE)
        return Person(11 + number, language="zh-hans" if number % 2 else "en")

    def _user_id(self) -> str:
        return str(int(MEMBER_ID) + self.random.randrange(PEOPLE))

    async def _draw_on_telegram(self) -> None:
        by = self._person()
        if self.random.random() < 0.15:
            group = Group(-100_200 - self.random.randrange(PEOPLE))
            self.messages.append(
                (group.id, self.telegram.world.say(f"/sugar {self._wish()}", by=by, group=group))
            )
        else:
            self.messages.append((by.id, self.telegram.world.say(self._wish(), by=by)))

    async def _ask_on_telegram(self) -> None:
        by = self._person()
        asked = self.random.choice(
            ("/quota", "/mine", "/mine face", "/help", "/lora list", "/lora info sugar", "/settings",
             "/sugar", "/sugr a fox", "/lora switch anime", "/compare a face --loras sugar anime")
        )  # fmt: skip
        self.messages.append((by.id, self.telegram.world.say(asked, by=by)))

    async def _press_on_telegram(self) -> None:
        pictures = [sent for sent in self.telegram.world.messages.values() if sent.file and sent.chat_id > 0]
        if pictures:
            sent = self.random.choice(pictures[-20:])
            labels = [label for label, _ in sent.buttons if label not in NOT_PRESSED]
            if labels:
                by = Person(sent.chat_id)
                self.presses.append(self.telegram.world.press(sent, self.random.choice(labels), by=by))

    async def _type_inline(self) -> None:
        self.queries.append(self.telegram.world.ask_inline("face", by=self._person()))

    async def _draw_on_discord(self) -> None:
        options = {
            "prompt": f"a face {self.acts}",
            "lora": self.random.choice(LORAS),
            "count": self.random.choice((1, 1, 1, 2)),
            "private": self.random.random() < 0.2,
        }
        self.interactions.append(await self.discord.slash("sugar", options, user_id=self._user_id()))

    async def _ask_on_discord(self) -> None:
        asked = self.random.choice(("quota", "mine", "help", "lora list", "settings", "gpu", "cancel"))
        by = MEMBER_ID if asked == "gpu" else self._user_id()
        locale = self.random.choice(("en-US", "zh-CN"))
        self.interactions.append(await self.discord.slash(asked, {}, user_id=by, locale=locale))

    async def _press_on_discord(self) -> None:
        drawn = [one for one in self.interactions[-20:] if self._pressable(one)]
        if drawn:
            asked = self.random.choice(drawn)
            user_id = self.discord.event_of(asked)["member"]["user"]["id"]
            button = self.random.choice(self._pressable(asked))
            self.interactions.append(
                await self.discord.press(asked.message_id, button["custom_id"], user_id=user_id)
            )

    def _pressable(self, asked: Interaction) -> list[dict[str, str]]:
        if asked.message_id not in self.discord.messages or not self.discord.answer_to(asked)["attachments"]:
            return []
        buttons = self.discord.buttons(asked.message_id)
        return [one for one in buttons if one.get("label") not in NOT_PRESSED and "custom_id" in one]

    async def _type_an_option(self) -> None:
        await self.discord.suggest(
            "sugar", "lora", self.random.choice(("s", "an", "动")), user_id=self._user_id()
        )
        self.suggested += 1


def _text(sent: Sent | None) -> str:
    if sent is None:
        return ""
    return sent.text or sent.file_name


def _is_open(shown: str) -> bool:
    return not shown or UNFINISHED.match(shown) is not None


async def wait_until_answered(crowd: Crowd, timeout_s: float) -> list[str]:
    """Wait until everything is answered; return what is not."""
    for _ in range(int(timeout_s / LOOK_AGAIN_S)):
        if not crowd.unfinished():
            return []
        await asyncio.sleep(LOOK_AGAIN_S)
    return crowd.unfinished()
