"""Checks every request before a route handles it, and adds security headers to every answer.

A page of another site can reach 127.0.0.1, too: by a host name that points to this machine (the Host header
shows it), by ``fetch`` or a form (Origin and Sec-Fetch-Site show it), or by a link, which may open the page
but carries no session. No answer has a CORS header, so no other origin can read it. JSON bodies of other
origins require a preflight, which is refused like every method except GET, HEAD and POST.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.chats.web.desk_client import preferred_locale
from bot.messages.page import page_text

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
METHODS = ("GET", "HEAD", "POST")
VISITED = ("/", "/operator")  # a link of another site may open them
MAX_HEAD_BYTES = 16 * 1024  # address and headers; uvicorn limits only incomplete ones, at twice as much


class SecurityMiddleware:
    """Refuses requests that do not come from our own page; see the module's docstring.

    Args:
        app: Handles the accepted requests.
        host: The loopback name or address of the page, and its ``port``.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._app = app
        self._url = f"http://{_bracketed(host)}:{port}/"
        names = {_bracketed(host.lower()), "localhost", "[::1]" if ":" in host else "127.0.0.1"}
        self._hosts = {f"{name}:{port}" for name in names} | (names if port == 80 else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse one request or pass it on."""
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
        locale = preferred_locale(headers.get("accept-language", ""))
        sizes = (len(name) + len(value) for name, value in headers.raw)
        if len(scope["raw_path"]) + len(scope["query_string"]) + sum(sizes) > MAX_HEAD_BYTES:
            return PlainTextResponse(page_text("head_too_large", locale), 431)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return PlainTextResponse(page_text("wrong_host", locale, url=self._url), 400)
        if scope["type"] != "http" or scope["method"] not in METHODS:
            return PlainTextResponse(page_text("wrong_method", locale), 405, {"Allow": ", ".join(METHODS)})
        if not _is_own_origin(headers, hosts[0]) or not (_is_own_site(headers) or _is_visit(scope, headers)):
            return PlainTextResponse(page_text("foreign", locale), 403)
        return None


def is_link_from_elsewhere(headers: Headers) -> bool:
    """Whether the request comes from a link of another site, so that it has no session cookie."""
    return not _is_own_site(headers)


def _is_own_origin(headers: Headers, host: str) -> bool:
    return all(origin.lower() == f"http://{host.lower()}" for origin in headers.getlist("origin"))


def _is_own_site(headers: Headers) -> bool:
    return all(site in ("same-origin", "none") for site in headers.getlist("sec-fetch-site"))


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether a person follows a link to the page in the whole window."""
    mode = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return scope["method"] == "GET" and scope["path"] in VISITED and mode == ("navigate", "document")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
