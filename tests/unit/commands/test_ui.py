import shutil
import socket
import sqlite3
import threading
from contextlib import closing, suppress

import pytest

from densenet_sweep.commands import ui


@pytest.fixture
def taken():
    """A port that another program listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_refused(taken):
    with pytest.raises(ValueError, match=rf"^--port {taken}: taken by another program$"):
        ui._free_port(taken)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_what_is_no_port_is_refused(port):
    with pytest.raises(ValueError, match=rf"^--port {port}: a whole number from 1 to 65535 is accepted$"):
        ui._free_port(port)


def test_without_a_wish_the_first_free_port_from_5000_on():
    first = ui._free_port(None)
    assert 5000 <= first < 5100
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does, past a test's closed connections
        listener.bind(("127.0.0.1", first))
        listener.listen()
        assert first < ui._free_port(None) < 5100


def test_a_store_that_is_not_there_is_refused_and_not_made(command, tmp_path):
    typed = command("ui", "tracking.uri=sqlite:///mlruns/mlflow.db")
    assert typed.exit_code == 1
    assert typed.err == (
        "densenet-sweep: error: tracking.uri=sqlite:///mlruns/mlflow.db: nothing is recorded there yet; "
        "densenet-sweep sweep=quickstart does\n"
    )
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tracking=none", "tracking: the UI needs tracking=mlflow"),
        ("tracking.uri=mlruns", "tracking.uri=mlruns: a database"),
        ("tracking.ui=x", "did you mean uri"),
        ("tracking.uri=http://127.0.0.1:1", "tracking.uri=http://127.0.0.1:1: cannot be used (Connection refused)"),
    ],
)
def test_bad_input_in_one_line(command, override, message):
    typed = command("ui", override)
    assert typed.exit_code == 1
    assert message in typed.err
    assert typed.err.count("\n") == 1


def test_two_studies_are_one_too_many(command):
    typed = command("ui", "one", "two")
    assert (typed.exit_code, typed.err) == (1, "densenet-sweep: error: one two: the name of one study is accepted\n")


class Alive:
    """A process that does not end."""

    def poll(self) -> None:
        return None


def answer_health(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")


def test_a_proxy_is_not_asked_for_the_server_on_this_machine(monkeypatch, free_port):
    monkeypatch.setattr(ui, "_START_SECONDS", 10.0)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=answer_health, args=(listener,), daemon=True).start()
        ui._wait_until_up(Alive(), listener.getsockname()[1])


def test_a_server_that_runs_and_does_not_answer_is_not_waited_for_without_end(monkeypatch, free_port):
    monkeypatch.setattr(ui, "_START_SECONDS", 0.0)
    port = free_port()
    with pytest.raises(RuntimeError, match=rf"^the MLflow server does not answer at http://127\.0\.0\.1:{port}/ after 0 s$"):
        ui._wait_until_up(Alive(), port)


@pytest.fixture
def bad_server(monkeypatch):
    """Start a server that gives an answer to all that it is asked, or none."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer(text: bytes) -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(text)

        def start(text: bytes | None) -> str:
            if text is not None:
                threading.Thread(target=answer, args=(text,), daemon=True).start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 500 Oh no\r\nContent-Length: 6\r\nConnection: close\r\n\r\noh no\n", "it answers with status 500"),
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 60\r\nConnection: close\r\n\r\n"
            b"Invalid Host header - possible DNS rebinding attack detected",
            "it does not answer to this name, as --allowed-hosts of the `mlflow server` does not list it",
        ),
        (
            b"HTTP/1.1 401 No\r\nContent-Length: 24\r\nConnection: close\r\n\r\nYou are not logged in.\r\n",
            "it answers with status 401: You are not logged in.",
        ),
        (
            b"HTTP/1.1 404 No\r\nContent-Length: 18\r\nConnection: close\r\n\r\n\r\n <html>no</html>",
            "it answers with status 404)",
        ),
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "it answers with status 403)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", "JSON"),
        (None, "no answer"),
    ],
)
def test_a_server_that_is_no_good_costs_one_line(command, bad_server, answer, message):
    uri = bad_server(answer)
    typed = command("ui", f"tracking.uri={uri}")
    assert typed.exit_code == 1
    assert typed.err.startswith(f"densenet-sweep: error: tracking.uri={uri}: cannot be used (")
    assert message in typed.err
    assert typed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            "fedcba987654",
            "it was written by a newer MLflow than {}, which does not know its schema fedcba987654; pip install --upgrade "
            "mlflow",
        ),
        ("451aebb31d03", "it was written by an older MLflow than {}; `mlflow db upgrade`, after a backup, converts it"),
    ],
)
def test_a_store_of_another_mlflow(command, tmp_path, schema, message):
    import mlflow

    from densenet_sweep.tracking import store

    store.connect(f"sqlite:///{tmp_path}/made.db")
    shutil.copy(tmp_path / "made.db", tmp_path / "mlflow.db")  # MLflow looks at a file's schema once in a process
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = ?", [schema])
    typed = command("ui", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db")
    assert typed.exit_code == 1
    reason = message.format(mlflow.__version__)
    assert typed.err == f"densenet-sweep: error: tracking.uri=sqlite:///{tmp_path}/mlflow.db: cannot be used ({reason})\n"


def test_a_file_that_is_no_store(command, tmp_path):
    (tmp_path / "notes.db").write_text("not a database, and not empty either\n" * 99)
    typed = command("ui", "tracking.uri=sqlite:///notes.db")
    assert typed.exit_code == 1
    assert "tracking.uri=sqlite:///notes.db: cannot be used (" in typed.err
    assert typed.err.count("\n") == 1
