"""A host reads each person and each action on one line, in both languages."""

from dataclasses import replace

import pytest

from bot.messages import format_outcome
from bot.outcomes import (
    AccessChanged,
    AccessListing,
    BanShown,
    HostAction,
    HostActionListing,
    PeopleListing,
    PersonSummary,
    Who,
)

ANN = PersonSummary(
    identities=(Who("discord:1", "Ann"), Who("telegram:2")),
    credits=12,
    daily=40,
    weight=1,
    jobs_today=3,
    unfinished=0,
    last_s=1_800_000_000,
    is_host=False,
)
BANNED = replace(ANN, weight=3, unfinished=2, ban=BanShown(Who("discord:1"), 1_800_000_000, "spam"))


def listing(*people: PersonSummary, pages: int = 1) -> PeopleListing:
    return PeopleListing(people, "", pages=pages, total=len(people))


def test_a_person_is_a_line_with_names_credits_and_jobs() -> None:
    shown = format_outcome(listing(ANN), "en")
    assert shown.splitlines() == [
        "People: 1",
        "Ann (discord:1), telegram:2 · credits: 12, each day 40 · jobs today: 3",
    ]


def test_what_is_special_is_shown() -> None:
    shown = format_outcome(listing(BANNED, replace(ANN, is_host=True), pages=2), "en")
    assert "2 waiting · tier with 3 shares of the card · excluded until 2027-01-15 08:00 UTC" in shown
    assert shown.splitlines()[2].endswith("· host")
    assert shown.endswith("Page 1 of 2; --page shows another.")


def test_nobody_is_a_sentence() -> None:
    assert format_outcome(listing(), "en") == "Nobody found."


@pytest.mark.parametrize(
    ("locale", "what", "facts"),
    [
        ("en", "excluded a person", "reason: spam · until 2027-01-15 08:00 UTC · jobs ended: 2"),
        ("zh-CN", "封禁用户", "原因：spam · 到 2027-01-15 08:00 UTC 为止 · 结束任务 2 个"),
        ("zh-TW", "封停用戶", "原因：spam · 到 2027-01-15 08:00 UTC 為止 · 結束任務 2 個"),
    ],
)
def test_an_action_is_a_line_in_the_host_s_language(locale: str, what: str, facts: str) -> None:
    detail = {"reason": "spam", "until_ms": 1_800_000_000_000, "ended": 2}
    action = HostAction(1_800_000_000, Who("discord:9", "Boss"), "ban", "discord:1", detail)
    shown = format_outcome(HostActionListing((action,), total=1), locale)
    assert shown == f"2027-01-15 08:00 UTC · Boss (discord:9) · {what} · discord:1 · {facts}"


def test_no_action_is_a_sentence() -> None:
    assert format_outcome(HostActionListing(()), "en") == "No host has done anything yet."


@pytest.mark.parametrize(("subject", "shown"), [("web:local", "the local page"), ("discord:1", "discord:1")])
def test_the_local_page_has_a_name(subject: str, shown: str) -> None:
    said = format_outcome(AccessChanged(subject, is_allowed=True), "en")
    assert said.startswith(f"I serve {shown} from now on.")
    assert shown in format_outcome(AccessListing((), (subject,)), "en")
    action = HostAction(1_800_000_000, Who("discord:9"), "allow", subject, {})
    assert format_outcome(HostActionListing((action,)), "en").endswith(f"let the bot serve · {shown}")
