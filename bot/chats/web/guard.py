"""What every request must satisfy before a route sees it, and the headers that every answer carries.

A page of another site reaches 127.0.0.1 as easily as ours: by its own name pointed at this machine (the Host
header tells), by ``fetch`` or a form (Origin and Sec-Fetch-Site tell), or by a link, which may open the page
but carries no session. No answer has a CORS header, so no other origin can read one, and JSON bodies need a
preflight, which is refused like every method but GET and POST.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.chats.web.talks import language_of
from bot.messages.page import page

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
METHODS = ("GET", "POST")
MAX_HEAD_BYTES = 16 * 1024  # path and headers; uvicorn limits only what has not arrived completely


class Guard:
    """Refuses requests that are not ours; see the module's text.

    Args:
        app: What answers the others.
        host: The loopback name or address that the page is bound to, and its ``port``.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._app = app
        self._url = f"http://{_bracketed(host)}:{port}/"
        names = {_bracketed(host.lower()), "localhost", "[::1]" if ":" in host else "127.0.0.1"}
        self._hosts = {f"{name}:{port}" for name in names} | (names if port == 80 else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        locale = language_of(headers.get("accept-language", ""))
        if (
            len(scope["raw_path"]) + sum(len(name) + len(value) for name, value in headers.raw)
            > MAX_HEAD_BYTES
        ):
            return PlainTextResponse(page("too_large", locale), 431)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return PlainTextResponse(page("wrong_host", locale, url=self._url), 400)
        if scope["type"] != "http" or scope["method"] not in METHODS:
            return PlainTextResponse(page("wrong_method", locale), 405, {"Allow": ", ".join(METHODS)})
        if not _is_own_origin(headers, hosts[0]) or not (_is_own_site(headers) or _is_visit(scope, headers)):
            return PlainTextResponse(page("foreign", locale), 403)
        return None


def is_link_from_elsewhere(headers: Headers) -> bool:
    """Whether another site led here, so that the browser kept the session cookie to itself."""
    return not _is_own_site(headers)


def _is_own_origin(headers: Headers, host: str) -> bool:
    return all(origin.lower() == f"http://{host.lower()}" for origin in headers.getlist("origin"))


def _is_own_site(headers: Headers) -> bool:
    return all(site in ("same-origin", "none") for site in headers.getlist("sec-fetch-site"))


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether a person follows a link to the page itself, in the whole window."""
    wants = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return scope["method"] == "GET" and scope["path"] == "/" and wants == ("navigate", "document")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
