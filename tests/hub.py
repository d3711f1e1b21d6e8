"""A stand-in for the Hugging Face hub on 127.0.0.1: what `huggingface_hub` asks when it loads a
model or a dataset, answered from local folders. The code that asks is the real one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0" * 40


@contextlib.contextmanager
def hub(models: Mapping[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """The stand-in's address, and the paths that it was asked for, while the block runs.

    models: the hub id of each folder.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            path = self.path.split("?")[0].strip("/")
            asked.append(path)
            for name, folder in models.items():
                if path.startswith(f"api/models/{name}"):
                    files = sorted(each.name for each in folder.iterdir() if each.is_file())
                    entries = [
                        {
                            "type": "file",
                            "path": each,
                            "size": (folder / each).stat().st_size,
                            "oid": COMMIT,
                        }
                        for each in files
                    ]
                    about = {
                        "id": name,
                        "modelId": name,
                        "sha": COMMIT,
                        "private": False,
                        "siblings": [{"rfilename": each} for each in files],
                        "tags": [],
                    }
                    return self._send(
                        json.dumps(entries if "/tree/" in path else about).encode(),
                        body,
                        {"Content-Type": "application/json"},
                    )
                if path.startswith(f"{name}/resolve/"):
                    file = folder / path.split("/", 4)[-1]
                    if not file.is_file():
                        return self._missing("EntryNotFound")
                    content = file.read_bytes()
                    tag = hashlib.sha256(content).hexdigest()
                    return self._send(content, body, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})
            return self._missing("RepoNotFound")

        def _send(self, content: bytes, body: bool, headers: Mapping[str, str]) -> None:
            self.send_response(200)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def _missing(self, code: str) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
