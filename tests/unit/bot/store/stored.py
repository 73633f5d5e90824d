"""What the store's tests put into it, and what they find in its folder."""

import hashlib
from pathlib import Path

from bot.outcomes import Address, CommandContext, Platform, Recipe
from bot.store import Store
from bot.store.rows import JobRow, NewJob
from engine.request import LoraChoice


def names_in(folder: Path) -> list[str]:
    """The names of a folder's files, sorted."""
    return sorted(path.name for path in folder.iterdir())


def a_hash(word: str) -> str:
    """The hash of a picture that stands for this word."""
    return hashlib.sha256(word.encode()).hexdigest()


async def a_person(
    store: Store, platform: str, user_id: str, name: str = "", locale: str = "en", now_ms: int = 1
) -> int:
    """The person behind an identity, as its newest command shows them."""
    address = Address(Platform(platform), "room")
    context = CommandContext(Platform(platform), "event", user_id, address, locale, name)
    return await store.people.find_or_create(context, now_ms)


async def a_job(
    store: Store,
    name: str = "job",
    *,
    chat_id: str = "room",
    user_id: str = "ann",
    private: bool = True,
    platform: str = "web",
    created_ms: int = 5,
) -> JobRow:
    """A queued job of a person who may be known already."""
    person = await a_person(store, platform, user_id, user_id.title())
    recipe = Recipe(
        "a face", (LoraChoice("sugar", "a" * 64, 0.8),), 64, 96, seed=7, count=2, steps=8, typed="a face"
    )
    new = NewJob(
        name, person, platform, chat_id, "{}", "en", private, recipe, 2, created_ms, ("web:room",), False, ""
    )
    job = await store.jobs.add(new, event_id=name, most_unfinished=1_000)
    assert job is not None
    return job


async def ended_jobs(
    store: Store,
    *names: str,
    chat_id: str = "room",
    person: str = "ann",
    private: bool = True,
    platform: str = "web",
    ended_ms: int = 1,
) -> None:
    """Ended jobs, whose results are in the outbox in this order."""
    for name in names:
        job = await a_job(store, name, chat_id=chat_id, user_id=person, private=private, platform=platform)
        await store.jobs.end(job, "cancelled", ended_ms)


async def take(store: Store, now_ms: int, platform: str = "web", most_in_chat: int = 9) -> str | None:
    """The job whose result is delivered next."""
    result, _ = await store.outbox.take(
        platform, now_ms, waited_for_ms=now_ms + 50, most_in_chat=most_in_chat
    )
    return result.job if result else None


async def next_due_ms(store: Store, platform: str, now_ms: int) -> int | None:
    """When the platform's next result becomes due."""
    taken, due_ms = await store.outbox.take(platform, now_ms, waited_for_ms=now_ms, most_in_chat=0)
    assert taken is None
    return due_ms
