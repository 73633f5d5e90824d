"""Requests that our page never sends, for every route and for the routes of a former page framework.

Each is written as bytes, because an HTTP client would repair many of them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

JSON = {"Content-Type": "application/json"}
POSTS = ("/say", "/press", "/language", "/operator/login", "/operator/logout", "/operator/act")
GETS = (
    "/",
    "/page.css",
    "/page.js",
    "/live.js",
    "/icon.svg",
    "/strip.png",
    "/events",
    "/pictures/a/0.png",
    "/charts/0.png",
    "/exports/sugarbot-0000000000000000-1.zip",
    "/operator",
    "/operator.css",
    "/operator.js",
    "/operator/events",
    "/operator/preview",
    "/livez",
    "/readyz",
    "/metrics",
)
FRAMEWORK_ROUTES = (
    "/gradio_api/run/predict",
    "/gradio_api/queue/join",
    "/gradio_api/queue/data",
    "/gradio_api/call/say",
    "/gradio_api/upload",
    "/gradio_api/file={secret}",
    "/gradio_api/component_server",
    "/gradio_api/dev/reload",
    "/gradio_api/deep_link",
    "/gradio_api/stream/x/y/z",
    "/gradio_api/process_recording",
    "/gradio_api/openapi.json",
    "/gradio_api/vibe-edit",
    "/gradio_api/monitoring",
    "/gradio_api/proxy=http://127.0.0.1/",
    "/file={secret}",
    "/config",
    "/login",
    "/logout",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/monitoring/summary",
    "/static/../{secret}",
    "/assets/index.js",
    "/theme.css",
    "/robots.txt",
    "/mcp",
)


@dataclass(frozen=True)
class MaliciousRequest:
    """One request.

    Attributes:
        wanted: The statuses that are right; 0 means a closed connection.
    """

    name: str
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    wanted: tuple[int, ...] = (400, 403, 404, 405, 413, 415, 422)
    chunked: bool = False


def malicious_requests(secret: str, own: str) -> Iterator[MaliciousRequest]:
    """All requests; ``secret`` is the path of a file to protect, ``own`` the page's host and port."""
    yield from _bodies(secret)
    yield from _kinds()
    yield from _too_large()
    yield from _paths(secret)
    yield from _origins(own)
    yield from _methods()


