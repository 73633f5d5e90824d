"""Which LoRAs people and chats have used: what autocomplete offers first. Kept in memory."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from bot.outcomes import CommandContext
from bot.store import Store
from bot.store.rows import JobRow

REMEMBERED_JOBS = 5_000  # the newest; older ones say little about what comes next
RECENT = 10  # LoRAs of a person
FAVOURITES = 15  # LoRAs of a chat


class LoraHabits:
    """Remembers the LoRAs of the newest jobs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._person_of: dict[str, int] = {}
        self._recent: defaultdict[int, dict[str, None]] = defaultdict(dict)  # the newest last
        self._used: defaultdict[str, Counter[str]] = defaultdict(Counter)

    async def load(self) -> None:
        """Read the newest jobs; call it at the start, and when people are linked or unlinked."""
        recent: defaultdict[int, dict[str, None]] = defaultdict(dict)
        used: defaultdict[str, Counter[str]] = defaultdict(Counter)
        async with self._store.atomic():
            for job in await self._store.jobs.newest_with_loras(REMEMBERED_JOBS):
                _note(job, recent, used)
            person_of = await self._store.people.identities()

            def apply() -> None:
                self._recent, self._used, self._person_of = recent, used, person_of

            self._store.after_commit(apply)

    def note(self, job: JobRow, context: CommandContext) -> None:
        """Remember an accepted job."""
        self._person_of[f"{context.platform}:{context.user_id}"] = job.person
        _note(job, self._recent, self._used)

    def preferred(self, context: CommandContext) -> tuple[str, ...]:
        """Return the person's LoRAs, the newest first, then those that the chat uses most."""
        person = self._person_of.get(f"{context.platform}:{context.user_id}", 0)
        own = reversed(self._recent.get(person, {}))
        used = self._used.get(f"{context.address.platform}:{context.address.chat_id}", Counter())
        return tuple(dict.fromkeys([*own, *(name for name, _ in used.most_common(FAVOURITES))]))


def _note(job: JobRow, recent: Mapping[int, dict[str, None]], used: Mapping[str, Counter[str]]) -> None:
    own = recent[job.person]
    for lora in job.recipe.loras:
        own.pop(lora.name, None)
        own[lora.name] = None
        used[f"{job.platform}:{job.chat_id}"][lora.name] += 1
    while len(own) > RECENT:
        del own[next(iter(own))]
