"""What the page does for a request of another method than GET and POST, over real sockets."""

from pathlib import Path

import pytest

from tests.integration.web.malicious_requests import MaliciousRequest
from tests.integration.web.test_malicious_requests import open_page

SESSION_PATHS = ("/", "/operator", "/events", "/operator/events", "/pictures/a/0.png", "/charts/1.png")


@pytest.mark.parametrize("path", ["/", "/page.css", "/livez", "/events", "/operator", "/pictures/none/0.png"])
async def test_a_head_is_answered_as_a_get_without_its_body(path: str, tmp_path: Path) -> None:
    async with open_page(tmp_path) as (_, client):
        cookie = await client.new_cookie()
        answer = await client.send(MaliciousRequest("", "HEAD", path), cookie)
        assert (answer.status, answer.body) == (404 if "none" in path else 200, b"")
        foreign = MaliciousRequest("", "HEAD", path, {"Sec-Fetch-Site": "cross-site"})
        assert (await client.send(foreign, cookie)).status == 403


@pytest.mark.parametrize("path", SESSION_PATHS)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PROPFIND", "PUT"])
async def test_only_a_get_opens_a_session(method: str, path: str, tmp_path: Path) -> None:
    async with open_page(tmp_path) as (chat, client):
        earlier = f"sugarbot_{client.own.rsplit(':', 1)[1]}={'x' * 43}"  # of another run
        for cookie in ("", earlier):
            answer = await client.send(MaliciousRequest("", method, path), cookie)
            assert "set-cookie" not in answer.headers
            assert answer.headers.get("content-length") != "0"
        assert len(chat._sessions) == 0


async def test_a_head_is_no_use_of_a_session(tmp_path: Path) -> None:
    async with open_page(tmp_path) as (chat, client):
        cookie = await client.new_cookie()
        (session,) = chat._sessions._sessions.values()
        used_s = session.used_s
        for path in SESSION_PATHS:
            await client.send(MaliciousRequest("", "HEAD", path), cookie)
        assert session.used_s == used_s