def _bodies(secret: str) -> Iterator[MaliciousRequest]:
    file_data = {"path": secret, "url": f"file://{secret}", "meta": {"_type": "gradio.FileData"}}
    deep: object = "x"
    for _ in range(60):
        deep = [deep]
    values: dict[str, object] = {
        "FileData": file_data,
        "FileData in a list": [file_data],
        "FileData in a dict": {"value": file_data},
        "list": [],
        "dict": {},
        "true": True,
        "deep": deep,
        "huge number": 10**30,
        "negative": -1,
        "fraction": 0.5,
        "huge text": "x" * 5_000,
        "path": f"../../../..{secret}",
    }
    whole: dict[str, dict[str, object]] = {
        "/say": {"text": "/quota", "lora": "", "weight": None, "shape": "", "count": 1},
        "/press": {"press": "v1:c:abc"},
        "/language": {"locale": "en"},
    }
    plain_text = ("text", "lora", "press")  # any text is valid there; the answer is in the conversation
    for path, good in whole.items():
        for key in good:
            for name, value in values.items():
                is_text = isinstance(value, str) and key in plain_text and len(value) <= 60
                is_number = (key, name) == ("weight", "fraction")
                wanted = (
                    (204,) if is_text or is_number or (key, name) == ("text", "path") else (400, 413, 422)
                )
                if (key, name) == ("lora", "path") or (key, name) == ("press", "path"):
                    wanted = (204, 422)
                body = json.dumps(good | {key: value}).encode()
                yield MaliciousRequest(f"{key}: {name}", "POST", path, JSON, body, wanted)
        first = next(iter(good))
        rest = json.dumps(good)[1:]
        raws = {
            "NaN": b'{"text": "a", "weight": NaN}',
            "infinite": b'{"text": "a", "weight": 1e999}',
            "lone surrogate": b'{"%s": "\\ud800"}' % first.encode(),
            "bytes that are no UTF-8": b'{"%s": "\xff\xfe"}' % first.encode(),
            "nothing": b"",
            "null": b"null",
            "a list": b"[1]",
            "a text": b'"text"',
            "cut off": json.dumps(good)[:-3].encode(),
            "two documents": json.dumps(good).encode() * 2,
            "nested 30,000 deep": b"[" * 30_000 + b"]" * 30_000,
            "nested dicts": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
            "unknown field": f'{{"fn_index": 3, {rest}'.encode(),
            "prototype": f'{{"__proto__": {{"x": 1}}, {rest}'.encode(),
            "session_hash": b'{"data": [{"path": "/etc/passwd"}], "fn_index": 3, "session_hash": "x"}',
            "5,000 digits": b'{"text": "a", "count": ' + b"9" * 5_000 + b"}",
            "NUL": b"\x00" * 10,
        }
        for name, raw in raws.items():
            yield MaliciousRequest(name, "POST", path, JSON, raw, (400, 422))
    png = {"Content-Type": "image/png"}
    for name, body in {"nothing": b"", "no PNG": b"<svg>", "half": b"\x89PNG\r\n\x1a\n\0"}.items():
        yield MaliciousRequest(f"a picture: {name}", "POST", "/info", png, body, (204,))
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x", "image/svg+xml", ""):
        yield MaliciousRequest(
            "a picture of another type", "POST", "/info", {"Content-Type": kind}, b"x", (415,)
        )
    for text in (
        "\u0000\u0001\u001b[31m",
        "\u202e\u2066",
        "\x7f\x85",
        "<script>alert(1)</script>",
        "\ufffe\uffff",
    ):
        yield MaliciousRequest(
            "odd characters", "POST", "/say", JSON, json.dumps({"text": text}).encode(), (204,)
        )
    twice = b'{"text": "/quota", "text": {"path": "/etc/passwd"}}'
    yield MaliciousRequest("a key twice", "POST", "/say", JSON, twice, (400, 422))


def _kinds() -> Iterator[MaliciousRequest]:
    kinds = (
        "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/octet-stream", "text/plain; application/json", "application/xml",
    )  # fmt: skip
    for path in POSTS:
        for kind in kinds:
            headers = {"Content-Type": kind} if kind else {}
            yield MaliciousRequest(f"type {kind!r}", "POST", path, headers, b'{"text": "a face"}', (415,))
        packed = JSON | {"Content-Encoding": "gzip"}
        yield MaliciousRequest("compressed", "POST", path, packed, b"\x1f\x8b", (415,))


def _too_large() -> Iterator[MaliciousRequest]:
    huge = b'{"text": "' + b"x" * 300_000 + b'"}'
    for path in POSTS:
        yield MaliciousRequest("huge", "POST", path, JSON, huge, (413, 0))
        yield MaliciousRequest("huge, in chunks", "POST", path, JSON, huge, (413, 0), chunked=True)
        lying = JSON | {"Content-Length": "4"}
        yield MaliciousRequest("longer than it says", "POST", path, lying, b'{"text": "a face"}', (400, 422))
    for path in (*GETS, *POSTS):
        yield MaliciousRequest("huge header", "GET", path, {"X-Huge": "x" * 40_000}, wanted=(400, 431, 0))
        yield MaliciousRequest("huge path", "GET", path + "x" * 40_000, wanted=(400, 404, 414, 431, 0))


