"""What a request asks for: a surprise, spoilers, a trial, and whether it was asked for a moment ago."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.commands.prompts.advice import AdviceKind
from bot.commands.prompts.face import SUGGESTED
from bot.commands.values import (
    Cancel,
    Delete,
    Draw,
    EditSettings,
    Face,
    Link,
    LoraSwitch,
    LoraWish,
    Original,
    Reroll,
)
from bot.errors import AlreadyAsked, NoCreditsLeft, PersonError, TooManyWaiting, UnknownLora
from bot.outcomes import Advice, DryRun, FacesMixed, LinkCode, Platform, Receipt
from bot.policy.rules import Rules
from engine.request import FailReason
from engine.shelf import LoraFile, LoraKind, Shelf, Sidecar
from tests.fakes.chat import FakeChat
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer

OPEN = Rules(allow=frozenset({"discord:*", "telegram:*"}), max_waiting=20, daily_credits=400)


async def ask(
    harness: DeskHarness, event: str, command: Draw | Reroll | None = None, user_id: str = "ann", **where: Any
) -> str:
    """The job that this message gets; of a refusal its facts."""
    context = a_context(event, user_id, **{"platform": Platform.TELEGRAM} | where)
    try:
        receipt = await harness.desk.handle(command or Draw("a face"), context)
    except AlreadyAsked as refusal:
        return f"as {refusal.facts['job_id']}"
    assert isinstance(receipt, Receipt)
    return receipt.job_id


async def test_the_same_request_within_a_minute_points_to_the_first(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, rules=OPEN, clock=clock) as harness:
        first = await ask(harness, "1")
        assert await ask(harness, "1") == first  # the same message, handled again
        clock.now_ms += 59_000
        assert await ask(harness, "2") == f"as {first}"
        others = [
            await ask(harness, "3", Draw("a face", again=True)),
            await ask(harness, "4", Draw("a face", seed=7)),
            await ask(harness, "5", Draw("a face", seed=7)),  # whoever names a seed wants that picture
            await ask(harness, "6", Draw("a face", count=2)),
            await ask(harness, "7", Draw("another face")),
            await ask(harness, "8", user_id="ben"),
            await ask(harness, "9", chat_id="elsewhere"),
            await ask(harness, "10", platform=Platform.DISCORD),
            await ask(harness, "11", Reroll(first)),
            await ask(harness, "12", Reroll(first)),
        ]
        assert len({first, *others}) == 11
        clock.now_ms += 1_000
        later = await ask(harness, "13")
        assert not later.startswith("as ")
        clock.now_ms -= 3_600_000  # a clock that is set back makes nobody wait an hour
        assert not (await ask(harness, "14")).startswith("as ")


async def test_the_same_words_mean_another_picture_with_another_default(tmp_path: Path) -> None:
    rules = replace(OPEN, hosts=frozenset({"telegram:ann"}))
    async with open_harness(tmp_path, rules=rules) as harness:
        first = await ask(harness, "1")
        switch = LoraSwitch(LoraWish("sugar"))
        await harness.desk.handle(switch, a_context("2", platform=Platform.TELEGRAM))
        second = await ask(harness, "3")
        assert not second.startswith("as ")
        assert second != first
        assert await ask(harness, "4") == f"as {second}"


async def test_a_message_to_the_terminal_waits_for_its_picture_and_may_be_sent_again(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        jobs = {await ask(harness, event, platform=Platform.CONSOLE) for event in "12"}
    assert len(jobs) == 2


async def test_a_request_that_gave_no_pictures_may_be_sent_again_at_once(tmp_path: Path) -> None:
    renderer = FakeRenderer([Act.FAIL], fail_reason=FailReason.WORKER_ERROR)
    chat = FakeChat(Platform.TELEGRAM)
    async with open_harness(tmp_path, rules=OPEN, renderer=renderer, chat=chat) as harness:
        first = await ask(harness, "1")
        await harness.desk.handle(Cancel(first), a_context("2", platform=Platform.TELEGRAM))
        second = await ask(harness, "3")
        async with harness.running():
            await until(lambda: len(renderer.requests) == 1)
            await until(lambda: len(chat.results) == 2)
            third = await ask(harness, "4")
            await until(lambda: len(chat.results) == 3)
            while await harness.store.outbox.is_sending(third):
                pass
            await harness.desk.handle(Delete(third), a_context("5", platform=Platform.TELEGRAM))
            fourth = await ask(harness, "6")
        assert (await harness.job(second)).state == "failed"
        assert len({first, second, third, fourth}) == 4
        assert not fourth.startswith("as ")


async def test_a_refused_repetition_costs_nothing_and_is_refused_the_same_way_again(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        first = await ask(harness, "1")
        await harness.store.inbox.add("telegram", [("2", "{}")], 1)
        assert [await ask(harness, "2") for _ in range(2)] == 2 * [f"as {first}"]
        person = (await harness.job(first)).person
        assert (await harness.store.people.account(person)).credits == OPEN.daily_credits - 1


@pytest.mark.parametrize(
    ("command", "column"),
    [
        (Draw(surprise=True), 1),
        (Draw("a girl", surprise=True), 1),
        (Draw("甜妹", surprise=True), 0),
    ],
)
async def test_a_surprise_fills_the_empty_slots_in_the_language_of_the_prompt(
    tmp_path: Path, command: Draw, column: int
) -> None:
    async with open_harness(tmp_path) as harness:
        command = replace(command, face=Face(lips="plum"), seed=3, count=4)
        receipts = [await harness.desk.handle(command, a_context(event)) for event in "12"]
        recipes = [receipt.recipe for receipt in receipts if isinstance(receipt, Receipt)]
    assert recipes[0].prompts == recipes[1].prompts  # the seed decides
    assert len(set(recipes[0].prompts)) > 1
    for index in range(4):
        choices = recipes[0].choices_of(index)
        allowed = [[row[column] for row in rows] for slot, rows in SUGGESTED.items() if slot != "lips"]
        assert all(choice in words for choice, words in zip(choices, allowed, strict=True))
        assert all(part in recipes[0].prompts[index] for part in (*choices, "plum", command.prompt))


async def test_a_surprise_without_a_prompt_is_in_the_language_of_the_person(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        receipt = await harness.desk.handle(Draw(surprise=True), a_context("1", locale="zh-CN"))
    assert isinstance(receipt, Receipt)
    assert receipt.recipe.typed == "__肤质__，__腮红__，__唇妆__，__眼神__，__睫毛__"


async def test_hidden_pictures_stay_hidden_wherever_they_are_shown(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        hidden, shown = (
            await harness.accept("1", spoiler=True),
            await harness.accept("2", spoiler=False),
        )
        again = await harness.desk.handle(Reroll(hidden.job_id), a_context("3"))
        assert isinstance(again, Receipt)
        async with harness.running():
            await until(lambda: len(harness.chat.results) == 3)
        spoilers = {result.job_id: result.spoiler for result in harness.chat.results}
        assert spoilers == {hidden.job_id: True, shown.job_id: False, again.job_id: True}
        originals = await harness.desk.handle(Original(hidden.job_id), a_context("4"))
        assert originals.spoiler  # type: ignore[union-attr]


async def test_a_trial_says_all_and_stores_nothing(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN, seed=5) as harness:
        await harness.accept("1", "ben")
        await harness.accept("2", "ben")
        before = await harness.store.survey()
        command = Draw("{a|b} face", count=2, dry=True)
        dry = await harness.desk.handle(command, a_context("3"))
        assert isinstance(dry, DryRun)
        assert (dry.price, dry.credits_left, len(dry.recipe.prompts)) == (2, OPEN.daily_credits - 2, 2)
        assert await harness.store.survey() == before
        assert len(harness.desk.parts.queue.jobs) == 2
        real = await harness.desk.handle(replace(command, dry=False, seed=dry.recipe.seed), a_context("4"))
        assert isinstance(real, Receipt)
        assert (real.recipe, real.price, real.position) == (dry.recipe, dry.price, dry.position)


@pytest.mark.parametrize(
    ("rules", "wanted", "error"),
    [
        (Rules(daily_credits=1), {"count": 2}, NoCreditsLeft),
        (Rules(max_waiting=0), {}, TooManyWaiting),
        (Rules(), {"loras": ("nobody",)}, UnknownLora),
    ],
)
async def test_a_trial_is_refused_as_the_request_would_be(
    tmp_path: Path, rules: Rules, wanted: dict[str, Any], error: type[PersonError]
) -> None:
    if "loras" in wanted:
        wanted = {"loras": tuple(map(LoraWish, wanted["loras"]))}
    async with open_harness(tmp_path, rules=rules) as harness:
        refusals = []
        for event, dry in enumerate((True, False)):
            with pytest.raises(error) as caught:
                await harness.desk.handle(Draw("a", dry=dry, **wanted), a_context(str(event)))
            refusals.append(caught.value.facts)
        assert refusals[0] == refusals[1]


async def test_each_person_is_told_once_what_cannot_work_and_gets_the_picture(tmp_path: Path) -> None:
    text = "a (red:1.3) face, masterpiece, 8k"
    faces = {
        name: LoraFile(name, Path(name), name * 64, 1, 8, sidecar=Sidecar(kind=LoraKind.FACE))
        for name in "ab"
    }
    async with open_harness(tmp_path, rules=OPEN, shelf=Shelf(faces)) as harness:
        draw = Draw(text, loras=(LoraWish("a", 0.5), LoraWish("b", 0.5)), negative="ugly")
        dry = await harness.desk.handle(replace(draw, dry=True), a_context("0"))
        assert isinstance(dry, DryRun)
        told = (await harness.accept("1", prompt=text, loras=draw.loras, negative="ugly")).notes
        kinds = [AdviceKind.NEGATIVE, AdviceKind.QUALITY, AdviceKind.RESOLUTION, AdviceKind.WEIGHTS]
        assert told == (FacesMixed(("a", "b")), *map(Advice, kinds)) == dry.notes
        again = await harness.accept("2", prompt=text, loras=draw.loras, negative="ugly")
        assert again.notes == ()
        assert again.recipe.prompt == text  # drawn as it was typed
        other = await harness.accept("3", "ben", prompt=text)
        assert other.notes == tuple(map(Advice, kinds[1:]))
        await harness.desk.handle(EditSettings(advice=False), a_context("4", "eve"))
        assert (await harness.accept("5", "eve", prompt=text, loras=draw.loras)).notes == ()
        await harness.desk.handle(EditSettings(advice=True), a_context("6", "eve"))
        assert len((await harness.accept("7", "eve", prompt=text)).notes) == 3


async def test_linked_people_are_not_told_again(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann, ben = ("ann", Platform.TELEGRAM), ("ben", Platform.DISCORD)
        assert len((await harness.accept("1", ann[0], platform=ann[1], prompt="8k")).notes) == 1
        assert len((await harness.accept("2", ben[0], platform=ben[1], prompt="masterpiece, 8k")).notes) == 2
        code = await harness.desk.handle(Link(), a_context("3", ann[0], platform=ann[1], chat_id="ann"))
        assert isinstance(code, LinkCode)
        for event in "45":
            context = a_context(event, ben[0], platform=ben[1], chat_id="ben")
            await harness.desk.handle(Link(code.code), context)
        receipt = await harness.accept("6", ann[0], platform=ann[1], prompt="masterpiece, 8k", again=True)
        assert receipt.notes == ()
