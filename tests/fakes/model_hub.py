"""A server on 127.0.0.1 that publishes a folder as the Hub, a mirror of it, and ModelScope do."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE_SUFFIX = ".safetensors"  # the Hub keeps these outside git, with a SHA-256


class ModelHub:
    """One published model at one commit; tests change its attributes.

    Attributes:
        files: What is published, by path.
        stated: Replaces the hash that is stated of a path.
        cut_at: Breaks the connection after so many bytes of the first answer for a path.
        refusal: The HTTP status of every answer, if not 0.
        asked: Each path that was requested, with its range.
    """

    def __init__(self, folder: Path, name: str, commit: str) -> None:
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        self.files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
        self.name, self.commit = name, commit
        self.stated: dict[str, str] = {}
        self.cut_at: dict[str, int] = {}
        self.refusal = 0
        self.asked: list[tuple[str, str]] = []
        self.url = ""

    def content(self, path: str, query: dict[str, list[str]]) -> Any:
        """Return the JSON or the bytes of an address; None if there is nothing."""
        if path == f"/api/models/{self.name}/revision/{self.commit}" or (
            path == f"/api/models/{self.name}/revision/main"
        ):
            return {
                "id": self.name,
                "sha": self.commit,
                "siblings": [self._hub_file(each) for each in self.files],
            }
        if path.startswith(f"/api/models/{self.name}/tree/"):
            return [self._tree_file(each) for each in self.files]
        if path.startswith(f"/{self.name}/resolve/{self.commit}/"):
            return self.files.get(path.removeprefix(f"/{self.name}/resolve/{self.commit}/"))
        if path == f"/api/v1/models/{self.name}/repo/files" and query["Revision"][0] in (
            self.commit,
            "master",
        ):
            rows = [self._modelscope_file(each) for each in self.files]
            return {"Data": {"Files": rows, "LatestCommitter": {"Id": self.commit}}}
        if path == f"/api/v1/models/{self.name}/repo" and query["Revision"] == [self.commit]:
            return self.files.get(query["FilePath"][0])
        return None

    def _sha256(self, path: str) -> str:
        return self.stated.get(path, hashlib.sha256(self.files[path]).hexdigest())

    def _git_sha1(self, path: str) -> str:
        content = self.files[path]
        found = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        return self.stated.get(path, found)

    def _hub_file(self, path: str) -> dict[str, Any]:
        size = len(self.files[path])
        found: dict[str, Any] = {"rfilename": path, "size": size, "blobId": self._git_sha1(path)}
        if path.endswith(LARGE_SUFFIX):
            found["lfs"] = {"sha256": self._sha256(path), "size": size, "pointerSize": 134}
        return found

    def _tree_file(self, path: str) -> dict[str, Any]:
        return {"type": "file", "path": path, "size": len(self.files[path]), "oid": self._git_sha1(path)}

    def _modelscope_file(self, path: str) -> dict[str, Any]:
        return {
            "Path": path,
            "Type": "blob",
            "Size": len(self.files[path]),
            "Sha256": self._sha256(path),
            "Revision": self.commit,
            "CommittedDate": 1,
        }


@contextmanager
def model_hub(folder: Path, name: str, commit: str) -> Iterator[ModelHub]:
    """Publish the files of a folder while the block runs."""
    hub = ModelHub(folder, name, commit)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def answer(self, *, with_body: bool) -> None:
            parts = urlsplit(self.path)
            path, query = unquote(parts.path), parse_qs(parts.query)
            span = self.headers.get("Range", "")
            hub.asked.append((query.get("FilePath", [path])[0], span))
            found = hub.content(path, query)
            if found is None or hub.refusal:
                self.send_response(hub.refusal or 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            begin = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", hub.commit)
            self.send_header("Content-Length", str(len(body) - begin))
            self.end_headers()
            if with_body:
                cut = hub.cut_at.pop(query.get("FilePath", [path])[0], None)
                self.wfile.write(body[begin:] if cut is None else body[begin:cut])
                self.close_connection = cut is not None

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, name="model hub", daemon=True)
        serving.start()
        try:
            yield hub
        finally:
            server.shutdown()
            serving.join()
