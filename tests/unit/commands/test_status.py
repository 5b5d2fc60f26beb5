import io

import optuna
import pytest
import yaml
from hydra_async_sweeper.study.storage import open_storage
from hydra_async_sweeper.workers.lease import Lease
from rich.console import Console

from densenet_sweep.commands import status
from densenet_sweep.results.studies import find


@pytest.fixture
def study(tmp_path) -> optuna.Study:
    folder = tmp_path / "outputs" / "sweeps" / "mine"
    study = optuna.create_study(storage=open_storage(None, folder), study_name="mine", direction="maximize")
    description = {"study_name": "mine", "storage": None, "directions": ["maximize"], "command": "x", "n_trials": 9}
    (folder / "study.yaml").write_text(yaml.safe_dump(description))
    return study


def shown(tmp_path) -> str:
    console = Console(file=io.StringIO(), width=140)
    status.show(find("mine", outputs=tmp_path / "outputs"), console)
    return console.file.getvalue()


def test_names_the_study_and_shows_its_table(study, tmp_path):
    study.tell(study.ask(), 0.5)
    study.tell(study.ask(), 0.75)
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    trial = study.ask({"model.width": optuna.distributions.IntDistribution(7, 7)})
    trial.report(0.625, 3)
    lease = Lease.take(study, trial._trial_id, seconds=60)
    lines = shown(tmp_path).splitlines()
    lease.release()
    assert lines[0].rstrip() == "study mine"
    assert lines[1].startswith("2 of 9 finished: 2 complete, 1 failed, 1 running   best 0.7500 (trial 1)")
    [line] = [line for line in lines if "width=7" in line]
    assert line.split()[:4] == ["3", "width=7", "3", "0.6250"]
    assert "running" in line


def test_a_study_that_is_done_shows_what_ended_last_alone(study, tmp_path):
    study.tell(study.ask(), 0.5)
    assert "elapsed" not in shown(tmp_path)
    assert "complete" in shown(tmp_path)


def test_watching_ends_with_the_budget_and_leaves_the_last_state(study, tmp_path, monkeypatch):
    def finish_one(seconds: float) -> None:
        assert seconds == 1.0
        study.tell(study.ask(), 0.5)

    monkeypatch.setattr(status.time, "sleep", finish_one)
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    status.watch(find("mine", outputs=tmp_path / "outputs"), console)
    assert [number for number in range(12) if f"{number} of 9 finished" in console.file.getvalue()] == list(range(10))


def test_watching_ends_with_ctrl_c(study, tmp_path, monkeypatch, command):  # noqa: ARG001 - the study is there
    def press(seconds: float) -> None:  # noqa: ARG001 - time.sleep's
        raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", press)
    typed = command("status", "--watch")
    assert typed.exit_code == 0
    assert "study mine\n0 of 9 finished" in typed.out


def test_the_command(study, command):  # noqa: ARG001 - the study is there
    typed = command("status")
    assert typed.exit_code == 0
    assert "study mine\n0 of 9 finished" in typed.out
    assert "no such study" in command("status", "yours").err
