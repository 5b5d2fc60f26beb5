"""A password reaches no file, no line that is printed, and no run: from the environment it works, elsewhere it is refused."""

from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

TINY = ("data=digits", "architecture.depth=10", "architecture.growth_rate=2", "epochs=1", "device=cpu")
SWEEP = (
    "sweep=growth_depth_lr", *TINY, "rungs=[]", "hydra/launcher=basic", "hydra/sweeper/pruner=none", "hydra.sweeper.n_trials=1",
    "hydra.sweeper.enqueue=[{architecture.growth_rate:8,architecture.depth:16}]",
)  # fmt: skip
PASSWORD = "hunter2/open@sesame?"
URI = f"postgresql+psycopg://me:{PASSWORD}@host/runs"


def holding(folder: Path, text: str) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if text.encode() in path.read_bytes()]


@pytest.mark.parametrize("arguments", [TINY, SWEEP], ids=["run", "sweep"])
def test_a_database_with_a_password_is_written_nowhere(command, tmp_path, monkeypatch, arguments):
    def fails(tracking_uri: str, registry_uri: str) -> None:
        assert tracking_uri == registry_uri == URI  # it does reach MLflow
        raise MlflowException(f"{tracking_uri}: could not translate host name 'sesame?@host'")

    monkeypatch.setattr("mlflow.MlflowClient", fails)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", URI)
    typed = command(*arguments)
    assert typed.exit_code == 0, typed.err
    shown = "tracking.uri=postgresql+psycopg://me:***@host/runs: cannot be used ("
    said = typed.out + typed.err + "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    assert shown in said
    for piece in ("hunter2", "sesame"):
        assert piece not in said
        assert holding(tmp_path, piece) == []


@pytest.mark.parametrize(
    "of_the_environment", [{}, {"MLFLOW_TRACKING_URI": URI, "DENSENET_SWEEP_STORAGE": URI}], ids=["", "also there"]
)
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            [f"tracking.uri={URI}"],
            "tracking.uri=postgresql+psycopg://me:***@host/runs: a password is taken from the environment alone: "
            "export MLFLOW_TRACKING_URI=URL, and leave tracking.uri as it is",
        ),
        (
            ["tracking.uri=https://me:hunter2@host:5000"],
            "tracking.uri=https://me:***@host:5000: a password is taken from the environment alone: export "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and give the address without them",
        ),
        (
            ["compare", "tracking.uri=https://me:hunter2@host:5000"],
            "tracking.uri=https://me:***@host:5000: a password is taken from the environment alone: ",
        ),
        (
            [f"storage.url={URI}"],
            "storage.url=postgresql+psycopg://me:***@host/runs: a password is taken from the environment alone: export "
            "DENSENET_SWEEP_STORAGE=URL, and storage.url='${oc.env:DENSENET_SWEEP_STORAGE}'",
        ),
        (
            ["sweep=quickstart", "hydra.sweeper.storage=mysql://host/db?password=hunter2"],
            "hydra.sweeper.storage=mysql://host/db?password=***: a password is taken from the environment alone: ",
        ),
        (["--config-dir", "mine", "experiment=mine"], "tracking.uri=http://me:***@host: a password is taken from the environm"),
    ],
)  # fmt: skip
def test_a_password_that_is_typed_or_in_a_file_is_refused(command, tmp_path, monkeypatch, arguments, line, of_the_environment):
    for name, value in of_the_environment.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# @package _global_\ntracking:\n  uri: http://me:hunter2@host\n", encoding="utf-8")
    typed = command(*arguments)
    assert typed.exit_code == 1
    assert typed.err.startswith(f"densenet-sweep: error: {line}")
    assert typed.err.count("\n") == 1
    assert "hunter2" not in typed.out + typed.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_server_with_a_password_in_its_address_is_refused_whatever_it_comes_from(command, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter2@host:5000")
    typed = command(*TINY)
    assert typed.exit_code == 1
    assert (
        "tracking.uri=http://me:***@host:5000: a password is taken from the environment alone: export MLFLOW_TRACKING_U"
        in typed.err
    )
