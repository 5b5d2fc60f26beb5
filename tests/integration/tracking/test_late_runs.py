"""A run that the store received late, whose id its study does not have: found by its key."""

from pathlib import Path

import optuna
import pytest
from hydra_async_sweeper.study.storage import open_storage
from mlflow import MlflowClient

from densenet_sweep.report import table
from densenet_sweep.results import provenance, studies
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.study import Study
from densenet_sweep.tracking.run import KEY
from densenet_sweep.tracking.study_runs import StudyKey


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study with a trial that knows its run's key and not its id, and one without a run."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "outputs" / "sweeps" / "late"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text("study_name: late\nstorage: null\n")
    made = optuna.create_study(study_name="late", storage=open_storage(None, folder))
    for key in ("its key", "of none"):
        made.add_trial(optuna.create_trial(value=1.0, user_attrs={"record_key": key}))
    return read_study(made)


@pytest.fixture
def run_id(client: MlflowClient) -> str:
    tags = {**StudyKey("late").tags, KEY: "its key", "git.commit": "abc", "trial.number": "0"}
    return str(client.create_run(client.create_experiment("tests"), tags=tags).info.run_id)


@pytest.mark.usefixtures("study")
def test_a_trial_named_by_its_number_has_it(client, run_id):
    assert studies.named_trial("late/0").run_id(client.tracking_uri) == run_id
    assert studies.named_trial("late/1").run_id(client.tracking_uri) is None


def test_the_report_links_to_it(client, run_id, study):
    known = provenance.read(study, client.tracking_uri)
    assert known.tags["git.commit"] == "abc"
    shown = table.data(known.study, None, known.runs, 3)
    column = [it["label"] for it in shown["columns"]].index("MLflow")
    assert [row["values"][column] for row in shown["rows"]] == [f"{known.runs}{run_id}", None]