def _paths(secret: str) -> Iterator[MaliciousRequest]:
    up = "../" * 12
    encoded = "%2e%2e%2f" * 12
    name = secret.removeprefix("/")
    for climb in (up + name, encoded + name.replace("/", "%2f"), "..%5c" * 12 + name,
                  "%252e%252e%252f" * 8 + name,
                  "....//" * 8 + name, "/" + name, secret.replace("/", "%2f"),
                  "%00" + name, "..;/" * 8 + name):  # fmt: skip
        for before in ("/", "/page.css/", "/pictures/", "/pictures/a/", "/static/", "/events/", "/say/"):
            yield MaliciousRequest("climbing path", "GET", before + climb, wanted=(400, 404, 405))
        yield MaliciousRequest("climbing job", "GET", f"/pictures/{climb}/0.png", wanted=(404,))
        yield MaliciousRequest("climbing picture", "GET", f"/pictures/a/{climb}.png", wanted=(404,))
    for index in ("9" * 5_000, "-1", "0x0", "٣", "0.png/../1", "1e3", "", "%30%00"):
        path = f"/pictures/a/{index}.png".encode("ascii", "replace").decode()
        yield MaliciousRequest("odd index", "GET", path, wanted=(400, 404))
    for path in FRAMEWORK_ROUTES:
        for method, body in (("GET", b""), ("POST", b'{"data": [], "fn_index": 3, "session_hash": "x"}')):
            yield MaliciousRequest(
                "former route", method, path.format(secret=secret), JSON if body else {}, body, (404,)
            )
    for path in GETS[1:]:
        yield MaliciousRequest("trailing slash", "GET", path + "/", wanted=(404,))


def _origins(own: str) -> Iterator[MaliciousRequest]:
    port = own.rsplit(":", 1)[1]
    good = b'{"text": "/quota"}'
    hosts = ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1",
             f"127.0.0.1.evil.example:{port}",
             f"localhost.evil.example:{port}", "", f"user@{own}", f"{own}@evil.example",
             "[::1]", f"2130706433:{port}")  # fmt: skip
    for host in hosts:
        for path in GETS:
            yield MaliciousRequest("foreign host", "GET", path, {"Host": host}, wanted=(400,))
        yield MaliciousRequest("foreign host", "POST", "/say", JSON | {"Host": host}, good, (400,))
    origins = ("http://evil.example", "null", "http://localhost:3000", "http://127.0.0.1", f"https://{own}",
               f"http://{own}.evil.example", f"http://{own}/", "file://", "")  # fmt: skip
    for origin in origins:
        for path in POSTS:
            yield MaliciousRequest("foreign origin", "POST", path, JSON | {"Origin": origin}, good, (403,))
        yield MaliciousRequest("foreign origin", "GET", "/events", {"Origin": origin}, wanted=(403,))
    for site in ("cross-site", "same-site", "none, cross-site", "x"):
        for path in POSTS:
            yield MaliciousRequest(
                "foreign site", "POST", path, JSON | {"Sec-Fetch-Site": site}, good, (403,)
            )
        for path in GETS:
            yield MaliciousRequest("foreign site", "GET", path, {"Sec-Fetch-Site": site}, wanted=(403,))


def _methods() -> Iterator[MaliciousRequest]:
    for path in (*GETS, *POSTS):
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"):
            yield MaliciousRequest("method", method, path, wanted=(400, 405))
        upgrade = {
            "Connection": "Upgrade, close",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        if not path.endswith("/events"):  # an upgrade is an offer, which a server may leave unanswered
            yield MaliciousRequest("websocket", "GET", path, upgrade, wanted=(200, 403, 404, 405))
    for path in GETS:
        if not path.startswith("/pictures"):
            yield MaliciousRequest("post to a page", "POST", path, JSON, b"{}", (405,))
    for path in POSTS:
        for method in ("GET", "HEAD"):
            yield MaliciousRequest("get of an action", method, path, wanted=(405,))
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for path in POSTS:
        yield MaliciousRequest("preflight", "OPTIONS", path, preflight, wanted=(403, 405))
