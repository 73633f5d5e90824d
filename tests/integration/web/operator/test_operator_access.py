"""Who reaches the operator tab, over sockets and without a browser."""

import json
import re
from pathlib import Path

import pytest

from bot.chats.web.operator.logins import MAX_WRONG
from bot.messages.operator import tab_text
from bot.messages.page import page_text
from bot.settings import PasswordHash
from tests.integration.web.operator.access import a_browser, open_browser
from tests.integration.web.operator.conftest import PASSWORD

LOCKED = ("/operator/events", "/operator/events?tab=log")


async def test_without_a_login_the_tab_shows_the_form_and_nothing_else(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        browser.page.machine.log.add(at="now", level="info", event="an event of the log")
        for path in ("/operator", "/operator?tab=log", "/operator?tab=nothing"):
            answer = await browser.http.get(path)
            assert answer.status_code == 200
            assert 'type="password"' in answer.text
            assert "an event of the log" not in answer.text
            assert "A card of a test" not in answer.text
        for path in LOCKED:
            assert await browser.events_status(path) == 403


async def test_the_password_opens_the_tab_and_a_log_out_closes_it(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        browser.page.machine.log.add(at="now", level="info", event="an event of the log")
        before = dict(browser.http.cookies)

        answer = await browser.log_in()

        assert (answer.status_code, answer.content) == (204, b"")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "max-age" not in cookie  # it goes with the browser
        assert len(browser.http.cookies) == len(before) + 1
        assert "an event of the log" in (await browser.http.get("/operator?tab=log")).text
        assert "A card of a test" in (await browser.http.get("/operator")).text
        assert (await browser.http.get("/operator?tab=nothing")).status_code == 404
        for path in LOCKED:
            assert await browser.events_status(path) == 200

        logged_in = dict(browser.http.cookies)
        assert (await browser.post("/operator/logout", {})).status_code == 204
        assert 'type="password"' in (await browser.http.get("/operator")).text
        browser.http.cookies.update(logged_in)  # a copied cookie opens nothing after a log-out
        assert 'type="password"' in (await browser.http.get("/operator")).text


async def test_another_password_of_the_settings_ends_the_login_and_its_streams(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        await browser.log_in()
        browser.page.password[0] = PasswordHash.of("a gate of iron")
        assert 'type="password"' in (await browser.http.get("/operator")).text
        for path in LOCKED:
            assert await browser.events_status(path) == 403
        assert (await browser.log_in()).status_code == 403
        assert (await browser.log_in("a gate of iron")).status_code == 204


@pytest.mark.parametrize("path", ["/operator/events", "/operator/preview?lora=sugar"])
async def test_who_is_not_logged_in_reads_so(path: str, tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        answer = await browser.http.get(path)
    assert (answer.status_code, answer.text) == (403, tab_text("not_logged_in", "en"))


async def test_a_wrong_password_is_refused_in_words_and_then_nobody_may_try(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser, open_browser(browser.page) as other:
        await browser.post("/language", {"locale": "zh-CN"})
        for _ in range(MAX_WRONG):
            answer = await browser.log_in("another one")
            assert (answer.status_code, answer.text) == (403, tab_text("wrong_password", "zh-CN"))
        for one in (browser, other):
            answer = await one.log_in()
            assert answer.status_code == 429
            assert re.search(r"\b\d+\b", answer.text)
            assert int(answer.headers["retry-after"]) > 0
        assert 'type="password"' in (await browser.http.get("/operator")).text


async def test_the_cookie_of_a_login_opens_nothing_in_another_session(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser, open_browser(browser.page) as other:
        await browser.log_in()
        login = next(name for name in browser.http.cookies if name.endswith("_operator"))
        other.http.cookies.set(login, browser.http.cookies[login], domain="127.0.0.1")

        assert 'type="password"' in (await other.http.get("/operator")).text
        assert await other.events_status() == 403
        assert "Log in on the page" in await other.say("/lora switch anime")


async def test_with_a_password_a_host_s_command_on_the_page_needs_the_login(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        refused = await browser.say("/lora switch anime")
        assert "Log in on the page" in refused
        assert "Credits left" in await browser.say("/quota")

        await browser.log_in()
        assert "This chat now uses anime" in await browser.say("/lora switch anime")
        assert (await browser.http.get("/")).text.count("Log in on the page") == 1

        await browser.post("/operator/logout", {})
        assert (await browser.say("/lora switch sugar")).count("Log in on the page") == 2


async def test_without_a_password_the_tab_says_how_to_set_one_and_hosts_need_no_login(tmp_path: Path) -> None:
    async with a_browser(tmp_path, password="") as browser:
        for locale in ("en", "zh-CN", "zh-TW"):
            await browser.post("/language", {"locale": locale})
            shown = (await browser.http.get("/operator")).text
            assert tab_text("no_password", locale) in shown
            assert "SUGARBOT_WEB__OPERATOR_PASSWORD_FILE" in shown
            assert 'type="password"' not in shown
            assert "A card of a test" not in shown
        await browser.post("/language", {"locale": "en"})
        assert (await browser.log_in("")).status_code == 403
        assert await browser.events_status() == 403
        assert "Log in" not in await browser.say("/lora switch anime")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
    ],
)
@pytest.mark.parametrize("path", ["/operator/login", "/operator/logout"])
async def test_another_site_can_neither_log_in_nor_out(
    path: str, headers: dict[str, str], tmp_path: Path
) -> None:
    async with a_browser(tmp_path) as browser:
        await browser.log_in()
        body = {"password": PASSWORD} if path.endswith("login") else {}

        answer = await browser.post(path, body, **headers)

        assert answer.status_code in (400, 403)
        assert "set-cookie" not in answer.headers
        assert 'id="log-out"' in (await browser.http.get("/operator")).text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 422),
        (b'{"password": null}', 422),
        (b'{"password": ["a"]}', 422),
        (b'{"password": "a", "more": 1}', 422),
        (json.dumps({"password": "x" * 201}).encode(), 422),
        (b'{"password": "' + b"x" * 70_000 + b'"}', 413),
        (b"{", 400),
    ],
)
async def test_a_malformed_login_is_refused_and_is_no_try(body: bytes, status: int, tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        own = browser.page.chat.url.rstrip("/")
        for _ in range(MAX_WRONG + 1):
            answer = await browser.http.post(
                "/operator/login",
                content=body,
                headers={"Content-Type": "application/json", "Origin": own},
            )
            assert answer.status_code == status
            assert "xxxx" not in answer.text
        assert (await browser.log_in()).status_code == 204


async def test_a_login_without_a_session_is_refused(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        browser.http.cookies.clear()
        answer = await browser.log_in()
        assert (answer.status_code, answer.text) == (403, page_text("no_session", "en"))


async def test_a_link_of_another_site_opens_the_tab_with_the_browser_s_own_cookies(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        context = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        answer = await browser.http.get("/operator", headers=context)
        assert answer.status_code == 200
        assert 'content="0; url=/operator"' in answer.text
        assert "set-cookie" not in answer.headers


async def test_previews_of_loras_are_shown_to_the_operator_alone(tmp_path: Path) -> None:
    async with a_browser(tmp_path) as browser:
        assert (await browser.http.get("/operator/preview?lora=sugar")).status_code == 403
        await browser.log_in()

        shown = (await browser.http.get("/operator?tab=loras")).text
        assert "Sugar face" in shown
        assert "/operator/preview?lora=anime&amp;content=" in shown

        preview = await browser.http.get("/operator/preview?lora=sugar")
        assert preview.headers["content-type"] == "image/png"
        assert preview.content.startswith(b"\x89PNG")
        for path in (
            "/operator/preview?lora=nothing",
            "/operator/preview",
            "/operator/preview?lora=" + "x" * 5_000,
        ):
            assert (await browser.http.get(path)).status_code == 404
        for query in ("tab=loras&page=0", "tab=loras&page=-1", "tab=loras&page=x", "tab=loras&page=1001"):
            assert (await browser.http.get(f"/operator?{query}")).status_code == 404
        assert (await browser.http.get("/operator?tab=loras&page=7")).status_code == 200
