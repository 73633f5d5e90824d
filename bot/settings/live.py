"""The settings that count now: the host may change some of them while the bot runs."""

from collections.abc import Iterator

from pydantic import BaseModel

from bot.settings.sections import Settings

LIVE = ("language", "hosts", "allow", "alerts", "quota", "storage")
"""The settings and tables that count without a restart; the others are part of what a start opens.

So does ``PASSWORD`` when it is set or changed. That a password was removed counts after a restart, because it
opens the page to everybody on this machine: no file that is half written may do that.
"""

PASSWORD = "web.operator_password"  # noqa: S105 - its name


class LiveSettings:
    """Holds the settings that count now. Read ``now`` each time, because a reload replaces it.

    Attributes:
        now: Those of the start, with what the file has said since about ``LIVE``.
        waiting: The names of the changed settings that need a restart.
    """

    def __init__(self, settings: Settings) -> None:
        self._started = settings
        self.now = settings
        self.waiting: tuple[str, ...] = ()

    def replace(self, read: Settings) -> tuple[str, ...]:
        """Let what was read count as far as it can, and return the names of the settings that it changed."""
        password = read.web.operator_password or self.now.web.operator_password
        web = self._started.web.model_copy(update={"operator_password": password})
        live = {name: getattr(read, name) for name in LIVE}
        before, self.now = self.now, self._started.model_copy(update={**live, "web": web})
        self.waiting = tuple(_differences(self.now, read))
        return tuple(_differences(before, self.now))


def is_live(name: str) -> bool:
    """Whether a change of the setting with this dotted name counts without a restart."""
    return name == PASSWORD or name.partition(".")[0] in LIVE


def _differences(one: Settings, other: Settings) -> Iterator[str]:
    """Return the dotted names of the settings that differ; never their values, which may be secret."""
    left, right = dict(_values(one)), dict(_values(other))
    yield from sorted(
        name
        for name in {**left, **right}
        if name not in left or name not in right or left[name] != right[name]
    )


def _values(section: BaseModel, above: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    for key in type(section).model_fields:
        value, names = getattr(section, key), (*above, key)
        if isinstance(value, BaseModel):
            yield from _values(value, names)
        elif isinstance(value, dict):  # of sections whose names the host chose
            for name, part in value.items():
                yield from _values(part, (*names, name))
        else:
            yield ".".join(names), value
