import http.server
import socket
import struct
import sys
import threading

import pytest
import requests

from densenet_sweep.tracking import store


def test_a_database_without_its_driver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        store.connect("postgresql+psycopg://me@localhost/runs")
    assert store.cause(caught.value) == "needs psycopg; pip install 'hydra-async-sweeper[postgres]'"


def requested(handle) -> str:
    """Return the cause where a server of MLflow answers a request as `handle` does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            handle(self.connection)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(requests.exceptions.RequestException) as caught:
            requests.get(f"http://127.0.0.1:{server.server_port}", timeout=20)
        server.shutdown()
    return store.cause(caught.value)


def test_a_server_that_dies_while_it_answers():
    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    assert requested(lambda connection: connection.shutdown(socket.SHUT_RDWR)) == "it closed the connection"
    assert requested(reset) == "Connection reset by peer"
