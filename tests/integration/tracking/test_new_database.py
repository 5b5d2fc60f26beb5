"""The making of MLflow's database, cut off at its worst moment, by this version and by those before it."""

import shlex
import sqlite3
import subprocess
from pathlib import Path

import mlflow.store.db.utils
import pytest
import sqlalchemy
from mlflow.store.tracking.dbmodels.initial_models import Base

from densenet_sweep.tracking import store
from densenet_sweep.tracking.mlflow_record import open_record


def make_half(engine: sqlalchemy.Engine) -> None:
    """Make the first tables of a database and one of a later step, as a process leaves it that is killed there."""
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE logged_models (model_id VARCHAR(36) PRIMARY KEY)"))


def half_made(path: Path) -> Path:
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    make_half(engine)
    engine.dispose()
    return path


def experiments(path: Path) -> list[str]:
    return [found.name for found in store.connect(f"sqlite:///{path}").search_experiments()]


def test_an_interruption_leaves_no_database_and_the_next_start_makes_it(tmp_path, monkeypatch):
    (tmp_path / ".mlflow.db.0123.new-journal").touch()  # a process that was killed at it

    def interrupted(engine: sqlalchemy.Engine) -> None:
        make_half(engine)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mlflow.store.db.utils, "_initialize_tables", interrupted)
        with pytest.raises(KeyboardInterrupt):
            experiments(tmp_path / "mlflow.db")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db.lock"]
    (tmp_path / "mlflow.db").touch()  # sqlite's own way to begin one
    assert experiments(tmp_path / "mlflow.db") == ["Default"]


def test_one_that_was_left_half_made_is_named_with_its_mend(tmp_path, caplog):
    path = half_made(tmp_path / "mlflow.db")
    settings = {"artifact_location": str(tmp_path), "experiment": "tests", "system_metrics": False}
    run = {"name": "it", "parameters": {}, "tags": {}, "study_name": None, "run_id": None}
    with pytest.raises(ConnectionError) as caught:
        open_record(uri=f"sqlite:///{path}", required=True, **settings, **run)
    mend = f"rm {path}"
    assert str(caught.value) == (
        f"tracking.uri=sqlite:///{path}: cannot be used (its tables were left half made by a process that was stopped, and "
        f"hold no run; delete it: {mend}); tracking.required=false trains without it"
    )
    assert "Traceback" not in caplog.text
    subprocess.run(shlex.split(mend), check=True)
    assert not path.exists()


def test_a_database_with_runs_is_never_called_half_made(tmp_path, empty_database):
    path = tmp_path / "mlflow.db"
    path.write_bytes(empty_database.read_bytes())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    connection.close()
    with pytest.raises(Exception, match="out-of-date database schema"):
        experiments(path)
