"""A server on 127.0.0.1 with fixed answers to what ``doctor`` asks Discord and Telegram."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bot.checks.platforms import NEEDED_PERMISSIONS, discord_menu
from bot.commands.table import telegram_menu

TELEGRAM_TOKEN, DISCORD_TOKEN = "1:t", "d"


class PlatformAnswers:
    """A bot that both platforms know, in one server and one group; tests change ``answers``.

    Attributes:
        answers: By method: the JSON, or an HTTP status.
        ahead_s: How far the platforms' clocks are ahead of this machine's.
        asked: Each method that was requested.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "users/@me": {"id": "9", "username": "sugarbot"},
            "applications/@me": {"id": "9", "interactions_endpoint_url": None},
            "gateway/bot": {"session_start_limit": {"remaining": 900, "reset_after": 0}},
            "applications/9/commands": [{"name": name, "type": 1} for name in discord_menu()],
            "users/@me/guilds": [
                {"id": "7", "name": "a server", "permissions": str(sum(NEEDED_PERMISSIONS.values()))}
            ],
            "getMe": {"result": {"username": "sugar_bot", "can_join_groups": True}},
            "getWebhookInfo": {"result": {"url": ""}},
            "getUpdates": {"result": []},
            "getMyCommands": {
                "result": [{"command": row.telegram_name} for row in telegram_menu(for_host=False)]
            },
            "getChat -5": {"result": {"id": -5}},
            "getChat 3": {"result": {"id": 3}},
        }
        self.ahead_s = 0.0
        self.asked: list[str] = []
        self.url = ""

    def environ(self) -> dict[str, str]:
        """Settings that point to this server."""
        return {
            "DISCORD_TOKEN": DISCORD_TOKEN,
            "SUGARBOT_DISCORD__API_BASE": f"{self.url}/discord",
            "TELEGRAM_TOKEN": TELEGRAM_TOKEN,
            "SUGARBOT_TELEGRAM__BASE_URL": f"{self.url}/bot",
            "SUGARBOT_ALLOW": "discord:7,telegram:-5",
            "SUGARBOT_HOSTS": "telegram:3",
        }

    def answer_to(self, path: str) -> tuple[int, bytes]:
        """The status and body for a request."""
        parts = urlsplit(path)
        method = parts.path.removeprefix("/discord/").removeprefix(f"/bot{TELEGRAM_TOKEN}/")
        if chat := parse_qs(parts.query).get("chat_id"):
            method = f"{method} {chat[0]}"
        self.asked.append(method)
        answer = self.answers.get(method, 404)
        return (answer, b"{}") if isinstance(answer, int) else (200, json.dumps(answer).encode())


@contextmanager
def platform_answers() -> Iterator[PlatformAnswers]:
    """Serve while the block runs."""
    answers = PlatformAnswers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.answer_to(self.path)
            self.send_response_only(status)
            now = datetime.now(tz=UTC) + timedelta(seconds=answers.ahead_s)
            self.send_header("Date", format_datetime(now, usegmt=True))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        answers.url = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, name="platform answers", daemon=True)
        serving.start()
        try:
            yield answers
        finally:
            server.shutdown()
            serving.join()
