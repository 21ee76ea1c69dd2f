"""The server: who may ask, what may be asked, and what every answer says to the browser."""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from runner.commands.serving.answer import Answer, refusal
from runner.commands.serving.pages import ServedPages

LOOPBACK = "127.0.0.1"
LONGEST_ADDRESS = 2000
"""Characters of a path with its question."""
MOST_AT_ONCE = 16
"""Requests that are answered side by side; more are turned away."""
PATIENCE_S = 15
"""Time within which a request has to be made, and its answer taken."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Server(ThreadingHTTPServer):
    """A server on the loopback interface; port 0 is any that is free."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = MOST_AT_ONCE

    def __init__(self, pages: ServedPages, port: int) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.pages = pages
        self._free = threading.Semaphore(MOST_AT_ONCE)

    @property
    def address(self) -> str:
        """Where the pages are."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which it may be asked. Any other leads here by a foreign DNS alone."""
        return frozenset(f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost"))

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer in a thread, as long as there are not too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer one request."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Say nothing of a browser that went away."""

    def server_bind(self) -> None:
        """Bind without asking a DNS for the name of this machine."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = PATIENCE_S
    server_version, sys_version = "phasehub", ""

    def do_GET(self) -> None:
        """Answer with a page."""
        self._send(self._answer())

    def do_HEAD(self) -> None:
        """Answer with what a page would be sent with."""
        self._send(self._answer())

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Whatever else is asked, by any method there is, is refused."""
        if name.startswith("do_"):
            return self._refuse_method
        raise AttributeError(name)

    def _refuse_method(self) -> None:
        self._send(refusal(HTTPStatus.METHOD_NOT_ALLOWED, "these pages are read, and no more"))

    def _answer(self) -> Answer:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0] not in self.server.hosts:
            return refusal(HTTPStatus.MISDIRECTED_REQUEST, f"ask for {self.server.address}")
        if not self.path.startswith("/") or len(self.path) > LONGEST_ADDRESS:
            return refusal(HTTPStatus.BAD_REQUEST, "this is no address of a page")
        try:
            return self.server.pages.answer(self.path)
        except Exception:  # one page that fails must not look like a browser that went away
            traceback.print_exc()
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug; stderr has its traceback")

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Content-Security-Policy", answer.policy)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if answer.is_saved:
            self.send_header("Content-Disposition", "attachment")
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request, without repeating any of it."""
        del message, explain
        self.close_connection = True
        self.request_version = self.protocol_version  # else nothing but the text would be sent
        self._send(refusal(HTTPStatus(code), "this is no request that can be answered"))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: what is asked for is nobody's business."""
