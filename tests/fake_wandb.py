"""A W&B server that keeps what it is sent: enough of it for runs, tables and resuming.

`behave` is "well", "refuse" (500 to everything) or "hang" (no answer at all).
"""

import gzip
import json
import time
from collections import defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

KEY = "k" * 40


class FakeServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, behave: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave = behave
        self.asked = 0
        self.facts: dict[str, dict[str, Any]] = defaultdict(dict)  # of each run, as last said
        self.files: dict[str, dict[str, dict[int, str]]] = defaultdict(lambda: defaultdict(dict))
        self.ends: dict[str, list[int]] = defaultdict(list)  # exit codes

    def handle_error(self, *_: object) -> None:
        """Clients may leave as they like."""

    @property
    def environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.server_port}"
        return {"WANDB_BASE_URL": url, "WANDB_API_KEY": KEY, "WANDB__GRAPHQL_RETRY_MAX": "1"}

    def history(self, run: str) -> list[dict[str, Any]]:
        lines = self.files[run]["wandb-history.jsonl"]
        return [json.loads(lines[number]) for number in sorted(lines)]

    def summary(self, run: str) -> dict[str, Any]:
        return json.loads(self.files[run]["wandb-summary.json"][0])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeServer

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        self.server.asked += 1
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        if self.server.behave == "hang":
            time.sleep(600)
        if self.server.behave == "refuse":
            self.answer(500, {})
        elif self.path == "/graphql":
            self.answer(200, {"data": self.graphql(json.loads(content))})
        else:
            if self.path.endswith("/file_stream"):
                self.stream(self.path.split("/")[-2], json.loads(content))
            self.answer(200, {})

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(200, {})

    def answer(self, code: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def graphql(self, request: dict[str, Any]) -> dict[str, Any]:
        query, given = request["query"], request.get("variables", {})
        if "upsertBucket" in query:
            self.server.facts[given["name"]] |= {k: v for k, v in given.items() if v is not None}
            return {"upsertBucket": {"bucket": bucket(given["name"]), "inserted": True}}
        if "createArtifact(" in query:
            sequence = {"latestArtifact": None}
            artifact = {"id": "a", "state": "COMMITTED", "artifactSequence": sequence}
            return {"createArtifact": {"artifact": artifact}}
        if "createRunFiles" in query:
            url = f"http://127.0.0.1:{self.server.server_port}/storage"
            files = [{"name": name, "uploadUrl": url} for name in given["files"]]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        if "RunResumeStatus" in query:
            return {"model": self.resumed(given["name"])}
        return next((answer for name, answer in FIXED.items() if name in query), FEATURES)

    def resumed(self, run: str) -> dict[str, Any] | None:
        if run not in self.server.facts:
            return None
        history = self.server.files[run]["wandb-history.jsonl"]
        facts = self.server.facts[run]
        return {
            "id": "p", "name": "p", "entity": {"id": "e", "name": "me"},
            "bucket": bucket(run) | {
                "historyLineCount": len(history), "eventsLineCount": 0, "logLineCount": 0,
                "historyTail": json.dumps([history[n] for n in sorted(history)][-1:]),
                "eventsTail": "[]", "config": facts.get("config", "{}"),
                "summaryMetrics": self.server.files[run]["wandb-summary.json"].get(0, "{}"),
                "tags": facts.get("tags", []), "wandbConfig": "{}",
            },
        }  # fmt: skip

    def stream(self, run: str, content: dict[str, Any]) -> None:
        for name, chunk in content.get("files", {}).items():
            for number, line in enumerate(chunk["content"], start=chunk["offset"]):
                self.server.files[run][name][number] = line
        if content.get("complete"):
            self.server.ends[run].append(content["exitcode"])


FEATURES: dict[str, Any] = {"serverInfo": {"features": []}}
FIXED: dict[str, dict[str, Any]] = {
    "query ArtifactType(": {"project": {"artifact": {"artifactType": {"name": "run_table"}}}},
    "viewer": {"viewer": {"id": "v", "entity": "me", "username": "me", "flags": "{}"}},
}


def bucket(run: str) -> dict[str, Any]:
    project = {"id": "p", "name": "p", "entity": {"id": "e", "name": "me"}}
    return {
        "id": run, "name": run, "displayName": run, "description": "", "config": "{}",
        "sweepName": None, "project": project, "historyLineCount": 0,
    }  # fmt: skip


@contextmanager
def served(behave: str = "well"):
    server = FakeServer(behave)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
