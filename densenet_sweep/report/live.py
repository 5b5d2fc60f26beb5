"""The report as a page that this machine serves: made again when a trial begins or ends, for any number of viewers.

A viewer asks again and again whether the page has changed (an ETag); its script then puts the new parts in their places, so
that what was sorted, filtered and selected stays.
"""

import logging
import sys
import threading
import uuid
from collections.abc import Callable, Hashable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

log = logging.getLogger("densenet_sweep")

HOST = "127.0.0.1"
# How often the studies are looked at.
_SECONDS = 2.0


class LivePage:
    """The current page: its content and its ETag, and why the last look failed, if it did. Made by one thread, read by many."""

    def __init__(self, state: Callable[[], Hashable], make: Callable[[str], str]) -> None:
        """Make the first page.

        Args:
            state: returns what the page depends on, cheaply.
            make: returns the page that has this version.
        """
        self._state, self._make = state, make
        self.complaint = ""
        self._shown = state()
        self._keep()

    def _keep(self) -> None:
        version = uuid.uuid4().hex
        self.current = self._make(version).encode(), f'"{version}"'

    def look(self) -> None:
        """Make the page again if what it depends on has changed; what fails is logged once, and the last page stays."""
        try:
            state = self._state()
            if state != self._shown:
                self._keep()
                self._shown = state
            self.complaint = ""
        except Exception as error:  # the storage is away, or written by another version: a later look may succeed
            complaint = " ".join(str(error).split()) or type(error).__name__
            if complaint != self.complaint:
                log.warning("the page stays as it is: %s", complaint)
            self.complaint = complaint


def serve(page: LivePage, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve `page` on this machine alone until Ctrl-C.

    Args:
        page: that is looked at every two seconds.
        port: 0 for a free one.
        on_ready: called with the address.

    Raises:
        ValueError: the port is taken.
    """
    try:
        server = _server(page, port)
    except (OSError, OverflowError) as error:
        raise ValueError(f"--port {port}: taken by another program; without it a free one is chosen") from error
    with server:
        thread = threading.Thread(target=server.serve_forever, name="live-page", daemon=True)
        thread.start()
        on_ready(f"http://{HOST}:{server.server_address[1]}/")
        try:
            while True:
                threading.Event().wait(_SECONDS)
                page.look()
        finally:
            server.shutdown()


def _server(page: LivePage, port: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        timeout = 60  # of a viewer that says nothing; connections are not kept, so that the end is noticed

        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def _answer(self) -> None:
            content, tag = page.current
            if self.headers.get("Host", "").rpartition(":")[0] not in (HOST, "localhost"):
                return self._send(403)  # another site's name that leads here
            if self.path != "/":
                return self._send(404)
            if self.headers.get("If-None-Match") == tag:
                return self._send(304, tag=tag)
            return self._send(200, content, tag)

        def _send(self, status: int, content: bytes = b"", tag: str = "") -> None:
            self.send_response(status)
            if tag:
                self.send_header("ETag", tag)
                self.send_header("X-Stale", "yes" if page.complaint else "no")
                self.send_header("Cache-Control", "no-cache")
            if status != 304:
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Log nothing: viewers ask every few seconds."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            if not isinstance(sys.exception(), ConnectionError):  # a viewer that has gone is no error
                super().handle_error(request, client_address)

    return Server((HOST, port), Handler)
