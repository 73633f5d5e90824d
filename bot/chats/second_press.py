"""The second press that a button needs whose work cannot be undone.

What was pressed once is in memory alone: after a restart people press twice again.
"""

import time
from collections.abc import Callable

from bot.errors import PressAgain

WITHIN_S = 30

_Key = tuple[str, str]  # user id, job id


class SecondPress:
    """Knows what each person pressed in the last seconds.

    Args:
        seconds: Seconds that never go back.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._first: dict[_Key, tuple[str, float]] = {}

    def require(self, job_id: str, user_id: str, event_id: str) -> None:
        """Return if this person pressed the same a moment ago. The same event again is the same press.

        Raises:
            PressAgain: This is the first press.
        """
        now_s = self._seconds()
        self._first = {key: one for key, one in self._first.items() if now_s - one[1] < WITHIN_S}
        first_id, _ = self._first.setdefault((user_id, job_id), (event_id, now_s))
        if first_id == event_id:
            raise PressAgain(job_id=job_id, seconds=WITHIN_S)
