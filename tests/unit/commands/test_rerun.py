"""Which run `rerun` trains again."""

import optuna
import pytest
import yaml
from hydra_async_sweeper.study.storage import open_storage

from densenet_sweep.commands.rerun import run_of_trial


def test_a_trial_is_named_by_its_study_and_number(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "outputs" / "sweeps" / "mine"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(yaml.safe_dump({"study_name": "mine", "storage": None}))
    study = optuna.create_study(study_name="mine", storage=open_storage(None, folder))
    for attributes in ({"mlflow_run_id": "a" * 32}, {}):
        study.add_trial(optuna.create_trial(value=1.0, user_attrs=attributes))
    assert run_of_trial("mine/0") == "a" * 32
    for name, message in (
        ("mine/1", "^mine/1: trial 1 has no run in MLflow$"),
        ("mine/2", "^mine/2: the study mine has no trial 2; it has 2 trials, from 0$"),
        ("mine/best", "^mine/best: the study mine has no trial best; it has 2 trials"),
    ):
        with pytest.raises(ValueError, match=message):
            run_of_trial(name)
