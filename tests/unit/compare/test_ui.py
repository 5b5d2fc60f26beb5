import socket

import pytest

from densenet_sweep.compare import ui


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
    ],
)
def test_bad_input_in_one_line(command, override, message):
    typed = command("ui", override)
    assert typed.exit_code == 1
    assert message in typed.err
    assert typed.err.count("\n") == 1


def test_the_runs_on_a_server_are_looked_at_there(command):
    typed = command("ui", "tracking.uri=http://me:secret@host:5000")
    assert (typed.exit_code, typed.out) == (0, "The runs are on the server http://me:***@host:5000\n")


def test_a_file_that_is_no_store(command, tmp_path):
    (tmp_path / "notes.db").write_text("not a database, and not empty either\n" * 99)
    typed = command("ui", "tracking.uri=sqlite:///notes.db")
    assert typed.exit_code == 1
    assert "tracking.uri=sqlite:///notes.db: cannot be used (" in typed.err
    assert typed.err.count("\n") == 1
