"""Private pictures that their person publishes, jobs that are deleted, and reports to the hosts."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import (
    Compare,
    Delete,
    Draw,
    EditProfile,
    ListReports,
    LoraRevoke,
    LoraWish,
    Mine,
    Original,
    Publish,
    Report,
)
from bot.errors import (
    AlreadyPublic,
    ChatNotAllowed,
    LoraWithdrawn,
    NoSuchJob,
    NotEnded,
    NotForThatChat,
    NothingToPublish,
    NotInPublic,
    NotYours,
    PersonError,
    PicturesGone,
    PressAgain,
    StillSending,
    TooManyReports,
)
from bot.outcomes import (
    Address,
    CommandContext,
    Deleted,
    History,
    JobResult,
    Platform,
    Published,
    Receipt,
    Reported,
    ReportListing,
)
from bot.policy.rules import MAX_REPORTS_A_DAY, PRESS_AGAIN_S, Rules
from engine.config import PROMPTS
from tests.fakes.chat import FakeChat
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until

GROUP, PRIVATE = "-100", "7"
RULES = Rules(
    hosts=frozenset({"telegram:1"}), allow=frozenset({"telegram:*"}), daily_credits=99, max_waiting=99
)


def in_group(event: str, user: str = PRIVATE) -> CommandContext:
    context = a_context(event, user, platform=Platform.TELEGRAM, chat_id=GROUP)
    private = Address(Platform.TELEGRAM, user)
    return replace(context, is_group=True, private_address=private)


def alone(event: str, user: str = PRIVATE) -> CommandContext:
    return a_context(event, user, platform=Platform.TELEGRAM, chat_id=user)


async def drawn(folder: Path, context: CommandContext, **wanted: object) -> JobResult:
    """A job that a process has drawn and delivered that has ended."""
    chat = FakeChat(Platform.TELEGRAM)
    async with open_harness(folder, rules=RULES, chat=chat) as harness:
        receipt = await harness.desk.handle(Draw(**({"prompt": "a face"} | wanted)), context)
        assert isinstance(receipt, Receipt)
        async with harness.running():
            [result] = await chat.wait_for_results(1)
            await until_sent(harness)
    return result


async def until_sent(harness: DeskHarness) -> None:
    async def is_sent() -> bool:
        rows = await harness.store._run("SELECT count(*) FROM outbox WHERE state <> 'sent'")
        return not rows[0][0]

    while not await is_sent():
        pass


async def test_published_pictures_come_to_the_group_also_after_a_restart(tmp_path: Path) -> None:
    secret = await drawn(tmp_path, in_group("1"), private=True, count=2)
    assert (secret.address.chat_id, secret.private, secret.offers.publish) == (PRIVATE, True, True)
    async with open_harness(tmp_path, rules=RULES) as harness:
        assert await harness.desk.handle(Publish(secret.job_id), alone("2")) == Published(secret.job_id)
        with pytest.raises(AlreadyPublic):
            await harness.desk.handle(Publish(secret.job_id), alone("3"))
    chat = FakeChat(Platform.TELEGRAM)  # the process ended before the delivery
    async with open_harness(tmp_path, rules=RULES, chat=chat) as harness, harness.running():
        [result] = await chat.wait_for_results(1)
        history = await harness.desk.handle(Mine(), in_group("4"))
    assert (result.address.chat_id, result.address.ref, result.private) == (GROUP, "ref-1", False)
    assert [picture.path.is_file() for picture in result.pictures] == [True, True]
    assert (result.offers.publish, result.offers.report) == (False, True)
    assert isinstance(history, History)
    assert [entry.job_id for entry in history.entries] == [secret.job_id]


async def test_what_is_published_in_its_own_chat_comes_to_the_answer_itself(tmp_path: Path) -> None:
    secret = await drawn(tmp_path, in_group("1"), private=True)
    async with open_harness(tmp_path, rules=RULES) as harness:
        published = await harness.desk.handle(Publish(secret.job_id), in_group("2"))
        assert published == Published(secret.job_id, is_here=True)
        job = await harness.job(secret.job_id)
    assert (job.chat_id, job.ref) == (GROUP, "ref-2")


async def test_what_may_not_be_published_stays_private(tmp_path: Path) -> None:
    own = await drawn(tmp_path / "own", alone("1"), private=True)
    assert not own.offers.publish
    async with open_harness(tmp_path / "own", rules=RULES) as harness:
        with pytest.raises(NothingToPublish):
            await harness.desk.handle(Publish(own.job_id), alone("2"))
        waiting = await harness.desk.handle(Draw("a", private=True), in_group("3"))
        assert isinstance(waiting, Receipt)
        with pytest.raises(PicturesGone):
            await harness.desk.handle(Publish(waiting.job_id), alone("4"))
    secret = await drawn(tmp_path, in_group("1"), private=True, loras=(LoraWish("sugar"),))
    for person in ("8", "1"):  # another person, and a host
        async with open_harness(tmp_path, rules=RULES) as harness:
            with pytest.raises(NotYours):
                await harness.desk.handle(Publish(secret.job_id), alone(f"by {person}", person))
    closed = replace(RULES, allow=frozenset({f"telegram:{PRIVATE}"}))
    async with open_harness(tmp_path, rules=closed) as harness:
        with pytest.raises(ChatNotAllowed) as caught:
            await harness.desk.handle(Publish(secret.job_id), alone("5"))
        assert caught.value.facts == {"chat": f"telegram:{GROUP}"}
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.desk.handle(LoraRevoke("sugar"), alone("6", "1"))
        with pytest.raises(LoraWithdrawn):
            await harness.desk.handle(Publish(secret.job_id), alone("7"))
        assert (await harness.job(secret.job_id)).private


async def test_a_deleted_job_leaves_the_ledger_alone(tmp_path: Path) -> None:
    result = await drawn(tmp_path, in_group("1"), count=2)
    files = [picture.path for picture in result.pictures]
    async with open_harness(tmp_path, rules=RULES) as harness:
        ledger = await harness.store._run("SELECT kind, credits FROM ledger ORDER BY id")
        await harness.desk.keep_file_id(Platform.TELEGRAM, result.job_id, result.pictures[0], "photo", "f")
        assert await harness.desk.handle(Delete(result.job_id), in_group("2")) == Deleted(result.job_id)
        history = await harness.desk.handle(Mine(), alone("3"))
        assert history == History(())
        assert all(file.is_file() for file in files), "the process may end here"
    async with open_harness(tmp_path, rules=RULES) as harness:
        async with harness.running():
            await until(lambda: not any(file.exists() for file in files))
        job = await harness.job(result.job_id)
        assert (job.recipe.prompt, job.recipe.typed, job.deleted_ms is not None) == ("", "", True)
        assert await harness.store._run("SELECT kind, credits FROM ledger ORDER BY id") == ledger
        for left in ("SELECT count(*) FROM picture", "SELECT count(*) FROM picture_file"):
            assert [tuple(row) for row in await harness.store._run(left)] == [(0,)]
        assert (await harness.store.survey()).is_sound


async def test_a_job_is_deleted_only_after_its_end_and_not_while_it_is_sent(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES, chat=FakeChat(Platform.TELEGRAM)) as harness:
        receipt = await harness.desk.handle(Draw("a"), in_group("1"))
        assert isinstance(receipt, Receipt)
        with pytest.raises(NotEnded):
            await harness.desk.handle(Delete(receipt.job_id), in_group("2"))
    result = await drawn(tmp_path / "kept", in_group("1"))
    async with open_harness(tmp_path / "kept", rules=RULES) as harness:
        await harness.store._run("UPDATE outbox SET state = 'sending'")
        with pytest.raises(StillSending):  # the chat does not know yet which messages show the pictures
            await harness.desk.handle(Delete(result.job_id), in_group("3"))


async def test_whoever_is_not_sure_is_asked_and_the_question_stays_the_answer_after_a_crash(
    tmp_path: Path,
) -> None:
    result = await drawn(tmp_path, in_group("1"))
    sure, unsure = Delete(result.job_id), Delete(result.job_id, is_sure=False)
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.desk.store_events(Platform.TELEGRAM, [("2", "{}"), ("3", "{}")])
        with pytest.raises(PressAgain) as asked:
            await harness.desk.handle(unsure, in_group("2"))
        assert asked.value.facts == {"job_id": result.job_id, "seconds": PRESS_AGAIN_S}
        await harness.desk.parts.refusals.flush()
        assert not await harness.store.statistics.refusals(0), "a question is no refusal"
    async with open_harness(tmp_path, rules=RULES) as harness:  # the process ended before it was shown
        for command in (unsure, sure):
            with pytest.raises(PressAgain) as again:
                await harness.desk.handle(command, in_group("2"))
            assert again.value.facts == asked.value.facts
        assert await harness.store.jobs.pictures_of([result.job_id])
        assert await harness.desk.handle(sure, in_group("3")) == Deleted(result.job_id)
    async with open_harness(tmp_path, rules=RULES) as harness:  # before people learned that it is deleted
        assert await harness.desk.handle(unsure, in_group("3")) == Deleted(result.job_id)


async def test_nobody_is_asked_about_a_job_that_they_could_not_delete(tmp_path: Path) -> None:
    result = await drawn(tmp_path, in_group("1"))

    async def refusal_of(harness: DeskHarness, job_id: str, context: CommandContext) -> type[PersonError]:
        with pytest.raises(PersonError) as refused:
            await harness.desk.handle(Delete(job_id, is_sure=False), context)
        return type(refused.value)

    async with open_harness(tmp_path, rules=RULES) as harness:
        assert await refusal_of(harness, result.job_id, in_group("2", "8")) is NotYours
        assert await refusal_of(harness, "nothing", in_group("3")) is NoSuchJob
        waiting = await harness.desk.handle(Draw("a"), in_group("4"))
        assert isinstance(waiting, Receipt)
        assert await refusal_of(harness, waiting.job_id, in_group("5")) is NotEnded
        await harness.store._run("UPDATE outbox SET state = 'sending'")
        assert await refusal_of(harness, result.job_id, in_group("6")) is StillSending
        await harness.store._run("UPDATE outbox SET state = 'sent'")
        assert await refusal_of(harness, result.job_id, in_group("7", "1")) is PressAgain, "a host"


@pytest.mark.parametrize("state", ["ready", "maybe", "kept", "sent"])
async def test_a_job_deleted_before_its_delivery_ends_its_message_with_a_sentence_also_after_a_restart(
    tmp_path: Path, state: str
) -> None:
    result = await drawn(tmp_path, in_group("1"))
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.store._run("UPDATE outbox SET state = :state", {"state": state})
        await harness.desk.handle(Delete(result.job_id), in_group("2"))
    chat = FakeChat(Platform.TELEGRAM)
    async with open_harness(tmp_path, rules=RULES, chat=chat) as harness, harness.running():
        await until_sent(harness)  # what no chat could take is not tried again
    last = [(each.job_id, each.is_deleted, each.pictures, each.recipe.typed) for each in chat.results]
    assert last == [(result.job_id, True, (), "")] * (state in ("ready", "maybe"))


async def test_pictures_that_are_being_sent_are_published_a_moment_later(tmp_path: Path) -> None:
    secret = await drawn(tmp_path, in_group("1"), private=True)
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.store._run("UPDATE outbox SET state = 'sending'")
        with pytest.raises(
            StillSending
        ):  # the end of that delivery would be taken for the end of the next one
            await harness.desk.handle(Publish(secret.job_id), alone("2"))
        assert (await harness.job(secret.job_id)).private
        await harness.store._run("UPDATE outbox SET state = 'sent'")
        assert isinstance(await harness.desk.handle(Publish(secret.job_id), alone("3")), Published)


async def test_hosts_read_what_people_report_and_nobody_reports_without_end(tmp_path: Path) -> None:
    result = await drawn(tmp_path, in_group("1"), prompt="a face to report")
    async with open_harness(tmp_path, rules=RULES) as harness:
        for event, person in (("2", "8"), ("3", "8"), ("4", "9")):
            assert await harness.desk.handle(Report(result.job_id), in_group(event, person)) == Reported(
                result.job_id
            )
            harness.clock.advance(seconds=1)
        with pytest.raises(NotInPublic):
            await harness.desk.handle(ListReports(), in_group("host", "1"))
        listing = await harness.desk.handle(ListReports(), alone("5", "1"))
        assert isinstance(listing, ReportListing)
        [job] = listing.jobs
        assert (job.job_id, job.prompt, job.reports) == (result.job_id, "a face to report", 2)
        assert (job.drawn_by, job.reported_by) == (f"telegram:{PRIVATE}", "telegram:9")
        others = []
        for number in range(MAX_REPORTS_A_DAY):
            receipt = await harness.desk.handle(Draw(f"face {number}"), in_group(f"d{number}"))
            assert isinstance(receipt, Receipt)
            others.append(receipt.job_id)
        for number, job_id in enumerate(others[:-1]):
            await harness.desk.handle(Report(job_id), in_group(f"r{number}", "8"))
        with pytest.raises(TooManyReports):
            await harness.desk.handle(Report(others[-1]), in_group("one more", "8"))
        again = await harness.desk.handle(Report(result.job_id), in_group("known", "8"))
        assert again == Reported(result.job_id), "what was reported before is still answered"
        harness.clock.advance(days=1)
        await harness.desk.handle(Report(others[-1]), in_group("tomorrow", "8"))
        await harness.desk.handle(Delete(result.job_id), alone("6", "1"))
        listing = await harness.desk.handle(ListReports(), alone("7", "1"))
        assert isinstance(listing, ReportListing)
        assert result.job_id not in {job.job_id for job in listing.jobs}
        with pytest.raises(NotYours):
            await harness.desk.handle(Original(others[0]), alone("8", "8"))


async def test_files_are_deleted_before_the_bot_stops_and_tried_again_if_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = await drawn(tmp_path, in_group("1"))
    file = result.pictures[0].path
    refusals = [PermissionError("a test")]
    unlink = Path.unlink

    def delete(path: Path, missing_ok: bool = False) -> None:
        if path == file and refusals:
            raise refusals.pop()
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", delete)
    async with open_harness(tmp_path, rules=RULES) as harness:
        async with harness.running():
            await harness.desk.handle(Delete(result.job_id), in_group("2"))
            await until(lambda: not refusals)
            assert file.exists()
            assert await harness.store.jobs.pictures_of([result.job_id]) == (), "nobody sees it meanwhile"
        assert not file.exists(), "the stop deletes what is left"


async def test_embeddings_of_prompts_go_with_a_deleted_job(tmp_path: Path) -> None:
    result = await drawn(tmp_path, in_group("1"))
    async with open_harness(tmp_path, rules=RULES) as harness:
        prompts = harness.folder / PROMPTS
        prompts.mkdir()
        for name in ("one.safetensors", "one.safetensors.x1y2z3a4.part"):
            (prompts / name).write_bytes(b"numbers")
        await harness.desk.parts.deletion.delete_files()
        assert len(list(prompts.iterdir())) == 2
        await harness.desk.handle(Delete(result.job_id), in_group("2"))
        await harness.desk.parts.deletion.delete_files()
        assert not list(prompts.iterdir())


@pytest.mark.parametrize(
    "asked",
    [Draw("unforgettable face"), Draw("{unforgettable|memorable} face"), Compare(("unforgettable", "other"))],
    ids=["one text", "alternatives", "a sheet"],
)
async def test_no_row_of_the_database_keeps_the_text_of_a_deleted_job(
    tmp_path: Path, asked: Draw | Compare
) -> None:
    chat = FakeChat(Platform.TELEGRAM)
    async with open_harness(tmp_path, rules=RULES, chat=chat) as harness:
        receipt = await harness.desk.handle(asked, in_group("1"))
        assert isinstance(receipt, Receipt)
        async with harness.running():
            await chat.wait_for_results(1)
            await until_sent(harness)
        await harness.desk.handle(Delete(receipt.job_id), in_group("2"))
        await harness.desk.parts.deletion.delete_files()
        tables = await harness.store._run("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in map(tuple, tables):
            if table.startswith("job_search_"):  # these pages lose deleted words when SQLite merges them
                continue
            rows = await harness.store._run(f"SELECT * FROM {table}")  # noqa: S608 - names of our schema
            assert not [row for row in map(tuple, rows) if "unforgettable" in str(row)], table
        job = await harness.job(receipt.job_id)  # the row can still be read
        assert job.deleted_ms is not None


async def test_pictures_are_not_published_in_a_chat_whose_profile_does_not_allow_them(tmp_path: Path) -> None:
    """Also when the profile came after the pictures, and from whichever chat they are published."""
    secret = await drawn(tmp_path, in_group("1"), private=True, loras=(LoraWish("sugar"),))
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.desk.handle(EditProfile(("anime",)), in_group("2", "1"))
    async with open_harness(tmp_path, rules=RULES) as harness:  # the first command of a run
        for there in (alone("3"), in_group("4")):
            with pytest.raises(NotForThatChat):
                await harness.desk.handle(Publish(secret.job_id), there)
        assert (await harness.job(secret.job_id)).private
        await harness.desk.handle(EditProfile(reset=("loras",)), in_group("5", "1"))
        assert isinstance(await harness.desk.handle(Publish(secret.job_id), alone("6")), Published)


async def test_the_profile_around_a_thread_does_not_count_for_other_chats(tmp_path: Path) -> None:
    secret = (await drawn(tmp_path, in_group("1"), private=True, loras=(LoraWish("sugar"),))).job_id
    async with open_harness(tmp_path, rules=RULES) as harness:
        group, strict = in_group("2", "1"), replace(in_group("2").address, chat_id="strict")
        await harness.desk.handle(EditProfile(("anime",)), replace(group, address=strict))
        thread = replace(in_group("3").address, chat_id="thread")
        in_thread = replace(in_group("3"), address=thread, parent_chat_id="strict")
        assert await harness.desk.handle(Publish(secret), in_thread) == Published(secret, is_here=False)


async def test_the_profile_of_a_channel_counts_for_what_is_published_in_its_thread(tmp_path: Path) -> None:
    channel = replace(in_group("1"), space_id="server")
    thread = replace(channel, address=replace(channel.address, chat_id="thread"), parent_chat_id=GROUP)
    secret = await drawn(tmp_path, thread, private=True, loras=(LoraWish("sugar"),))
    async with open_harness(tmp_path, rules=RULES) as harness:
        host = replace(in_group("2", "1"), space_id="server")
        await harness.desk.handle(EditProfile(("anime",)), host)
        with pytest.raises(NotForThatChat):
            await harness.desk.handle(Publish(secret.job_id), alone("3"))
        await harness.desk.handle(EditProfile(reset=("loras",)), replace(host, event_id="4"))
        assert await harness.desk.handle(Publish(secret.job_id), alone("5")) == Published(secret.job_id)
