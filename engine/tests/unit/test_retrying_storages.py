import socket

import pytest
from hydra_async_sweeper.study import retrying_storages
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError


def test_a_connection_to_postgres_has_limits_but_for_those_that_its_url_names():
    limits = retrying_storages._limits("postgresql+psycopg://me@host/db?connect_timeout=60")
    assert limits == {
        "keepalives": 1, "keepalives_idle": 4, "keepalives_interval": 2, "keepalives_count": 2, "tcp_user_timeout": 8000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('connection failed: connection to server at "127.0.0.1", port 5432 failed: Connection refused', "Connection refused"),
        (
            'connection to server at "db" (10.0.0.1), port 5432 failed: FATAL:  the database system is starting up',
            "the database",
        ),
        ("server closed the connection unexpectedly\n\tThis probably means", "server closed the connection unexpectedly"),
        ("consuming input failed: terminating connection due to administrator command", "terminating connection due to"),
    ],
)
def test_why_a_database_does_not_answer(said, reason):
    error = OperationalError("SELECT 1", {}, Exception(said))
    committing = StorageInternalError("An exception is raised during the commit.")
    committing.__cause__ = error
    assert retrying_storages.reason(error).startswith(reason)
    assert retrying_storages.reason(committing) == retrying_storages.reason(error)
    assert retrying_storages.is_passing(committing)


def test_a_call_to_a_proxy_that_hangs_ends(monkeypatch):
    import grpc

    monkeypatch.setattr(retrying_storages, "_CALL_SECONDS", 0.1)
    monkeypatch.setattr(retrying_storages, "wait_out", lambda call, *_: call())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.warns(match="experimental"):
            proxy = retrying_storages.PatientProxy(host="127.0.0.1", port=silent.getsockname()[1])
        with pytest.raises(grpc.RpcError) as caught:
            proxy.get_all_studies()
        proxy.close()
    assert retrying_storages.is_passing(caught.value)
    assert retrying_storages.reason(caught.value) == "no answer in time"
