"""Pages of a person's jobs: by words and favourites, and what others who read along may see."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import (
    Cancel,
    Delete,
    Draw,
    Favourite,
    Link,
    LoraWish,
    Mine,
    Original,
    ShowRecipe,
)
from bot.desk.finding.history import INLINE_JOBS
from bot.errors import NoSuchJob, NoSuchPicture, NotYours, PicturesGone, UnknownRecipe
from bot.outcomes import (
    Address,
    CommandContext,
    FavouriteSet,
    History,
    JobState,
    LinkCode,
    Originals,
    Platform,
    Receipt,
    Undeliverable,
)
from bot.policy.rules import Rules
from bot.store.finding.queries import SearchWords
from tests.fakes.desk_harness import DeskHarness, a_context, in_group, open_harness

RICH = Rules(daily_credits=99, max_waiting=99)


async def draw(
    harness: DeskHarness, event: str, prompt: str, user: str = "ann", *, lora: str = "none", count: int = 1
) -> str:
    command = Draw(prompt=prompt, loras=(LoraWish(lora),), count=count)
    receipt = await harness.desk.handle(command, a_context(event, user))
    assert isinstance(receipt, Receipt)
    return receipt.job_id


async def mine(harness: DeskHarness, command: Mine, user: str = "ann") -> History:
    history = await harness.desk.handle(command, a_context("m", user))
    assert isinstance(history, History)
    return history


def prompts(history: History) -> list[str]:
    return [entry.recipe.typed for entry in history.entries]


async def test_a_job_that_a_killed_run_has_taken_waits_to_be_taken_again(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        job_id = await draw(harness, "1", "a face")
        assert await harness.store.jobs.take(job_id, "another run", harness.clock())
        [entry] = (await mine(harness, Mine())).entries
    assert entry.state is JobState.QUEUED


async def test_history_is_newest_first_ones_own_and_in_pages(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RICH) as harness:
        assert await mine(harness, Mine()) == History(())
        for number in range(12):
            await draw(harness, str(number), f"face {number}")
        await draw(harness, "x", "another's", "ben")
        pages = [await mine(harness, Mine(page=page)) for page in (1, 2, 3, 4)]
    assert [prompts(page) for page in pages] == [
        [f"face {number}" for number in range(11, 6, -1)],
        [f"face {number}" for number in range(6, 1, -1)],
        ["face 1", "face 0"],
        [],
    ]
    assert [page.has_more for page in pages] == [True, True, False, False]
    assert [page.page for page in pages] == [1, 2, 3, 4]
    assert {entry.state for entry in pages[0].entries} == {JobState.QUEUED}


async def ask(harness: DeskHarness, context: CommandContext, prompt: str, *, private: bool = False) -> str:
    receipt = await harness.desk.handle(Draw(prompt=prompt, private=private), context)
    assert isinstance(receipt, Receipt)
    return receipt.job_id


async def test_a_group_sees_only_what_was_drawn_openly_in_it(harness: DeskHarness) -> None:
    own = Address(Platform.CONSOLE, "ann alone")
    await ask(harness, in_group("1"), "an open face")
    await ask(harness, in_group("2", private_address=own), "a secret face", private=True)
    await ask(harness, in_group("3", chat_id="other group"), "another group's face")
    await ask(harness, a_context("4", chat_id="ann alone"), "a face drawn alone")
    history = await harness.desk.handle(Mine(), in_group("m"))
    assert isinstance(history, History)
    assert [entry.recipe.prompt for entry in history.entries] == ["an open face"]
    assert history.hidden == 3
    alone = await harness.desk.handle(Mine(), a_context("n", chat_id="ann alone"))
    assert isinstance(alone, History)
    assert (len(alone.entries), alone.hidden) == (4, 0)


async def test_hidden_jobs_do_not_shorten_a_group_s_list(harness: DeskHarness) -> None:
    shown = [await ask(harness, in_group(str(number)), "open") for number in range(2)]
    for number in range(2):
        await ask(harness, a_context(f"alone {number}", chat_id="ann alone"), "alone")
    history = await harness.desk.handle(Mine(), in_group("m"))
    assert isinstance(history, History)
    assert [entry.job_id for entry in history.entries] == shown[::-1]
    assert history.hidden == 2


async def test_a_kept_private_picture_does_not_come_to_a_group(harness: DeskHarness) -> None:
    own = Address(Platform.CONSOLE, "ann alone")
    harness.chat.errors.extend([Undeliverable("blocked")] * 3)
    open_job = await ask(harness, in_group("1"), "open")
    secret = await ask(harness, in_group("2", private_address=own), "secret", private=True)
    alone = await ask(harness, a_context("3", chat_id="ann alone"), "alone")
    async with harness.running():
        await until_kept(harness, 3)
        await harness.desk.handle(Mine(), in_group("m"))
        [result] = await harness.chat.wait_for_results(1)
        assert (result.job_id, result.address.chat_id) == (open_job, "group")
        await until_kept(harness, 2)
        await harness.desk.handle(Mine(), a_context("n", chat_id="ann alone"))
        results = await harness.chat.wait_for_results(3)
    assert {result.job_id for result in results[1:]} == {secret, alone}
    assert {result.address.chat_id for result in results[1:]} == {"ann alone"}


async def until_kept(harness: DeskHarness, wanted: int) -> None:
    async with asyncio.timeout(30):
        while True:
            rows = await harness.store._run(
                "SELECT total(state = 'kept'), total(state NOT IN ('kept', 'sent')) FROM outbox"
            )
            if tuple(rows[0]) == (wanted, 0):
                return
            await asyncio.sleep(0.002)


async def test_deleted_pictures_are_counted_and_the_others_are_listed(harness: DeskHarness) -> None:
    await harness.desk.handle(Draw(prompt="a", count=3), a_context("1"))
    async with harness.running():
        [result] = await harness.chat.wait_for_results(1)
    result.pictures[1].path.unlink()
    history = await harness.desk.handle(Mine(), a_context("2"))
    assert isinstance(history, History)
    [entry] = history.entries
    assert ([picture.index for picture in entry.pictures], entry.missing) == ([0, 2], 1)
    found = await harness.desk.handle(Original(result.job_id), a_context("3"))
    assert isinstance(found, Originals)
    assert [picture.index for picture in found.pictures] == [0, 2]


async def test_mine_without_kept_results_wakes_no_delivery(harness: DeskHarness) -> None:
    await harness.desk.handle(Draw(prompt="a"), a_context("1"))
    harness.desk.parts.result_ready[Platform.CONSOLE].clear()
    await harness.desk.handle(Mine(), a_context("2"))
    assert not harness.desk.parts.result_ready[Platform.CONSOLE].is_set()


async def test_a_history_has_each_job_s_own_pictures(harness: DeskHarness) -> None:
    for number, count in enumerate((1, 3)):
        await harness.desk.handle(Draw(prompt="a", count=count), a_context(str(number)))
        harness.clock.advance(seconds=1)
    async with harness.running():
        await harness.chat.wait_for_results(2)
    history = await harness.desk.handle(Mine(), a_context("m"))
    assert isinstance(history, History)
    assert [len(entry.pictures) for entry in history.entries] == [3, 1]
    for entry in history.entries:
        own = [await harness.picture_file(entry.job_id, index) for index in range(len(entry.pictures))]
        assert [picture.path for picture in entry.pictures] == own


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("freckles", ["red lips, Freckles", "freckles"]),
        ("FRECK", ["red lips, Freckles", "freckles"]),
        ("lips freckles", ["red lips, Freckles"]),
        ("红唇", ["一个女孩，红唇，雀斑"]),
        ("hongchun", ["一个女孩，红唇，雀斑"]),
        ("女孩 quebān", []),
        ("queban 女孩", ["一个女孩，红唇，雀斑"]),
        ("唇红", []),
        ("sugar", ["freckles"]),
        ("f", []),
        ("nothing", []),
        ('"OR freckles* NEAR(', []),
        ("🦊", []),
    ],
)
async def test_words_of_prompts_and_loras_are_found_in_latin_chinese_and_pinyin(
    harness: DeskHarness, search: str, found: list[str]
) -> None:
    await draw(harness, "1", "freckles", lora="sugar")
    await draw(harness, "2", "red lips, Freckles")
    await draw(harness, "3", "一个女孩，红唇，雀斑")
    await draw(harness, "4", "freckles of another", "ben")
    history = await mine(harness, Mine(search))
    assert prompts(history) == found
    assert history.search == search


async def test_a_long_search_is_cut_to_what_a_button_holds(harness: DeskHarness) -> None:
    await draw(harness, "1", "雀" * 14)
    history = await mine(harness, Mine("雀" * 13))
    assert (history.search, len(history.entries)) == ("雀" * 12, 1)


async def test_the_search_finds_what_was_drawn_before_and_after_a_restart(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        await draw(harness, "1", "a fox")
        assert prompts(await mine(harness, Mine("fox"))) == ["a fox"]
        await draw(harness, "2", "another fox")
    async with open_harness(tmp_path) as harness:
        assert prompts(await mine(harness, Mine("fox"))) == ["another fox", "a fox"]


async def test_two_linked_chats_find_the_same_jobs_and_favourites(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        here, there = a_context("1", "ann"), a_context("1", "ann2", platform=Platform.WEB)
        await draw(harness, "a", "a fox here")
        assert prompts(await mine(harness, Mine("fox"))) == ["a fox here"]
        receipt = await harness.desk.handle(Draw(prompt="a fox there"), replace(there, event_id="b"))
        assert isinstance(receipt, Receipt)
        async with harness.running():
            await harness.chat.wait_for_results(1)
        [entry] = (await mine(harness, Mine("fox"))).entries
        await harness.desk.handle(Favourite(entry.job_id), replace(here, event_id="f"))
        code = await harness.desk.handle(Link(), replace(there, event_id="c"))
        assert isinstance(code, LinkCode)
        for event in ("d", "e"):
            await harness.desk.handle(Link(code.code), replace(here, event_id=event))
        for context in (here, there):
            history = await harness.desk.handle(Mine("fox"), replace(context, event_id="m"))
            assert isinstance(history, History)
            assert prompts(history) == ["a fox there", "a fox here"]
            history = await harness.desk.handle(Mine(favourites=True), replace(context, event_id="m"))
            assert isinstance(history, History)
            assert prompts(history) == ["a fox here"]


async def test_a_favourite_is_a_picture_of_one_s_own_job(harness: DeskHarness) -> None:
    waiting = await draw(harness, "0", "a dog")
    await harness.desk.handle(Cancel(waiting), a_context("c"))
    async with harness.running():
        job = await draw(harness, "1", "a fox", count=3)
        other = await draw(harness, "2", "a cat", "ben")
        await harness.chat.wait_for_results(3)
    for command in (Favourite(job, 2), Favourite(job, 0), Favourite(job, 0)):
        outcome = await harness.desk.handle(command, a_context("f"))
        assert outcome == FavouriteSet(job, command.index, on=True)
    [entry] = (await mine(harness, Mine(favourites=True))).entries
    assert (entry.job_id, entry.favourites) == (job, (0, 2))
    assert [entry.favourites for entry in (await mine(harness, Mine())).entries] == [(0, 2), ()]
    assert prompts(await mine(harness, Mine("dog", favourites=True))) == []
    assert prompts(await mine(harness, Mine("fox", favourites=True))) == ["a fox"]
    await harness.desk.handle(Favourite(job, None, on=False), a_context("g"))
    assert (await mine(harness, Mine(favourites=True))).entries == ()
    for command, error in (
        (Favourite(other), NotYours),
        (Favourite("nothing"), NoSuchJob),
        (Favourite(job, 3), NoSuchPicture),
        (Favourite(waiting), PicturesGone),
    ):
        with pytest.raises(error):
            await harness.desk.handle(command, a_context("h"))


async def test_inline_mode_gets_one_s_own_sent_pictures_without_private_ones(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RICH) as harness:
        async with harness.running():
            for number, (user, private) in enumerate([("ann", False), ("ann", True), ("ben", False)]):
                command = Draw(prompt=f"fox {number}", private=private, count=2)
                await harness.desk.handle(command, a_context(str(number), user))
            results = (await harness.chat.wait_for_results(3))[:3]
            for number in range(INLINE_JOBS):  # sent to another platform, for example
                await draw(harness, f"newer {number}", "a newer fox")
        for result in results:
            for picture in result.pictures:
                name = f"{result.recipe.typed} {picture.index}"
                await harness.desk.keep_file_id(
                    Platform.CONSOLE, result.job_id, picture, "photo", f"id of {name}"
                )
        for search, ids in (
            ("", ["id of fox 0 0", "id of fox 0 1"]),
            ("fox", ["id of fox 0 0", "id of fox 0 1"]),
            ("cat", []),
        ):
            found = await harness.desk.find_own(search, a_context("i"), "photo")
            assert [picture.file_id for picture in found] == ids
        assert await harness.desk.find_own("", a_context("i"), "document") == ()
        assert await harness.desk.find_own("", a_context("i", "nobody"), "photo") == ()
        assert await harness.desk.find_own("", a_context("i"), "photo", page=2) == ()


async def test_nobody_finds_a_deleted_job(harness: DeskHarness) -> None:
    async with harness.running():
        job = await draw(harness, "1", "a fox")
        kept = await draw(harness, "2", "another fox")
        await harness.chat.wait_for_results(2)
        await harness.desk.handle(Favourite(job), a_context("f"))
        assert len((await mine(harness, Mine("fox"))).entries) == 2
        code = (await harness.job(job)).recipe.code
        await harness.desk.handle(Delete(job), a_context("d"))
        for command in (Mine(), Mine("fox")):
            assert [entry.job_id for entry in (await mine(harness, command)).entries] == [kept]
        assert (await mine(harness, Mine(favourites=True))).entries == ()
        with pytest.raises(UnknownRecipe):
            await harness.desk.handle(ShowRecipe(code), a_context("s"))
        [row] = await harness.store._run("SELECT count(*) FROM job_search WHERE job_search MATCH 'fox'")
        assert row[0] == 1


async def test_the_search_keeps_no_text_of_a_job_that_is_deleted_meanwhile(harness: DeskHarness) -> None:
    job = await draw(harness, "1", "a fox")
    await harness.desk.handle(Cancel(job), a_context("c"))
    [read] = await harness.store.finding.unindexed(9)
    await harness.desk.handle(Delete(job), a_context("d"))
    await harness.store.finding.add_words([SearchWords(read.accepted_order, "p1", read.typed, "")])
    assert not await harness.store._run("SELECT * FROM job_search WHERE job_search MATCH 'fox'")
    assert await harness.store.finding.unindexed(9) == ()
