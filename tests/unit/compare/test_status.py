import io

import optuna
import pytest
import yaml
from rich.console import Console

from densenet_sweep.compare import status
from densenet_sweep.compare.studies import find
from densenet_sweep.sweep.lease import LEASE, Lease
from densenet_sweep.sweep.study import open_storage


@pytest.fixture
def study(tmp_path) -> optuna.Study:
    folder = tmp_path / "outputs" / "sweeps" / "mine"
    study = optuna.create_study(storage=open_storage(None, folder), study_name="mine", direction="maximize")
    description = {"study_name": "mine", "storage": None, "directions": ["maximize"], "command": "x", "n_trials": 9}
    (folder / "study.yaml").write_text(yaml.safe_dump(description))
    return study


def shown(tmp_path) -> str:
    console = Console(file=io.StringIO(), width=140)
    status.show(find("mine", tmp_path / "outputs"), console)
    return console.file.getvalue()


def test_counts_the_best_and_what_runs(study, tmp_path):
    study.tell(study.ask(), 0.5)
    study.tell(study.ask(), 0.75)
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    trial = study.ask({"model.width": optuna.distributions.IntDistribution(7, 7)})
    trial.report(0.625, 3)
    lease = Lease(study, trial._trial_id, seconds=60)
    text = shown(tmp_path)
    lease.release()
    assert "study mine: 2 of 9 trials finished (2 complete, 0 pruned), 1 failed, 1 running, 0 waiting" in text
    assert "best 0.7500, trial 1" in text
    [line] = [line for line in text.splitlines() if "width=7" in line]
    assert line.split()[:3] == ["3", "3", "0.6250"]
    assert "dead" not in line


def test_a_dead_worker_is_called_so(study, tmp_path):
    trial = study.ask()
    Lease(study, trial._trial_id, seconds=60).release()
    trial.set_user_attr(LEASE, {**study.trials[0].user_attrs[LEASE], "process_start": 1.0})
    assert "(dead; the next worker continues it)" in shown(tmp_path)


def test_a_study_that_is_done_needs_no_table(study, tmp_path):
    study.tell(study.ask(), 0.5)
    assert "running for" not in shown(tmp_path)


def test_the_command(study, tmp_path, command):  # noqa: ARG001 - the study is there
    typed = command("status")
    assert typed.exit_code == 0
    assert "study mine: 0 of 9" in typed.out
    assert "no such study" in command("status", "yours").err
