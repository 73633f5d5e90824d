"""The commands of hosts, given by a host in each of the four chats, in English and Chinese."""

from pathlib import Path

import pytest

from bot import errors
from tests.integration.chats.sides import HOST_RULES, SIDES
from tests.integration.chats.test_conformance import Turn, faults, refused

CONVERSATION = (
    Turn(("/status", "状态"), ("Nothing is being drawn.",)),
    Turn(
        ("/pause a new card", "/暂停 换显卡"),
        (
            "Paused. What is being drawn is finished; {waiting} jobs wait, and new ones are accepted. "
            "/resume goes on.",
            "The reason: {what}",
        ),
    ),
    Turn("/status", ("A host has paused the drawing; new jobs wait and keep their places.",)),
    Turn("a fox --dry", ("A host has paused the drawing. Your job waits and keeps its place.",)),
    Turn(
        ("/drain", "/收尾"),
        ("I draw the {waiting} jobs that wait, and refuse new requests at no cost. /resume ends that.",),
    ),
    Turn("a fox", refused(errors.Draining)),
    Turn(("/resume", "/恢复"), ("I draw and take requests again. {waiting} jobs wait.",)),
    Turn("/stats", ("The last 24 hours: {pictures} pictures for {people} people.",), pictures=None),
    Turn(
        ("/stats 7", "/统计 7"),
        ("Jobs: {done} done, {failed} failed, {cancelled} cancelled.",),
        pictures=None,
    ),
    Turn(("/doctor", "/体检"), ("No fault found; {count} checks are fine.",)),
    Turn("/stats forever", refused(errors.BadDays)),
    Turn("/resume", ("Nothing was paused. {waiting} jobs wait.",)),
    Turn("a fox --seed 7", pictures=1),
    Turn(("/queue", "/队列"), ("Nothing waits.",)),
    Turn(
        ("/ban discord:1234 7d too **many**", "/封禁 discord:1234 7天 刷屏 **太多**"),
        ("{person} is excluded until {until}. Jobs ended and refunded: {count}.", "The reason: {what}"),
        words=("discord:1234",),
    ),
    Turn(("/ban", "/封禁"), ("Excluded:",), words=("discord:1234",)),
    Turn("/unban discord:1234", ("{person} may use me again.",), words=("discord:1234",)),
    Turn("/unban discord:1234", refused(errors.NotBanned)),
    Turn("/ban", ("Nobody is excluded.",)),
    Turn("/ban console:host", refused(errors.HostNotBanned)),
    Turn("/ban nobody-of-this-name", refused(errors.UnknownPerson)),
    Turn("/ban discord:1234 --duration soon", refused(errors.BadDuration)),
    Turn(("/grant discord:1234 50", "/赠送 discord:1234 50"), refused(errors.NeverWrote)),
    Turn("/grant discord:1234", refused(errors.MissingValue)),
    Turn("/grant discord:1234 many", refused(errors.BadCredits)),
    Turn(
        ("/allow telegram:-1001234", "/开放 telegram:-1001234"),
        ("I serve {subject} from now on. /disallow takes it back.",),
        words=("telegram:-1001234",),
    ),
    Turn("/allow", ("Served by /allow: {subjects}",), words=("telegram:-1001234",)),
    Turn("/allow somewhere", refused(errors.BadSubject)),
    Turn(
        "/disallow telegram:-1001234",
        ("I no longer serve {subject}. Jobs that were accepted there are still drawn.",),
    ),
    Turn("/disallow telegram:-1001234", refused(errors.NotOnList)),
    Turn("/disallow", refused(errors.MissingValue)),
)


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("chat", SIDES)
async def test_a_host_is_obeyed_and_answered_in_every_chat(chat: str, locale: str, tmp_path: Path) -> None:
    wrong = []
    async with SIDES[chat](tmp_path, [locale], HOST_RULES) as [side]:
        for turn in CONVERSATION:
            answer = await side.say(turn.text_for(locale))
            wrong += [f"{turn.text_for(locale)!r} {fault}" for fault in faults(turn, answer, locale)]
    assert not wrong, "\n".join(wrong)
