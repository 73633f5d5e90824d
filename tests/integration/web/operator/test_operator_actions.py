"""What the operator does on the tab is what the same command does in a chat."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.messages.operator import tab_text
from bot.outcomes import Platform, ServiceMode
from tests.fakes.desk_harness import until
from tests.integration.web.operator.access import Browser, a_browser
from tests.integration.web.operator.conftest import PASSWORD


async def act(browser: Browser, do: str, **more: Any) -> dict[str, Any]:
    answer = await browser.post("/operator/act", {"do": do, **more})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def test_pause_drain_and_resume_are_the_commands_of_the_chats(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        await browser.log_in()
        desk = browser.page.harness.desk

        said = await act(browser, "pause", reason="a new \x1bcard")
        assert said["said"].startswith("Paused.")
        assert not said["is_refusal"]
        assert desk.parts.pausing.now.mode is ServiceMode.PAUSED
        assert "a new" in (await browser.http.get("/operator")).text

        await act(browser, "drain")
        assert desk.parts.pausing.now.mode is ServiceMode.DRAINING
        await act(browser, "resume")
        assert desk.parts.pausing.now.mode is ServiceMode.OPEN

        actions = await browser.page.harness.store.permissions.newest_actions(9)
        assert [action.action for action in actions] == ["open", "draining", "paused"]
        assert {(action.platform, action.user_id) for action in actions} == {("web", "local")}


async def test_a_job_of_another_person_is_cancelled_and_a_gone_one_is_a_refusal(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        await browser.log_in()
        await act(browser, "pause")
        harness = browser.page.harness
        receipt = await harness.accept(user_id="ann", platform=Platform.CONSOLE)

        said = await act(browser, "cancel", subject=receipt.job_id)

        assert receipt.job_id in said["said"]
        assert not said["is_refusal"]
        await until(lambda: harness.desk.queue_status().waiting == 0)
        again = await act(browser, "cancel", subject=receipt.job_id)
        assert again["is_refusal"]


async def test_a_person_is_excluded_and_let_back_as_in_a_chat(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        await browser.log_in()
        harness = browser.page.harness
        await act(browser, "pause")
        await harness.accept(user_id="ann", platform=Platform.CONSOLE)

        said = await act(browser, "ban", subject="console:ann", duration="7d", reason="spam & <b>more</b>")
        assert not said["is_refusal"], said
        assert "console:ann" in harness.desk.parts.rules.now.bans
        shown = (await browser.http.get("/operator?tab=people&search=ann")).text
        assert "spam &amp; &lt;b&gt;more&lt;/b&gt;" in shown
        assert 'data-do="unban"' in shown

        assert (await act(browser, "ban", subject="console:ann", duration="soon"))["is_refusal"]
        assert (await act(browser, "ban", subject="nobody at all"))["is_refusal"]
        assert not (await act(browser, "unban", subject="console:ann"))["is_refusal"]
        assert harness.desk.parts.rules.now.bans == {}

        audit = (await browser.http.get("/operator?tab=audit")).text
        assert audit.count("excluded a person") == 1
        assert audit.count("let a person come back") == 1


async def test_credits_are_granted_once_or_each_day_as_in_a_chat(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        await browser.log_in()
        await browser.page.harness.accept(user_id="ann", platform=Platform.CONSOLE)

        people = "/operator?tab=people&search=ann"
        once = await act(browser, "grant", subject="console:ann", credits="20")
        assert "credits: 1019, each day 1000" in (await browser.http.get(people)).text
        daily = await act(browser, "grant", subject="console:ann", credits="2000", days="7")
        assert "each day 2000" in (await browser.http.get(people)).text
        assert [once["is_refusal"], daily["is_refusal"]] == [False, False]
        for wrong in ({"credits": ""}, {"credits": "many"}, {"credits": "5", "days": "x"}):
            assert (await act(browser, "grant", subject="console:ann", **wrong))["is_refusal"]
        assert (await browser.http.get("/operator?tab=audit")).text.count("changed credits") == 2


async def test_the_tab_shows_who_waits_for_which_job(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        await browser.log_in()
        await act(browser, "pause")
        receipt = await browser.page.harness.accept(user_id="ann", prompt="a <i>face</i>")
        shown = (await browser.http.get("/operator")).text
        assert receipt.job_id in shown
        assert "a &lt;i&gt;face&lt;/i&gt;" in shown
        assert "name of ann" in shown


@pytest.mark.parametrize("do", ["pause", "cancel", "resume"])
async def test_without_a_login_nothing_is_done(do: str, tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        answer = await browser.post("/operator/act", {"do": do, "subject": "x"})
        assert (answer.status_code, answer.text) == (403, tab_text("not_logged_in", "en"))
        assert browser.page.harness.desk.parts.pausing.now.mode is ServiceMode.OPEN


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)
async def test_another_site_does_nothing_with_the_login(headers: dict[str, str], tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        await browser.log_in()
        answer = await browser.post("/operator/act", {"do": "pause"}, **headers)
        assert answer.status_code == 403
        assert browser.page.harness.desk.parts.pausing.now.mode is ServiceMode.OPEN


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"do": "unknown"},
        {"do": ["pause"]},
        {"do": "pause", "subject": "x" * 65},
        {"do": "pause", "reason": "x" * 201},
        {"do": "pause", "more": 1},
    ],
)
async def test_a_malformed_action_is_refused(body: dict[str, Any], tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        await browser.log_in()
        assert (await browser.post("/operator/act", body)).status_code == 422
        assert browser.page.harness.desk.parts.pausing.now.mode is ServiceMode.OPEN


async def test_the_answers_are_in_the_language_of_the_page(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        await browser.log_in()
        await browser.post("/language", {"locale": "zh-CN"})
        assert "暂停" in (await act(browser, "pause"))["said"]


async def test_an_operator_who_pauses_while_somebody_logs_in_wrongly_stays_logged_in(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        await browser.log_in()
        await asyncio.gather(*(browser.log_in("another one") for _ in range(6)))
        assert (await act(browser, "pause"))["said"]
        assert (await browser.log_in(PASSWORD)).status_code == 429
