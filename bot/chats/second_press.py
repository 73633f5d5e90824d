"""The second press that a button needs whose work cannot be undone.

The desk asks; a chat says whether a press came after its person had read the question. What was read is in
memory alone: after a restart people are asked again.
"""

from dataclasses import replace

from bot.commands.values import Delete
from bot.errors import PersonError, PressAgain

_NEVER = (0.0, 0.0)


class SecondPress:
    """Knows who has read which question in the last seconds; its seconds never go back."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], tuple[float, float]] = {}  # person, job → from when, until when

    def mark(self, delete: Delete, user_id: str, came_s: float) -> Delete:
        """Return the command of a press; it is sure if the press came after its person had read the question.

        A press that came before that answers nothing: people press again when nothing happens.
        """
        read_s, until_s = self._read.get((user_id, delete.job_id), _NEVER)
        return replace(delete, is_sure=read_s < came_s < until_s)

    def note_shown(self, refusal: PersonError, user_id: str, now_s: float) -> None:
        """Remember that the platform has shown this refusal to a person, if it is the question."""
        if isinstance(refusal, PressAgain):
            self._read = {key: times for key, times in self._read.items() if now_s < times[1]}
            job_id, seconds = refusal.facts["job_id"], refusal.facts["seconds"]
            self._read[user_id, str(job_id)] = (now_s, now_s + float(str(seconds)))
